"""The fitted laws and curves, with the bands that the estimate's covariance gives them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from solver.curves import Constant, resolve, slots
from solver.errors import Place
from solver.experiment import Study
from solver.kernels import Array
from solver.parameters import Parameters
from solver.sampling import samples_of
from solver.uncertainty import Uncertainty
from solver.values import column

POINTS = 101  # at which a curve is drawn


@dataclass(frozen=True, eq=False)
class Band:
    """A curve with unknowns in it: its place, and values with 95 % band (points,) at `points`.

    of: what the points are, x, t or u. A law of u is drawn over the temperatures that its bar met.
    The band is NaN where an unknown has no variance.
    """

    place: Place
    of: str
    points: Array
    values: Array
    lower: Array
    upper: Array


def bands_of(
    study: Study,
    parameters: Parameters,
    theta: Array,
    uncertainty: Uncertainty,
    met: tuple[tuple[float, float] | None, ...],
) -> tuple[Band, ...]:
    """Every law, profile and series of a study that holds an unknown and is more than a number.

    met: for every experiment the lowest and the highest temperature, where a law asks for them.
    """
    named = parameters.named(theta)
    bands = []
    for index, experiment in enumerate(study.experiments):
        for sample in samples_of(experiment):
            found, across = list(slots(sample.curve)), sample.sampling.points
            if not found or across.size < 2 or isinstance(sample.curve, Constant):
                continue
            curve: Any = resolve(sample.curve, named)
            temperatures = met[index] if sample.of == "u" else None
            low, high = temperatures or (across[0], across[-1])
            s = np.linspace(low, high, POINTS)
            values, slope = curve.value(s), np.zeros((POINTS, theta.size))
            partials = curve.partials(s)
            for slot in found:
                part = column(partials[slot.field], slot)
                rows = part[:, None] if part.ndim == 1 else part
                slope[:, parameters.where[slot.unknown.name]] += rows
            half = _half_width(slope, uncertainty)
            place = (*study.place(index), *sample.place)
            bands.append(Band(place, sample.of, s, values, values - half, values + half))
    return tuple(bands)


def _half_width(slope: Array, uncertainty: Uncertainty) -> Array:
    """Of the 95 % band, with the widest quantile of the unknowns that take part."""
    used = np.abs(slope).max(axis=0) > 0.0
    covariance = uncertainty.covariance[np.ix_(used, used)]
    variance = np.sum((slope[:, used] @ covariance) * slope[:, used], axis=1)
    return np.asarray(uncertainty.quantile[used].max() * np.sqrt(np.maximum(variance, 0.0)))
