"""The model as functions of an experiment: readings, field, misfit and derivative products.

Parameter values are given by name in `at`; what is left out keeps its start value. Each call builds
the model anew; to evaluate many points, hold an `Objective`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from solver.check import Certificate, ErrorCurve, away_from_optimum, certify, error_curve
from solver.errors import InvalidExperiment, Problem
from solver.experiment import Experiment
from solver.kernels import Array
from solver.march import Pulse
from solver.objective import Objective, no_pulse
from solver.observe import interpolation, observe
from solver.validation import LARGEST, validate, validate_for_data

Values = Mapping[str, float]


@dataclass(frozen=True)
class Field:
    """Temperatures (times, places) of the whole bar."""

    x: Array
    t: Array
    temperatures: Array


def starts(experiment: Experiment) -> dict[str, float]:
    """The start value of every unknown, by name."""
    return {unknown.name: unknown.start for _, unknown in experiment.unknowns}


def theta_at(objective: Objective, at: Values | None) -> Array:
    """The parameter vector with the values of `at`, start values elsewhere.

    Raises InvalidExperiment for a name that is no unknown, or a value out of range.
    """
    return _vector(objective, at or {}, "at", objective.parameters.start)


def _vector(objective: Objective, named: Values, argument: str, otherwise: Array) -> Array:
    values = dict(zip(objective.parameters.names, map(float, otherwise), strict=True))
    for name in named:
        if name not in values:
            detail = f"{name!r} is not an unknown of the document; those are {', '.join(values)}"
            raise InvalidExperiment(Problem((argument, name), "unknown_parameter", detail))
    vector = np.array(list((values | dict(named)).values()), dtype=np.float64)
    if not np.all(np.abs(vector) <= LARGEST):
        detail = f"values must be finite numbers within +-{LARGEST:g}"
        raise InvalidExperiment(Problem((argument,), "out_of_range", detail))
    return vector


def simulate(
    experiment: Experiment, at: Values | None = None, *, pulse: Pulse = no_pulse
) -> tuple[Array, ...]:
    """Temperatures at every sensor's times (or every step), sensor by sensor."""
    validate(experiment)
    observation = observe(experiment, missing=True)
    objective = Objective(experiment, observation=observation, pulse=pulse)
    readings = objective.predict(theta_at(objective, at))
    return tuple(readings[s] for s in observation.slices)


def simulate_field(
    experiment: Experiment, at: Values | None = None, *, pulse: Pulse = no_pulse
) -> Field:
    """Temperatures at every node and step."""
    validate(experiment)
    grid = experiment.grid
    x, t = np.tile(grid.x, grid.t.size), np.repeat(grid.t, grid.x.size)
    objective = Objective(experiment, observation=interpolation(grid, x, t, ()), pulse=pulse)
    field = objective.predict(theta_at(objective, at)).reshape(grid.t.size, grid.x.size)
    return Field(grid.x, grid.t, field)


def value_and_gradient(
    experiment: Experiment, at: Values | None = None, *, pulse: Pulse = no_pulse
) -> tuple[float, dict[str, float]]:
    """The misfit J and its gradient by name, by one forward and one adjoint march."""
    validate_for_data(experiment)
    objective = Objective(experiment, pulse=pulse)
    J, gradient = objective.value_and_gradient(theta_at(objective, at))
    return J, dict(zip(objective.parameters.names, map(float, gradient), strict=True))


def jacobian(experiment: Experiment, at: Values | None = None) -> Array:
    """d readings / d parameters, (readings, parameters), of the readings that are there."""
    validate_for_data(experiment)
    objective = Objective(experiment)
    return objective.jacobian(theta_at(objective, at))


def jvp(experiment: Experiment, direction: Values, at: Values | None = None) -> Array:
    """The derivative of the readings along `direction`, (readings,)."""
    objective = Objective(experiment)
    v = _vector(objective, direction, "direction", np.zeros(len(objective.parameters.names)))
    return objective.jvp(theta_at(objective, at), v)


def vjp(experiment: Experiment, readings_bar: Array, at: Values | None = None) -> dict[str, float]:
    """The Jacobian's transpose times `readings_bar` (readings,), by name."""
    objective = Objective(experiment)
    readings_bar = np.asarray(readings_bar, np.float64)
    if readings_bar.shape != objective.data.shape:
        detail = f"{readings_bar.shape} cotangents for {objective.data.shape} readings"
        raise InvalidExperiment(Problem(("readings_bar",), "length_mismatch", detail))
    bar = objective.vjp(theta_at(objective, at), readings_bar)
    return dict(zip(objective.parameters.names, map(float, bar), strict=True))


@dataclass(frozen=True)
class Check:
    """The proof of the gradient at one point, with the finite-difference error curve."""

    values: dict[str, float]
    objective: float
    gradient: dict[str, float]
    certificate: Certificate
    curve: ErrorCurve


def check(experiment: Experiment, at: Values | None = None, *, pulse: Pulse = no_pulse) -> Check:
    """Prove the gradient at `at`, by default at the start values."""
    validate_for_data(experiment)
    objective = Objective(experiment, pulse=pulse)
    theta = theta_at(objective, at)
    J, gradient = objective.value_and_gradient(theta)
    names = objective.parameters.names
    return Check(
        values=dict(zip(names, map(float, theta), strict=True)),
        objective=J,
        gradient=dict(zip(names, map(float, gradient), strict=True)),
        certificate=certify(objective, [away_from_optimum(objective, theta)]),
        curve=error_curve(objective, theta, gradient),
    )
