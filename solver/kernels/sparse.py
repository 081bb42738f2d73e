"""Products around a march, and whether numbers are what they must be."""

from __future__ import annotations

import numpy as np

from solver.kernels.compiled import kernel
from solver.kernels.tridiagonal import Array


@kernel
def multiply(ends: Array, columns: Array, weights: Array, x: Array, y: Array) -> bool:
    """y (M, q) = H x for the vectors x (q, N): whether all are finite.

    Row i of H stands in ends[i]..ends[i + 1].
    """
    finite = True
    for d in range(x.shape[0]):
        for i in range(y.shape[0]):
            y[i, d] = 0.0
            for k in range(ends[i], ends[i + 1]):
                y[i, d] += weights[k] * x[d, columns[k]]
            finite = finite and np.isfinite(y[i, d])
    return finite


@kernel
def add_transposed(ends: Array, columns: Array, weights: Array, y: Array, x: Array) -> None:
    """x (N,) += H^T y."""
    for i in range(y.shape[0]):
        for k in range(ends[i], ends[i + 1]):
            x[columns[k]] += weights[k] * y[i]


@kernel
def affine(c_0: Array, C: Array, theta: Array, positive: int, c: Array) -> bool:
    """c (N,) = c_0 + C^T theta, C (p, N): whether all are finite, and the first ones positive."""
    for r in range(c.shape[0]):
        c[r] = c_0[r]
    for j in range(theta.shape[0]):
        for r in range(c.shape[0]):
            c[r] += C[j, r] * theta[j]
    return is_finite(c) and is_positive(c[:positive])


@kernel
def add_affine_bar(C: Array, first: int, c_bar: Array, theta_bar: Array) -> None:
    """The transpose of c[first:], added to theta_bar (p,)."""
    for j in range(theta_bar.shape[0]):
        for r in range(c_bar.shape[0]):
            theta_bar[j] += C[j, first + r] * c_bar[r]


@kernel
def sum_of_squares(r: Array) -> float:
    """The real part of r^T r; infinite or NaN without a warning."""
    total: float = np.dot(r, r).real
    return total


@kernel
def is_finite(x: Array) -> bool:
    """Whether all of x (N,) are finite numbers."""
    for r in range(x.shape[0]):
        if not np.isfinite(x[r]):
            return False
    return True


@kernel
def is_positive(x: Array) -> bool:
    """Whether the real parts of all of x (N,) are above zero."""
    for r in range(x.shape[0]):
        if not x[r].real > 0.0:
            return False
    return True
