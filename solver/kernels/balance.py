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

The Jacobian J = dq/du comes as its matrix does, by the entry below, the sum of the row and the
entry above (`solver.kernels.tridiagonal`), so that here too differences are taken first.

Held nodes are pinned to a given temperature: they have no books. Their rows of `arms` and their
capacities are zero, and `pins` is 1 there and 0 elsewhere, so that their row of the matrix of a
Newton step is the identity's and nothing changes them.

Vectors stand in rows of lanes. Laws of one piece are evaluated in the lanes; laws of several, node
by node beforehand (`look`).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from solver.kernels.compiled import kernel, row
from solver.kernels.lanes import empty, from_left, from_right, like, load, store
from solver.kernels.nodes import put
from solver.kernels.pieces import Pieces, Polynomial, at_row, evaluate, polynomial
from solver.kernels.tridiagonal import PARTS, Array


class Books(NamedTuple):
    """What a march needs to know of the bar, in rows of lanes.

    arms (3 rows): below, sum, above; capacities and pins (rows); conduct: kappa, store: h; share:
    1/2 or 0; held (2, H): row and lane of the pinned nodes; padding (2, G): those of rows without a
    node, which are held too and follow the last node, whose row and lane is `last` (2,);
    exchanges: whether rows of `arms` have a sum, through which heat is lost.
    """

    arms: Array
    capacities: Array
    pins: Array
    conduct: Pieces
    store: Pieces
    share: float
    held: Array
    padding: Array
    last: Array
    exchanges: bool


class Scratch(NamedTuple):
    """Both laws at the temperatures u, and room for a Newton step.

    Vectors in rows, and the same memory node by node (`flat_..`), in the order of the rows;
    conduct_where, store_where: the pieces in which nodes were found, conduct_xi, store_xi: how far
    into them.
    """

    u: Array
    kappa: Array
    kappa_u: Array
    h: Array
    c: Array
    flat_u: Array
    flat_kappa: Array
    flat_kappa_u: Array
    flat_h: Array
    flat_c: Array
    conduct_where: Array
    store_where: Array
    conduct_xi: Array
    store_xi: Array
    q: Array
    J: Array
    D: Array
    weights: Array  # 1 / capacities
    y: Array
    delta: Array
    saved: Array
    factors: Array


@kernel
def scratch(books: Books) -> Scratch:
    """Room for one march."""
    like_rows, rows = books.capacities, books.capacities.shape[0]
    u, kappa, kappa_u = empty(like_rows, rows), empty(like_rows, rows), empty(like_rows, rows)
    h, c, n = empty(like_rows, rows), empty(like_rows, rows), u.size
    weights = empty(like_rows, rows)
    for r in range(rows):
        store(weights, r, 1.0 / (load(books.capacities, r) + load(books.pins, r)))
    return Scratch(
        u,
        kappa,
        kappa_u,
        h,
        c,
        u.reshape(n),
        kappa.reshape(n),
        kappa_u.reshape(n),
        h.reshape(n),
        c.reshape(n),
        np.zeros(n, np.int64),
        np.zeros(n, np.int64),
        empty(like_rows, rows),
        empty(like_rows, rows),
        empty(like_rows, rows),
        empty(like_rows, 3 * rows),
        empty(like_rows, rows),
        weights,
        empty(like_rows, rows),
        empty(like_rows, rows),
        empty(like_rows, rows),
        empty(like_rows, PARTS * rows),
    )


@kernel
def look(books: Books, s: Scratch, everywhere: bool) -> None:
    """The laws at s.u: those of several pieces, or with `everywhere` all."""
    conduct, keep, n = polynomial(books.conduct), polynomial(books.store), s.flat_u.shape[0]
    if not conduct.alone:
        where, xi = s.conduct_where, s.conduct_xi.reshape(n)
        evaluate(books.conduct, 0.0, s.flat_u, where, xi, s.flat_kappa, s.flat_kappa_u)
    elif everywhere:
        at_all_rows(conduct, s.u, s.conduct_xi, s.kappa, s.kappa_u)
    if not keep.alone:
        where, xi = s.store_where, s.store_xi.reshape(n)
        evaluate(books.store, 1.0, s.flat_u, where, xi, s.flat_h, s.flat_c)
    elif everywhere:
        at_all_rows(keep, s.u, s.store_xi, s.h, s.c)


