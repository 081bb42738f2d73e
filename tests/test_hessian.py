"""The Hessian of J, exact to round-off: against Taylor, differences, Gauss-Newton."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given

import solver
from solver import (
    TABLEAUX,
    Bar,
    Convection,
    Exchange,
    Experiment,
    Exponential,
    Expression,
    Fit,
    Flux,
    Grading,
    InvalidExperiment,
    Layers,
    Linear,
    Material,
    Objective,
    Polynomial,
    Prior,
    Sensor,
    Source,
    Table,
    Time,
    Unknown,
    simulate,
)
from solver.experiment import Study
from solver.simulate import MOST_HESSIAN, slope
from tests.experiments import course, fifty, si_course, sizes, studies, two_hundred, with_curve
from tests.test_gradients import WRONG, smooth
from tests.test_search import many_sources
from tests.verification import relative_gap, taylor_of_second_order

SYMMETRY_TOLERANCE = 1e-10
DIFFERENCES_TOLERANCE = 1e-6
METHOD = pytest.mark.parametrize("method", sorted(TABLEAUX))


def U(name: str, start: Any) -> Unknown:
    return Unknown(name, start)


LAWS: dict[str, Material] = {
    "number": Material(U("a", 0.4)),
    "linear of x": Material(Linear(U("a", 0.5), U("b", 0.3))),
    "polynomial of x": Material(Polynomial(U("c", (0.5, 0.2, -0.1))), "divergence"),
    "exponential of x": Material(Exponential(U("a", 0.5), U("b", -0.4)), "divergence"),
    "table of x": Material(Table([0.0, 0.4, 1.0], U("k", (0.5, 0.9, 0.6)), "monotone-cubic")),
    "layers": Material(
        conductivity=Layers([0.3], U("k", (0.5, 1.2))), heat_capacity=Linear(U("C", 1.4), 0.5)
    ),
    "linear of u": Material(Linear(U("a", 0.5), U("b", 0.3), of="u"), "divergence"),
    "exponential of u": Material(Exponential(U("a", 0.5), U("b", 0.4), of="u")),
    "polynomial of u": Material(
        conductivity=Polynomial(U("k", (0.5, 0.2, 0.1)), of="u"),
        heat_capacity=Linear(U("C", 1.4), U("D", 0.2), of="u"),
    ),
}
LAW = pytest.mark.parametrize("law", LAWS)


def bar(material: Material, method: str = "tr-bdf2", loss: str = "squared") -> Experiment:
    """A graded bar with unknowns in all of its parts; readings that it cannot explain."""
    rng = np.random.default_rng(8)
    exchange = Exchange(U("rate", 0.3), 0.2)
    return Experiment(
        bar=Bar(1.0, 17, U("cold", 0.3), Grading("left", 3.0)),
        time=Time(0.6, 15, method),
        material=replace(material, exchange=exchange),
        source=(Source(Expression("exp(-9*(x-0.4)**2)"), U("power", 1.5)),),
        left=Flux(Table([0.0, 0.3, 0.6], U("q", (0.8, -0.3, 0.4)))),
        right=Convection(U("h", 0.7), 0.1),
        sensors=tuple(
            Sensor(x, np.linspace(0.1, 0.6, 6), rng.uniform(0.0, 1.0, 6), 0.1) for x in (0.2, 0.9)
        ),
        fit=Fit(loss=loss, prior={"power": Prior(1.0, 0.5)}),
    )


def scaled(study: Study) -> tuple[Objective, np.ndarray, np.ndarray, np.ndarray]:
    """The objective, the point, the sizes there, and the Hessian by relative changes."""
    objective, size = Objective(study), sizes(study)
    smooth(objective)
    theta = objective.parameters.start
    return objective, theta, size, objective.hessian(theta) * np.outer(size, size)


def by_differences(objective: Objective, theta: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Central differences of the adjoint gradient, by relative changes."""
    h, columns = 1e-5, []
    for e in np.diag(size):
        ahead, behind = (objective.value_and_gradient(theta + s * e)[1] for s in (h, -h))
        columns.append((ahead - behind) * size / (2.0 * h))
    return np.stack(columns, axis=1)


