r"""NumPy and SciPy: LAPACK's tridiagonal factors made once, one solve per step (gttrf, gttrs).

The whole trajectory u and the cotangents z are kept, so that the sum over the steps in

    dJ/dkappa = dt sum_k z^k (D u^k)

is three products of whole arrays and not a loop.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.linalg.lapack import dgttrf, dgttrs

from benchmarks.lecture import TRIAL, Array, LectureBar, pairs
from benchmarks.peers import scipy_newton
from benchmarks.peers.peer import Peer

Factors = tuple[Any, ...]  # what dgttrf returns, without its status


def linear(bar: LectureBar, d: Array) -> Peer:
    """J by m solves, its gradient by m more with the transposed factors."""
    a, b = TRIAL

    def forward() -> float:
        r = temperatures(bar, a, b) - d
        return float(r @ r)

    return Peer(forward, lambda: value_and_gradient(bar, d, a, b))


def ensemble(bar: LectureBar, d: Array) -> Peer:
    """One pair after the other."""

    def both() -> tuple[Array, Array]:
        J, gradients = zip(*(value_and_gradient(bar, d, a, b) for a, b in pairs()), strict=True)
        return np.array(J), np.array(gradients)

    return Peer(None, both)


def temperatures(bar: LectureBar, a: float, b: float) -> Array:
    """u at x = 0 after every step, (m,)."""
    factors = factor(bar, a, b)
    source = bar.dt * bar.g
    u, u0 = np.zeros(bar.n), np.empty(bar.m)
    for k in range(bar.m):
        u = dgttrs(*factors, u + bar.s[k] * source, overwrite_b=True)[0]
        u0[k] = u[0]
    return u0


def value_and_gradient(bar: LectureBar, d: Array, a: float, b: float) -> tuple[float, Array]:
    """J and (dJ/da, dJ/db)."""
    factors = factor(bar, a, b)
    source = bar.dt * bar.g
    u, z = np.empty((bar.m, bar.n)), np.empty((bar.m, bar.n))
    state = np.zeros(bar.n)
    for k in range(bar.m):
        state = dgttrs(*factors, state + bar.s[k] * source, overwrite_b=True)[0]
        u[k] = state
    r = u[:, 0] - d
    lam = np.zeros(bar.n)
    for k in reversed(range(bar.m)):
        lam[0] += 2.0 * r[k]
        lam = dgttrs(*factors, lam, trans="T", overwrite_b=True)[0]
        z[k] = lam
    return float(r @ r), bar.gradient(bar.dt / bar.dx**2 * products(z, u))


def factor(bar: LectureBar, a: float, b: float) -> Factors:
    """LU of I - dt kappa D."""
    return tuple(dgttrf(*bar.rows(bar.kappa(a, b)))[:-1])


def products(z: Array, u: Array) -> Array:
    """dx^2 sum_k z^k (D u^k), (n,)."""
    out: Array = -2.0 * np.einsum("ki,ki->i", z, u)
    out[1:] += np.einsum("ki,ki->i", z[:, 1:], u[:, :-1])
    out[:-1] += np.einsum("ki,ki->i", z[:, :-1], u[:, 1:])
    out[0] += z[:, 0] @ u[:, 1]  # the ghost node mirrors the node inside
    return out


BUILDS = {"linear": linear, "nonlinear": scipy_newton.nonlinear, "ensemble": ensemble}
