"""Derivative products by name, of all shapes, and of studies of several experiments."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import solver
from solver import Flux, Material, Objective, Prior, Source, Temperature, Unknown
from tests.experiments import course, with_curve
from tests.verification import dot_product_gap, relative_gap

GAP_TOLERANCE = 1e-11
WRONG = 1.001


@pytest.mark.parametrize("of", ["x", "u"])
@pytest.mark.parametrize("method", ["backward-euler", "crank-nicolson"])
@pytest.mark.parametrize(("cells", "steps"), [(2, 1), (2, 1000), (500, 1), (500, 1000), (37, 211)])
def test_transposes_of_all_shapes(cells: int, steps: int, method: str, of: str) -> None:
    rng = np.random.default_rng([cells, steps])
    base = course(np.zeros(51))
    places = [0.0, *rng.uniform(0.0, 1.0, 3), 1.0]
    sensors = [replace(base.sensors[0], x=float(x), times=_uneven(rng)) for x in places]
    experiment = replace(
        base,
        bar=replace(base.bar, cells=cells, initial=Unknown("initial", 0.3)),
        time=replace(base.time, steps=steps, method=method),
        material=Material(replace(base.material.diffusivity, of=of)),
        left=Flux(Unknown("left", 0.2)),
        right=Temperature(Unknown("right", -0.4)),
        sensors=tuple(sensors),
    )
    objective = Objective(experiment)
    m = objective.parameters.start
    w, v = rng.standard_normal(objective.data.size), rng.standard_normal(m.size)
    jvp, vjp = objective.jvp(m, v), objective.vjp(m, w)
    assert dot_product_gap(jvp, w, v, vjp) <= GAP_TOLERANCE
    assert dot_product_gap(jvp, w, v, WRONG * vjp) > GAP_TOLERANCE


def _uneven(rng: np.random.Generator) -> np.ndarray:
    """51 times from 0 to 1, whatever the steps."""
    return np.concatenate([[0.0], np.sort(rng.uniform(0.0, 1.0, 49)), [1.0]])


def test_named_functions_agree_with_the_objective() -> None:
    experiment, at = course(), {"a": 2.0, "b": 1.5}
    objective, m = Objective(experiment), np.array([2.0, 1.5])
    J, gradient = solver.value_and_gradient(experiment, at)
    expected, by_position = objective.value_and_gradient(m)
    assert J == expected
    assert list(gradient) == ["a", "b"]
    assert list(gradient.values()) == by_position.tolist()
    np.testing.assert_array_equal(solver.jacobian(experiment, at), objective.jacobian(m))
    np.testing.assert_allclose(
        solver.jvp(experiment, {"b": 1.0}, at), objective.jacobian(m)[:, 1], rtol=1e-13, atol=0
    )
    w = np.ones(objective.data.size)
    assert list(solver.vjp(experiment, w, at).values()) == objective.vjp(m, w).tolist()


def test_a_direction_along_an_unknown_name_is_refused() -> None:
    with pytest.raises(solver.InvalidExperiment, match="'diffusivity'"):
        solver.jvp(course(), {"diffusivity": 1.0})


def test_a_cotangent_of_the_wrong_length_is_refused() -> None:
    with pytest.raises(solver.SolverError):
        solver.vjp(course(), np.ones(3))


def test_many_directions_are_marched_in_chunks() -> None:
    """More unknowns than one tangent march carries."""
    base = course()
    sources = tuple(
        Source(solver.Expression(f"exp(-200*(x-{j / 40})**2)"), Unknown(f"s{j}", 1.0 + 0.1 * j))
        for j in range(40)
    )
    objective = Objective(replace(base, source=sources))
    m = objective.parameters.start
    R, w = objective.jacobian(m), np.random.default_rng(7).standard_normal(objective.data.size)
    assert m.size == 42
    assert relative_gap(objective.vjp(m, w), R.T @ w) <= 1e-12
    assert relative_gap(objective.vjp(m, w)[::-1], R.T @ w) > 1e-12


# --- curves and priors ---------------------------------------------------------------------------


def test_a_curve_is_a_list_under_its_name() -> None:
    experiment = with_curve()
    objective = Objective(experiment)
    assert objective.parameters.labels == ("a", "b", *(f"flux[{i}]" for i in range(5)))
    _, gradient = solver.value_and_gradient(experiment)
    _, expected = objective.value_and_gradient(objective.parameters.start)
    assert gradient == {"a": expected[0], "b": expected[1], "flux": expected[2:].tolist()}
    v = [0.0, 0.0, 1.0, 0.0, 0.0]
    column = solver.jacobian(experiment)[:, 4]
    np.testing.assert_allclose(solver.jvp(experiment, {"flux": v}), column, rtol=1e-12, atol=1e-15)
    with pytest.raises(solver.InvalidExperiment, match="3 values for a curve of 5"):
        solver.jvp(experiment, {"flux": [1.0, 2.0, 3.0]})


def test_a_value_not_in_the_list_of_unknowns_moves_nothing_else() -> None:
    """One value of a list unknown, the others given: the same as that column of the whole list."""
    whole = with_curve()
    values = (0.3, -0.1, Unknown("third", 0.4), 0.2, 0.0)
    one = course(left=Flux(solver.Table(np.linspace(0.0, 1.0, 5), values)))
    found, expected = solver.simulate(one)[0], solver.simulate(whole)[0]
    np.testing.assert_allclose(found, expected, rtol=1e-14)
    J, gradient = solver.value_and_gradient(one)
    assert pytest.approx(solver.value_and_gradient(whole)[0], rel=1e-13) == J
    expected = solver.value_and_gradient(whole)[1]["flux"]
    assert gradient["third"] == pytest.approx(expected[2], rel=1e-12)
    assert gradient["third"] != pytest.approx(expected[3], rel=1e-3)


def test_a_prior_is_one_more_reading_of_its_unknown() -> None:
    experiment = with_curve()
    fit = replace(experiment.fit, prior={"b": Prior(1.4, 0.2), "flux": Prior(0.1, 0.5)})
    objective = Objective(replace(experiment, fit=fit))
    theta = objective.parameters.start
    terms = objective.terms(theta, objective.predict(theta))
    flux = np.array([0.3, -0.1, 0.4, 0.2, 0.0])
    expected = ((1.0 - 1.4) / 0.2) ** 2 + np.sum(((flux - 0.1) / 0.5) ** 2)
    assert terms["prior"] == pytest.approx(expected, rel=1e-14)
    assert terms["data"] == Objective(experiment).value(theta)
    assert objective.value(theta) == pytest.approx(sum(terms.values()), rel=1e-14)
    assert objective.residuals(theta).size == 51 + 6
