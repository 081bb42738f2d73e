r"""The matrix of a linear march, made symmetric: scale, factors, solve.

What flows from a node to its neighbour for a difference of temperatures flows back for the same one
of the other sign; the bands of K (`solver.kernels.tridiagonal`) differ by capacities only, or by
each node's own kappa in the lecture's form. So below_r above_{r-1} > 0, and in v, where u is
``scale v`` node by node,

    scale_r / scale_{r-1} = sqrt(below_r / above_{r-1}),

the matrix M = I - step K is symmetric, with -c_r = -step sqrt(below_r above_{r-1}) off the diagonal
and the pivots p_r that it has anyway. What marches is v. Its sweeps read five vectors, where those
of u read seven, which is what a step costs where they do not fit the first cache; and the way back
of the adjoint is a solve by the same factors.

With link_r = c_r / p_{r-1}, a solve is

    z_r = rhs_r + link_r z_{r-1},        v_r = z_r / p_r + link_{r+1} v_{r+1}.

Joined lanes. The column of the separator to the left, which fills in below the first row, is

    fill_0 = c_0 / p_0,    fill_r = link_r fill_{r-1} p_{r-1} / p_r,

and the same numbers make of z what the row of that separator asks for, c_0 v_0 = sum_r fill_r z_r
and more that is known: one vector serves both ways.

Pivots are formed of the sums of the rows of K, and so is the separators' own matrix (see
`tridiagonal`): both are the ones of u.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from solver.kernels.compiled import kernel, part
from solver.kernels.lanes import LANES, from_left, from_right, like, load, store
from solver.kernels.magnitudes import root, where_zero
from solver.kernels.tridiagonal import Array, invert, separator, separators

PARTS = 3  # of the factors: link, fill, inverse pivots


@kernel
def set_scale(K: Array, rows: int, joint: Array | None, scale: Array) -> None:
    """The scale of K (3 rows), 1 at the first node; and over it those to the left and to the right.

    scale: 3 rows. Between nodes that feel nothing of each other, or where there is no node, it
    stays what it is. joint: room for a row, where lanes are joined.
    """
    s = like(K, 1.0)
    store(scale, 0, s)
    store(scale, rows, s)
    store(scale, 3 * rows - 1, s)
    for r in range(1, rows):
        rise = ratio(load(K, 2 * rows + r - 1), load(K, r))
        s = s * rise
        store(scale, r, s)
        store(scale, rows + r, 1.0 / rise)
        store(scale, 2 * rows + r - 1, rise)
    if joint is not None:
        rise = ratio(load(K, 3 * rows - 1), from_right(load(K, 0)))
        before = from_left(rise)
        store(scale, rows, where_zero(before, 1.0, 1.0 / before))
        store(scale, 3 * rows - 1, rise)
        store(joint, 0, s * rise)
        begins = 1.0
        for lane in range(LANES):
            joint[0, lane], begins = begins, begins * joint[0, lane]
        for r in range(rows):
            store(scale, r, load(scale, r) * load(joint, 0))


@part
def ratio(above: Any, below: Any) -> Any:
    """Of the scale at two neighbours, from the entries that couple them."""
    return where_zero(above * below, 1.0, root(below / above))


@kernel
def factor(
    K: Array, scale: Array, rows: int, step: float, f: Array, joint: Array | None, stage: int
) -> None:
    """The factors of I - step K: number `stage` in f (3 rows each) and joint."""
    at, last = PARTS * rows * stage, separator(rows, joint)
    t, first, lead = like(K, 0.0), like(K, 0.0), like(K, 1.0)  # of u; t: over the pivot
    fill = like(K, 0.0 if joint is None else 1.0)
    column = step * load(K, 0) * load(scale, rows)  # of v: fill times the pivot
    store(f, at, like(K, 0.0))
    for r in range(last):
        b, a = step * load(K, r), step * load(K, 2 * rows + r)
        t = (1.0 - step * load(K, rows + r)) + b * t
        fill = b * fill
        inverse = 1.0 / ((t + fill) + a)
        t, fill, above = t * inverse, fill * inverse, a * inverse
        first, lead = first + lead * t, lead * above
        store(f, at + rows + r, column * inverse)
        store(f, at + 2 * rows + r, inverse)
        if r < rows - 1:
            link = above * load(scale, 2 * rows + r)
            column = column * link
            store(f, at + r + 1, link)
    if joint is not None:
        b, a = step * load(K, last), step * load(K, 2 * rows + last)
        t = (1.0 - step * load(K, rows + last)) + b * t
        M = np.empty((3, LANES))
        store(M, 0, b * fill)
        store(M, 1, t + a * from_right(first))
        store(M, 2, a * from_right(lead))
        inverse_M = joint[LANES * stage :]
        invert(M, inverse_M)
        store(M, 0, load(scale, last))
        for c in range(LANES):
            store(inverse_M, c, load(inverse_M, c) * M[0, c] / load(M, 0))


@part
def sweep(
    f: Array,
    joint: Array | None,
    stage: int,
    rows: int,
    v: Array,
    start: int,
    w: Any | None,
    G: Array | None,
    x: Array,
    to: int,
) -> None:
    """The way down of x[to:] = M^-1 (v[start:] + w G), or M^-1 v[start:] where there is no G.

    `sweep_back` is the way back. x[to:] may be v[start:].
    """
    at, last = PARTS * rows * stage, separator(rows, joint)
    z, first = like(x, 0.0), like(x, 0.0)
    for r in range(last):
        z = load(f, at + r) * z + loaded(v, start, r, w, G)
        if joint is not None:
            first = first + z * load(f, at + rows + r)
        store(x, to + r, z)
    if joint is not None:
        rhs = loaded(v, start, last, w, G) + load(f, at + last) * z
        store(x, to + last, separators(joint, LANES * stage, rhs + from_right(first)))


@part
def loaded(v: Array, start: int, r: int, w: Any | None, G: Array | None) -> Any:
    """Row r of v[start:] + w G."""
    row = load(v, start + r)
    if G is not None:
        row = row + w * load(G, r)
    return row


@part
def sweep_back(f: Array, joint: Array | None, stage: int, rows: int, x: Array, to: int) -> None:
    """The way back of a solve, x[to:] in place."""
    at, last = PARTS * rows * stage, separator(rows, joint)
    v, left = like(x, 0.0), like(x, 0.0)
    if joint is not None:
        v = load(x, to + last)
        left = from_left(v)
    for r in range(last - 1, -1, -1):
        rest = load(x, to + r) * load(f, at + 2 * rows + r)
        if joint is not None:
            rest = rest + load(f, at + rows + r) * left
        v = rest + load(f, at + r + 1) * v
        store(x, to + r, v)
