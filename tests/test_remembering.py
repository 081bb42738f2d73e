"""What has been computed is not computed again where that is asked for, and only there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from solver import Experiment, Objective, expression
from solver.model import Model
from solver.observe import observe
from solver.parameters import Parameters
from tests.experiments import course, with_curve


class Counted:
    """A model of which is known how often it marched."""

    def __init__(self, experiment: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
        self.objective, self.marches = Objective(experiment), 0
        model = self.objective.models[0]
        for name in ("forward", "push_forward"):
            monkeypatch.setattr(model, name, self.counted(getattr(model, name)))

    def counted(self, march):  # type: ignore[no-untyped-def]
        def run(*arguments):  # type: ignore[no-untyped-def]
            self.marches += 1
            return march(*arguments)

        return run


def test_an_objective_that_remembers_evaluates_once_at_every_theta(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counted = Counted(course(), monkeypatch)
    objective = counted.objective
    theta, other = objective.parameters.start, 1.1 * objective.parameters.start
    J, gradient = objective.value_and_gradient(theta)
    objective.value_and_gradient(theta)
    assert counted.marches == 2  # nobody asked to remember
    with objective.remembering():
        found = [objective.value_and_gradient(theta) for _ in range(3)]
        assert counted.marches == 3
        assert all(one[0] == J and np.array_equal(one[1], gradient) for one in found)
        objective.value_and_gradient(other)
        objective.hessian_vector(theta, theta)  # a complex theta is another one
        objective.linearise(theta)
        assert np.array_equal(objective.linearise(theta)[1], objective.jacobian(theta))
        assert counted.marches == 6
    objective.linearise(theta)
    assert counted.marches == 7


def test_what_holds_curves_smooth_is_not_what_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = Counted(with_curve(), monkeypatch)
    objective = counted.objective
    theta = objective.parameters.start * np.linspace(1.0, 1.3, objective.parameters.size)
    with objective.remembering():
        objective.smooth({"flux": 1.0})
        first = objective.value_and_gradient(theta)[0]
        objective.smooth({"flux": 1.0})
        assert objective.value_and_gradient(theta)[0] == first
        assert counted.marches == 1
        objective.smooth({"flux": 2.0})
        assert objective.value_and_gradient(theta)[0] > first
        assert counted.marches == 2


def test_the_unit_directions_are_prepared_once_and_others_are_not() -> None:
    objective = Objective(course())
    theta, p = objective.parameters.start, objective.parameters.size
    first = objective.jacobian(theta)
    assert np.array_equal(objective.jacobian(theta), first)
    directions = np.eye(p)
    model = objective.models[0]
    assert np.array_equal(model.push_forward(theta, directions)[1], first)
    directions[0, 0] = 2.0  # written to in between
    assert np.array_equal(model.push_forward(theta, directions)[1][:, 0], 2.0 * first[:, 0])
    assert np.array_equal(objective.jacobian(theta), first)


def test_a_model_made_for_one_theta_says_the_same() -> None:
    experiment = course()
    parameters = Parameters.of(experiment)
    one, other = (Model(experiment, parameters, once=once) for once in (True, False))
    theta = parameters.start
    np.testing.assert_allclose(one.predict(theta), other.predict(theta), rtol=1e-13)
    assert not np.allclose(one.predict(1.001 * theta), other.predict(theta), rtol=1e-6)


def test_two_sensors_may_read_the_same() -> None:
    experiment = course()
    twice = observe(replace(experiment, sensors=experiment.sensors * 2))
    once = observe(experiment)
    field = np.random.default_rng(3).standard_normal((experiment.grid.steps + 1, 1))
    y = once.apply(field)
    assert np.array_equal(twice.apply(field), np.concatenate([y, y]))
    assert np.array_equal(twice.transpose(np.concatenate([y, 2.0 * y])), 3.0 * once.transpose(y))
    both = np.stack([field, 2.0 * field])
    assert np.array_equal(once.apply_each(both), np.stack([y, 2.0 * y], axis=1))


def test_readings_that_cannot_be_written_to_are_spread_all_the_same() -> None:
    observation = observe(course())
    readings = np.ones(observation.count)
    expected = observation.transpose(readings)
    readings.setflags(write=False)
    assert np.array_equal(observation.transpose(readings), expected)


def test_formulas_of_other_variables_are_other_formulas() -> None:
    assert expression.parse("2*x", "x") is expression.parse("2*x", "x")
    for _ in range(2):  # what is wrong is wrong again
        with pytest.raises(ValueError, match="x"):
            expression.parse("2*x", "t")