def assert_symmetric(study: Study) -> None:
    *_, H = scaled(study)
    assert relative_gap(H.T, H) <= SYMMETRY_TOLERANCE
    wrong = H.copy()
    wrong[0] *= WRONG
    alone = np.abs(np.delete(H[0], 0)).max(initial=0.0) <= 1e-6 * np.linalg.norm(H)
    assert alone or relative_gap(wrong.T, wrong) > SYMMETRY_TOLERANCE


def assert_differences(study: Study) -> None:
    objective, theta, size, H = scaled(study)
    reach = np.abs(objective.value_and_gradient(theta)[1] * size).max()
    differences = by_differences(objective, theta, size)
    noise = 1e-8 * reach  # Huber's loss may be straight, and H nothing
    gap = np.linalg.norm(differences - H)
    assert gap <= DIFFERENCES_TOLERANCE * np.linalg.norm(H) + noise
    wrong = np.linalg.norm(differences - WRONG * H)
    straight = np.linalg.norm(H) <= 1e-4 * reach
    assert straight or wrong > DIFFERENCES_TOLERANCE * np.linalg.norm(H) + noise


def assert_third_order(study: Study) -> None:
    """The remainder of the quadratic model falls as h^3, along v or -v, where J bends most.

    On one of the two its terms of third and fourth order may cancel at some h.
    """
    objective, theta, size, H = scaled(study)
    J, gradient = objective.value_and_gradient(theta)
    curvatures, directions = np.linalg.eigh(H)
    most = int(np.argmax(np.abs(curvatures)))
    v = directions[:, most] / np.abs(directions[:, most]).max()
    bend, v = float(v @ H @ v), size * v
    first = unkinked(objective, theta, v)

    def rates(bend: float) -> list[float]:
        slope = float(gradient @ v)
        return [
            taylor_of_second_order(objective.value, theta, s * v, s * slope, bend, first)
            for s in (1.0, -1.0)
        ]

    right, wrong = rates(bend), rates(WRONG * bend)
    assert any(np.isnan(rate) or 2.9 <= rate <= 3.1 for rate in right)  # NaN: J is a parabola
    straight = abs(bend) <= 1e-9 * J
    assert straight or not any(np.isnan(rate) or 2.9 <= rate <= 3.1 for rate in wrong)


def unkinked(objective: Objective, theta: np.ndarray, v: np.ndarray) -> float:
    """A first step within which no residual passes the threshold of Huber's loss."""

    def inside(h: float) -> np.ndarray:
        return objective.shaped(objective.predict(theta + h * v)).psi_slope

    h = 5e-2
    while not (np.array_equal(inside(h), inside(0.0)) and np.array_equal(inside(-h), inside(0.0))):
        h /= 2.0
    return h


# --- on random studies ---------------------------------------------------------------------------


@two_hundred
@given(studies())
def test_symmetric(study: Study) -> None:
    assert_symmetric(study)


@fifty
@given(studies())
def test_against_differences_of_the_gradient(study: Study) -> None:
    assert_differences(study)


@fifty
@given(studies())
def test_the_quadratic_models_remainder_is_of_third_order(study: Study) -> None:
    assert_third_order(study)


# --- on these ------------------------------------------------------------------------------------


@METHOD
@LAW
@pytest.mark.parametrize("loss", ["squared", "huber"])
def test_every_law_method_and_loss(law: str, method: str, loss: str) -> None:
    study = bar(LAWS[law], method, loss)
    assert_symmetric(study)
    assert_differences(study)
    assert_third_order(study)


def test_what_has_units_of_its_own() -> None:
    """A small slow bar: figures of 1e-9 beside figures of 1e-7."""
    study = si_course()
    assert_symmetric(study)
    assert_differences(study)
    assert_third_order(study)
    one, H = solver.hessian(course())[0], solver.hessian(study)[0]
    unit = np.array([1e-2**2 / 1e4, 1e-2 / 1e4])
    assert relative_gap(H * np.outer(unit, unit), one) <= 1e-9  # the same bar


