r"""What an adjoint march keeps, and what it marches again: planned before the march, in numbers.

The adjoint needs the stage values of every step, last step first. Kept whole they cost
``steps stages`` states, and streaming them through memory costs more than computing them again. So
the march is cut into blocks:

* all stages are kept while they fit `WHOLE` bytes; where each costs iterations, while they fit in
  memory;
* beyond, the state at the start of every block is kept, and a block's stages are computed when the
  sweep reaches it (one more solve a step). Blocks of b steps of s stages and m/b states need
  ``b s + m/b`` states in all, least for ``b = sqrt(m/s)``; they are no shorter than fills `CACHE`;
* where that is more than the `memory` one has, states are kept at a few blocks only, and the rest
  is marched again from them, by a binomial schedule, whose recomputation is least for so many.

References: Griewank & Walther, ACM Trans. Math. Software 26 (2000) 19-45 (binomial checkpointing);
Dolci, Maddison, Ham, Pallez & Herrmann, J. Open Source Software 9 (2024) 6148 (the package
checkpoint_schedules).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import comb, isqrt
from typing import NamedTuple

WHOLE = 16 * 2**20  # bytes of stage values that are kept without more ado
CACHE = 2**22  # bytes that a block fills at least: a share of the cache that cores have in common
MEMORY = 256 * 2**20  # bytes that a march may keep
PLANS = 256  # that are remembered


class Advance(NamedTuple):
    """March the steps of the blocks first..last, after u was saved in `slot`; keep the stages."""

    first: int
    last: int
    slot: int | None
    keep: bool


class Restore(NamedTuple):
    """Go back to the u that was saved in `slot`."""

    slot: int


class Sweep(NamedTuple):
    """Sweep back over a block whose stages are kept."""

    block: int


Action = Advance | Restore | Sweep


@dataclass(frozen=True)
class Plan:
    """A march there and back.

    length: steps of a block (the first may be shorter); forward, backward: what is done;
    snapshots: states saved at a time; marched: steps marched forward in all; past: vectors that go
    with a state into a snapshot.
    """

    steps: int
    stages: int
    length: int
    forward: tuple[Action, ...]
    backward: tuple[Action, ...]
    snapshots: int
    marched: int
    past: int = 0

    @cached_property
    def blocks(self) -> tuple[tuple[int, int], ...]:
        """The steps (first, last) of every block; a short one comes first."""
        return _blocks(self.steps, self.length)

    @property
    def states(self) -> int:
        """Vectors of the bar's size that are held: a block's stages and its start, snapshots."""
        return 1 + self.length * self.stages + self.snapshots * (1 + self.past)

    @property
    def again(self) -> float:
        """Steps marched again, as a share of the steps."""
        return self.marched / self.steps - 1.0


@lru_cache(PLANS)
def plan(
    steps: int,
    stages: int,
    state_bytes: int,
    memory: int = MEMORY,
    *,
    whole: int = WHOLE,
    past: int = 0,
) -> Plan:
    """The march of `steps` steps with states of so many bytes, within `memory` if it can be.

    whole: bytes up to which all stages are kept; past: see `Plan`.
    """
    held = max(3, memory // state_bytes)
    if 1 + steps * stages <= min(held, max(3, whole // state_bytes)):
        return _every_block(steps, stages, steps, past)
    length = min(steps, max(1, isqrt(steps // stages), CACHE // (state_bytes * stages)))
    every = _every_block(steps, stages, length, past)
    return every if every.states <= held else _binomial(steps, stages, held, past)


def _every_block(steps: int, stages: int, length: int, past: int) -> Plan:
    """A state is saved at the start of every block but the last."""
    last = -(-steps // length) - 1
    forward = [Advance(b, b + 1, None if b == last else b, b == last) for b in range(last + 1)]
    backward: list[Action] = [Sweep(last)]
    for b in reversed(range(last)):
        backward += [Restore(b), Advance(b, b + 1, None, True), Sweep(b)]
    marched = steps + (last and _blocks(steps, length)[last - 1][1])
    return Plan(steps, stages, length, tuple(forward), tuple(backward), last, marched, past)


def _binomial(steps: int, stages: int, held: int, past: int) -> Plan:
    """The least marching within `held` states, over lengths of blocks."""
    lengths = [1]
    while 2 + 2 * lengths[-1] * stages < held and 2 * lengths[-1] < steps:
        lengths.append(2 * lengths[-1])
    rooms = {b: max(1, (held - 1 - b * stages) // (1 + past)) for b in lengths}
    best = min(lengths, key=lambda b: b * _marches(-(-steps // b), rooms[b]))
    return _scheduled(steps, stages, best, rooms[best], past)


def _marches(blocks: int, snapshots: int) -> int:
    """Blocks marched forward in all by the binomial schedule."""
    repeats = 1
    while comb(snapshots + repeats, snapshots) < blocks:
        repeats += 1
    return (repeats + 1) * blocks - comb(snapshots + repeats, repeats - 1)


def _scheduled(steps: int, stages: int, length: int, snapshots: int, past: int) -> Plan:
    """The schedule of checkpoint_schedules, its snapshots numbered."""
    from checkpoint_schedules import (  # when it is needed: it is slow to load
        Copy,
        EndForward,
        Forward,
        Move,
        MultistageCheckpointSchedule,
        Reverse,
    )

    blocks = _blocks(steps, length)
    snapshots = max(1, min(snapshots, len(blocks) - 1))
    free, slots = list(range(snapshots)), dict[int, int]()
    done: list[Action] = []
    there, marched = 0, 0
    for action in MultistageCheckpointSchedule(len(blocks), snapshots, 0):
        match action:
            case Forward(n0=first, n1=last, write_ics=save, write_adj_deps=keep):
                if save:
                    slots[first] = free.pop()
                done.append(Advance(first, last, slots[first] if save else None, keep))
                marched += blocks[last - 1][1] - blocks[first][0]
            case Copy(n=block):
                done.append(Restore(slots[block]))
            case Move(n=block):
                done.append(Restore(slots[block]))
                free.append(slots.pop(block))
            case Reverse(n0=block):
                done.append(Sweep(block))
            case EndForward():
                there = len(done)
    forward, backward = tuple(done[:there]), tuple(done[there:])
    return Plan(steps, stages, length, forward, backward, snapshots, marched, past)


@lru_cache(PLANS)
def _blocks(steps: int, length: int) -> tuple[tuple[int, int], ...]:
    return tuple(_ranges(steps, length))


def _ranges(steps: int, length: int) -> Iterator[tuple[int, int]]:
    rest = steps % length
    if rest:
        yield 0, rest
    for first in range(rest, steps, length):
        yield first, first + length
