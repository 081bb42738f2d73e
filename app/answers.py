"""The answer: what the solver found, as the JSON of the service and the command line.

NaN never leaves: where a figure does not exist it is null, and a reason stands beside it.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable
from importlib.metadata import version
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, BeforeValidator, Field

import app
import solver
from solver import Calibration, Experiment, Iteration
from solver.kernels import Array
from solver.uncertainty import Uncertainty


def _finite(value: Any) -> float | None:
    return float(value) if value is not None and np.isfinite(value) else None


Figure = Annotated[float | None, BeforeValidator(_finite)]


class Estimate(BaseModel):
    """One unknown: its value, standard error and 95 % interval, or why there is none."""

    value: float
    standard_error: Figure
    interval: tuple[float, float] | None
    reason: str | None = None


class StartPoint(BaseModel):
    """J and its gradient at the start values."""

    objective: float
    gradient: dict[str, float]


class Step(BaseModel):
    """One accepted iteration; the gradient norm is that of the internally scaled search."""

    iteration: int
    objective: float
    gradient_norm: float
    parameters: dict[str, float]


class Identifiability(BaseModel):
    """Whether the data determine the unknowns: determined, weak or not-identifiable."""

    verdict: str
    condition_number: Figure = Field(description="null when a direction moves no reading")
    relative_standard_error: Figure = Field(description="of the weakest direction")
    weakest_direction: dict[str, float] = Field(description="unit vector in relative changes")
    advice: str


class SensorDiagnostics(BaseModel):
    """One sensor's residuals: rms in K, lag-one autocorrelation, effective sample size."""

    readings: int
    rms: Figure
    autocorrelation: Figure
    effective_sample_size: Figure


class CertificatePoint(BaseModel):
    """The checks at one point."""

    parameters: dict[str, float]
    taylor_rate: Figure
    adjoint_tangent_gap: Figure
    gradient_error: Figure
    passed: bool


class Certificate(BaseModel):
    """The proof of the gradient, away from the optimum; the figures are the worst of the points.

    taylor_rate near 2 and the other two near round-off prove it. newton_residual is null: a march
    whose matter does not change with temperature has no Newton iteration.
    """

    passed: bool
    taylor_rate: Figure
    adjoint_tangent_gap: Figure
    gradient_error: Figure
    newton_residual: Figure = None
    note: str | None = None
    points: list[CertificatePoint]


class SensorReadings(BaseModel):
    """Computed temperatures of one sensor."""

    times: list[float]
    temperatures: list[float]


class Grid(BaseModel):
    """What it was solved on."""

    cells: int
    steps: int
    dx: float
    dt: float
    method: str


class Provenance(BaseModel):
    """What made this answer."""

    versions: dict[str, str]
    grid: Grid
    document_sha256: str
    seconds: float


class Answer(BaseModel):
    """The answer to a calibration."""

    status: str
    advice: str
    estimates: dict[str, Estimate]
    objective: float
    gradient: dict[str, float]
    start: StartPoint
    iterations: int
    method: str
    history: list[Step]
    fourier_number: float = Field(description="mean diffusivity x duration / length squared")
    warnings: list[str]
    names: list[str]
    covariance: list[list[Figure]]
    correlation: list[list[Figure]]
    sigma: Figure = Field(description="estimated from the residuals, K; null when it was given")
    degrees_of_freedom: int
    identifiability: Identifiability
    residuals: dict[str, SensorDiagnostics]
    certificate: Certificate
    fit: dict[str, SensorReadings]
    provenance: Provenance


class GradientAnswer(BaseModel):
    """J and dJ/d(unknown) at one point."""

    objective: float
    gradient: dict[str, float]
    at: dict[str, float]
    provenance: Provenance


class FieldAnswer(BaseModel):
    """Temperatures of the whole bar: a row for each time, a column for each place."""

    x: list[float]
    times: list[float]
    temperatures: list[list[float]]


class SimulationAnswer(BaseModel):
    """Computed readings of every sensor, or the field."""

    sensors: dict[str, SensorReadings]
    field: FieldAnswer | None = None
    at: dict[str, float]
    provenance: Provenance


class ErrorCurveAnswer(BaseModel):
    """Relative error of finite differences against the adjoint, over relative step sizes."""

    steps: list[float]
    forward: list[Figure]
    central: list[Figure]
    complex_step: Figure


class CheckAnswer(BaseModel):
    """The proof of the gradient at one point."""

    objective: float
    gradient: dict[str, float]
    at: dict[str, float]
    certificate: Certificate
    error_curve: ErrorCurveAnswer
    provenance: Provenance


