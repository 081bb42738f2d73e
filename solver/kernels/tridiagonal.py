r"""Tridiagonal matrices in lanes: factors, solve, product.

A matrix K is three arrays of rows (`solver.kernels.lanes`): for row r the entry below the diagonal
(column r-1), the sum of the row, and the entry above (column r+1),

    (K u)_r = below_r (u_{r-1} - u_r) + sum_r u_r + above_r (u_{r+1} - u_r).

The row sum, not the diagonal, because it is what physics gives: zero where heat is only conducted.
Heat flows by differences of temperature, and in this form they are taken before anything is
multiplied; with the diagonal, products of the temperature itself would cancel, and a bar at 293 K
would lose digits that one at 0 K keeps.

Sweep. The Thomas sweep waits for the row before; how long it waits is its cost. All divisions are
folded into the factors, which leaves one fused multiply-add per row on that path:

    y_r = rhs_r inverse_r - below_r y_{r-1},        u_r = y_r - above_r u_{r+1}.

Pivots. Elimination is without pivoting: the marches solve with M = D - step K, an M-matrix for a
heat operator. Where steps are long, D in D - step K_rr would be lost to round-off, and with it the
conservation of heat. So pivots p_r too are formed from row sums, those of M, s_r: with l and a the
entries of M below and above the diagonal,

    t_r = s_r - l_r t_{r-1} / p_{r-1},      p_r = t_r - a_r,

all of whose terms are positive, so that nothing cancels (the idea of Grassmann, Taksar & Heyman,
Operations Research 33 (1985) 1107-1116).

Joined lanes. Where the lanes are the pieces of one bar, the last row of every piece is a separator.
The rows before it are eliminated in all pieces at once; column by column, what they leave is

    u_r + above_r u_{r+1} + fill_r u_left = y_r,     fill_r = -below_r fill_{r-1}, fill_{-1} = -1,

u_left being the separator of the piece to the left. A separator's row asks for its neighbours,

    u_{m-1} = y_{m-1} - above_{m-1} u_m - fill_{m-1} u_left,
    u_0     = sum_r lead_r (y_r - fill_r u_left) + lead_m u_m,
              lead_0 = 1, lead_{r+1} = -above_r lead_r,

so that the separators solve a system of their own, tridiagonal, whose row sums are again sums of
positive terms. Its inverse (8, 8) is kept. With the fill, t_r is the sum of all that is left in row
r, and p_r = t_r - a_r - fill. This is the partition method of Wang, ACM Trans. Math. Software 7
(1981) 170-183, with lanes for processors.

M^T has the same pivots; its factors are those of M with the multipliers exchanged.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from solver.kernels.compiled import kernel, row
from solver.kernels.lanes import (
    LANES,
    P0,
    P1,
    P2,
    P3,
    P4,
    P5,
    P6,
    P7,
    add,
    from_left,
    from_right,
    like,
    load,
    store,
)

Array = NDArray[Any]  # float64, or complex128 in a complex step
PARTS = 5  # of the factors: inverse pivots, multipliers, lead, above, fill


@kernel
def factor(
    K: Array,
    rows: int,
    step: float,
    D: Array | None,
    f: Array,
    joint: Array | None,
    stage: int,
) -> None:
    """The factors of M = D - step K, K (3 rows): number `stage` in f (5 rows each) and joint.

    D (rows): a diagonal, the identity where there is none.
    """
    at, last = PARTS * rows * stage, separator(rows, joint)
    t, first, lead = like(K, 0.0), like(K, 0.0), like(K, 1.0)  # t: over the pivot
    fill = like(K, 0.0 if joint is None else -1.0)
    for r in range(last):
        below, above = -step * load(K, r), -step * load(K, 2 * rows + r)
        t = (diagonal(K, D, r) - step * load(K, rows + r)) - below * t
        fill = -(below * fill)
        inverse = 1.0 / ((t - fill) - above)
        t, fill, above = t * inverse, fill * inverse, above * inverse
        first = first + lead * t
        store(f, at + r, inverse)
        store(f, at + rows + r, below * inverse)
        store(f, at + 2 * rows + r, lead)
        store(f, at + 3 * rows + r, above)
        store(f, at + 4 * rows + r, fill)
        lead = -(lead * above)
    if joint is not None:
        below, above = -step * load(K, last), -step * load(K, 2 * rows + last)
        t = (diagonal(K, D, last) - step * load(K, rows + last)) - below * t
        t = t - above * from_right(first)
        store(f, at + last, below)
        store(f, at + rows + last, above)
        M = np.empty((3, LANES))
        store(M, 0, -(below * fill))
        store(M, 1, t)
        store(M, 2, above * from_right(lead))
        invert(M, joint[LANES * stage :])


@row
def diagonal(K: Array, D: Array | None, r: int) -> Any:
    """Row r of D, as the rows of K are."""
    d = like(K, 1.0)
    if D is not None:
        d = load(D, r)
    return d


@row
def separator(rows: int, joint: Array | None) -> int:
    """The row that is solved for with the other lanes', not swept; `rows` where there is none."""
    if joint is None:
        return rows
    return rows - 1


