"""The whole answer to a study: estimates, uncertainties, diagnostics and the proof.

`calibrate` searches, then looks back: how well the data determine what was found
(`solver.uncertainty`), what the residuals say (`solver.residuals`), what error the grid leaves
(`solver.resolution`), whether the gradient that led there is right (`solver.check`), and what of
all this its reader should know first (`solver.remarks`).
"""

from __future__ import annotations

from dataclasses import dataclass

from solver.bands import Band, bands_of
from solver.check import Certificate, away_from_optimum, certify, displaced
from solver.errors import TrialError
from solver.experiment import Study
from solver.fitting import Found, find
from solver.kernels import Array
from solver.march import Pulse
from solver.model import no_pulse
from solver.objective import Objective
from solver.parameters import Parameters
from solver.remarks import (
    Discrepancy,
    Discretisation,
    discrepancy_of,
    discretisation_of,
    remarks,
)
from solver.residuals import SensorResiduals, diagnose
from solver.resolution import is_chosen
from solver.scaling import ARRIVED, STATUSES, Iteration, Report
from solver.search import require_method
from solver.smoothing import Choice
from solver.spread import NetworkFit, networks_of
from solver.tabulate import tabulated
from solver.uncertainty import Uncertainty, quantify
from solver.validation import validate_for_fit


@dataclass(frozen=True, eq=False)
class Calibration:
    """What was found for `study` (on its grid), and everything needed to judge it.

    told and told_theta: the unknowns as uncertainty, bands and discretisation speak of them. They
    are those searched for, but for networks, which are told by their values (`networks`). met: for
    every experiment the lowest and highest temperature, where a law is of the temperature. knots
    and variables: where every unknown curve that is held smooth has its values, and of what.
    """

    study: Study
    parameters: Parameters
    theta: Array
    told: Parameters
    told_theta: Array
    networks: dict[str, NetworkFit]
    status: str
    advice: str
    method: str
    objective: float
    terms: dict[str, float]
    gradient: Array
    start_objective: float
    start_gradient: Array
    history: tuple[Iteration, ...]
    uncertainty: Uncertainty
    bands: tuple[Band, ...]
    met: tuple[tuple[float, float] | None, ...]
    smoothing: dict[str, Choice]
    knots: dict[str, Array]
    variables: dict[str, str]
    discretisation: Discretisation
    discrepancy: Discrepancy
    residuals: tuple[SensorResiduals, ...]
    fitted: tuple[Array, ...]
    certificate: Certificate
    certificate_note: str
    fourier_number: float
    warnings: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The unknowns' names."""
        return self.parameters.names

    @property
    def estimates(self) -> dict[str, float | list[float]]:
        """The values found, by name; a list for a curve."""
        return self.parameters.named(self.theta)

    @property
    def standard_errors(self) -> dict[str, float | list[float]]:
        """Their standard errors, by name; NaN where there is none."""
        return self.told.named(self.uncertainty.standard_errors)


def calibrate(
    study: Study, *, pulse: Pulse = no_pulse, report: Report = lambda iteration: None
) -> Calibration:
    """Find the unknowns of `study` by least squares, or the loss and priors that its fit names.

    `pulse` runs at least every 0.2 s of marching and stops the fit by raising `Cancelled`; `report`
    receives every accepted iteration. Raises InvalidExperiment, and TrialError when the model has
    no finite answer at the start values.
    """
    validate_for_fit(study)
    require_method(study.fit.method)
    found = find(study, pulse=pulse, report=report)
    with found.objective.remembering():
        return _look_back(study, found, pulse)


def _look_back(study: Study, found: Found, pulse: Pulse) -> Calibration:
    objective, theta = found.objective, found.search.theta
    start = objective.parameters.start
    start_objective, start_gradient = objective.value_and_gradient(start)
    final, gradient = objective.value_and_gradient(theta)
    certificate, note = _certificate(objective, start, theta)
    predicted = objective.predict(theta)
    met = tuple(model.bar.met for model in objective.models)
    told, told_theta = tabulated(objective, theta)
    held, learned = told.smoothing_weights, objective.parameters.networks
    told.smooth(held | {n: c.band_weight for n, c in found.choices.items() if n in learned})
    uncertainty = quantify(told, told_theta, arrived=found.search.status in ARRIVED)
    told.smooth(held)
    discretisation = discretisation_of(
        objective, theta, predicted, uncertainty, chosen=not is_chosen(study), pulse=pulse
    )
    residuals = tuple(
        diagnose((predicted - objective.data)[rows], size)
        for rows, size in zip(
            objective.sensor_rows, uncertainty.widening.effective_sample_sizes, strict=True
        )
    )
    discrepancy, terms = discrepancy_of(told, uncertainty), objective.terms(theta, predicted)
    fourier = objective.models[0].bar.heat.fourier_number(theta)
    return Calibration(
        study=found.study,
        parameters=objective.parameters,
        theta=theta,
        told=told.parameters,
        told_theta=told_theta,
        networks=networks_of(objective, found.search, told.knots),
        status=found.search.status,
        advice=STATUSES[found.search.status],
        method=found.search.method,
        objective=final,
        terms=terms,
        gradient=gradient,
        start_objective=start_objective,
        start_gradient=start_gradient,
        history=found.search.history,
        uncertainty=uncertainty,
        bands=bands_of(told.study, told.parameters, told_theta, uncertainty, met),
        met=met,
        smoothing=found.choices,
        knots=told.knots,
        variables=told.variables,
        discretisation=discretisation,
        discrepancy=discrepancy,
        residuals=residuals,
        fitted=tuple(predicted[s] for s in objective.sensor_rows),
        certificate=certificate,
        certificate_note=note,
        fourier_number=fourier,
        warnings=remarks(told, terms, uncertainty, discrepancy, discretisation, fourier)
        + tuple(choice.remark for choice in found.choices.values() if choice.remark),
    )


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
