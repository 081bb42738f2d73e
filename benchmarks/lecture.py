r"""The lecture's bar, on which implementations are compared.

    u_t = (a + b x) u_xx + exp(-50 (x - 0.3)^2) (1 + sin(2 pi t))    on (0, 1), until T = 1,

insulated at x = 0, held at 0 at x = 1, cold at first. With n unknowns u_i at x_i = i / n, m steps
of backward Euler and the second difference D (u_{-1} = u_1, u_n = 0),

    (I - dt kappa D) u^k = u^{k-1} + dt g s_k,        J(a, b) = sum_{k=1..m} (u_0^k - d_k)^2.

The readings d belong to (a, b) = (1, 2), with noise of 1e-4; J and its gradient are evaluated at
(0.8, 1.5). With the residuals r_k and the cotangents z^k of the right sides,

    (I - dt kappa D)^T z^k = z^{k+1} + 2 r_k e_0,        dJ/dkappa_i = dt sum_k z_i^k (D u^k)_i,
    dJ/da = sum_i dJ/dkappa_i,                           dJ/db = sum_i x_i dJ/dkappa_i.

Three problems are made of it: that one is "linear"; "ensemble" is J and its gradient at many pairs
(a, b) with the same readings; in "nonlinear" kappa = a + b u, and every step is solved by Newton's
method until the next change of u would be below 1e-12 of the largest temperature. There

    (I - dt kappa D - dt b diag(D u^k))^T z^k = z^{k+1} + 2 r_k e_0,
    dJ/da = dt sum_k sum_i z_i^k (D u^k)_i,      dJ/db = dt sum_k sum_i z_i^k u_i^k (D u^k)_i.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

TRUE = (1.0, 2.0)  # (a, b) of the readings
TRIAL = (0.8, 1.5)  # (a, b) where everything is timed
NOISE = 1e-4
PROFILE = "exp(-50*(x-0.3)**2)"
HISTORY = "1+sin(2*pi*t)"
PAIRS = 64  # of an ensemble
TOLERANCE, FAST, MOST = 1e-12, 0.1, 12  # Newton: see `settled`; how many steps at most


def pairs(count: int = PAIRS) -> Array:
    """The pairs (a, b) of an ensemble, (count, 2); the same in every run."""
    return np.array([0.8, 1.5]) + np.array([0.2, 0.5]) * np.random.default_rng(7).random((count, 2))


def settled(change: float, last: float) -> bool:
    """Whether the Newton step after this one would change u by less than the tolerance.

    The changes are relative to the largest temperature; `last` is 0 at first. Where one is much
    smaller than the one before, convergence is quadratic, and the next will be smaller still by the
    square of their ratio.
    """
    ahead = (change / last) ** 2 if change < FAST * last else 1.0
    return change * ahead <= TOLERANCE


def second_difference(u: Any) -> Any:
    """dx^2 D u, of the last axis of an array or a tensor."""
    out = -2.0 * u
    out[..., 1:] += u[..., :-1]
    out[..., :-1] += u[..., 1:]
    out[..., 0] += u[..., 1]  # the ghost node mirrors the node inside
    return out


@dataclass(frozen=True)
class LectureBar:
    """The bar with n unknowns and m steps."""

    n: int
    m: int

    @property
    def dx(self) -> float:
        """Node spacing."""
        return 1.0 / self.n

    @property
    def dt(self) -> float:
        """Time step."""
        return 1.0 / self.m

    @cached_property
    def x(self) -> Array:
        """The unknowns' places, (n,)."""
        return np.arange(self.n) * self.dx

    @cached_property
    def t(self) -> Array:
        """The ends of the steps, (m,): t = 0 is no reading."""
        return np.arange(1, self.m + 1) * self.dt

    @cached_property
    def g(self) -> Array:
        """The source's profile, (n,)."""
        return np.asarray(np.exp(-50.0 * (self.x - 0.3) ** 2))

    @cached_property
    def s(self) -> Array:
        """The source's history, (m,)."""
        return np.asarray(1.0 + np.sin(2.0 * np.pi * self.t))

    @cached_property
    def noise(self) -> Array:
        """What is added to the true temperatures, (m,); the same in every run."""
        return NOISE * np.random.default_rng(0).standard_normal(self.m)

    def kappa(self, a: float, b: float) -> Array:
        """The diffusivity, (n,)."""
        return a + b * self.x

    def rows(self, kappa: Array) -> tuple[Array, Array, Array]:
        """I - dt kappa D: below (n - 1,), diagonal (n,) and above (n - 1,)."""
        arm = kappa * (self.dt / self.dx**2)
        above = -arm[:-1]
        above[0] *= 2.0
        return -arm[1:], 1.0 + 2.0 * arm, above

    def gradient(self, kappa_bar: Array) -> Array:
        """(dJ/da, dJ/db) from dJ/dkappa (n,)."""
        return np.array([kappa_bar.sum(), self.x @ kappa_bar])