@kernel
def invert(M: Array, inverse: Array) -> None:
    """The inverse (8, 8), column after column, of a tridiagonal M (3, 8) by its row sums."""
    below, total, above = M[0], M[1], M[2]
    pivot, multiplier = np.empty(LANES), np.empty(LANES)
    t = 0.0
    for r in range(LANES):
        t = total[r] - below[r] * t
        pivot[r] = 1.0 / (t - above[r])
        t *= pivot[r]
        multiplier[r] = above[r] * pivot[r]
    for column in range(LANES):
        x, y = inverse[column], 0.0
        for r in range(LANES):
            y = ((1.0 if r == column else 0.0) - below[r] * y) * pivot[r]
            x[r] = y
        for r in range(LANES - 2, -1, -1):
            x[r] -= multiplier[r] * x[r + 1]


@kernel
def factor_transposed(
    K: Array,
    rows: int,
    step: float,
    f: Array,
    joint: Array | None,
    f_T: Array,
    joint_T: Array | None,
    stage: int,
) -> None:
    """The factors of M^T from those of M."""
    at, last = PARTS * rows * stage, separator(rows, joint)
    below, lead = like(K, 0.0), like(K, 1.0)
    fill = like(K, 0.0 if joint is None else -1.0)
    if joint is not None:
        below = from_left(-step * load(K, 2 * rows + last))
    for r in range(last):
        inverse = load(f, at + r)
        above = like(K, 0.0)
        if r < rows - 1:
            above = -step * load(K, r + 1) * inverse
        below = below * inverse
        fill = -(below * fill)
        store(f_T, at + r, inverse)
        store(f_T, at + rows + r, below)
        store(f_T, at + 2 * rows + r, lead)
        store(f_T, at + 3 * rows + r, above)
        store(f_T, at + 4 * rows + r, fill)
        lead = -(lead * above)
        below = -step * load(K, 2 * rows + r)
    if joint is not None and joint_T is not None:
        store(f_T, at + last, below)
        store(f_T, at + rows + last, from_right(-step * load(K, 0)))
        for r in range(LANES):
            for c in range(LANES):
                joint_T[LANES * stage + r, c] = joint[LANES * stage + c, r]


@kernel
def transpose(K: Array, rows: int, joint: Array | None, K_T: Array) -> None:
    """K^T."""
    for r in range(rows):
        before, after = like(K, 0.0), like(K, 0.0)
        if r > 0:
            before = load(K, 2 * rows + r - 1)
        elif joint is not None:
            before = from_left(load(K, 3 * rows - 1))
        if r < rows - 1:
            after = load(K, r + 1)
        elif joint is not None:
            after = from_right(load(K, 0))
        store(K_T, r, before)
        store(K_T, 2 * rows + r, after)
        change = (before - load(K, r)) + (after - load(K, 2 * rows + r))
        store(K_T, rows + r, load(K, rows + r) + change)


@kernel
def sweep(
    f: Array,
    joint: Array | None,
    stage: int,
    rows: int,
    u: Array,
    start: int,
    terms: int,
    w: Array,
    G: Array,
    x: Array,
    to: int,
) -> None:
    """The way down of x[to:] = M^-1 (u[start:] + sum_p w_p G_p), p < terms, G (P rows).

    `sweep_back` is the way back. x[to:] may be u[start:].
    """
    at, last = PARTS * rows * stage, separator(rows, joint)
    y, first = like(x, 0.0), like(x, 0.0)
    for r in range(last):
        rhs = load(u, start + r)
        for p in range(terms):
            rhs = rhs + load(w, p) * load(G, p * rows + r)
        y = rhs * load(f, at + r) - load(f, at + rows + r) * y
        if joint is not None:
            first = first + y * load(f, at + 2 * rows + r)
        store(x, to + r, y)
    if joint is not None:
        rhs = load(u, start + last)
        for p in range(terms):
            rhs = rhs + load(w, p) * load(G, p * rows + last)
        rhs = rhs - load(f, at + last) * y - load(f, at + rows + last) * from_right(first)
        store(x, to + last, separators(joint, LANES * stage, rhs))


