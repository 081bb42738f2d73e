r"""Tridiagonal matrices as three bands: product, factors, solve.

``bands`` has shape (3, N): for row r of K the entry below the diagonal (column r-1), the sum of the
row, and the entry above (column r+1); ``bands[0, 0]`` and ``bands[2, N-1]`` are zero. So

    (K u)_r = below_r (u_{r-1} - u_r) + sum_r u_r + above_r (u_{r+1} - u_r).

The row sum, not the diagonal, because it is what physics gives: zero where heat is only conducted.
Heat flows by differences of temperature, and in this form they are taken before anything is
multiplied; with the diagonal, products of the temperature itself would cancel, and a bar at 293 K
would lose digits that one at 0 K keeps. The transpose has the same storage, so one factorisation
and one solve serve the march, its tangent and its adjoint.

The Thomas sweep waits for the row before; how long it waits is its cost. All divisions are
therefore folded into the factors, which leaves one fused multiply-add per row on that path:

    y_r = rhs_r inverse_r - below_r y_{r-1},        u_r = y_r - above_r u_{r+1}

Elimination is without pivoting: the marches solve with M = I - step K, an M-matrix for a heat
operator. Where steps are long, the 1 in 1 - step K_rr would be lost to round-off, and with it the
conservation of heat. So the pivots p_r too are formed from row sums, those of M, s_r = 1 - step
sum_r: with l and a the entries of M below and above the diagonal,

    q_r = s_r - l_r q_{r-1} / p_{r-1},      p_r = q_r - a_r,

all of whose terms are positive, so that nothing cancels (the idea of Grassmann, Taksar & Heyman,
Operations Research 33 (1985) 1107-1116). M^T has the same pivots; its factors are those of M, with
the multipliers exchanged.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from solver.kernels.compiled import kernel

Array = NDArray[Any]  # float64, or complex128 in a complex step


@kernel
def transpose(bands: Array) -> Array:
    """The bands of K^T, shape (3, N)."""
    transposed = np.zeros_like(bands)
    transposed[0, 1:] = bands[2, :-1]
    transposed[2, :-1] = bands[0, 1:]
    transposed[1] = bands[1] + (transposed[0] - bands[0]) + (transposed[2] - bands[2])
    return transposed


@kernel
def factor(bands: Array, step: float) -> Array:
    """Factors (3, N) of M = I - step K: inverse pivots, multipliers below, multipliers above."""
    n = bands.shape[1]
    factors = np.zeros_like(bands)
    excess = 0.0 * bands[1, 0]  # q_{r-1} / p_{r-1}
    for r in range(n):
        below, above = -step * bands[0, r], -step * bands[2, r]
        q = 1.0 - step * bands[1, r] - below * excess
        inverse = 1.0 / (q - above)
        excess = q * inverse
        factors[0, r] = inverse
        factors[1, r] = below * inverse
        factors[2, r] = above * inverse
    return factors


@kernel
def factor_transposed(bands: Array, step: float, factors: Array) -> Array:
    """Factors (3, N) of M^T from those of M."""
    n = bands.shape[1]
    transposed = np.zeros_like(factors)
    transposed[0] = factors[0]
    for r in range(1, n):
        transposed[1, r] = -step * bands[2, r - 1] * factors[0, r]
        transposed[2, r - 1] = -step * bands[0, r] * factors[0, r - 1]
    return transposed


@kernel
def solve(factors: Array, rhs: Array, u: Array) -> None:
    """Solve (I - step K) u = rhs by the factors; `rhs` is overwritten, `u` may be `rhs`."""
    n = rhs.shape[0]
    inverse, below, above = factors[0], factors[1], factors[2]
    for r in range(n):  # apart from the recurrence, so that it runs in SIMD
        rhs[r] *= inverse[r]
    y = rhs[0]
    for r in range(1, n):
        y = rhs[r] - below[r] * y
        rhs[r] = y
    u[n - 1] = y
    for r in range(n - 2, -1, -1):
        y = rhs[r] - above[r] * y
        u[r] = y


@kernel
def add_product(bands: Array, u: Array, out: Array) -> None:
    """out += K u."""
    n = u.shape[0]
    for r in range(n):
        out[r] += bands[1, r] * u[r]
    for r in range(1, n):
        out[r] += bands[0, r] * (u[r - 1] - u[r])
    for r in range(n - 1):
        out[r] += bands[2, r] * (u[r + 1] - u[r])


@kernel
def add_outer(phi: Array, u: Array, bands_bar: Array) -> None:
    """Add to bands_bar the transpose of bands -> phi . (K u)."""
    n = u.shape[0]
    for r in range(n):
        bands_bar[1, r] += phi[r] * u[r]
    for r in range(1, n):
        bands_bar[0, r] += phi[r] * (u[r - 1] - u[r])
    for r in range(n - 1):
        bands_bar[2, r] += phi[r] * (u[r + 1] - u[r])


@kernel
def solve_and_add_outer(
    factors: Array, z: Array, step: float, phi: Array, y: Array, bands_bar: Array
) -> None:
    """In one sweep: `solve` for z in place, phi += step z, and `add_outer` of phi and y.

    The sweep waits for z row by row; the sums run while it waits.
    """
    n = z.shape[0]
    inverse, below, above = factors[0], factors[1], factors[2]
    below_bar, sum_bar, above_bar = bands_bar[0], bands_bar[1], bands_bar[2]
    for r in range(n):
        z[r] *= inverse[r]
    z_r = z[0]
    for r in range(1, n):
        z_r = z[r] - below[r] * z_r
        z[r] = z_r
    phi[n - 1] += step * z_r
    sum_bar[n - 1] += phi[n - 1] * y[n - 1]
    for r in range(n - 2, -1, -1):
        rise = y[r + 1] - y[r]
        below_bar[r + 1] -= phi[r + 1] * rise
        z_r = z[r] - above[r] * z_r
        z[r] = z_r
        phi[r] += step * z_r
        sum_bar[r] += phi[r] * y[r]
        above_bar[r] += phi[r] * rise
