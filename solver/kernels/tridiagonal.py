r"""Tridiagonal matrices in lanes: factors, solve, product.

A matrix K is three arrays of rows (`solver.kernels.lanes`): for row r the entry below the diagonal
(column r-1), the sum of the row, and the entry above (column r+1),

    (K u)_r = below_r (u_{r-1} - u_r) + sum_r u_r + above_r (u_{r+1} - u_r).

The row sum, not the diagonal, because it is what physics gives: zero where heat is only conducted.
Heat flows by differences of temperature, and in this form they are taken before anything is
multiplied; with the diagonal, products of the temperature itself would cancel, and a bar at 293 K
would lose digits that one at 0 K keeps.

Sweep. The Thomas sweep waits for the row before; how long it waits is its cost. All divisions are
folded into the factors, which leaves one fused multiply-add per row on that path. With b_r and a_r
the entries of step K below and above the diagonal, M = D - step K has -b_r and -a_r, and

    y_r = (rhs_r + b_r y_{r-1}) inverse_r,        u_r = y_r + above_r u_{r+1},

above_r being a_r over the pivot.

Pivots. Elimination is without pivoting: the marches solve with M, an M-matrix for a heat operator.
Where steps are long, D in D - step K_rr would be lost to round-off, and with it the conservation of
heat. So pivots p_r too are formed from row sums, those of M, s_r:

    t_r = s_r + b_r t_{r-1} / p_{r-1},      p_r = t_r + a_r,

all of whose terms are positive, so that nothing cancels (the idea of Grassmann, Taksar & Heyman,
Operations Research 33 (1985) 1107-1116).

Joined lanes. Where the lanes are the pieces of one bar, the last row of every piece is a separator.
The rows before it are eliminated in all pieces at once; column by column, what they leave is

    u_r = y_r + above_r u_{r+1} + fill_r u_left,     fill_r = b_r fill_{r-1} / p_r, fill_{-1} = 1,

u_left being the separator of the piece to the left. A separator's row asks for its neighbours,

    u_{m-1} = y_{m-1} + above_{m-1} u_m + fill_{m-1} u_left,
    u_0     = sum_r lead_r (y_r + fill_r u_left) + lead_m u_m,
              lead_0 = 1, lead_{r+1} = above_r lead_r,

so that the separators solve a system of their own, tridiagonal, whose row sums are again sums of
positive terms. Its inverse (8, 8) is kept. With the fill, t_r is the sum of all that is left in row
r, and p_r = t_r + a_r + b_r fill_{r-1}. This is the partition method of Wang, ACM Trans. Math.
Software 7 (1981) 170-183, with lanes for processors.

The matrix of a linear march is made symmetric first (`solver.kernels.symmetric`). What stands here
serves any, as that of a march by Newton, which no scale need make symmetric.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from solver.kernels.compiled import kernel, part
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
    from_left,
    from_right,
    like,
    load,
    store,
)

Array = NDArray[Any]  # float64, or complex128 in a complex step
PARTS = 5  # of the factors: inverse pivots, multipliers, lead, above, fill


@kernel
def factor(K: Array, rows: int, step: float, D: Array, f: Array, joint: Array | None) -> None:
    """The factors of M = D - step K, K (3 rows) and D (rows), a diagonal: in f (5 rows), joint."""
    last = separator(rows, joint)
    t, first, lead = like(K, 0.0), like(K, 0.0), like(K, 1.0)  # t: over the pivot
    fill = like(K, 0.0 if joint is None else 1.0)
    for r in range(last):
        b, a = step * load(K, r), step * load(K, 2 * rows + r)
        t = (load(D, r) - step * load(K, rows + r)) + b * t
        fill = b * fill
        inverse = 1.0 / ((t + fill) + a)
        t, fill, above = t * inverse, fill * inverse, a * inverse
        first = first + lead * t
        store(f, r, inverse)
        store(f, rows + r, b * inverse)
        store(f, 2 * rows + r, lead)
        store(f, 3 * rows + r, above)
        store(f, 4 * rows + r, fill)
        lead = lead * above
    if joint is not None:
        b, a = step * load(K, last), step * load(K, 2 * rows + last)
        t = (load(D, last) - step * load(K, rows + last)) + b * t
        store(f, last, b)
        store(f, rows + last, a)
        M = np.empty((3, LANES))
        store(M, 0, b * fill)
        store(M, 1, t + a * from_right(first))
        store(M, 2, a * from_right(lead))
        invert(M, joint)


@part
def separator(rows: int, joint: Array | None) -> int:
    """The row that is solved for with the other lanes', not swept; `rows` where there is none."""
    if joint is None:
        return rows
    return rows - 1


@kernel
def invert(M: Array, inverse: Array) -> None:
    """The inverse (8, 8), column after column, of a tridiagonal matrix, -b and -a off the diagonal.

    M (3, 8): b, row sums, a.
    """
    b, total, a = M[0], M[1], M[2]
    pivot, above = np.empty(LANES), np.empty(LANES)
    t = 0.0
    for r in range(LANES):
        t = total[r] + b[r] * t
        pivot[r] = 1.0 / (t + a[r])
        t *= pivot[r]
        above[r] = a[r] * pivot[r]
    for column in range(LANES):
        x, y = inverse[column], 0.0
        for r in range(LANES):
            y = ((1.0 if r == column else 0.0) + b[r] * y) * pivot[r]
            x[r] = y
        for r in range(LANES - 2, -1, -1):
            x[r] += above[r] * x[r + 1]


@part
def separators(joint: Array, at: int, rhs: Any) -> Any:
    """The separators, one in every lane: the inverse of their matrix times `rhs`."""
    q = P0(rhs) * load(joint, at) + P1(rhs) * load(joint, at + 1)
    s = P2(rhs) * load(joint, at + 2) + P3(rhs) * load(joint, at + 3)
    t = P4(rhs) * load(joint, at + 4) + P5(rhs) * load(joint, at + 5)
    v = P6(rhs) * load(joint, at + 6) + P7(rhs) * load(joint, at + 7)
    return (q + s) + (t + v)


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