def answer_of(calibration: Calibration, provenance: Provenance) -> Answer:
    """The whole answer."""
    c, u = calibration, calibration.uncertainty
    sensors = sensor_names(c.experiment)
    return Answer(
        status=c.status,
        advice=c.advice,
        estimates=_estimates(c),
        objective=c.objective,
        gradient=_named(c.names, c.gradient),
        start=StartPoint(objective=c.start_objective, gradient=_named(c.names, c.start_gradient)),
        iterations=len(c.history) - 1,
        method=c.method,
        history=[step_of(iteration, c.names) for iteration in c.history],
        fourier_number=c.fourier_number,
        warnings=list(c.warnings),
        names=list(c.names),
        covariance=u.covariance.tolist(),
        correlation=u.correlation.tolist(),
        sigma=u.sigma,
        degrees_of_freedom=u.degrees_of_freedom,
        identifiability=_identifiability(u),
        residuals={
            name: SensorDiagnostics(**vars(r)) for name, r in zip(sensors, c.residuals, strict=True)
        },
        certificate=certificate_of(c.certificate, c.names, c.certificate_note),
        fit={
            name: SensorReadings(times=times.tolist(), temperatures=fitted.tolist())
            for name, times, fitted in zip(
                sensors, _present_times(c.experiment), c.fitted, strict=True
            )
        },
        provenance=provenance,
    )


def certificate_of(
    certificate: solver.Certificate, names: Iterable[str], note: str = ""
) -> Certificate:
    """The proof, worst figures first."""
    names = tuple(names)
    return Certificate(
        passed=certificate.passed,
        taylor_rate=certificate.taylor_rate,
        adjoint_tangent_gap=certificate.adjoint_tangent_gap,
        gradient_error=certificate.gradient_error,
        note=note or None,
        points=[
            CertificatePoint(
                parameters=_named(names, point.theta),
                taylor_rate=point.taylor_rate,
                adjoint_tangent_gap=point.adjoint_tangent_gap,
                gradient_error=point.gradient_error,
                passed=point.passed,
            )
            for point in certificate.points
        ],
    )


def check_answer(check: solver.Check, provenance: Provenance) -> CheckAnswer:
    """The answer of a check."""
    curve = check.curve
    return CheckAnswer(
        objective=check.objective,
        gradient=check.gradient,
        at=check.values,
        certificate=certificate_of(check.certificate, check.values),
        error_curve=ErrorCurveAnswer(
            steps=curve.steps.tolist(),
            forward=curve.forward.tolist(),
            central=curve.central.tolist(),
            complex_step=curve.complex_step,
        ),
        provenance=provenance,
    )


def simulated(experiment: Experiment, readings: tuple[Array, ...]) -> dict[str, SensorReadings]:
    """Computed readings by sensor."""
    times = (experiment.grid.t if s.times is None else s.times for s in experiment.sensors)
    return {
        name: SensorReadings(times=t.tolist(), temperatures=y.tolist())
        for name, t, y in zip(sensor_names(experiment), times, readings, strict=True)
    }


def step_of(iteration: Iteration, names: Iterable[str]) -> Step:
    """One iteration of the history."""
    return Step(
        iteration=iteration.number,
        objective=iteration.objective,
        gradient_norm=iteration.gradient_norm,
        parameters=_named(names, iteration.theta),
    )


def provenance_of(experiment: Experiment, document_sha256: str, seconds: float) -> Provenance:
    """Versions, grid, hash of the document as sent, and time spent."""
    versions = {name: version(name) for name in ("numba", "numpy", "scipy")}
    grid = experiment.grid
    return Provenance(
        versions={"kappafit": app.__version__, "python": platform.python_version(), **versions},
        grid=Grid(
            cells=grid.cells,
            steps=grid.steps,
            dx=grid.dx,
            dt=grid.dt,
            method=experiment.time.method,
        ),
        document_sha256=document_sha256,
        seconds=seconds,
    )


def sensor_names(experiment: Experiment) -> list[str]:
    """The sensors' names, their number where they have none."""
    taken = {sensor.name for sensor in experiment.sensors if sensor.name}
    fallback = ("sensor {}" if str(i) in taken else "{}" for i in range(len(experiment.sensors)))
    return [
        sensor.name or pattern.format(index)
        for index, (sensor, pattern) in enumerate(zip(experiment.sensors, fallback, strict=True))
    ]


def _estimates(c: Calibration) -> dict[str, Estimate]:
    u = c.uncertainty
    return {
        name: Estimate(
            value=float(c.theta[j]),
            standard_error=u.standard_errors[j],
            interval=None if u.reasons[j] else (float(u.intervals[j, 0]), float(u.intervals[j, 1])),
            reason=u.reasons[j],
        )
        for j, name in enumerate(c.names)
    }


def _identifiability(u: Uncertainty) -> Identifiability:
    return Identifiability(**vars(u.identifiability))


def _present_times(experiment: Experiment) -> list[Array]:
    return [
        np.zeros(0) if sensor.times is None else sensor.times[sensor.present]
        for sensor in experiment.sensors
    ]


def _named(names: Iterable[str], values: Array) -> dict[str, float]:
    return dict(zip(names, map(float, values), strict=True))