@kernel
def sweep_back(f: Array, joint: Array | None, stage: int, rows: int, x: Array, to: int) -> None:
    """The way back of a solve, x[to:] in place."""
    at, last = PARTS * rows * stage, separator(rows, joint)
    u, left = like(x, 0.0), like(x, 0.0)
    if joint is not None:
        u = load(x, to + last)
        left = from_left(u)
    for r in range(last - 1, -1, -1):
        rest = load(x, to + r)
        if joint is not None:
            rest = rest - load(f, at + 4 * rows + r) * left
        u = rest - load(f, at + 3 * rows + r) * u
        store(x, to + r, u)


@kernel
def sweep_back_and_add(
    f: Array,
    joint: Array | None,
    stage: int,
    rows: int,
    z: Array,
    at_z: int,
    step: float,
    u: Array,
    at_u: int,
    K_bar: Array,
) -> None:
    """`sweep_back` of z, and in the same sweep `add_outer` of step z and u.

    The sweep waits for z row by row; the sums run while it waits.
    """
    at, last = PARTS * rows * stage, separator(rows, joint)
    z_r, left, phi = like(z, 0.0), like(z, 0.0), like(z, 0.0)
    here, rise = load(u, at_u + rows - 1), like(z, 0.0)
    if joint is not None:
        z_r = load(z, at_z + last)
        left = from_left(z_r)
        rise = from_right(load(u, at_u)) - here
        phi = step * z_r
        add(K_bar, rows + last, phi * here)
        add(K_bar, 2 * rows + last, phi * rise)
    for r in range(last - 1, -1, -1):
        rest = load(z, at_z + r)
        if joint is not None:
            rest = rest - load(f, at + 4 * rows + r) * left
        z_r = rest - load(f, at + 3 * rows + r) * z_r
        store(z, at_z + r, z_r)
        above, here = here, load(u, at_u + r)
        if r < rows - 1:
            rise = above - here
            add(K_bar, r + 1, -(phi * rise))
        phi = step * z_r
        add(K_bar, rows + r, phi * here)
        add(K_bar, 2 * rows + r, phi * rise)
    if joint is not None:
        add(K_bar, 0, phi * (from_left(load(u, at_u + last)) - here))


@row
def separators(joint: Array, at: int, rhs: Any) -> Any:
    """The separators, one in every lane: the inverse of their matrix times `rhs`."""
    s = P0(rhs) * load(joint, at) + P1(rhs) * load(joint, at + 1)
    t = P2(rhs) * load(joint, at + 2) + P3(rhs) * load(joint, at + 3)
    s = s + P4(rhs) * load(joint, at + 4) + P5(rhs) * load(joint, at + 5)
    t = t + P6(rhs) * load(joint, at + 6) + P7(rhs) * load(joint, at + 7)
    return s + t


@kernel
def add_product(
    K: Array, joint: Array | None, rows: int, u: Array, at: int, out: Array, to: int
) -> None:
    """out[to:] += K u[at:]."""
    left, here = like(u, 0.0), load(u, at)
    if joint is not None:
        left = from_left(load(u, at + rows - 1))
    for r in range(rows):
        right = here
        if r < rows - 1:
            right = load(u, at + r + 1)
        elif joint is not None:
            right = from_right(load(u, at))
        flow = load(K, r) * (left - here) + load(K, rows + r) * here
        add(out, to + r, flow + load(K, 2 * rows + r) * (right - here))
        left, here = here, right


@kernel
def add_outer(
    phi: Array, at_phi: int, joint: Array | None, rows: int, u: Array, at: int, K_bar: Array
) -> None:
    """Add to K_bar the transpose of K -> phi[at_phi:] . (K u[at:])."""
    left, here = like(u, 0.0), load(u, at)
    if joint is not None:
        left = from_left(load(u, at + rows - 1))
    for r in range(rows):
        right = here
        if r < rows - 1:
            right = load(u, at + r + 1)
        elif joint is not None:
            right = from_right(load(u, at))
        phi_r = load(phi, at_phi + r)
        add(K_bar, r, phi_r * (left - here))
        add(K_bar, rows + r, phi_r * here)
        add(K_bar, 2 * rows + r, phi_r * (right - here))
        left, here = here, right
