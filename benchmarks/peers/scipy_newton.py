r"""NumPy and SciPy: Newton's method with LAPACK's tridiagonal solve, differentiated at its roots.

Every Newton step and every adjoint step has a matrix of its own, factored and used once.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg.lapack import dgttrf, dgttrs

from benchmarks.lecture import MOST, TRIAL, Array, LectureBar, second_difference, settled
from benchmarks.peers.peer import Peer


def nonlinear(bar: LectureBar, d: Array) -> Peer:
    """J by Newton's method, its gradient by m transposed solves."""
    a, b = TRIAL

    def forward() -> float:
        r = temperatures(bar, a, b) - d
        return float(r @ r)

    return Peer(forward, lambda: value_and_gradient(bar, d, a, b))


def temperatures(bar: LectureBar, a: float, b: float) -> Array:
    """u at x = 0 after every step, (m,)."""
    u, u0 = np.zeros(bar.n), np.empty(bar.m)
    for k in range(bar.m):
        u = root(bar, a, b, u + bar.s[k] * (bar.dt * bar.g), u)
        u0[k] = u[0]
    return u0


def value_and_gradient(bar: LectureBar, d: Array, a: float, b: float) -> tuple[float, Array]:
    """J and (dJ/da, dJ/db)."""
    u, z = np.empty((bar.m, bar.n)), np.empty((bar.m, bar.n))
    state = np.zeros(bar.n)
    for k in range(bar.m):
        state = u[k] = root(bar, a, b, state + bar.s[k] * (bar.dt * bar.g), state)
    r = u[:, 0] - d
    lam = np.zeros(bar.n)
    for k in reversed(range(bar.m)):
        lam[0] += 2.0 * r[k]
        lam = z[k] = solve(bar, a, b, u[k], lam, trans="T")
    products = bar.dt / bar.dx**2 * z * second_difference(u)
    return float(r @ r), np.array([products.sum(), np.vdot(products, u)])


def root(bar: LectureBar, a: float, b: float, right: Array, start: Array) -> Array:
    """The u with u - dt (a + b u) D u = right, (n,)."""
    u, last = start.copy(), 0.0
    scale = bar.dt / bar.dx**2
    for _ in range(MOST):
        delta = solve(bar, a, b, u, u - right - scale * (a + b * u) * second_difference(u))
        u -= delta
        change = float(np.abs(delta).max() / np.abs(u).max())
        if settled(change, last):
            return u
        last = change
    raise ArithmeticError(f"Newton's method found no root within {MOST} steps")


def solve(bar: LectureBar, a: float, b: float, u: Array, right: Array, trans: str = "N") -> Array:
    """The Jacobian at u, or its transpose, divided into `right`: (n,)."""
    below, diagonal, above = bar.rows(a + b * u)
    diagonal -= bar.dt / bar.dx**2 * b * second_difference(u)
    factors = dgttrf(below, diagonal, above)[:-1]
    return np.asarray(dgttrs(*factors, right, trans=trans)[0])
