r"""A law of the temperature as polynomial pieces, which is all that a compiled march knows of it.

A law is asked at the Chebyshev points of every piece; the polynomial through them is what marches.
Laws that are polynomials between breaks say so (`pieces`): they are exact. Any other is met on
`COUNT` pieces of degree `DEGREE`, evenly over the range of temperatures, which leaves an error near
round-off where the law is smooth on that scale: a share of about (h / 2 d)^8, h the width of a
piece, d the distance of the law's nearest singularity in the complex plane. Where it is not, which
shows in the middle of the pieces, they are made `FINER` times as many, `REFINEMENTS` times.

The map from the law's values to the coefficients is linear, so its derivatives are the same map and
its transpose. What is stored is the integral of a heat capacity, which is piecewise polynomial too.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np

from solver import kernels
from solver.kernels import Array

COUNT, DEGREE = 64, 7
FINER, REFINEMENTS = 4, 3
CLOSE = 1e-9  # relative difference between a law and its pieces
CUBIC = 3  # degree up to which one polynomial is good wherever the temperatures go
FEW = 64  # points of a law up to which the integral is one product
EDGE = 1e-9  # of a table's range, by which temperatures may pass its ends in round-off


@dataclass(frozen=True, eq=False)
class Layout:
    """Where a law's pieces lie: breaks (B + 1,), and their degree; limits: where it is good.

    firm: whether the limits are the law's own, and not those of the range it was laid out for.
    exact: whether the law is these polynomials.
    """

    breaks: Array
    degree: int
    limits: Array
    firm: bool
    exact: bool = True

    @cached_property
    def points(self) -> Array:
        """Where the law is asked, (B (degree + 1),)."""
        left, width = self.breaks[:-1, None], np.diff(self.breaks)[:, None]
        return np.asarray((left + 0.5 * width * (1.0 + _nodes(self.degree))).ravel())

    def coefficients(self, values: Array) -> Array:
        """From the values at `points` (..., B (degree + 1)) to those of all pieces, by piece."""
        shape = (*values.shape[:-1], self.breaks.size - 1, self.degree + 1)
        return np.ascontiguousarray(values.reshape(shape) @ _to_coefficients(self.degree).T)

    def coefficients_bar(self, bar: Array) -> Array:
        """The transpose of `coefficients`."""
        return np.asarray((bar @ _to_coefficients(self.degree)).ravel())

    def integral(self, values: Array) -> Array:
        """The coefficients of the law's integral, 0 at the middle break, (..., B, degree + 2)."""
        higher = self.coefficients(values) * self._higher
        at_left = higher @ self._signs
        rise = higher.sum(axis=-1) - at_left
        before = np.cumsum(rise, axis=-1) - rise
        before -= before[..., [self._middle]]
        return np.concatenate([(before - at_left)[..., None], higher], axis=-1)

    def integral_bar(self, bar: Array) -> Array:
        """The transpose of `integral`."""
        if self.points.size <= FEW:
            return np.asarray(self._integral_of_each @ bar.ravel())
        before_bar, at_left_bar = bar[:, 0].copy(), -bar[:, 0]
        before_bar[self._middle] -= bar[:, 0].sum()
        rise_bar = before_bar[::-1].cumsum()[::-1] - before_bar
        at_left_bar = at_left_bar - rise_bar
        higher_bar = bar[:, 1:] + rise_bar[:, None] + at_left_bar[:, None] * self._signs
        return self.coefficients_bar(higher_bar * self._higher)

    @cached_property
    def _integral_of_each(self) -> Array:
        """`integral` of a value at one point alone, point after point, (points, B (degree + 2))."""
        return self.integral(np.eye(self.points.size)).reshape(self.points.size, -1)

    def laid(self, coefficients: Array, shift: float) -> kernels.Pieces:
        """The pieces of temperatures less `shift`."""
        if shift not in self._places:
            breaks = self.breaks - shift
            centers, inverse = 0.5 * (breaks[1:] + breaks[:-1]), 2.0 / np.diff(breaks)
            self._places[shift] = self.limits - shift, breaks, centers, inverse
        return kernels.Pieces(*self._places[shift], coefficients)

    def follows(self, law: Any, values: Array, low: float, high: float) -> bool:
        """Whether the pieces through `values` meet the law in their middles, `low` to `high`."""
        if self.exact:
            return True
        met = (self.breaks[:-1] <= high) & (low <= self.breaks[1:])
        middles = 0.5 * (self.breaks[1:] + self.breaks[:-1])[met]
        there, found = law.value(middles).real, self.coefficients(values)[met, 0].real
        return bool(np.all(np.abs(found - there) <= CLOSE * np.abs(there)))

    @cached_property
    def _places(self) -> dict[float, tuple[Array, Array, Array, Array]]:
        """Of pieces of temperatures less a shift: limits, breaks, centers, inverse widths."""
        return {}

    @cached_property
    def _middle(self) -> int:
        return (self.breaks.size - 1) // 2

    @cached_property
    def _higher(self) -> Array:
        """What a coefficient is multiplied by when its power is integrated, (B, degree + 1)."""
        return np.multiply.outer(0.5 * np.diff(self.breaks), 1.0 / np.arange(1, self.degree + 2))

    @cached_property
    def _signs(self) -> Array:
        """The powers 1, 2, ... of xi = -1."""
        return (-1.0) ** np.arange(1, self.degree + 2)


def layout(law: Any, low: float, high: float, refinement: int = 0) -> Layout:
    """How a law is laid out for temperatures from `low` to `high`."""
    everywhere = np.array([-np.inf, np.inf])
    if not hasattr(law, "pieces"):
        breaks = np.linspace(low, high, COUNT * FINER**refinement + 1)
        return Layout(breaks, DEGREE, breaks[[0, -1]], firm=False, exact=False)
    breaks, degree = law.pieces()
    if breaks is None:
        limits = everywhere if degree <= CUBIC else np.array([low, high])
        return Layout(np.array([low, high]), degree, limits, firm=False)
    slack = EDGE * (breaks[-1] - breaks[0])
    return Layout(breaks, degree, breaks[[0, -1]] + [-slack, slack], firm=True)


def constant(value: float) -> kernels.Pieces:
    """A law of one value."""
    return _plain([value])


def identity() -> kernels.Pieces:
    """What is stored where the heat capacity is of place: the temperature itself."""
    return _plain([0.0, 1.0])


def _plain(coefficients: list[float]) -> kernels.Pieces:
    return kernels.Pieces(
        limits=np.array([-np.inf, np.inf]),
        breaks=np.array([-1.0, 1.0]),
        centers=np.zeros(1),
        inverse=np.ones(1),
        coefficients=np.array([coefficients]),
    )


@cache
def _nodes(degree: int) -> Array:
    """Chebyshev points of the second kind on [-1, 1], (degree + 1,)."""
    if degree == 0:
        return np.zeros(1)
    return np.asarray(-np.cos(np.pi * np.arange(degree + 1) / degree))


@cache
def _to_coefficients(degree: int) -> Array:
    """From values at `_nodes` to monomial coefficients (degree + 1, degree + 1)."""
    return np.asarray(np.linalg.inv(np.vander(_nodes(degree), increasing=True)))
