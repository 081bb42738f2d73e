r"""Elimination of a matrix that is met once: its factors and the way down of a solve, in one sweep.

Of M x = rhs, M = D - step K; names are those of `solver.kernels.tridiagonal`. Row by row, so that
who makes the rows of M need not keep them. What is carried from row to row is t, fill and their
sum, lead, the sum of lead t, y and the sum of lead y; the sum of t and fill on its own, so that
what waits for the row before is a multiply-add, the division and a product.
"""

from __future__ import annotations

from typing import Any

from solver.kernels.compiled import part
from solver.kernels.lanes import LANES, from_right, like, load, store
from solver.kernels.tridiagonal import Array

HALF = LANES // 2


@part
def nothing_before(x: Array, joint: Array | None) -> Any:
    """What is carried to the first row."""
    zero, one, fill = like(x, 0.0), like(x, 1.0), like(x, 0.0 if joint is None else 1.0)
    return zero, fill, fill, one, zero, zero, zero


@part
def eliminate(
    b: Any, total: Any, a: Any, rhs: Any, r: int, rows: int, f: Array, x: Array, carried: Any
) -> Any:
    """Row r, -b and -a off the diagonal, and the row's sum; returns what is carried on.

    x (rows) takes the way down, f (5 rows) what `sweep_back` needs.
    """
    t, fill, both, lead, first_t, y, first_y = carried
    inverse = 1.0 / ((total + a) + b * both)
    both = (total + b * both) * inverse
    t, fill, above = (total + b * t) * inverse, b * fill * inverse, a * inverse
    y = (rhs + b * y) * inverse
    first_t, first_y = first_t + lead * t, first_y + lead * y
    store(x, r, y)
    store(f, 3 * rows + r, above)
    store(f, 4 * rows + r, fill)
    return t, fill, both, lead * above, first_t, y, first_y


@part
def eliminate_last(
    b: Any, total: Any, a: Any, rhs: Any, last: int, joint: Array, x: Array, carried: Any
) -> None:
    """The row of the separators, after all others; joint (8, 8) is room."""
    t, fill, _, lead, first_t, y, first_y = carried
    store(joint, 0, b * fill)
    store(joint, 1, (total + b * t) + a * from_right(first_t))
    store(joint, 2, a * from_right(lead))
    store(joint, 3, (rhs + b * y) + a * from_right(first_y))
    join(joint)
    store(x, last, load(joint, 3))


@part
def join(joint: Array) -> None:
    """Row 3 becomes M^-1 times it, of the separators' M: rows 0 to 2 are b, the row sums, a.

    From both ends at once to the middle, and back: that is half as long a wait.
    """
    t, y, s, z, rest = 0.0, 0.0, 0.0, 0.0, 1.0
    for r in range(HALF):
        q = LANES - 1 - r
        a, b = joint[2, r], joint[0, q]
        t, s = joint[1, r] + joint[0, r] * t, joint[1, q] + joint[2, q] * s
        of_r, of_q = 1.0 / (t + a), 1.0 / (s + b)
        t, s = t * of_r, s * of_q
        y, z = (joint[3, r] + joint[0, r] * y) * of_r, (joint[3, q] + joint[2, q] * z) * of_q
        joint[2, r], joint[3, r], joint[0, q], joint[3, q] = a * of_r, y, b * of_q, z
        rest = t + a * of_r * s
    meet(joint, y, z, rest)


@part
def join_transposed(joint: Array) -> None:
    """The same with M^-T; the pivots are those of M."""
    t, y, s, z, rest = 0.0, 0.0, 0.0, 0.0, 1.0
    a, b = 0.0, 0.0
    for r in range(HALF):
        q = LANES - 1 - r
        before, after = a, b
        a, b, above, below = joint[2, r], joint[0, q], joint[0, r + 1], joint[2, q - 1]
        t, s = joint[1, r] + joint[0, r] * t, joint[1, q] + joint[2, q] * s
        of_r, of_q = 1.0 / (t + a), 1.0 / (s + b)
        t, s = t * of_r, s * of_q
        y, z = (joint[3, r] + before * y) * of_r, (joint[3, q] + after * z) * of_q
        joint[2, r], joint[3, r], joint[0, q], joint[3, q] = above * of_r, y, below * of_q, z
        rest = t + a * of_r * s
    meet(joint, y, z, rest)


@part
def meet(joint: Array, y: float, z: float, rest: float) -> None:
    """Both ways back from the middle, whose rows are x = y + above x_next, x_next = z + below x.

    rest: 1 - above below, as a sum of positive terms; above in row 2, below in row 0, of each half.
    """
    x = (y + joint[2, HALF - 1] * z) / rest
    x_next = z + joint[0, HALF] * x
    joint[3, HALF - 1], joint[3, HALF] = x, x_next
    for r in range(HALF - 2, -1, -1):
        q = LANES - 1 - r
        x, x_next = joint[3, r] + joint[2, r] * x, joint[3, q] + joint[0, q] * x_next
        joint[3, r], joint[3, q] = x, x_next


@part
def nothing_before_transposed(x: Array, joint: Array | None, b_T: Any) -> Any:
    """What is carried to the first row of M^T, whose entry below is -b_T: see `nothing_before`.

    t, fill, their sum, lead and the sum of lead t are those of M, whose pivots are M^T's; then come
    y, the sum of lead y, fill and lead of M^T, and b_T.
    """
    zero, one, fill = like(x, 0.0), like(x, 1.0), like(x, 0.0 if joint is None else 1.0)
    return zero, fill, fill, one, zero, zero, zero, fill, one, b_T


@part
def eliminate_transposed(
    b: Any,
    total: Any,
    a: Any,
    a_T: Any,
    r: int,
    rows: int,
    f: Array,
    x: Array,
    at: int,
    carried: Any,
) -> Any:
    """Row r of M^T: -b, -a and the sum are those of M's row r, -a_T is M's entry below it.

    x[at:] (rows) holds the right side and takes the way down, f (5 rows) what `sweep_back` needs.
    """
    t, fill, both, lead, first_t, y, first_y, fill_T, lead_T, b_T = carried
    inverse = 1.0 / ((total + a) + b * both)
    both = (total + b * both) * inverse
    t, fill = (total + b * t) * inverse, b * fill * inverse
    y = (load(x, at + r) + b_T * y) * inverse
    fill_T, above_T = b_T * fill_T * inverse, a_T * inverse
    first_t, lead = first_t + lead * t, lead * (a * inverse)
    first_y, lead_T = first_y + lead_T * y, lead_T * above_T
    store(x, at + r, y)
    store(f, 3 * rows + r, above_T)
    store(f, 4 * rows + r, fill_T)
    return t, fill, both, lead, first_t, y, first_y, fill_T, lead_T, a


@part
def eliminate_last_transposed(
    b: Any,
    total: Any,
    a: Any,
    first_b: Any,
    last: int,
    joint: Array,
    x: Array,
    at: int,
    carried: Any,
) -> None:
    """The row of the separators, after all others; -first_b: M's entry below the next piece's."""
    t, fill, _, lead, first_t, y, first_y, _, _, b_T = carried
    store(joint, 0, b * fill)
    store(joint, 1, (total + b * t) + a * from_right(first_t))
    store(joint, 2, a * from_right(lead))
    rhs = load(x, at + last) + b_T * y
    store(joint, 3, rhs + from_right(first_b) * from_right(first_y))
    join_transposed(joint)
    store(x, at + last, load(joint, 3))
