"""A stage's guess from the steps before: it saves iterations and moves no answer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from solver import (
    TABLEAUX,
    Bar,
    Experiment,
    Exponential,
    Expression,
    Linear,
    Material,
    Objective,
    Polynomial,
    Source,
    Table,
    Time,
    Unknown,
)
from tests.experiments import COURSE_TIMES, course

Array = np.ndarray

A, B = Unknown("a", 1.0), Unknown("b", 1.5)
MATTER = {
    "lecture": Material(Linear(A, B, of="u")),
    "divergence": Material(Polynomial((A, B, 0.5), of="u"), "divergence"),
    "both": Material(
        conductivity=Exponential(A, B, of="u"), heat_capacity=Linear(1.0, 0.5, of="u")
    ),
    "kinked": Material(Table([-1.0, 0.02, 0.05, 2.0], [1.0, 1.2, 2.0, 2.1], of="u")),
}


def heated(
    material: Material, method: str | None = None, history: object = None, steps: int = 200
) -> Experiment:
    """The course's bar, heated by what rises and falls."""
    history = Expression("1+sin(6*t)", "t") if history is None else history
    source = Source(Expression("exp(-50*(x-0.3)**2)"), history)
    bar, time = Bar(1.0, 60), Time(1.0, steps, method)
    return replace(
        course(0.1 * COURSE_TIMES), bar=bar, time=time, material=material, source=(source,)
    )


def marched(e: Experiment, differences: int, tolerance: float = 1e-13) -> tuple[Array, Array, int]:
    """Readings, gradient, and iterations of the march there."""
    objective = Objective(e)
    march, theta = objective.models[0].bar.march, objective.parameters.start
    objective.predict(theta)  # the laws are laid out for the temperatures met
    march.differences, march.tolerance = differences, tolerance
    readings = objective.predict(theta)
    count = march.iterations
    gradient = objective.value_and_gradient(theta)[1] if theta.size else np.zeros(0)
    return readings, gradient, count


def gap(a: Array, b: Array) -> float:
    return float(np.max(np.abs(a - b), initial=0.0) / np.max(np.abs(b), initial=1e-300))


@pytest.mark.parametrize("method", sorted(TABLEAUX))
@pytest.mark.parametrize("name", MATTER)
def test_answers_do_not_depend_on_the_guess(name: str, method: str) -> None:
    e = heated(MATTER[name], method)
    exact, exact_gradient, _ = marched(e, 0, 1e-15)
    for differences in (1, 2, 3):
        readings, gradient, _ = marched(e, differences)
        assert gap(readings, exact) <= 1e-12
        assert gap(gradient, exact_gradient) <= 1e-11
    if name != "kinked":  # whose iteration ends with the piece that the root is in
        hasty, _, _ = marched(e, 3, 1e-6)
        assert gap(hasty, exact) > 1e-12  # iterations that end too early would show


@pytest.mark.parametrize("method", sorted(TABLEAUX))
def test_a_smooth_march_takes_hardly_more_than_an_iteration_a_stage(method: str) -> None:
    e = heated(MATTER["lecture"], method, steps=400)
    plain, first, second, third = (marched(e, differences)[2] for differences in range(4))
    assert third <= second <= first <= plain
    assert third <= 0.6 * plain


def test_noise_is_not_extrapolated() -> None:
    """Where what drives the bar jumps from step to step, guesses would be worse than none."""
    t = np.linspace(0.0, 1.0, 201)
    noise = Table(t, 1.0 + np.random.default_rng(5).standard_normal(t.size).clip(-0.9))
    e = heated(MATTER["lecture"], history=noise)
    assert marched(e, 3)[2] <= 1.05 * marched(e, 0)[2]


def test_a_jump_in_a_smooth_march_is_met_by_more_iterations() -> None:
    """What an earlier step showed of the convergence is not trusted across it."""
    jump = Table([0.0, 0.5, 0.501, 1.0], [0.1, 0.1, 40.0, 40.0])
    e = heated(MATTER["divergence"], history=jump)
    exact, _, plain = marched(e, 0, 1e-15)
    readings, _, count = marched(e, 3)
    assert gap(readings, exact) <= 1e-12
    assert count < plain
