"""The whole answer to one experiment: estimates, uncertainties, diagnostics and the proof.

`calibrate` searches, then looks back: how well the data determine what was found
(`solver.uncertainty`), what the residuals say (`solver.residuals`), and whether the gradient that
led there is right (`solver.check`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import chdtr, chdtrc

from solver.check import Certificate, away_from_optimum, certify, displaced
from solver.errors import TrialError
from solver.experiment import Experiment
from solver.kernels import Array
from solver.march import Pulse
from solver.objective import Objective, no_pulse
from solver.residuals import SensorResiduals, diagnose
from solver.search import METHODS, STATUSES, Iteration, Report, Search, require_method
from solver.uncertainty import Uncertainty, quantify
from solver.validation import validate_for_fit

UNLIKELY = 1e-6  # probability of J below which it contradicts sigma
ROUND_OFF = 1e-12  # of the readings, below which residuals are no noise
FOURIER = (1e-6, 1e6)  # a run outside is over before, or long after, heat crosses the bar


@dataclass(frozen=True)
class Calibration:
    """What was found for `experiment`, and everything needed to judge it."""

    experiment: Experiment
    names: tuple[str, ...]
    theta: Array
    status: str
    advice: str
    method: str
    objective: float
    gradient: Array
    start_objective: float
    start_gradient: Array
    history: tuple[Iteration, ...]
    uncertainty: Uncertainty
    residuals: tuple[SensorResiduals, ...]
    fitted: tuple[Array, ...]
    certificate: Certificate
    certificate_note: str
    fourier_number: float
    warnings: tuple[str, ...]

    @property
    def estimates(self) -> dict[str, float]:
        """The values found, by name."""
        return {name: float(value) for name, value in zip(self.names, self.theta, strict=True)}

    @property
    def standard_errors(self) -> dict[str, float]:
        """Their standard errors, by name; NaN where there is none."""
        errors = self.uncertainty.standard_errors
        return {name: float(error) for name, error in zip(self.names, errors, strict=True)}


def calibrate(
    experiment: Experiment, *, pulse: Pulse = no_pulse, report: Report = lambda iteration: None
) -> Calibration:
    """Find the unknowns of `experiment` by least squares.

    `pulse` runs at least every 0.2 s of marching and stops the fit by raising `Cancelled`; `report`
    receives every accepted iteration. Raises InvalidExperiment, and TrialError when the model has
    no finite answer at the start values.
    """
    validate_for_fit(experiment)
    require_method(experiment.fit.method)
    objective = Objective(experiment, pulse=pulse)
    start = objective.parameters.start
    start_objective, start_gradient = objective.value_and_gradient(start)
    search = _search(objective, start, report)
    final, gradient = objective.value_and_gradient(search.theta)
    certificate, note = _certificate(objective, start, search.theta)
    predicted = objective.predict(search.theta)
    fourier = objective.assembly.fourier_number(search.theta)
    slices = objective.observation.slices
    residuals = tuple(diagnose((predicted - objective.data)[s]) for s in slices)
    uncertainty = quantify(objective, search.theta, arrived=search.status == "converged")
    return Calibration(
        experiment=experiment,
        names=objective.parameters.names,
        theta=search.theta,
        status=search.status,
        advice=STATUSES[search.status],
        method=search.method,
        objective=final,
        gradient=gradient,
        start_objective=start_objective,
        start_gradient=start_gradient,
        history=search.history,
        uncertainty=uncertainty,
        residuals=residuals,
        fitted=tuple(predicted[s] for s in slices),
        certificate=certificate,
        certificate_note=note,
        fourier_number=fourier,
        warnings=_warnings(objective, final, uncertainty, residuals, fourier),
    )


def _search(objective: Objective, start: Array, report: Report) -> Search:
    fit = objective.experiment.fit
    return METHODS[fit.method](objective, start, fit.max_iterations, report)


def _certificate(objective: Objective, start: Array, theta: Array) -> tuple[Certificate, str]:
    """At the start and at the displaced estimate, where the gradient is not zero."""
    points, note = [start], ""
    try:
        points = [away_from_optimum(objective, start), displaced(objective, theta)]
    except TrialError as error:
        note = f"at the start only: {error}"
    certificate = certify(objective, points)
    if certificate.flat:
        note = "J does not change along the checked direction: there is no gradient to prove"
    return certificate, note


def _warnings(
    objective: Objective,
    J: float,
    uncertainty: Uncertainty,
    residuals: tuple[SensorResiduals, ...],
    fourier: float,
) -> tuple[str, ...]:
    """What makes the figures doubtful although the search went well."""
    said = []
    low, high = FOURIER
    if not low <= fourier <= high:
        said.append(
            f"The Fourier number, diffusivity x duration / length squared, is {fourier:.2g}: "
            "check the units (m, s, m2/s, K)."
        )
    freedom = uncertainty.degrees_of_freedom
    given = any(s.sigma is not None for s in objective.experiment.sensors if s.present.any())
    if given and freedom > 0:
        ratio = (J / freedom) ** 0.5
        if chdtrc(freedom, J) < UNLIKELY:
            said.append(
                f"The residuals are {ratio:.2g} times the given sigma: the model misses something, "
                "or sigma is too small; the intervals are too narrow by that factor."
            )
        elif chdtr(freedom, J) < UNLIKELY:
            said.append(f"The residuals are only {ratio:.2g} times sigma: is it too large?")
    scale = float(np.max(np.abs(objective.data), initial=0.0))
    for index, r in enumerate(residuals):
        correlated = r.readings >= 10 and r.effective_sample_size < r.readings / 3
        if correlated and r.rms > ROUND_OFF * scale:
            name = objective.experiment.sensors[index].name or str(index)
            factor = (r.readings / r.effective_sample_size) ** 0.5
            said.append(
                f"The residuals of sensor {name} follow one another (autocorrelation "
                f"{r.autocorrelation:.2f}): standard errors may be too small by about {factor:.1f}."
            )
    return tuple(said)
