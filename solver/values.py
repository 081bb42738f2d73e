r"""From theta to the values of every curve on the grid, and back.

Wherever an unknown stands, the derivative of its curve is a column (or, of a list, a matrix) that
the curve itself gives; tangent and transpose are products with it,

    value_dot = sum_j (d value / d theta_j) theta_dot_j,
    theta_bar_j += (d value / d theta_j)^T value_bar.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from solver import kernels
from solver.curves import Slot, resolve, slots
from solver.errors import Place, TrialError
from solver.kernels import Array
from solver.layout import plain
from solver.parameters import Parameters
from solver.pieces import Layout
from solver.sampling import (
    CONDUCTIVITY,
    DIFFUSIVITY,
    HEAT_CAPACITY,
    AtPoints,
    OverTemperatures,
    Sample,
)

Values = Mapping[Place, Array]  # the values of every curve, by its place
POSITIVE = {
    DIFFUSIVITY: ("diffusivity", "m^2/s"),
    CONDUCTIVITY: ("conductivity", "W/m/K"),
    HEAT_CAPACITY: ("heat capacity", "J/m^3/K"),
}


@dataclass(frozen=True, eq=False)
class _Open:
    """A curve with unknowns: where they stand in it, and in theta."""

    sample: Sample
    slots: tuple[tuple[Slot, slice], ...]
    _last: list[tuple[bytes, Any]] = field(default_factory=lambda: [(b"", None)], init=False)

    def at(self, theta: Array) -> Any:
        """The curve with values in the place of its unknowns; that of the last theta is kept."""
        key = theta.tobytes()
        last, curve = self._last[0]
        if key != last:
            values = {
                slot.unknown.name: theta[where].copy()
                if slot.unknown.listed
                else theta[where.start]
                for slot, where in self.slots
            }
            curve = resolve(self.sample.curve, values)
            self._last[0] = key, curve
        return curve

    @cached_property
    def affine(self) -> bool:
        """Whether the curve is affine in its unknowns."""
        return getattr(self.sample.curve, "affine", False)

    def columns(self, theta: Array) -> list[tuple[slice, Any]]:
        """For every unknown: its components of theta, and d curve / d them."""
        return self._columns_once if self.affine else self._columns(theta)

    def rows(self, theta: Array) -> list[tuple[slice, Any]]:
        """The transposes of these."""
        return self._rows_once if self.affine else _transposed(self._columns(theta))

    @cached_property
    def _rows_once(self) -> list[tuple[slice, Any]]:
        return _transposed(self._columns_once)

    @cached_property
    def _columns_once(self) -> list[tuple[slice, Any]]:
        return self._columns(np.zeros(max(where.stop for _, where in self.slots)))

    def _columns(self, theta: Array) -> list[tuple[slice, Any]]:
        partials = self.sample.sampling.partials(self.at(theta))
        return [(where, column(partials[slot.field], slot)) for slot, where in self.slots]


class CurveValues:
    """The map theta -> values for the curves `samples`; what does not depend on theta is kept."""

    def __init__(self, samples: Iterable[Sample], parameters: Parameters) -> None:
        self.felt = np.zeros(parameters.size, bool)  # which components of theta stand here
        self.known: dict[Place, Array] = {}
        self._open: dict[Place, _Open] = {}
        self.layouts: dict[Place, Layout] = {}  # of the laws of the temperature
        self._laws: dict[Place, Any] = {}  # these
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            for sample in samples:
                self._take(sample, parameters)

    def _take(self, sample: Sample, parameters: Parameters) -> None:
        if isinstance(sample.sampling, OverTemperatures):
            self.layouts[sample.place] = sample.sampling.layout
            self._laws[sample.place] = sample.curve
        found = tuple((s, parameters.where[s.unknown.name]) for s in slots(sample.curve))
        for _, where in found:
            self.felt[where] = True
        if found:
            self._open[sample.place] = _Open(sample, found)
            return
        self.known[sample.place] = sample.sampling.value(sample.curve)
        if sample.place in self.layouts:  # where it may be asked farther than was validated
            self._require_finite(sample.place, self.known[sample.place])

    @property
    def open_samples(self) -> list[Sample]:
        """The curves in which unknowns stand."""
        return [part.sample for part in self._open.values()]

    @property
    def affine(self) -> bool:
        """Whether all of them are affine in their unknowns."""
        return all(part.affine for part in self._open.values())

    def unknown(self, place: Place | None) -> bool:
        """Whether an unknown stands in the curve at `place`."""
        return place in self._open

    def of_temperature(self, place: Place) -> bool:
        """Whether the law at `place` is of the temperature."""
        return place in self.layouts

    def law(self, place: Place, theta: Array) -> Any:
        """The law of the temperature at `place`, with values in the place of its unknowns."""
        return self._open[place].at(theta) if place in self._open else self._laws[place]

    def at(self, theta: Array) -> dict[Place, Array]:
        """Every curve on its grid points; raises TrialError where a law is not positive."""
        values = self.unchecked(theta)
        for place, part in self._open.items():
            self._require_finite(place, values[place])
            if place in POSITIVE and place not in self.layouts:
                _require_positive(place, part, theta, values[place])
        return values

    def unchecked(self, theta: Array) -> dict[Place, Array]:
        """The same, whatever comes of it."""
        values = dict(self.known)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            for place, part in self._open.items():
                values[place] = part.sample.sampling.value(part.at(theta))
        return values

    def _require_finite(self, place: Place, values: Array) -> None:
        if kernels.is_finite(plain(values, values.dtype)):
            return
        layout, where = self.layouts.get(place), ""
        if layout is not None:
            where = f" between {layout.breaks[0]:.3g} and {layout.breaks[-1]:.3g} K"
        raise TrialError(place, "not_finite", f"its values are not finite numbers{where}")

    def one(self, place: Place, theta: Array) -> Array:
        """The curve at `place` alone."""
        if place in self.known:
            return self.known[place]
        part = self._open[place]
        return part.sample.sampling.value(part.at(theta))

    def dot(self, theta: Array, directions: Array) -> dict[Place, Array]:
        """Derivatives (q, points) of the curves along `directions` (q, p)."""
        values_dot = {}
        for place, part in self._open.items():
            curve, sampling = part.at(theta), part.sample.sampling
            if hasattr(curve, "push"):
                (_, where), *_ = part.slots
                at_points = curve.push(sampling.points, directions[:, where])
                values_dot[place] = sampling.of_points(at_points)
                continue
            products = [_product(matrix, directions[:, w]) for w, matrix in part.columns(theta)]
            values_dot[place] = np.asarray(sum(products))
        return values_dot

    def bar(self, theta: Array, values_bar: Values) -> Array:
        """The cotangent of theta (p,) from those of the curves."""
        dtype = np.result_type(theta, *values_bar.values(), np.float64)
        theta_bar = np.zeros(self.felt.size, dtype)
        for place, part in self._open.items():
            if hasattr(part.sample.curve, "pull"):
                curve, sampling = part.at(theta), part.sample.sampling
                (_, where), *_ = part.slots
                at_points = sampling.at_points(values_bar[place])
                theta_bar[where] += curve.pull(sampling.points, at_points)
                continue
            for where, transpose in part.rows(theta):
                theta_bar[where] += transpose @ values_bar[place]
        return theta_bar

    def zeros(self, dtype: Any = np.float64) -> dict[Place, Array]:
        """A cotangent of nothing, for the curves that hold unknowns."""
        sizes = {place: part.sample.sampling.size for place, part in self._open.items()}
        return {place: np.zeros(size, dtype) for place, size in sizes.items()}


def _transposed(columns: list[tuple[slice, Any]]) -> list[tuple[slice, Any]]:
    return [(where, matrix.T) for where, matrix in columns]


def column(partial: Any, slot: Slot) -> Any:
    """The derivative by one slot: (points,) of a number, (points, list) of a list."""
    if slot.index is None:
        return partial
    one = partial[:, [slot.index]]
    return np.ravel(one if isinstance(one, np.ndarray) else one.toarray())


def _product(matrix: Any, directions: Array) -> Any:
    """(points,) or (points, k) times `directions` (q, k), shape (q, points)."""
    if matrix.ndim == 1:
        return np.multiply.outer(directions[:, 0], matrix)
    return (matrix @ directions.T).T


def _require_positive(place: Place, part: _Open, theta: Array, sampled: Array) -> None:
    """A property of matter is positive at every node, and so is what is made of it."""
    x = part.sample.sampling.points
    _require_positive_at(place, x, sampled)
    if not isinstance(part.sample.sampling, AtPoints):
        _require_positive_at(place, x, np.asarray(part.at(theta).value(x)))


def _require_positive_at(place: Place, x: Array, values: Array) -> None:
    if kernels.is_positive(plain(values, values.dtype)):
        return
    k = int(np.argmin(values.real))
    if not values.real[k] > 0.0:
        name, unit = POSITIVE[place]
        detail = (
            f"the {name} is {values.real[k]:g} {unit} at x = {x[k]:g} m; "
            "it must be positive everywhere on the bar"
        )
        raise TrialError(place, f"{place[-1]}_not_positive", detail)
