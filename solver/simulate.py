"""The model as functions of a study: readings, field, misfit and derivative products.

Parameter values are given by name in `at`, a list for a curve; what is left out keeps its start
value. Cells and steps that were left out are chosen. Each call builds the model anew; to evaluate
many points, hold an `Objective`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from solver.check import Certificate, ErrorCurve, away_from_optimum, certify, error_curve
from solver.curve_checks import LARGEST
from solver.errors import InvalidExperiment, Problem
from solver.experiment import Experiment, Study
from solver.kernels import Array
from solver.march import Pulse
from solver.model import Model, no_pulse
from solver.objective import Objective
from solver.observe import interpolation, observe
from solver.parameters import Parameters
from solver.resolution import with_grid
from solver.validation import validate, validate_for_data

Values = Mapping[str, float | Sequence[float]]
Named = dict[str, float | list[float]]

MOST_HESSIAN = 200  # unknowns up to which the whole Hessian is made


@dataclass(frozen=True, eq=False)
class Simulation:
    """Computed readings, sensor after sensor, of the study on the grid that was used."""

    study: Study
    readings: tuple[Array, ...]


@dataclass(frozen=True, eq=False)
class Field:
    """Temperatures (times, places) of the whole bar."""

    experiment: Experiment
    x: Array
    t: Array
    temperatures: Array


@dataclass(frozen=True, eq=False)
class Slope:
    """J and its gradient by name, of the study on the grid that was used.

    Where they are asked for: the Hessian (p, p) of J, Gauss-Newton's ``2 R^T R`` (p, p), and labels
    (p,) for their rows, one for every component of theta.
    """

    study: Study
    objective: float
    gradient: Named
    labels: tuple[str, ...] = ()
    hessian: Array | None = None
    gauss_newton: Array | None = None


def starts(study: Study) -> Named:
    """The start value of every unknown, by name."""
    parameters = Parameters.of(study)
    return parameters.named(parameters.start)


def theta_at(parameters: Parameters, at: Values | None) -> Array:
    """The parameter vector with the values of `at`, start values elsewhere.

    Raises InvalidExperiment for a name that is no unknown, or a value out of range.
    """
    return _vector(parameters, at or {}, "at", parameters.start)


def _vector(parameters: Parameters, named: Values, argument: str, otherwise: Array) -> Array:
    vector = otherwise.copy()
    for name, value in named.items():
        if name not in parameters.where:
            known = ", ".join(parameters.names)
            detail = f"{name!r} is not an unknown of the document; those are {known}"
            raise InvalidExperiment(Problem((argument, name), "unknown_parameter", detail))
        where, given = parameters.where[name], np.atleast_1d(np.asarray(value, np.float64))
        if given.size not in (1, where.stop - where.start):
            detail = f"{given.size} values for a curve of {where.stop - where.start}"
            raise InvalidExperiment(Problem((argument, name), "length_mismatch", detail))
        vector[where] = given
    if not np.all(np.abs(vector) <= LARGEST):
        detail = f"values must be finite numbers within +-{LARGEST:g}"
        raise InvalidExperiment(Problem((argument,), "out_of_range", detail))
    return vector


def _settled(study: Study, at: Values | None, pulse: Pulse) -> tuple[Study, Parameters, Array]:
    """The study on a grid, its parameters, and theta."""
    parameters = Parameters.of(study)
    theta = theta_at(parameters, at)
    return with_grid(study, theta, pulse=pulse), parameters, theta


def simulation(study: Study, at: Values | None = None, *, pulse: Pulse = no_pulse) -> Simulation:
    """Temperatures at every sensor's times (or every step), and the grid they were found on."""
    validate(study)
    study, parameters, theta = _settled(study, at, pulse)
    readings: list[Array] = []
    for index, experiment in enumerate(study.experiments):
        observation = observe(experiment, missing=True)
        place = study.place(index)
        model = Model(experiment, parameters, observation=observation, place=place, pulse=pulse)
        y = model.predict(theta)
        readings += [y[s] for s in observation.slices]
    return Simulation(study, tuple(readings))


def simulate(
    study: Study, at: Values | None = None, *, pulse: Pulse = no_pulse
) -> tuple[Array, ...]:
    """Temperatures at every sensor's times (or every step), sensor by sensor."""
    return simulation(study, at, pulse=pulse).readings


