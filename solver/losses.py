r"""Losses: how a weighted residual counts in J.

A loss rho is written as a change of the residual, ``s(r)`` with ``s^2 = rho(r)``, so that J = s^T s
stays a sum of squares for every search, gradient and proof, and a loss is two lines: s and ds/dr.
For robust errors a loss also gives its influence psi = rho' / 2 and psi'.

To add a loss: a function of (r, threshold), and a line in `LOSSES`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from solver.kernels import Array

HUBER = 1.345  # in units of sigma: 95 % as good as least squares where the noise is Gaussian


class Shaped(NamedTuple):
    """Residuals as they count: s, ds/dr, psi = rho'/2 and psi', each (M,); slopes may be alike."""

    s: Array
    slope: Array | float
    psi: Array
    psi_slope: Array | float


Loss = Callable[[Array, float], Shaped]


def squared(r: Array, threshold: float) -> Shaped:
    """``rho = r^2``."""
    return Shaped(r, 1.0, r, 1.0)


def huber(r: Array, threshold: float) -> Shaped:
    """``rho = r^2`` up to the threshold c, ``2 c |r| - c^2`` beyond.

    Reference: Huber, Annals of Mathematical Statistics 35 (1964) 73-101.
    """
    inside = np.abs(r.real) <= threshold
    sign = np.where(r.real < 0.0, -1.0, 1.0)
    distance = np.where(inside, threshold, sign * r)  # |r| outside; a complex step passes
    root = np.sqrt(2.0 * threshold * distance - threshold**2)
    return Shaped(
        s=np.where(inside, r, sign * root),
        slope=np.where(inside, 1.0, threshold / root),
        psi=np.where(inside, r, sign * threshold),
        psi_slope=inside.astype(np.float64),
    )


LOSSES: dict[str, Loss] = {
    "squared": squared,
    "huber": huber,
}
