"""From what the solver found to the answer that is sent."""

from __future__ import annotations

from itertools import chain
from typing import Any

import numpy as np

import app
import solver
from app import answers
from app.answers import (
    Answer,
    Certificate,
    CertificatePoint,
    CheckAnswer,
    ErrorCurveAnswer,
    Estimate,
    Grid,
    Provenance,
    SensorDiagnostics,
    SensorReadings,
    StartPoint,
    Step,
)
from solver import Calibration, Iteration, Parameters, Problem, Study
from solver.bands import Band
from solver.kernels import Array
from solver.remarks import sensor_labels
from solver.simulate import Simulation


def answer_of(calibration: Calibration, provenance: Provenance) -> Answer:
    """The whole answer."""
    c, u, p = calibration, calibration.uncertainty, calibration.parameters
    sensors = sensor_labels(c.study)
    scalar = np.ix_(c.told.scalar, c.told.scalar)
    return Answer(
        status=c.status,
        advice=c.advice,
        estimates={unknown.name: _estimate(c, unknown) for unknown in p.unknowns},
        objective=c.objective,
        terms=c.terms,
        gradient=p.named(c.gradient),
        start=StartPoint(objective=c.start_objective, gradient=p.named(c.start_gradient)),
        iterations=len(c.history) - 1,
        method=c.method,
        history=[step_of(iteration, p) for iteration in c.history],
        discretisation=answers.Discretisation(
            cells=c.discretisation.cells,
            steps=c.discretisation.steps,
            relative_to_noise=c.discretisation.relative_to_noise,
            chosen=c.discretisation.chosen,
        ),
        discrepancy=answers.Discrepancy(
            dominates=c.discrepancy.dominates,
            inflation=c.discrepancy.inflation,
            faulty_sensor=c.discrepancy.faulty_sensor,
        ),
        fourier_number=c.fourier_number,
        warnings=list(c.warnings),
        names=[unknown.name for unknown in p.unknowns if not unknown.listed],
        covariance=u.covariance[scalar].tolist(),
        correlation=u.correlation[scalar].tolist(),
        sigma=u.sigma,
        degrees_of_freedom=u.degrees_of_freedom,
        identifiability=answers.Identifiability(**vars(u.identifiability)),
        residuals={
            name: SensorDiagnostics(**vars(r)) for name, r in zip(sensors, c.residuals, strict=True)
        },
        certificate=certificate_of(c.certificate, p, c.certificate_note),
        fit={
            name: SensorReadings(times=times.tolist(), temperatures=fitted.tolist())
            for name, times, fitted in zip(sensors, _present_times(c.study), c.fitted, strict=True)
        },
        curves=[_fitted_curve(band) for band in c.bands],
        provenance=provenance,
    )


def _fitted_curve(band: Band) -> answers.FittedCurve:
    return answers.FittedCurve(
        pointer=Problem(band.place, "", "").pointer,
        of=band.of,
        points=band.points.tolist(),
        values=band.values.tolist(),
        lower=band.lower.tolist(),
        upper=band.upper.tolist(),
    )