def simulate_field(
    experiment: Experiment, at: Values | None = None, *, pulse: Pulse = no_pulse
) -> Field:
    """Temperatures at every node and step."""
    validate(experiment)
    study, parameters, theta = _settled(experiment, at, pulse)
    experiment = study.experiments[0]
    grid = experiment.grid
    x, t = np.tile(grid.x, grid.t.size), np.repeat(grid.t, grid.x.size)
    observation = interpolation(grid, x, t, ())
    y = Model(experiment, parameters, observation=observation, pulse=pulse).predict(theta)
    return Field(experiment, grid.x, grid.t, y.reshape(grid.t.size, grid.x.size))


def slope(
    study: Study, at: Values | None = None, *, hessian: bool = False, pulse: Pulse = no_pulse
) -> Slope:
    """The misfit J and its gradient by name, by one forward and one adjoint march.

    With `hessian` the second derivatives too, by as many complex adjoint marches as there are
    unknowns, and what Gauss-Newton makes of them, by tangent marches.
    """
    validate_for_data(study)
    if hessian:
        _require_few(study)
    study, parameters, theta = _settled(study, at, pulse)
    objective = Objective(study, pulse=pulse)
    J, gradient = objective.value_and_gradient(theta)
    found = Slope(study, J, parameters.named(gradient))
    if not hessian:
        return found
    R = objective.residuals_and_jacobian(theta)[1]
    H = objective.hessian(theta)
    return replace(found, labels=parameters.labels, hessian=H, gauss_newton=2.0 * R.T @ R)


def hessian(study: Study, at: Values | None = None) -> tuple[Array, Array]:
    """The Hessian of J, exact to round-off, and Gauss-Newton's ``2 R^T R``; both (p, p).

    Their difference is what the residuals' own curvature adds. Rows are `Parameters.labels`.
    """
    found = slope(study, at, hessian=True)
    assert found.hessian is not None
    assert found.gauss_newton is not None
    return found.hessian, found.gauss_newton


def _require_few(study: Study) -> None:
    size = Parameters.of(study).size
    if size > MOST_HESSIAN:
        detail = f"a Hessian of {size} unknowns is beyond the limit of {MOST_HESSIAN}"
        raise InvalidExperiment(Problem(("hessian",), "too_many_unknowns", detail))


def value_and_gradient(
    study: Study, at: Values | None = None, *, pulse: Pulse = no_pulse
) -> tuple[float, Named]:
    """J and its gradient by name."""
    found = slope(study, at, pulse=pulse)
    return found.objective, found.gradient


def jacobian(study: Study, at: Values | None = None) -> Array:
    """d readings / d parameters, (readings, parameters), of the readings that are there."""
    validate_for_data(study)
    study, _, theta = _settled(study, at, no_pulse)
    return Objective(study).jacobian(theta)


def jvp(study: Study, direction: Values, at: Values | None = None) -> Array:
    """The derivative of the readings along `direction`, (readings,)."""
    validate(study)
    study, parameters, theta = _settled(study, at, no_pulse)
    v = _vector(parameters, direction, "direction", np.zeros(parameters.size))
    return Objective(study).jvp(theta, v)


def vjp(study: Study, readings_bar: Array, at: Values | None = None) -> Named:
    """The Jacobian's transpose times `readings_bar` (readings,), by name."""
    validate(study)
    study, parameters, theta = _settled(study, at, no_pulse)
    objective = Objective(study)
    readings_bar = np.asarray(readings_bar, np.float64)
    if readings_bar.shape != objective.data.shape:
        detail = f"{readings_bar.shape} cotangents for {objective.data.shape} readings"
        raise InvalidExperiment(Problem(("readings_bar",), "length_mismatch", detail))
    return parameters.named(objective.vjp(theta, readings_bar))


@dataclass(frozen=True, eq=False)
class Check:
    """The proof of the gradient at one point, with the finite-difference error curve."""

    study: Study
    values: Named
    objective: float
    gradient: Named
    certificate: Certificate
    curve: ErrorCurve


def check(study: Study, at: Values | None = None, *, pulse: Pulse = no_pulse) -> Check:
    """Prove the gradient at `at`, by default at the start values."""
    validate_for_data(study)
    study, parameters, theta = _settled(study, at, pulse)
    objective = Objective(study, pulse=pulse)
    J, gradient = objective.value_and_gradient(theta)
    return Check(
        study=study,
        values=parameters.named(theta),
        objective=J,
        gradient=parameters.named(gradient),
        certificate=certify(objective, [away_from_optimum(objective, theta)]),
        curve=error_curve(objective, theta, gradient),
    )
