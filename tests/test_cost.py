"""What derivatives cost: the adjoint does not ask how many unknowns there are."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from solver import Bar, Experiment, Material, Objective, Table, Time, Unknown
from tests.experiments import course


def bar(nodes: int) -> Experiment:
    """1000 cells, 1000 steps, the diffusivity a table of `nodes` unknown values."""
    x = np.linspace(0.0, 1.0, nodes)
    law = Table(x, Unknown("kappa", 1.0 + x))
    return replace(course(), bar=Bar(1.0, 1000), time=Time(1.0, 1000), material=Material(law))


def seconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def price(many: Callable[[], object], few: Callable[[], object], rounds: int = 15) -> float:
    """The median of the ratios of calls side by side."""
    many(), few()
    return float(np.median([seconds(many) / seconds(few) for _ in range(rounds)]))


def test_a_thousand_unknowns_cost_as_much_as_two() -> None:
    many, few = (Objective(bar(nodes)) for nodes in (1000, 2))
    start = [objective.parameters.start for objective in (many, few)]
    assert abs(many.value(start[0]) / few.value(start[1]) - 1.0) <= 1e-12
    by_adjoint = price(
        lambda: many.value_and_gradient(start[0]), lambda: few.value_and_gradient(start[1])
    )
    assert by_adjoint <= 1.3
    directions = np.eye(1000)[::50]  # a fiftieth of the tangents is dearer already
    by_tangents = price(
        lambda: many.jvp(start[0], directions.T), lambda: few.value_and_gradient(start[1]), 3
    )
    assert by_tangents > 1.3
