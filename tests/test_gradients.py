"""Every derivative, on two hundred random experiments, against proofs that share no code with it.

Each proof comes with its negative control: what it lets pass is only worth something if it stops a
gradient that is wrong by a thousandth.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
import pytest
from hypothesis import given

import solver
from solver import BOUNDARIES, LAWS, TABLEAUX, Experiment, Objective, Source, Unknown
from solver.integrators import Tableau
from tests import oracles, verification
from tests.experiments import METHODS, course, experiments, fifty, sizes, two_hundred
from tests.verification import complex_step, dot_product_gap, relative_gap

GRADIENT_TOLERANCE = 1e-10
GAP_TOLERANCE = 1e-11
WRONG = 1.001


def misfit(objective: Objective, m: np.ndarray) -> complex:
    """J without a conjugate, so that a complex step passes through."""
    r = (objective.predict(m) - objective.data) * objective.weights
    return r @ r


@two_hundred
@given(experiments())
def test_readings_are_those_of_the_dense_bar(experiment: Experiment) -> None:
    objective = Objective(experiment)
    values = oracles.start_values(experiment)
    assert objective.parameters.names == tuple(values)
    expected = oracles.readings(experiment, values)
    assert relative_gap(objective.predict(objective.parameters.start), expected) <= 1e-11


@two_hundred
@given(experiments())
def test_adjoint_gradient_is_the_dense_bars(experiment: Experiment) -> None:
    objective, scale = Objective(experiment), sizes(experiment)
    J, gradient = objective.value_and_gradient(objective.parameters.start)
    values = oracles.start_values(experiment)
    expected = oracles.misfit_gradient(experiment, values) * scale
    assert relative_gap(np.array([J]), np.array([oracles.misfit(experiment, values)])) <= 1e-11
    assert relative_gap(gradient * scale, expected) <= GRADIENT_TOLERANCE
    assert relative_gap(WRONG * gradient * scale, expected) > GRADIENT_TOLERANCE


@two_hundred
@given(experiments())
def test_adjoint_gradient_is_the_complex_step_through_the_same_kernels(
    experiment: Experiment,
) -> None:
    objective, scale = Objective(experiment), sizes(experiment)
    m = objective.parameters.start
    _, gradient = objective.value_and_gradient(m)
    expected = complex_step(lambda moved: misfit(objective, moved), m) * scale
    assert relative_gap(gradient * scale, expected) <= GRADIENT_TOLERANCE
    assert relative_gap(WRONG * gradient * scale, expected) > GRADIENT_TOLERANCE


@two_hundred
@given(experiments())
def test_taylor_remainder_is_of_second_order(experiment: Experiment) -> None:
    objective, scale = Objective(experiment), sizes(experiment)
    m = objective.parameters.start
    _, gradient = objective.value_and_gradient(m)
    v = scale * np.where(gradient < 0.0, -1.0, 1.0)
    slope = float(gradient @ v)
    right = verification.taylor(objective.value, m, v, slope)
    wrong = verification.taylor(objective.value, m, v, WRONG * slope)
    assert 1.95 <= right.r1 <= 2.05
    assert 0.95 <= right.r0 <= 1.05  # the functional is not flat
    assert not 1.95 <= wrong.r1 <= 2.05


@two_hundred
@given(experiments())
def test_tangent_and_adjoint_are_each_others_transpose(experiment: Experiment) -> None:
    objective, scale = Objective(experiment), sizes(experiment)
    m, rng = objective.parameters.start, np.random.default_rng(3)
    w = rng.standard_normal(objective.data.size)
    v = scale * rng.standard_normal(m.size)
    jvp, vjp = objective.jvp(m, v), objective.vjp(m, w)
    assert dot_product_gap(jvp, w, v, vjp) <= GAP_TOLERANCE
    aligned = np.sign(vjp) * scale  # <v, J^T w> is not small by accident
    jvp = objective.jvp(m, aligned)
    assert dot_product_gap(jvp, w, aligned, WRONG * vjp) > GAP_TOLERANCE


@pytest.mark.parametrize(("cells", "steps"), [(2, 1), (2, 1000), (500, 1), (500, 1000), (37, 211)])
def test_transposes_of_all_shapes(cells: int, steps: int) -> None:
    rng = np.random.default_rng([cells, steps])
    base = course(np.zeros(51))
    places = [0.0, *rng.uniform(0.0, 1.0, 3), 1.0]
    sensors = [replace(base.sensors[0], x=float(x), times=_uneven(rng)) for x in places]
    experiment = replace(
        base,
        bar=replace(base.bar, cells=cells, initial=Unknown("initial", 0.3)),
        time=replace(base.time, steps=steps),
        left=solver.Flux(Unknown("left", 0.2)),
        right=solver.Temperature(Unknown("right", -0.4)),
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


@fifty
@given(experiments())
def test_jacobian_is_the_dense_bars_and_its_products_agree(experiment: Experiment) -> None:
    objective, scale = Objective(experiment), sizes(experiment)
    m, rng = objective.parameters.start, np.random.default_rng(4)
    R = objective.jacobian(m)
    values = oracles.start_values(experiment)

    def readings(moved: np.ndarray) -> np.ndarray:
        return oracles.readings(experiment, dict(zip(values, moved, strict=True)))

    assert relative_gap(R * scale, complex_step(readings, m) * scale) <= GRADIENT_TOLERANCE
    v, w = scale * rng.standard_normal((3, m.size)), rng.standard_normal(objective.data.size)
    assert relative_gap(objective.jvp(m, v[0]), R @ v[0]) <= 1e-11
    assert relative_gap(objective.jvp(m, v.T), R @ v.T) <= 1e-11
    assert relative_gap(objective.vjp(m, w) * scale, R.T @ w * scale) <= 1e-11
    assert relative_gap(WRONG * objective.vjp(m, w) * scale, R.T @ w * scale) > 1e-11


@fifty
@given(experiments())
def test_adjoint_gradient_against_finite_differences(experiment: Experiment) -> None:
    """The check a newcomer would do; it sees six digits, the complex step sees twelve."""
    objective, scale = Objective(experiment), sizes(experiment)
    m = objective.parameters.start
    _, gradient = objective.value_and_gradient(m)
    differences = verification.central_differences(objective.value, m, 1e-5 * scale)
    assert relative_gap(gradient * scale, differences * scale) <= 1e-6
    assert relative_gap(WRONG * gradient * scale, differences * scale) > 1e-6


@pytest.mark.parametrize("name", sorted(LAWS))
def test_partials_of_every_law_are_its_complex_step(name: str) -> None:
    law, s, rng = LAWS[name], np.linspace(0.0, 2.0, 7), np.random.default_rng(6)
    names = [f.name for f in fields(law)]
    m = rng.uniform(0.5, 1.5, len(names))
    expected = complex_step(lambda p: law(**dict(zip(names, p, strict=True))).value(s), m)
    partials = law(**dict(zip(names, map(float, m), strict=True))).partials(s)
    assert sorted(partials) == sorted(names)
    found = np.stack([partials[n] for n in names], axis=-1)
    assert relative_gap(found, expected) <= 1e-14
    assert relative_gap(WRONG * found, expected) > 1e-14


@pytest.mark.parametrize("method", sorted(TABLEAUX))
@pytest.mark.parametrize("right", sorted(BOUNDARIES))
@pytest.mark.parametrize("left", sorted(BOUNDARIES))
@pytest.mark.parametrize("law", sorted(LAWS))
def test_every_registered_combination(law: str, left: str, right: str, method: str) -> None:
    """All of LAWS x BOUNDARIES x BOUNDARIES x TABLEAUX, everything in them unknown."""
    names = [f.name for f in fields(LAWS[law])]
    base = course(np.linspace(0.1, 0.3, 51))
    experiment = replace(
        base,
        bar=replace(base.bar, cells=9, initial=Unknown("initial", 0.2)),
        time=replace(base.time, steps=7, method=method),
        material=solver.Material(LAWS[law](*(Unknown(n, 0.4) for n in names))),
        source=(*base.source, Source(Unknown("profile", 0.3), Unknown("history", 0.7))),
        left=BOUNDARIES[left](Unknown("left", 0.5)),
        right=BOUNDARIES[right](Unknown("right", -0.6)),
        sensors=(replace(base.sensors[0], x=0.3),),
    )
    objective, values = Objective(experiment), oracles.start_values(experiment)
    _, gradient = objective.value_and_gradient(objective.parameters.start)
    expected = oracles.misfit_gradient(experiment, values)
    assert relative_gap(gradient, expected) <= GRADIENT_TOLERANCE
    assert np.all(expected != 0.0)
    for j in range(gradient.size):  # no component may be missed
        dropped = np.where(np.arange(gradient.size) == j, 0.0, gradient)
        assert relative_gap(dropped, expected) > GRADIENT_TOLERANCE


@pytest.mark.parametrize("method", sorted(METHODS))
def test_a_method_of_several_stages_needs_only_its_table(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pinned and free ends that move within a step, unknown; the tableau is the only news."""
    monkeypatch.setitem(TABLEAUX, "new", METHODS[method])
    base = course(np.linspace(0.1, 0.3, 51))
    experiment = replace(
        base,
        bar=replace(base.bar, cells=12, initial=Unknown("initial", 0.2)),
        time=replace(base.time, steps=9, method="new"),
        source=(Source(Unknown("power", 0.7), solver.Expression("exp(-3*t)", "t")),),
        left=solver.Flux(solver.Expression("sin(5*t)", "t")),
        right=solver.Temperature(solver.Expression("0.3*cos(4*t)", "t")),
        sensors=(base.sensors[0], replace(base.sensors[0], x=0.97)),
    )
    for changed in (experiment, replace(experiment, right=solver.Temperature(Unknown("r", 0.4)))):
        objective, values = Objective(changed), oracles.start_values(changed)
        m = objective.parameters.start
        J, gradient = objective.value_and_gradient(m)
        expected = oracles.misfit_gradient(changed, values)
        assert abs(J - oracles.misfit(changed, values)) <= 1e-12 * J
        assert relative_gap(gradient, expected) <= GRADIENT_TOLERANCE
        r = objective.residuals(m)
        assert relative_gap(2.0 * objective.vjp(m, r), expected) <= GRADIENT_TOLERANCE
        assert relative_gap(2.0 * objective.jacobian(m).T @ r, expected) <= GRADIENT_TOLERANCE
    monkeypatch.setitem(TABLEAUX, "new", Tableau(2, ((0.6,), (0.4, 0.6))))  # another method
    other = oracles.misfit_gradient(changed, values)
    assert relative_gap(gradient, other) > GRADIENT_TOLERANCE


@dataclass(frozen=True)
class Exponential:
    """``a exp(b s)``: a law that is not registered, and not linear in its parameters."""

    a: solver.curves.Number
    b: solver.curves.Number

    def value(self, s: np.ndarray) -> np.ndarray:
        return self.a * np.exp(self.b * s)

    def partials(self, s: np.ndarray) -> dict[str, np.ndarray]:
        return {"a": np.exp(self.b * s), "b": s * self.value(s)}


class Forgetful(Exponential):
    """The same law with a slip of the pen in one partial."""

    def partials(self, s: np.ndarray) -> dict[str, np.ndarray]:
        return {"a": np.exp(self.b * s), "b": self.value(s)}


@pytest.mark.parametrize(("law", "right"), [(Exponential, True), (Forgetful, False)])
def test_a_new_law_needs_only_its_value_and_partials(law: type[Exponential], right: bool) -> None:
    experiment = course(material=solver.Material(law(Unknown("a", 2.0), Unknown("b", 0.7))))
    _, gradient = Objective(experiment).value_and_gradient(np.array([2.0, 0.7]))
    expected = oracles.misfit_gradient(experiment, oracles.start_values(experiment))
    assert (relative_gap(gradient, expected) <= GRADIENT_TOLERANCE) == right


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
