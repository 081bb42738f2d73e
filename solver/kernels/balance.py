r"""The heat balance of matter that changes with temperature: what flows, and its Jacobian.

Node r keeps the books of the heat in its volume,

    d/dt (capacity_r h(u_r)) = q_r(u) + loads,
    q_r = below_r kappa_{r,r-1} (u_{r-1} - u_r) + sum_r u_r + above_r kappa_{r,r+1} (u_{r+1} - u_r),
    kappa_{r,s} = (1 - share) kappa(u_r) + share kappa(u_s),

with two laws of the temperature, kappa for what conducts and h for the heat that is stored, whose
slope c = h' is the heat capacity. share = 1/2 is the divergence form, where both nodes of a cell
see the mean of its ends; share = 0 the lecture's form, where node r's own kappa stands before the
second difference. Where a law is of place it stands in `arms` or `capacities`, and kappa = 1 or
h(u) = u.

Held nodes are pinned to a given temperature: they have no books, their rows of `arms` are zero.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from solver.kernels.compiled import kernel
from solver.kernels.pieces import Pieces, evaluate
from solver.kernels.tridiagonal import Array


class Books(NamedTuple):
    """What a march needs to know of the bar.

    arms (3, N): below, sum, above; capacities (N,); conduct: kappa, store: h; share: 1/2 or 0;
    held (H,): the pinned nodes.
    """

    arms: Array
    capacities: Array
    conduct: Pieces
    store: Pieces
    share: float
    held: Array


class Scratch(NamedTuple):
    """Both laws at the nodes, (N,) each, and what follows from them, up to a Newton step."""

    conduct_where: Array
    store_where: Array
    conduct_xi: Array
    store_xi: Array
    kappa: Array
    kappa_u: Array
    h: Array
    c: Array
    q: Array
    J: Array
    D: Array
    factors: Array
    residual: Array
    delta: Array


@kernel
def scratch(u: Array) -> Scratch:
    """Room for `look` and `balance`, of u's dtype."""
    n = u.shape[0]
    return Scratch(
        np.zeros(n, np.int64),
        np.zeros(n, np.int64),
        np.empty_like(u),
        np.empty_like(u),
        np.empty_like(u),
        np.empty_like(u),
        np.empty_like(u),
        np.empty_like(u),
        np.empty_like(u),
        np.empty((3, n), u.dtype),
        np.empty_like(u),
        np.empty((3, n), u.dtype),
        np.empty_like(u),
        np.empty_like(u),
    )


@kernel
def look(books: Books, u: Array, s: Scratch) -> None:
    """Both laws and their slopes at u; D = dE/du of the heat content E, 1 at held nodes."""
    evaluate(books.conduct, 0.0, u, s.conduct_where, s.conduct_xi, s.kappa, s.kappa_u)
    evaluate(books.store, 1.0, u, s.store_where, s.store_xi, s.h, s.c)
    for r in range(u.shape[0]):
        s.D[r] = books.capacities[r] * s.c[r]
    for e in range(books.held.shape[0]):
        s.D[books.held[e]] = 1.0


@kernel
def balance(books: Books, u: Array, s: Scratch) -> None:
    """q (N,) and its Jacobian J (3, N) by u_{r-1}, u_r, u_{r+1}, after `look`."""
    n, share, kappa, slope = u.shape[0], books.share, s.kappa, s.kappa_u
    below, total, above = books.arms[0], books.arms[1], books.arms[2]
    J_below, J_here, J_above, q = s.J[0], s.J[1], s.J[2], s.q
    own = 1.0 - share
    for r in range(n):
        q[r] = total[r] * u[r]
        J_here[r] = total[r]
    J_below[0] = 0.0
    J_above[n - 1] = 0.0
    for r in range(1, n):
        rise = u[r - 1] - u[r]
        mean = own * kappa[r] + share * kappa[r - 1]
        q[r] += below[r] * mean * rise
        J_below[r] = below[r] * (mean + share * slope[r - 1] * rise)
        J_here[r] += below[r] * (own * slope[r] * rise - mean)
    for r in range(n - 1):
        rise = u[r + 1] - u[r]
        mean = own * kappa[r] + share * kappa[r + 1]
        q[r] += above[r] * mean * rise
        J_above[r] = above[r] * (mean + share * slope[r + 1] * rise)
        J_here[r] += above[r] * (own * slope[r] * rise - mean)


