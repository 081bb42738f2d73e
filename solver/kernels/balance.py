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
capacities are zero, and in the matrix of a Newton step their row is the identity's (`slope_at`), so
that nothing changes them.

Vectors stand in rows of lanes. What depends on a law is a pass of its own (`look`), and so is what
depends on the form: the other loops have nothing to choose in, row by row.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from solver.kernels.compiled import kernel, part
from solver.kernels.lanes import empty, load, store
from solver.kernels.magnitudes import where_zero
from solver.kernels.nodes import left_of_first, right_of
from solver.kernels.pieces import Pieces, look_at
from solver.kernels.tridiagonal import PARTS, Array


class Books(NamedTuple):
    """What a march needs to know of the bar, in rows of lanes.

    arms (3 rows): below, sum, above; capacities (rows); conduct: kappa, store: h; share: 1/2 or 0;
    held (2, H): row and lane of the pinned nodes; padding (2, G): those of rows without a node,
    which are held too and follow the last node, whose row and lane is `last` (2,).
    """

    arms: Array
    capacities: Array
    conduct: Pieces
    store: Pieces
    share: float
    held: Array
    padding: Array
    last: Array


class Way(NamedTuple):
    """What drives a march, and by which steps.

    A (s, s): the tableau; dt; G: the loads' profiles (P rows) and room for s - 1 slopes; histories
    (m s P) and the pinned temperatures (m s H) at the stage times.
    """

    A: Array
    dt: float
    G: Array
    histories: Array
    pinned: Array


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
    flat_delta: Array
    conduct_where: Array
    store_where: Array
    conduct_xi: Array
    store_xi: Array
    q: Array
    J: Array
    D: Array
    y: Array
    delta: Array
    saved: Array
    way: Array  # 3 rows, for `reach`
    factors: Array


@kernel
def scratch(books: Books) -> Scratch:
    """Room for one march."""
    like_rows, rows = books.capacities, books.capacities.shape[0]
    u, kappa, kappa_u = empty(like_rows, rows), empty(like_rows, rows), empty(like_rows, rows)
    h, c, delta = empty(like_rows, rows), empty(like_rows, rows), empty(like_rows, rows)
    n = u.size
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
        delta.reshape(n),
        np.zeros(n, np.int64),
        np.zeros(n, np.int64),
        empty(like_rows, rows),
        empty(like_rows, rows),
        empty(like_rows, rows),
        empty(like_rows, 3 * rows),
        empty(like_rows, rows),
        empty(like_rows, rows),
        delta,
        empty(like_rows, rows),
        empty(like_rows, 3 * rows),
        empty(like_rows, PARTS * rows),
    )


@part
def look(books: Books, s: Scratch, whole: bool) -> None:
    """Both laws at s.u. The first look is `whole`, and whose xi are asked for: see `look_at`."""
    look_at(books.conduct, 0.0, s.u, s.conduct_where, s.conduct_xi, s.kappa, s.kappa_u, whole)
    look_at(books.store, 1.0, s.u, s.store_where, s.store_xi, s.h, s.c, whole)


@part
def flows(
    books: Books,
    joint: Array | None,
    target: Array | None,
    step: float,
    s: Scratch,
    out: Array | None,
) -> None:
    """s.J = dq/du at s.u, after `look`, and q to `out` where that is wanted.

    With a target, the residual E - step q - target instead of q.
    """
    if books.share == 0.0:
        flows_of_nodes(books, joint, target, step, s, out)
    else:
        flows_through_faces(books, joint, target, step, s, out)


@part
def flows_of_nodes(
    books: Books,
    joint: Array | None,
    target: Array | None,
    step: float,
    s: Scratch,
    out: Array | None,
) -> None:
    """In the lecture's form."""
    left, here = left_of_first(s.u, 0, s.u.shape[0], joint), load(s.u, 0)
    for r in range(s.u.shape[0]):
        right, below, total, above, q = at_node(books, joint, s, r, left, here)
        put_flow(below, total, above, q, r, books, target, step, s, out)
        left, here = here, right


@part
def flows_through_faces(
    books: Books,
    joint: Array | None,
    target: Array | None,
    step: float,
    s: Scratch,
    out: Array | None,
) -> None:
    """In the divergence form."""
    here, left = first_of_faces(joint, s)
    for r in range(s.u.shape[0]):
        here, left, below, total, above, q = between_faces(books, joint, s, r, here, left)
        put_flow(below, total, above, q, r, books, target, step, s, out)


