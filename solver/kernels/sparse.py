"""Products around a march, and whether numbers are what they must be."""

from __future__ import annotations

import numpy as np

from solver.kernels.compiled import brief, kernel
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


@brief
def affine(c_0: Array, C: Array, spans: Array, theta: Array, positive: int, c: Array) -> bool:
    """c (N,) = c_0 + C^T theta: whether all are finite, and the first ones positive.

    C holds the numbers in which rows are not 0, span after span: spans (S, 4) are the row, its
    first column there, how many columns, and where in C they stand.
    """
    for r in range(c.shape[0]):
        c[r] = c_0[r]
    add_affine(C, spans, 0, theta.reshape(1, -1), c.reshape(1, -1))
    return is_finite(c) and is_positive(c[:positive])


@kernel
def add_affine(C: Array, spans: Array, first: int, theta: Array, c: Array) -> None:
    """c (q, n) += C^T theta for q vectors theta (q, p), of the columns from the first on."""
    for d in range(theta.shape[0]):
        for s in range(spans.shape[0]):
            left, at, along = spans[s, 1] - first, spans[s, 3], theta[d, spans[s, 0]]
            column, moved = C[at : at + spans[s, 2]], c[d, left : left + spans[s, 2]]
            for r in range(column.shape[0]):
                moved[r] += column[r] * along


@brief
def add_affine_bar(C: Array, spans: Array, first: int, c_bar: Array, theta_bar: Array) -> None:
    """The transpose for one vector: theta_bar (p,) += C c_bar. Four sums, since each would wait."""
    for s in range(spans.shape[0]):
        j, left, at = spans[s, 0], spans[s, 1] - first, spans[s, 3]
        column, bar = C[at : at + spans[s, 2]], c_bar[left : left + spans[s, 2]]
        s_0 = s_1 = s_2 = s_3 = 0.0 * theta_bar[j]
        fours = column.shape[0] // 4
        for r in range(fours):
            s_0 += column[4 * r] * bar[4 * r]
            s_1 += column[4 * r + 1] * bar[4 * r + 1]
            s_2 += column[4 * r + 2] * bar[4 * r + 2]
            s_3 += column[4 * r + 3] * bar[4 * r + 3]
        for r in range(4 * fours, column.shape[0]):
            s_0 += column[r] * bar[r]
        theta_bar[j] += (s_0 + s_1) + (s_2 + s_3)


@brief
def sum_of_squares(r: Array) -> float:
    """The real part of r^T r; infinite or NaN without a warning."""
    total: float = np.dot(r, r).real
    return total


@brief
def is_finite(x: Array) -> bool:
    """Whether all of x (N,) are finite numbers."""
    for r in range(x.shape[0]):
        if not np.isfinite(x[r]):
            return False
    return True


@brief
def is_positive(x: Array) -> bool:
    """Whether the real parts of all of x (N,) are above zero."""
    for r in range(x.shape[0]):
        if not x[r].real > 0.0:
            return False
    return True
