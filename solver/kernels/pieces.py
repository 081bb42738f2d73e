r"""A function of the temperature as polynomial pieces: what a law is inside a compiled march.

No law is known here by name. Whatever it is, it comes as breaks b_0 < ... < b_B and, for piece j
between b_j and b_{j+1}, the coefficients of a polynomial in the local variable

    xi = (u - center_j) inverse_j,    -1 <= xi <= 1,    value = sum_d coefficients_{j, d} xi^d.

Beyond `limits` a law stays what it is there, and its integral goes on straight, so that an iterate
which strays meets matter that conducts and stores, and finds its way back; whether the temperatures
that a march ends with lie within is asked by the march.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from solver.kernels.compiled import kernel
from solver.kernels.tridiagonal import Array


class Pieces(NamedTuple):
    """limits (2,), breaks (B + 1,), centers (B,), inverse (B,), coefficients (B, degree + 1)."""

    limits: Array
    breaks: Array
    centers: Array
    inverse: Array
    coefficients: Array


@kernel
def evaluate(
    law: Pieces, beyond: float, u: Array, where: Array, xi: Array, value: Array, slope: Array
) -> None:
    """The law's value and slope d value / d u at the nodes' temperatures `u`, all (N,).

    beyond: the share of its slope with which it goes on, 0 or 1. where (N,): the piece in which
    each node was found last, and is now; xi (N,): how far into it.
    """
    c, degree = law.coefficients, law.coefficients.shape[1] - 1
    last = law.centers.shape[0] - 1
    if last == 0 and law.limits[0] == -np.inf and law.limits[1] == np.inf:
        _evaluate_one(law, u, xi, value, slope)
        return
    for r in range(u.shape[0]):
        j = where[r]
        while j < last and u[r].real > law.breaks[j + 1]:
            j += 1
        while j > 0 and u[r].real < law.breaks[j]:
            j -= 1
        where[r] = j
        here = (u[r] - law.centers[j]) * law.inverse[j]
        x, share = here, 1.0
        if u[r].real < law.limits[0]:
            x, share = 0.0 * here + (law.limits[0] - law.centers[j]) * law.inverse[j], beyond
        elif u[r].real > law.limits[1]:
            x, share = 0.0 * here + (law.limits[1] - law.centers[j]) * law.inverse[j], beyond
        v, s = c[j, degree] + 0.0 * x, 0.0 * x
        for d in range(degree - 1, -1, -1):
            s = s * x + v
            v = v * x + c[j, d]
        xi[r] = x
        value[r] = v + share * s * (here - x)
        slope[r] = share * s * law.inverse[j]


@kernel
def _evaluate_one(law: Pieces, u: Array, xi: Array, value: Array, slope: Array) -> None:
    """The same where one piece is all there is: node beside node, in SIMD."""
    c, degree = law.coefficients[0], law.coefficients.shape[1] - 1
    center, inverse = law.centers[0], law.inverse[0]
    for r in range(u.shape[0]):
        xi[r] = (u[r] - center) * inverse
        value[r] = c[degree]
        slope[r] = 0.0
    for d in range(degree - 1, -1, -1):
        for r in range(u.shape[0]):
            slope[r] = slope[r] * xi[r] + value[r]
            value[r] = value[r] * xi[r] + c[d]
    for r in range(u.shape[0]):
        slope[r] *= inverse


@kernel
def add_powers(where: Array, xi: Array, value_bar: Array, coefficients_bar: Array) -> None:
    """Add to coefficients_bar (B, degree + 1) the transpose of coefficients -> values."""
    for r in range(xi.shape[0]):
        power = value_bar[r]
        j = where[r]
        for d in range(coefficients_bar.shape[1]):
            coefficients_bar[j, d] += power
            power *= xi[r]


@kernel
def add_values(coefficients: Array, where: Array, xi: Array, out: Array) -> None:
    """out += the values of other coefficients (B, degree + 1) at the same places."""
    degree = coefficients.shape[1] - 1
    for r in range(xi.shape[0]):
        j = where[r]
        v = coefficients[j, degree] + 0.0 * xi[r]
        for d in range(degree - 1, -1, -1):
            v = v * xi[r] + coefficients[j, d]
        out[r] += v
