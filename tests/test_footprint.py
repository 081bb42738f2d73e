"""What is said of memory and recomputation before a march is what it takes."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from solver import Bar, Experiment, Linear, Material, Objective, Sensor, Time, Unknown
from solver.checkpoints import MEMORY, Advance, Plan, Restore, Sweep, plan
from solver.footprint import footprint
from tests.experiments import course

EXACT = 0.1  # share of the bytes by which the prediction may be off


def bar(cells: int, steps: int, of: str, method: str, sensors: int = 1) -> Experiment:
    times = np.arange(1, steps + 1) / steps
    return replace(
        course(),
        bar=Bar(1.0, cells),
        time=Time(1.0, steps, method),
        material=Material(Linear(Unknown("a", 0.8), Unknown("b", 1.5), of=of)),
        sensors=tuple(
            Sensor(i / 8, times, np.full(steps, 0.05), name=str(i)) for i in range(sensors)
        ),
    )


@pytest.mark.parametrize(
    ("cells", "steps", "of", "method", "memory"),
    [
        (1000, 1000, "x", "backward-euler", MEMORY),
        (1000, 20_000, "x", "backward-euler", MEMORY),
        (20_000, 500, "x", "sdirk2", MEMORY),
        (5000, 2000, "x", "backward-euler", 4 * 10**6),
        (1000, 2000, "u", "backward-euler", MEMORY),
    ],
)
def test_the_peak_is_what_was_predicted(
    cells: int, steps: int, of: str, method: str, memory: int
) -> None:
    experiment = bar(cells, steps, of, method)
    said = footprint(experiment, memory)  # which also plans, and loads what planning needs
    Objective(bar(20, 20, of, method)).value_and_gradient(np.array([0.8, 1.5]))
    tracemalloc.start()
    objective = Objective(experiment, memory=memory)
    objective.value_and_gradient(objective.parameters.start)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert abs(said.bytes / peak - 1.0) <= EXACT
    assert objective.models[0].bar.march.held == said.states
    assert said.states <= memory
    assert abs(footprint(bar(2 * cells, steps, of, method), memory).bytes / peak - 1.0) > EXACT


@pytest.mark.parametrize(
    ("steps", "stages", "state", "memory"),
    [
        (1, 1, 8, 1),
        (7, 1, 8, 10**9),
        (1000, 2, 8000, 10**5),
        (999, 1, 80_000, 10**6),
        (50, 3, 8, 1),
    ],
)
def test_a_plan_is_right(steps: int, stages: int, state: int, memory: int) -> None:
    """Carried out on step numbers alone: every block is swept once, from its own stages."""
    p = plan(steps, stages, state, memory)
    marched, kept = carried_out(p)
    assert marched == p.marched
    assert kept <= p.states * state
    assert p.states * state <= max(memory, 3 * state * stages)
    with pytest.raises(AssertionError):
        carried_out(replace(p, backward=p.backward[:-1]))


def carried_out(p: Plan) -> tuple[int, int]:
    """Steps marched, and the states that were held at most, by an abstract march."""
    slots: dict[int, int] = {}
    u, stages, swept, marched, most = 0, (-1, -1), len(p.blocks), 0, 0
    for action in (*p.forward, *p.backward):
        match action:
            case Advance(first, last, slot, keep):
                assert u == p.blocks[first][0]
                if slot is not None:
                    slots[slot] = u
                u = p.blocks[last - 1][1]
                marched += u - p.blocks[first][0]
                stages = p.blocks[first] if keep else (-1, -1)
                assert not keep or last == first + 1
            case Restore(slot):
                u = slots[slot]
            case Sweep(block):
                assert stages == p.blocks[block]
                assert block == swept - 1
                swept = block
        most = max(most, 1 + p.length * p.stages + len(slots))
    assert swept == 0
    return marched, most