def certificate_of(
    certificate: solver.Certificate, parameters: Parameters, note: str = ""
) -> Certificate:
    """The proof, worst figures first."""
    return Certificate(
        passed=certificate.passed,
        taylor_rate=certificate.taylor_rate,
        adjoint_tangent_gap=certificate.adjoint_tangent_gap,
        gradient_error=certificate.gradient_error,
        newton_residual=certificate.newton_residual,
        note=note or None,
        points=[
            CertificatePoint(
                parameters=parameters.named(point.theta),
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
        certificate=certificate_of(check.certificate, Parameters.of(check.study)),
        error_curve=ErrorCurveAnswer(
            steps=curve.steps.tolist(),
            forward=curve.forward.tolist(),
            central=curve.central.tolist(),
            complex_step=curve.complex_step,
        ),
        provenance=provenance,
    )


def simulated(simulation: Simulation) -> dict[str, SensorReadings]:
    """Computed readings by sensor."""
    study = simulation.study
    times = (
        experiment.grid.t if sensor.times is None else sensor.times
        for experiment in study.experiments
        for sensor in experiment.sensors
    )
    return {
        name: SensorReadings(times=t.tolist(), temperatures=y.tolist())
        for name, t, y in zip(sensor_labels(study), times, simulation.readings, strict=True)
    }


def step_of(iteration: Iteration, parameters: Parameters) -> Step:
    """One iteration of the history."""
    numbers = {
        name: value
        for name, value in parameters.named(iteration.theta).items()
        if isinstance(value, float)
    }
    return Step(
        iteration=iteration.number,
        objective=iteration.objective,
        gradient_norm=iteration.gradient_norm,
        parameters=numbers,
    )


def provenance_of(study: Study, document_sha256: str, seconds: float) -> Provenance:
    """Versions, grid, hash of the document as sent, and time spent."""
    grids = [_grid(experiment, study.fit) for experiment in study.experiments]
    return Provenance(
        versions=app.versions(),
        grid=grids if isinstance(study, solver.Joint) else grids[0],
        document_sha256=document_sha256,
        seconds=seconds,
    )


def _grid(experiment: solver.Experiment, fit: solver.Fit) -> Grid:
    grid, planned = experiment.grid, solver.footprint(experiment, fit.memory or solver.MEMORY)
    return Grid(
        cells=grid.cells,
        steps=grid.steps,
        dx=float(grid.dx.min()),
        dt=grid.dt,
        method=experiment.time.scheme,
        bytes=planned.bytes,
        marched_again=planned.again,
    )


def _estimate(c: Calibration, unknown: solver.Unknown) -> Estimate | answers.CurveEstimate:
    if unknown.listed:
        return _curve_estimate(c, unknown.name)
    u, j = c.uncertainty, c.told.where[unknown.name].start
    return Estimate(
        value=float(c.told_theta[j]),
        standard_error=u.standard_errors[j],
        interval=_interval(u.intervals[j]),
        formal_standard_error=u.formal_errors[j],
        formal_interval=_interval(u.formal_intervals[j]),
        observed_standard_error=u.observed_errors[j],
        inflation=u.inflation[j],
        discretisation_error=c.discretisation.estimates[j],
        reason=u.reasons[j],
    )


def _interval(interval: Array) -> tuple[float, float] | None:
    return (float(interval[0]), float(interval[1])) if np.isfinite(interval).all() else None


def _curve_estimate(c: Calibration, name: str) -> answers.CurveEstimate:
    u, where = c.uncertainty, c.told.where[name]
    values = c.told_theta[where]
    points = c.knots.get(name, np.arange(values.size, dtype=np.float64))
    of, law = c.variables.get(name), _network(c, name)
    return answers.CurveEstimate(
        curve=answers.Curve(
            of=of,
            met=_met(c) if of == "u" else None,
            points=points.tolist(),
            values=values.tolist(),
            lower=u.intervals[where, 0].tolist(),
            upper=u.intervals[where, 1].tolist(),
        ),
        formal_lower=u.formal_intervals[where, 0].tolist(),
        formal_upper=u.formal_intervals[where, 1].tolist(),
        inflation=u.inflation[where].tolist(),
        discretisation_error=c.discretisation.estimates[where].tolist(),
        smoothing=_smoothing(c, name),
        spread=_spread(c, name),
        law=law,
        weights=law.weights if law else None,
        reason=next((reason for reason in u.reasons[where] if reason), None),
    )


def _met(c: Calibration) -> tuple[float, float] | None:
    """The lowest and the highest temperature over all experiments."""
    ranges = [met for met in c.met if met is not None]
    return (min(low for low, _ in ranges), max(high for _, high in ranges)) if ranges else None


def _network(c: Calibration, name: str) -> answers.NetworkLaw | None:
    if name not in c.networks:
        return None
    law: Any = c.networks[name].law  # its range and its level are filled in
    return answers.NetworkLaw(
        of=law.of,
        widths=list(law.widths),
        weights=law.weights.tolist(),
        range=law.range,
        start=law.level,
    )


def _spread(c: Calibration, name: str) -> answers.Spread | None:
    network = c.networks.get(name)
    if network is None or network.starts < 2:
        return None
    return answers.Spread(
        starts=network.starts, lower=network.lower.tolist(), upper=network.upper.tolist()
    )


def _smoothing(c: Calibration, name: str) -> answers.SmoothingAnswer | None:
    if name not in c.knots:
        return None
    asked, choice = c.study.fit.smoothing.get(name), c.smoothing.get(name)
    order = asked.order if asked else 1
    if choice is None:
        weight = asked.weight if asked and asked.weight is not None else 0.0
        return answers.SmoothingAnswer(weight=weight, order=order, chosen_by="given")
    return answers.SmoothingAnswer(
        weight=choice.weight,
        order=order,
        chosen_by=choice.criterion,
        effective_parameters=choice.effective_parameters,
        remark=choice.remark or None,
    )


def _present_times(study: Study) -> list[Array]:
    sensors: Any = chain.from_iterable(e.sensors for e in study.experiments)
    return [np.zeros(0) if s.times is None else s.times[s.present] for s in sensors]
