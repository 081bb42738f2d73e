"""From what the solver found to the answer that is sent."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

import app
import solver
from app.answers import (
    Answer,
    Certificate,
    CertificatePoint,
    CheckAnswer,
    ErrorCurveAnswer,
    Estimate,
    Grid,
    Identifiability,
    Provenance,
    SensorDiagnostics,
    SensorReadings,
    StartPoint,
    Step,
)
from solver import Calibration, Experiment, Iteration
from solver.kernels import Array
from solver.uncertainty import Uncertainty


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
    grid = experiment.grid
    return Provenance(
        versions=app.versions(),
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
    """The sensors' names; one that has none gets its number, in words where that is taken."""
    taken = {sensor.name for sensor in experiment.sensors}
    names = []
    for index, sensor in enumerate(experiment.sensors):
        name = sensor.name or str(index)
        while not sensor.name and name in taken:
            name = f"sensor {name}"
        taken.add(name)
        names.append(name)
    return names


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