# --- against Gauss-Newton ------------------------------------------------------------------------


def test_gauss_newton_is_all_there_is_where_readings_are_linear_in_the_unknowns() -> None:
    study = many_sources(np.linspace(0.5, 2.0, 7))
    H, gauss_newton = solver.hessian(study)
    assert relative_gap(H, gauss_newton) <= 1e-12
    assert relative_gap(WRONG * H, gauss_newton) > 1e-12
    flux = replace(with_curve(), material=Material(2.0))
    H, gauss_newton = solver.hessian(flux)
    assert relative_gap(H, gauss_newton) <= 1e-12
    H, gauss_newton = solver.hessian(with_curve())
    assert relative_gap(H, gauss_newton) > 0.1  # with an unknown law they are not


@LAW
def test_gauss_newton_is_all_there_is_where_no_residual_is_left(law: str) -> None:
    base = bar(LAWS[law])
    base = replace(base, fit=Fit())
    pairs = zip(base.sensors, simulate(base), strict=True)
    exact = replace(base, sensors=tuple(replace(s, temperatures=d) for s, d in pairs))
    H, gauss_newton = solver.hessian(exact)
    size = np.outer(sizes(exact), sizes(exact))
    assert relative_gap(H * size, gauss_newton * size) <= 1e-12
    assert relative_gap(WRONG * H * size, gauss_newton * size) > 1e-12
    H, gauss_newton = solver.hessian(base)
    assert relative_gap(H * size, gauss_newton * size) > 1e-3


def test_the_prior_is_in_it() -> None:
    fit = Fit(prior={"b": Prior(1.4, 0.2)})
    plain, held = (solver.hessian(course(sigma=1.0, fit=f)) for f in (Fit(), fit))
    for without, with_prior in zip(plain, held, strict=True):
        expected = np.array([[0.0, 0.0], [0.0, 2.0 / 0.2**2]])
        np.testing.assert_allclose(with_prior - without, expected, rtol=1e-12, atol=1e-10)


# --- for users -----------------------------------------------------------------------------------


def test_named_by_component_and_at_a_point() -> None:
    study, at = with_curve(), {"a": 2.0, "flux": 0.2}
    found = slope(study, at, hessian=True)
    assert found.labels == ("a", "b", *(f"flux[{i}]" for i in range(5)))
    objective = Objective(study)
    theta = np.array([2.0, 1.0, *[0.2] * 5])
    np.testing.assert_array_equal(found.hessian, objective.hessian(theta))
    np.testing.assert_array_equal(solver.hessian(study, at)[0], found.hessian)
    assert (solver.hessian(study)[0] != found.hessian).any()
    plain = slope(study, at)
    assert (plain.hessian, plain.gauss_newton, plain.labels) == (None, None, ())
    assert plain.gradient == found.gradient


def test_an_objective_may_be_asked_for_its_hessian_first() -> None:
    """What is kept of the first evaluation is real, though that was a complex one."""
    fresh, asked = Objective(course()), Objective(course())
    theta = fresh.parameters.start
    asked.hessian(theta)
    J, gradient = asked.value_and_gradient(theta)
    assert gradient.dtype == np.float64
    np.testing.assert_array_equal(gradient, fresh.value_and_gradient(theta)[1])
    assert fresh.value(theta) == J


def many(size: int) -> Experiment:
    flux = Table(np.linspace(0.0, 1.0, size), Unknown("flux", (0.1,) * size))
    return course(left=Flux(flux), material=Material(1.0))


def test_too_many_unknowns_are_refused_before_any_work() -> None:
    with pytest.raises(InvalidExperiment) as error:
        solver.hessian(many(MOST_HESSIAN + 1))
    (problem,) = error.value.problems
    assert (problem.pointer, problem.code) == ("#/hessian", "too_many_unknowns")
    assert str(MOST_HESSIAN) in problem.detail
    assert slope(many(MOST_HESSIAN + 1)).hessian is None  # which may be had
    assert solver.hessian(many(MOST_HESSIAN))[0].shape == (MOST_HESSIAN, MOST_HESSIAN)
