r"""Interpolation as matrices: what a curve through given points is in terms of its values.

Linear interpolation is ``y = H v`` with the hat functions' matrix H. The monotone cubic is
``y = H_0 v + H_1 d(v)``, its slopes d those of Fritsch & Butland: with the secants
``delta_k = (v_{k+1} - v_k) / h_k``, inside

    1 / d_k = (w_1 / delta_{k-1} + w_2 / delta_k) / (w_1 + w_2),    w_1 = 2 h_k + h_{k-1},
                                                                    w_2 = h_k + 2 h_{k-1},

where the secants on both sides have one sign, else d_k = 0; at an end the parabola's slope, limited
so that the curve stays monotone. Beyond its points a curve is constant.

Reference: Fritsch & Butland, SIAM J. Sci. Stat. Comput. 5 (1984) 300-304.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import csr_array

from solver.kernels import Array


def locate(points: Array, s: Array) -> tuple[Array, Array]:
    """The interval below each of `s`, and how far into it (0..1); held at the ends."""
    last = points.size - 2
    below = np.minimum(np.maximum(points.searchsorted(s, side="right") - 1, 0), last)
    start = points[below]
    into = (s - start) / (points[below + 1] - start)
    return below, np.minimum(np.maximum(into, 0.0), 1.0)


def hat_matrix(points: Array, s: Array) -> csr_array:
    """H (s, points) of linear interpolation."""
    below, into = locate(points, s)
    return _two_banded(below, 1.0 - into, into, points.size)


def monotone(points: Array, values: Array, s: Array) -> Array:
    """The monotone cubic through (points, values) at `s`."""
    below, (v_0, v_1, d_0, d_1) = _hermite(points, s)
    d, _ = _slopes(points, values)
    along = v_0 * values[below] + v_1 * values[below + 1]
    return np.asarray(along + d_0 * d[below] + d_1 * d[below + 1])


def monotone_matrix(points: Array, values: Array, s: Array) -> csr_array:
    """d `monotone` / d values, (s, points)."""
    below, (v_0, v_1, d_0, d_1) = _hermite(points, s)
    (rows, secants, entries), h = _slopes(points, values)[1], np.diff(points)
    by_values = csr_array(
        (
            np.concatenate([-entries / h[secants], entries / h[secants]]),
            (np.concatenate([rows, rows]), np.concatenate([secants, secants + 1])),
        ),
        shape=(points.size, points.size),
    )
    H_0 = _two_banded(below, v_0, v_1, points.size)
    H_1 = _two_banded(below, d_0, d_1, points.size)
    return csr_array(H_0 + H_1 @ by_values)


def _hermite(points: Array, s: Array) -> tuple[Array, tuple[Array, Array, Array, Array]]:
    """The interval below each of `s`; the weights of the values and slopes at its two ends."""
    below, p = locate(points, s)
    h = np.diff(points)[below]
    rise, rest = p**2 * (3.0 - 2.0 * p), 1.0 - p
    return below, (1.0 - rise, rise, h * p * rest**2, -h * p**2 * rest)


def _two_banded(below: Array, left: Array, right: Array, columns: int) -> csr_array:
    """Rows with two entries, at `below` and next to it."""
    entries = np.stack([left, right], axis=1).ravel()
    where = np.stack([below, below + 1], axis=1).ravel()
    return csr_array(
        (entries, where, np.arange(0, 2 * below.size + 1, 2)), shape=(below.size, columns)
    )


def _slopes(points: Array, values: Array) -> tuple[Array, tuple[Array, Array, Array]]:
    """Slopes d (points,), and their Jacobian by the secants: rows, columns and entries."""
    h = np.diff(points)
    delta = np.diff(values) / h
    d = np.zeros(points.size, values.dtype)
    by_secant: list[tuple[Any, Any, Any]] = []  # rows, secants, entries
    if h.size == 1:
        d[:] = delta[0]
        by_secant.append(([0, 1], [0, 0], [1.0, 1.0]))
    else:
        w_1, w_2 = 2.0 * h[1:] + h[:-1], h[1:] + 2.0 * h[:-1]
        k = np.flatnonzero(delta[:-1].real * delta[1:].real > 0.0)
        before, after, w = delta[k], delta[k + 1], (w_1 + w_2)[k]
        d[k + 1] = w / (w_1[k] / before + w_2[k] / after)
        square = d[k + 1] ** 2
        by_secant.append((k + 1, k, square * w_1[k] / (w * before**2)))
        by_secant.append((k + 1, k + 1, square * w_2[k] / (w * after**2)))
        for end, near, far in ((0, 0, 1), (points.size - 1, h.size - 1, h.size - 2)):
            a, b = _end_slope(h[near], h[far], delta[near].real, delta[far].real)
            d[end] = a * delta[near] + b * delta[far]
            by_secant.append(([end, end], [near, far], [a, b]))
    rows, columns, entries = (np.concatenate(part) for part in zip(*by_secant, strict=True))
    return d, (rows, columns, entries)


def _end_slope(near: float, far: float, first: float, second: float) -> tuple[float, float]:
    """The end's slope as a combination of its two secants: the parabola's, limited."""
    a, b = (2.0 * near + far) / (near + far), -near / (near + far)
    slope = a * first + b * second
    if slope * first <= 0.0:
        return 0.0, 0.0
    if first * second < 0.0 and abs(slope) > 3.0 * abs(first):
        return 3.0, 0.0
    return a, b
