"""What derivatives cost: the adjoint does not ask how many unknowns there are."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from multiprocessing import get_context

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

PROCESSES = 6  # besides this one
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


def ratio(many: Callable[[], object], few: Callable[[], object], rounds: int = 31) -> float:
    """The median of the ratios of calls side by side, on one core and with its cache.

    Of three the least: where a neighbour of the machine takes the cache, it does so for a while.
    """
    many(), few()
    with on_one_core():
        medians = [
            np.median([seconds(many) / seconds(few) for _ in range(rounds)]) for _ in range(3)
        ]
    return float(min(medians))


def price(enough: float, measure: Callable[..., float], *arguments: object) -> float:
    """The `ratio` that is measured here, or in one of a few other processes, until it is `enough`.

    In some processes a march of 100 unknowns takes up to a fifth longer than in others, for as long
    as they live and wherever its data lie.
    """
    found = measure(*arguments)
    for _ in range(PROCESSES):
        if found > enough:
            with ProcessPoolExecutor(1, get_context("spawn")) as other:
                found = min(found, other.submit(measure, *arguments).result())
    return found


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


def many_over_few(*, tangents: bool) -> float:
    """A gradient by 1000 unknowns over one by 2; or a fiftieth of the tangents over it."""
    many, few = (Objective(bar(nodes)) for nodes in (1000, 2))
    of_many, of_few = (objective.parameters.start for objective in (many, few))
    assert abs(many.value(of_many) / few.value(of_few) - 1.0) <= 1e-12
    directions = np.eye(1000)[::50].T

    def by_two() -> object:
        return few.value_and_gradient(of_few)

    if tangents:
        return ratio(lambda: many.jvp(of_many, directions), by_two, 3)
    return ratio(lambda: many.value_and_gradient(of_many), by_two)


def test_a_thousand_unknowns_cost_as_much_as_two() -> None:
    assert price(1.2, partial(many_over_few, tangents=False)) <= 1.2
    assert price(1.3, partial(many_over_few, tangents=True)) > 1.3


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
ALL = MATTER | LARGE


def gradient_over_march(
    name: str, cells: int, steps: int, memory: int = MEMORY, *, guesses: bool = False
) -> float:
    """Value and gradient over the march alone that keeps its trajectory for them.

    That march begins every stage where the last one ended, and takes two iterations or three; with
    `guesses` it begins where the steps before lead, as a march does, and takes hardly more than
    one: a gradient, whose way back is another solve, then costs more of it.
    """
    wide = course(0.1 * COURSE_TIMES)  # laws are laid out once, for all temperatures met
    e = replace(wide, bar=Bar(1.0, cells), time=Time(1.0, steps), material=ALL[name])
    objective = Objective(e, memory=memory)
    theta, model = objective.parameters.start, objective.models[0]
    march = model.bar.march

    def alone() -> None:
        march.differences = DIFFERENCES if guesses else 0
        model.forward(theta)
        march.differences = DIFFERENCES

    rounds = 301 if cells < 1000 else 21
    return ratio(lambda: objective.value_and_gradient(theta), alone, rounds)


@pytest.mark.parametrize(("cells", "steps"), [(100, 200), (1000, 1000)])
@pytest.mark.parametrize("name", MATTER)
def test_a_gradient_costs_little_more_than_its_march(name: str, cells: int, steps: int) -> None:
    assert price(LITTLE, gradient_over_march, name, cells, steps) <= LITTLE


@pytest.mark.parametrize("name", ALL)
def test_a_gradient_costs_twice_a_march_that_guesses(name: str) -> None:
    measure = partial(gradient_over_march, guesses=True)
    assert price(TWICE, measure, name, 1000, 1000) <= TWICE


@pytest.mark.parametrize("name", LARGE)
def test_a_gradient_of_a_curve_costs_no_more_on_a_large_grid(name: str) -> None:
    assert price(LITTLE, gradient_over_march, name, 1000, 1000) <= LITTLE


def test_a_trajectory_that_is_not_kept_is_dearer() -> None:
    measure = partial(gradient_over_march, memory=2**20)
    assert price(LITTLE, measure, "linear", 1000, 1000) > LITTLE  # in none of the processes
