"""What makes an answer's figures doubtful although the search went well, in words.

Three things stand beside the statistical error: what the model misses (`Discrepancy`), what the
grid leaves out (`Discretisation`), and what the document itself may have got wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.special import chdtr, chdtrc

from solver.correlation import describe
from solver.curvature import bent
from solver.errors import TrialError
from solver.experiment import Study, sigma_given
from solver.kernels import Array
from solver.march import Pulse
from solver.objective import Objective
from solver.resolution import SHARE, grid_error
from solver.uncertainty import Uncertainty

UNLIKELY = 1e-6  # probability of J below which it contradicts sigma
ROUND_OFF = 1e-12  # of the readings, below which residuals are no noise
MOST_NAMED = 4  # unknowns, in a sentence
FOURIER = (1e-6, 1e6)  # a run outside is over before, or long after, heat crosses the bar


@dataclass(frozen=True)
class Discrepancy:
    """Whether what the model misses, not noise, makes the errors.

    inflation: the largest ratio of a standard error to the one of independent residuals.
    faulty_sensor: the name of one that the others contradict, or None.
    """

    dominates: bool
    inflation: float
    faulty_sensor: str | None
    said: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Discretisation:
    """What the grid leaves out: rms over the readings in K, and in units of their noise.

    estimates (p,): by how much the estimates are off for it. chosen: whether the grid was chosen.
    unknown: why all this is not known (NaN), or "".
    """

    cells: float
    steps: float
    relative_to_noise: float
    estimates: Array
    chosen: bool
    unknown: str = ""


def sensor_labels(study: Study) -> list[str]:
    """A name for every sensor of a study: its own, or its number; of a joint fit with the part's.

    Where a number is taken as a name, it is put in words.
    """
    labels: list[str] = []
    for index, experiment in enumerate(study.experiments):
        prefix = f"{index}/" if study.place(index) else ""
        taken = {sensor.name for sensor in experiment.sensors}
        for number, sensor in enumerate(experiment.sensors):
            name = sensor.name or str(number)
            while not sensor.name and name in taken:
                name = f"sensor {name}"
            taken.add(name)
            labels.append(prefix + name)
    return labels


def discretisation_of(
    objective: Objective,
    theta: Array,
    y: Array,
    uncertainty: Uncertainty,
    *,
    chosen: bool,
    pulse: Pulse,
) -> Discretisation:
    """The error that the grid leaves in the readings y and in the estimates."""
    try:
        error = grid_error(objective.study, theta, y, pulse=pulse)
    except TrialError as failed:
        nothing = np.full(uncertainty.quantile.size, np.nan)
        return Discretisation(np.nan, np.nan, np.nan, nothing, chosen, str(failed))
    noise = 1.0 if uncertainty.sigma is None else uncertainty.sigma
    weighted = error.total * objective.weights
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = float(_rms(weighted) / np.float64(noise))
    return Discretisation(
        cells=_rms(error.cells),
        steps=_rms(error.steps),
        relative_to_noise=relative,
        estimates=np.abs(uncertainty.shift(weighted)),
        chosen=chosen,
    )


def discrepancy_of(objective: Objective, uncertainty: Uncertainty) -> Discrepancy:
    """What the residuals say of the model and of the sensors; of round-off they say nothing."""
    widening, fault = uncertainty.widening, uncertainty.fault
    if _exact(objective, uncertainty):
        return Discrepancy(False, 1.0, None, ())
    sensors, p = sensor_labels(objective.study), objective.parameters
    names = [name for name, where in p.where.items() for _ in range(where.stop - where.start)]
    return Discrepancy(
        dominates=bool(widening.dominated.any()),
        inflation=float(widening.inflation.max(initial=1.0)),
        faulty_sensor=None if fault is None else sensors[fault.sensor],
        said=describe(widening, fault, list(np.array(names)[uncertainty.free]), sensors),
    )


def remarks(
    objective: Objective,
    terms: dict[str, float],
    uncertainty: Uncertainty,
    discrepancy: Discrepancy,
    discretisation: Discretisation,
    fourier: float,
) -> tuple[str, ...]:
    """Everything that the reader should know first."""
    return (
        *_units(fourier),
        *_noise(objective, terms["data"], uncertainty),
        *discrepancy.said,
        *_curvature(objective, uncertainty),
        *_grid(objective, uncertainty, discretisation),
    )


def _units(fourier: float) -> Iterator[str]:
    low, high = FOURIER
    if not low <= fourier <= high:
        yield (
            f"The Fourier number, diffusivity x duration / length squared, is {fourier:.2g}: "
            "check the units (m, s, m2/s, K)."
        )


def _noise(objective: Objective, J: float, uncertainty: Uncertainty) -> Iterator[str]:
    freedom = uncertainty.degrees_of_freedom
    if not sigma_given(objective.study) or freedom <= 0 or objective.study.fit.loss != "squared":
        return
    ratio = (J / freedom) ** 0.5
    if chdtrc(freedom, J) < UNLIKELY:
        yield (
            f"The residuals are {ratio:.2g} times the given sigma: the model misses something, "
            "or sigma is too small; the intervals are too narrow by that factor."
        )
    elif chdtr(freedom, J) < UNLIKELY:
        yield f"The residuals are only {ratio:.2g} times sigma: is it too large?"


def _curvature(objective: Objective, uncertainty: Uncertainty) -> Iterator[str]:
    if _exact(objective, uncertainty):
        return
    ratio = bent(uncertainty.observed_errors, uncertainty.standard_errors)
    worst = np.argsort(-np.abs(np.log(ratio)), kind="stable")[: np.count_nonzero(ratio != 1.0)]
    if not worst.size:
        return
    labels, said = objective.parameters.labels, worst[:MOST_NAMED]
    names, ratios = [labels[j] for j in said], [f"{ratio[j]:.2g}" for j in said]
    more = f" and {worst.size - MOST_NAMED} more" if worst.size > MOST_NAMED else ""
    yield (
        "The model bends noticeably over the width of the intervals, so they are approximate for "
        f"{', '.join(names)}{more}: the exact curvature of J would make the errors "
        f"{', '.join(ratios)} times as large."
    )


def _grid(
    objective: Objective, uncertainty: Uncertainty, discretisation: Discretisation
) -> Iterator[str]:
    if discretisation.unknown:
        yield (
            "What the grid leaves out is not known, the model has no answer on a grid twice as "
            f"fine: {discretisation.unknown}"
        )
        return
    ratio = discretisation.relative_to_noise
    if ratio <= (SHARE if discretisation.chosen else 1.0) or _exact(objective, uncertainty):
        return
    coarse = "cells" if discretisation.cells > discretisation.steps else "steps"
    yield (
        f"The grid leaves an error of {ratio:.2g} times the noise in the readings: take more "
        f"{coarse}, and see discretisation_error beside each estimate."
    )


def _exact(objective: Objective, uncertainty: Uncertainty) -> bool:
    """Whether the residuals are round-off: data that this very scheme has made."""
    r = uncertainty.fit.residuals[: objective.data.size] / objective.weights
    return _rms(r) <= ROUND_OFF * float(np.max(np.abs(objective.data), initial=0.0))


def _rms(values: Array) -> float:
    return float(np.sqrt(np.mean(values**2))) if values.size else 0.0
