"""Several experiments with one set of unknowns: a sum of misfits, and mistakes at their places."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import solver
from solver import (
    Bar,
    Expression,
    Fit,
    Flux,
    Joint,
    Linear,
    Material,
    Objective,
    Time,
    TrialError,
    Unknown,
)
from solver.network import Network, unknown_network
from solver.validation import validate_for_data, validate_for_fit
from tests import oracles
from tests.experiments import course, with_curve
from tests.mistakes import FINE, law, problems_of, second, sensor, source
from tests.verification import relative_gap

U = Unknown
NETWORK = unknown_network("w", (3,), 1, of="u", level=1.5)


def test_a_joint_misfit_is_the_sum_of_its_experiments() -> None:
    """The same name is the same unknown; what only one of them has is felt by that one alone."""
    first, second = course(), replace(with_curve(), time=solver.Time(1.0, 40, "tr-bdf2"))
    joint = Joint((first, second))
    J, gradient = solver.value_and_gradient(joint)
    parts = [solver.value_and_gradient(e) for e in (first, second)]
    assert J == pytest.approx(sum(part for part, _ in parts), rel=1e-14)
    for name in ("a", "b"):
        total = sum(g[name] for _, g in parts)
        assert gradient[name] == pytest.approx(total, rel=1e-12)
        assert gradient[name] != pytest.approx(parts[0][1][name], rel=1e-6)
    np.testing.assert_allclose(gradient["flux"], parts[1][1]["flux"], rtol=1e-12)
    alone = solver.value_and_gradient(Joint((first,)))
    assert alone == parts[0]


def test_an_experiment_without_readings_adds_nothing() -> None:
    silent = replace(course(), sensors=())
    alone, beside = (Objective(study) for study in (course(), Joint((course(), silent))))
    theta = alone.parameters.start
    J, gradient = alone.value_and_gradient(theta)
    other, same = beside.value_and_gradient(theta)
    assert other == J
    np.testing.assert_array_equal(same, gradient)
    np.testing.assert_array_equal(beside.jacobian(theta), alone.jacobian(theta))
    J, gradient = Objective(silent).value_and_gradient(theta)
    assert J == 0.0
    assert gradient.tolist() == [0.0, 0.0]


def test_a_direction_that_one_experiment_does_not_feel() -> None:
    joint = Joint((course(), with_curve()))
    objective = Objective(joint)
    R = objective.jacobian(objective.parameters.start)
    assert not R[:51, 2:].any()
    assert np.all(np.abs(R[51:, 2:]).max(axis=0) > 0.0)
    readings = oracles.readings(joint, oracles.start_values(joint))
    np.testing.assert_allclose(objective.predict(objective.parameters.start), readings, rtol=1e-12)


def test_a_network_in_common_is_one_function() -> None:
    """Of the place or of the temperature, its range is that of all experiments together."""
    for of, range in (("x", (0.0, 2.0)), ("u", (0.0, 8.0))):
        law = unknown_network("w", (3,), 1, of=of, level=1.5)
        cold = course(np.linspace(0.1, 0.3, 51), material=Material(law, "divergence"))
        hot = replace(cold, bar=Bar(2.0, 30, initial=8.0), left=Flux(0.5))
        theta = np.array(law.weights.start)
        joint = Objective(Joint((cold, hot)))
        given = Material(replace(law, range=range), "divergence")
        parts = [Objective(replace(e, material=given)).value(theta) for e in (cold, hot)]
        assert joint.value(theta) == pytest.approx(sum(parts), rel=1e-13)
        alone = [Objective(e).value(theta) for e in (cold, hot)]
        assert joint.value(theta) != pytest.approx(sum(alone), rel=1e-9)


@pytest.mark.parametrize("law", [Linear(U("a", 1.0), U("b", 0.4), of="u"), NETWORK])
def test_a_joint_misfit_with_laws_of_the_temperature(law: Linear | Network) -> None:
    """Value, gradient and what each experiment feels, against the dense bar."""
    first = course(np.linspace(0.1, 0.3, 51), material=Material(law, "divergence"))
    first = replace(first, bar=Bar(1.0, 6), time=Time(1.0, 8))
    second = replace(first, material=Material(conductivity=law, heat_capacity=1.3))
    joint = Joint((first, replace(second, left=Flux(U("flux", 0.3)))))
    values = oracles.start_values(joint)
    J, gradient = Objective(joint).value_and_gradient(oracles.flat(values))
    assert J == pytest.approx(oracles.misfit(joint, values), rel=1e-11)
    expected = oracles.misfit_gradient(joint, values)
    assert relative_gap(gradient, expected) <= 1e-10
    assert relative_gap(1.001 * gradient, expected) > 1e-10


def test_what_is_wrong_in_a_joint_fit_is_said_at_its_experiment() -> None:
    bad = replace(FINE, **second(x=2.0), bar=Bar(1.0, 1))
    found = problems_of(Joint((FINE, bad)))
    assert [p.pointer for p in found] == ["#/experiments/1/bar/cells"]
    found = problems_of(Joint((FINE, replace(bad, bar=FINE.bar))))
    assert [p.pointer for p in found] == ["#/experiments/1/sensors/1/x"]
    other = replace(FINE, **law(U("a", 2.0, 0.1, 10.0), U("b", 0.5)))
    found = problems_of(Joint((FINE, other)))
    assert [(p.code, p.pointer) for p in found] == [
        ("unknown_disagrees", "#/experiments/1/material/diffusivity/a")
    ]
    wild = replace(FINE, **source(Expression("1/x")))
    assert problems_of(Joint((FINE, wild)))[0].pointer == "#/experiments/1/source/0/profile"
    found = problems_of(Joint((FINE, FINE), Fit(loss="cubed")))
    assert [p.pointer for p in found] == ["#/fit/loss"]


def test_a_network_beside_no_heat_capacity_is_a_mistake_of_the_document() -> None:
    """From a heat capacity its level would be chosen, before validation has its say."""
    network = replace(FINE, material=Material(conductivity=unknown_network("w", (3,))))
    assert problems_of(Joint((FINE, network)))[0].pointer.startswith("#/experiments/1/material")


def test_a_joint_fit_has_one_kind_of_sigma() -> None:
    without = replace(FINE, **sensor(sigma=None))
    found = problems_of(Joint((FINE, without)), validate_for_data)
    assert [(p.code, p.pointer) for p in found] == [
        ("mixed_sigma", "#/experiments/1/sensors/0/sigma")
    ]
    for alike in (FINE, without):
        assert problems_of(Joint((alike, alike)), validate_for_fit) == []


def test_a_trial_without_an_answer_names_its_experiment() -> None:
    objective = solver.Objective(Joint((FINE, replace(FINE, bar=Bar(2.0, 10)))))
    with pytest.raises(TrialError) as caught:
        objective.value(np.array([1.0, -0.7]))
    assert caught.value.problem.pointer == "#/experiments/1/material/diffusivity"
    objective.value(np.array([1.0, -0.4]))