@kernel
def add_conducted(arms: Array, share: float, kappa: Array, u: Array, out: Array) -> None:
    """out += what is conducted, linear in the arms and in kappa alike."""
    n, own = u.shape[0], 1.0 - share
    for r in range(1, n):
        out[r] += arms[0, r] * (own * kappa[r] + share * kappa[r - 1]) * (u[r - 1] - u[r])
    for r in range(n - 1):
        out[r] += arms[2, r] * (own * kappa[r] + share * kappa[r + 1]) * (u[r + 1] - u[r])


@kernel
def add_balance_bar(
    books: Books, phi: Array, u: Array, s: Scratch, arms_bar: Array, kappa_bar: Array
) -> None:
    """The transpose by arms and by kappa of ``phi . q``, added to arms_bar and kappa_bar."""
    n, share, kappa = u.shape[0], books.share, s.kappa
    below, above, own = books.arms[0], books.arms[2], 1.0 - books.share
    for r in range(n):
        arms_bar[1, r] += phi[r] * u[r]
    for r in range(1, n):
        heat = phi[r] * (u[r - 1] - u[r])
        arms_bar[0, r] += heat * (own * kappa[r] + share * kappa[r - 1])
        kappa_bar[r] += own * below[r] * heat
    for r in range(n - 1):
        heat = phi[r] * (u[r + 1] - u[r])
        arms_bar[2, r] += heat * (own * kappa[r] + share * kappa[r + 1])
        kappa_bar[r] += own * above[r] * heat
    if share != 0.0:
        for r in range(1, n):
            kappa_bar[r - 1] += share * below[r] * phi[r] * (u[r - 1] - u[r])
        for r in range(n - 1):
            kappa_bar[r + 1] += share * above[r] * phi[r] * (u[r + 1] - u[r])


@kernel
def factor_shifted(J: Array, D: Array, step: float, factors: Array) -> None:
    """Factors (3, N), as `tridiagonal.solve` takes them, of D - step J, D diagonal, J by bands."""
    n = D.shape[0]
    below, here, above = J[0], J[1], J[2]
    inverse = 1.0 / (D[0] - step * here[0])
    multiplier = -step * above[0] * inverse
    factors[0, 0], factors[1, 0], factors[2, 0] = inverse, 0.0, multiplier
    for r in range(1, n):
        lower = -step * below[r]
        inverse = 1.0 / ((D[r] - step * here[r]) - lower * multiplier)
        multiplier = -step * above[r] * inverse
        factors[0, r] = inverse
        factors[1, r] = lower * inverse
        factors[2, r] = multiplier


@kernel
def transpose_bands(J: Array, transposed: Array) -> None:
    """The bands of J^T."""
    n = J.shape[1]
    transposed[0, 0] = 0.0
    transposed[2, n - 1] = 0.0
    for r in range(n):
        transposed[1, r] = J[1, r]
    for r in range(1, n):
        transposed[0, r] = J[2, r - 1]
        transposed[2, r - 1] = J[0, r]


@kernel
def add_banded(J: Array, u: Array, out: Array) -> None:
    """out += J u."""
    n = u.shape[0]
    for r in range(n):
        out[r] += J[1, r] * u[r]
    for r in range(1, n):
        out[r] += J[0, r] * u[r - 1]
    for r in range(n - 1):
        out[r] += J[2, r] * u[r + 1]
