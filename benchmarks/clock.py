"""Warm, interleaved timing.

A machine's noise comes in spells. Here all calls take turns, round after round, so that a spell
hits all of them alike, and the median over the rounds leaves it out. A turn begins with an untimed
call, so that nobody pays for what its neighbour left in the caches, and short calls are repeated
for a while, as a search repeats them; a turn of theirs counts with its median.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median
from time import perf_counter
from typing import Any

Call = Callable[[], Any]

LONG = 0.5  # s; a call in which what a neighbour left in the caches is nothing
TURN = 0.02  # s for which a short call is repeated


@dataclass(frozen=True)
class Effort:
    """How long to measure: at least `rounds` rounds, and further ones until `seconds` are over."""

    rounds: int = 5
    seconds: float = 2.0


@dataclass(frozen=True)
class Timing:
    """The median time of each call in seconds, by name, and how many rounds it is taken over."""

    medians: dict[str, float]
    rounds: int


def interleaved(calls: Mapping[str, Call], effort: Effort) -> Timing:
    """Time `calls` in turns."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    end = perf_counter() + effort.seconds
    rounds = 0
    while rounds < effort.rounds or perf_counter() < end:
        for name, call in calls.items():
            if not times[name] or times[name][-1] < LONG:
                call()
            times[name].append(turn_of(call))
        rounds += 1
    return Timing({name: median(t) for name, t in times.items()}, rounds)


def turn_of(call: Call) -> float:
    """The median time of a call, repeated for `TURN`."""
    times, end = [seconds_of(call)], perf_counter() + TURN
    while perf_counter() < end - times[-1]:
        times.append(seconds_of(call))
    return median(times)


def seconds_of(call: Call) -> float:
    """How long one call takes."""
    start = perf_counter()
    call()
    return perf_counter() - start