@part
def put_flow(
    below: Any,
    total: Any,
    above: Any,
    q: Any,
    r: int,
    books: Books,
    target: Array | None,
    step: float,
    s: Scratch,
    out: Array | None,
) -> None:
    """What `flows` makes of a row."""
    J, rows = s.J, s.u.shape[0]
    store(J, r, below)
    store(J, rows + r, total)
    store(J, 2 * rows + r, above)
    if out is not None and target is None:
        store(out, r, q)
    if out is not None and target is not None:
        store(out, r, heat_at(books, s, r) - load(target, r) - step * q)


@part
def at_node(books: Books, joint: Array | None, s: Scratch, r: int, left: Any, here: Any) -> Any:
    """The lecture's form: every node's own kappa before the second difference.

    Returns the temperature to the right, row r of J (below, sum, above), and q_r.
    """
    arms, rows, right = books.arms, s.u.shape[0], right_of(s.u, 0, r, s.u.shape[0], joint)
    below, total, above = load(arms, r), load(arms, rows + r), load(arms, 2 * rows + r)
    k, bend = load(s.kappa, r), below * (left - here) + above * (right - here)
    slope = total + load(s.kappa_u, r) * bend
    return right, k * below, slope, k * above, total * here + k * bend


@part
def first_of_faces(joint: Array | None, s: Scratch) -> Any:
    """What `between_faces` carries to the first row."""
    rows = s.u.shape[0]
    here = load(s.u, 0), load(s.kappa, 0), load(s.kappa_u, 0)
    u, k = left_of_first(s.u, 0, rows, joint), left_of_first(s.kappa, 0, rows, joint)
    flow, both, by_left, _ = face((u, k, left_of_first(s.kappa_u, 0, rows, joint)), here)
    return here, (flow, both, by_left)


@part
def between_faces(
    books: Books, joint: Array | None, s: Scratch, r: int, here: Any, left: Any
) -> Any:
    """The divergence form: what leaves one node's volume enters the next one's.

    here: u, kappa and its slope at node r; left: of the face to its left. Returns the same of the
    next node, row r of J (below, sum, above), and q_r.
    """
    arms, rows = books.arms, s.u.shape[0]
    right, k_right = right_of(s.u, 0, r, rows, joint), right_of(s.kappa, 0, r, rows, joint)
    there = right, k_right, right_of(s.kappa_u, 0, r, rows, joint)
    goes, both_right, by_here, by_right = face(here, there)
    came, both, by_left = left
    below, total, above = load(arms, r), load(arms, rows + r), load(arms, 2 * rows + r)
    slope = (total + above * both_right) - below * both
    q = (total * here[0] + above * goes) - below * came
    return there, (goes, both_right, by_here), below * by_left, slope, above * by_right, q


@part
def face(here: Any, there: Any) -> Any:
    """What flows between two nodes for an arm of 1, from the right; and its derivatives.

    By both temperatures together, by the left one with its sign changed, by the right one.
    """
    (u, k, k_u), (right, k_right, k_u_right) = here, there
    rise, mean = right - u, 0.5 * (k + k_right)
    half = 0.5 * rise
    return mean * rise, half * (k_u + k_u_right), mean - half * k_u, mean + half * k_u_right


@part
def heat_slopes(books: Books, s: Scratch) -> None:
    """s.D = dE/du of the heat content E, after `look`; 1 where a node is held."""
    D = s.D
    for r in range(D.shape[0]):
        store(D, r, slope_at(books, s, r))


@part
def slope_at(books: Books, s: Scratch, r: int) -> Any:
    """Row r of it. Only held nodes, and rows without one, have no capacity."""
    capacity = load(books.capacities, r)
    return where_zero(capacity, 1.0, capacity * load(s.c, r))


@part
def heat_at(books: Books, s: Scratch, r: int) -> Any:
    """The heat content E at row r, after `look`."""
    return load(books.capacities, r) * load(s.h, r)


@part
def heat_of(books: Books, s: Scratch, heat: Array) -> None:
    """The heat content of every node."""
    for r in range(heat.shape[0]):
        store(heat, r, heat_at(books, s, r))