@kernel
def at_all_rows(law: Polynomial, u: Array, xi: Array, values: Array, slopes: Array) -> None:
    """A law of one piece."""
    for r in range(u.shape[0]):
        v, slope = at_row(law, load(u, r))
        store(xi, r, (load(u, r) - law.center) * law.inverse)
        store(values, r, v)
        store(slopes, r, slope)


@row
def flow(arms: Any, share: float, here: Any, left: Any, right: Any) -> tuple[Any, Any, Any, Any]:
    """q of one row, and its Jacobian: entry below, sum of the row, entry above.

    arms: below, sum, above; here, left, right: u, kappa and its slope.
    """
    below, total, above = arms
    u, k, k_u = here
    fall, rise = left[0] - u, right[0] - u
    if share == 0.0:  # the lecture's form: the node's own kappa alone
        bend = below * fall + above * rise
        return total * u + k * bend, below * k, total + k_u * bend, above * k
    own = 1.0 - share
    k_below, k_above = own * k + share * left[1], own * k + share * right[1]
    q = below * (k_below * fall) + total * u + above * (k_above * rise)
    J_below = below * (k_below + share * (left[2] * fall))
    J_above = above * (k_above + share * (right[2] * rise))
    J_sum = total + below * (fall * (own * k_u + share * left[2]))
    J_sum = J_sum + above * (rise * (own * k_u + share * right[2]))
    return q, J_below, J_sum, J_above


@row
def conducting(law: Polynomial, u: Any) -> tuple[Any, Any, Any]:
    """u, kappa and its slope, of a law of one piece."""
    k, k_u = at_row(law, u)
    return u, k, k_u


@row
def from_lane_left(here: Any) -> Any:
    """All three from the lane to the left."""
    return from_left(here[0]), from_left(here[1]), from_left(here[2])


@row
def from_lane_right(here: Any) -> Any:
    """All three from the lane to the right."""
    return from_right(here[0]), from_right(here[1]), from_right(here[2])


@kernel
def balance(books: Books, joint: Array | None, s: Scratch, flows: bool) -> None:
    """J, D = dE/du of the heat content E, and with `flows` q, at s.u after `look`."""
    rows, arms, share = books.capacities.shape[0], books.arms, books.share
    exchanges = books.exchanges
    capacities, temperatures = books.capacities, s.u
    conduct, keep = polynomial(books.conduct), polynomial(books.store)
    kappa, kappa_u, c_rows, q_rows, J, D = s.kappa, s.kappa_u, s.c, s.q, s.J, s.D
    last = rows - 1
    u = load(temperatures, 0)
    here = (u, load(kappa, 0), load(kappa_u, 0))
    if conduct.alone:
        here = conducting(conduct, u)
    first, left = here, here
    if joint is not None:
        u = load(temperatures, last)
        left = (u, load(kappa, last), load(kappa_u, last))
        if conduct.alone:
            left = conducting(conduct, u)
        left = from_lane_left(left)
    for r in range(rows):
        right = here
        if r < last:
            u = load(temperatures, r + 1)
            if conduct.alone:
                right = conducting(conduct, u)
            else:
                right = (u, load(kappa, r + 1), load(kappa_u, r + 1))
        elif joint is not None:
            right = from_lane_right(first)
        c = load(c_rows, r)
        if keep.alone:
            _, c = at_row(keep, here[0])
        total = load(arms, rows + r) if exchanges else like(arms, 0.0)
        between = (load(arms, r), total, load(arms, 2 * rows + r))
        q, J_below, J_sum, J_above = flow(between, share, here, left, right)
        if flows:
            store(q_rows, r, q)
        store(J, r, J_below)
        store(J, rows + r, J_sum)
        store(J, 2 * rows + r, J_above)
        store(D, r, load(capacities, r) * c)
        left, here = here, right
    hold_rows(books, D)


@kernel
def hold_rows(books: Books, D: Array) -> None:
    """The rows of held nodes are the identity's: there D is 1, as `pins` says."""
    held, padding = books.held, books.padding
    for e in range(held.shape[1]):
        put(D, held[0, e], held[1, e], 1.0)
    for e in range(padding.shape[1]):
        put(D, padding[0, e], padding[1, e], 1.0)


@kernel
def heat_of(books: Books, s: Scratch, heat: Array) -> None:
    """The heat content E of every node at s.u, after `look` at all laws."""
    h, capacities = s.h, books.capacities
    for r in range(heat.shape[0]):
        store(heat, r, load(capacities, r) * load(h, r))
