"""What derivatives cost: the adjoint does not ask how many unknowns there are."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest

from solver import (
    Bar,
    Experiment,
    Exponential,
    Linear,
    Material,
    Objective,
    Polynomial,
    Table,
    Time,
    Unknown,
)
from solver.checkpoints import MEMORY
from solver.kernels.prediction import DIFFERENCES
from solver.network import unknown_network
from tests.experiments import COURSE_TIMES, course

ATTEMPTS = 8
LITTLE, TWICE = 1.6, 2.1  # what a gradient may cost, in marches


def bar(nodes: int) -> Experiment:
    """1000 cells, 1000 steps, the diffusivity a table of `nodes` unknown values."""
    x = np.linspace(0.0, 1.0, nodes)
    law = Table(x, Unknown("kappa", 1.0 + x))
    return replace(course(), bar=Bar(1.0, 1000), time=Time(1.0, 1000), material=Material(law))


def seconds(call: Callable[[], object]) -> float:
    """Of this thread's own work: what else runs on the machine does not count."""
    began = time.thread_time()
    call()
    return time.thread_time() - began


def price(
    many: Callable[[], object],
    few: Callable[[], object],
    rounds: int = 31,
    enough: float = 0.0,
) -> float:
    """The median of the ratios of calls side by side, on one core and with its cache.

    Of several the least, until it is `enough`: where a neighbour of the machine takes the cache, it
    does so for a while.
    """
    many(), few()
    least = np.inf
    with on_one_core():
        for _ in range(ATTEMPTS):
            if least > enough:
                ratios = [seconds(many) / seconds(few) for _ in range(rounds)]
                least = min(least, float(np.median(ratios)))
    return least


@contextmanager
def on_one_core() -> Iterator[None]:
    """This thread stays where it is, where the system can be told so."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(allowed)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def test_a_thousand_unknowns_cost_as_much_as_two() -> None:
    many, few = (Objective(bar(nodes)) for nodes in (1000, 2))
    start = [objective.parameters.start for objective in (many, few)]
    assert abs(many.value(start[0]) / few.value(start[1]) - 1.0) <= 1e-12
    by_adjoint = price(
        lambda: many.value_and_gradient(start[0]),
        lambda: few.value_and_gradient(start[1]),
        enough=1.2,
    )
    assert by_adjoint <= 1.2
    directions = np.eye(1000)[::50]  # a fiftieth of the tangents is dearer already
    by_tangents = price(
        lambda: many.jvp(start[0], directions.T), lambda: few.value_and_gradient(start[1]), 3
    )
    assert by_tangents > 1.3


# --- matter that changes with its temperature ----------------------------------------------------

A, B, C = Unknown("a", 2.0), Unknown("b", 1.5), Unknown("c", 0.5)
POINTS, VALUES = np.linspace(-0.1, 2.0, 20), Unknown("k", tuple(np.linspace(2.0, 4.0, 20)))
MATTER = {
    "linear": Material(Linear(A, B, of="u")),
    "divergence": Material(Linear(A, B, of="u"), "divergence"),
    "polynomial": Material(Polynomial((A, B, C), of="u"), "divergence"),
    "exponential": Material(Exponential(A, B, of="u"), "divergence"),
    "table": Material(conductivity=Table(POINTS, VALUES, of="u"), heat_capacity=1.0),
    "both": Material(conductivity=Linear(A, B, of="u"), heat_capacity=Linear(1.0, C, of="u")),
}
# To evaluate these takes half a millisecond, which does not grow with the grid.
LARGE = {
    "cubic": Material(Table(POINTS, VALUES, "monotone-cubic", of="u"), "divergence"),
    "network": Material(unknown_network("net", (20, 20, 20), of="u"), "divergence"),
}


def price_of_gradient(
    material: Material,
    cells: int,
    steps: int,
    enough: float,
    memory: int = MEMORY,
    *,
    guesses: bool = False,
) -> float:
    """Value and gradient over the march alone that keeps its trajectory for them.

    That march begins every stage where the last one ended, and takes two iterations or three; with
    `guesses` it begins where the steps before lead, as a march does, and takes hardly more than
    one: a gradient, whose way back is another solve, then costs more of it.
    """
    wide = course(0.1 * COURSE_TIMES)  # laws are laid out once, for all temperatures met
    e = replace(wide, bar=Bar(1.0, cells), time=Time(1.0, steps), material=material)
    objective = Objective(e, memory=memory)
    theta, model = objective.parameters.start, objective.models[0]
    march = model.bar.march

    def alone() -> None:
        march.differences = DIFFERENCES if guesses else 0
        model.forward(theta)
        march.differences = DIFFERENCES

    rounds = 301 if cells < 1000 else 21
    return price(lambda: objective.value_and_gradient(theta), alone, rounds, enough)


@pytest.mark.parametrize(("cells", "steps"), [(100, 200), (1000, 1000)])
@pytest.mark.parametrize("name", MATTER)
def test_a_gradient_costs_little_more_than_its_march(name: str, cells: int, steps: int) -> None:
    assert price_of_gradient(MATTER[name], cells, steps, LITTLE) <= LITTLE


@pytest.mark.parametrize("name", [*MATTER, *LARGE])
def test_a_gradient_costs_twice_a_march_that_guesses(name: str) -> None:
    assert price_of_gradient((MATTER | LARGE)[name], 1000, 1000, TWICE, guesses=True) <= TWICE


@pytest.mark.parametrize("name", LARGE)
def test_a_gradient_of_a_curve_costs_no_more_on_a_large_grid(name: str) -> None:
    assert price_of_gradient(LARGE[name], 1000, 1000, LITTLE) <= LITTLE


def test_a_trajectory_that_is_not_kept_is_dearer() -> None:
    assert price_of_gradient(MATTER["linear"], 1000, 1000, LITTLE, memory=2**20) > LITTLE
