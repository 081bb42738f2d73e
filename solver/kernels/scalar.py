"""Scalar algebra of the march by Newton."""

from __future__ import annotations

from typing import Any

from solver.kernels.compiled import kernel
from solver.kernels.tridiagonal import Array


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
def add_load(step: float, profiles: Array, history: Array, out: Array) -> None:
    """out += step sum_p history_p profiles_p."""
    for p in range(profiles.shape[0]):
        add_multiple(step * history[p], profiles[p], out)


@kernel
def copy(a: Array, out: Array) -> None:
    """out = a; unlike ``out[:] = a``, which allows for overlap, it runs in SIMD."""
    for r in range(out.shape[0]):
        out[r] = a[r]


@kernel
def add_multiple(factor: complex, a: Array, out: Array) -> None:
    """out += factor a."""
    for r in range(out.shape[0]):
        out[r] += factor * a[r]


@kernel
def dot(a: Array, b: Array) -> Any:
    """The sum of a b (no conjugate, so that a complex step passes through)."""
    total = 0.0 * a[0]
    for r in range(a.shape[0]):
        total += a[r] * b[r]
    return total
