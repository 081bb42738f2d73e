r"""The way down of a transposed Newton step: ``M^T z = rhs`` with ``M = D - step J`` at given laws.

Row by row from the laws, as `solver.kernels.newton_step` does it of M, so that J goes through no
memory; the next row is made before one is eliminated, for M^T has its entry below.
"""

from __future__ import annotations

from typing import Any

from solver.kernels.balance import (
    Books,
    Scratch,
    at_node,
    between_faces,
    face,
    first_of_faces,
    slope_at,
)
from solver.kernels.compiled import part
from solver.kernels.elimination import (
    eliminate_last_transposed,
    eliminate_transposed,
    nothing_before_transposed,
)
from solver.kernels.lanes import from_left, like, load
from solver.kernels.nodes import left_of_first, right_of
from solver.kernels.tridiagonal import Array, separator


@part
def linearise_transposed(
    books: Books, joint: Array | None, step: float, s: Scratch, z: Array, at: int
) -> None:
    """The way down of ``M^T z = z[at:]`` at s.u, after `look`, in place."""
    if books.share == 0.0:
        down_the_nodes(books, joint, step, s, z, at)
    else:
        down_the_faces(books, joint, step, s, z, at)


@part
def down_the_nodes(
    books: Books, joint: Array | None, step: float, s: Scratch, z: Array, at: int
) -> None:
    """In the lecture's form."""
    rows, last, b_T = s.u.shape[0], separator(s.u.shape[0], joint), like(z, 0.0)
    if joint is not None:
        b_T = from_left(step * (load(s.kappa, last) * load(books.arms, 2 * rows + last)))
    left, here = left_of_first(s.u, 0, rows, joint), load(s.u, 0)
    right, below, total, above, _ = at_node(books, joint, s, 0, left, here)
    carried, first_b = nothing_before_transposed(z, joint, b_T), step * below
    b = first_b
    for r in range(last):
        sum_r, a, a_T = slope_at(books, s, r) - step * total, step * above, like(z, 0.0)
        if r < rows - 1:
            left, here = here, right
            right, below, total, above, _ = at_node(books, joint, s, r + 1, left, here)
            a_T = step * below
        carried = eliminate_transposed(b, sum_r, a, a_T, r, rows, s.factors, z, at, carried)
        b = a_T
    if joint is not None:
        sum_r, a = slope_at(books, s, last) - step * total, step * above
        eliminate_last_transposed(b, sum_r, a, first_b, last, joint, z, at, carried)


@part
def down_the_faces(
    books: Books, joint: Array | None, step: float, s: Scratch, z: Array, at: int
) -> None:
    """In the divergence form."""
    rows, last, b_T = s.u.shape[0], separator(s.u.shape[0], joint), like(z, 0.0)
    if joint is not None:
        b_T = from_left(step * above_of_last(books, joint, s))
    here, left = first_of_faces(joint, s)
    here, left, below, total, above, _ = between_faces(books, joint, s, 0, here, left)
    carried, first_b = nothing_before_transposed(z, joint, b_T), step * below
    b = first_b
    for r in range(last):
        sum_r, a, a_T = slope_at(books, s, r) - step * total, step * above, like(z, 0.0)
        if r < rows - 1:
            here, left, below, total, above, _ = between_faces(books, joint, s, r + 1, here, left)
            a_T = step * below
        carried = eliminate_transposed(b, sum_r, a, a_T, r, rows, s.factors, z, at, carried)
        b = a_T
    if joint is not None:
        sum_r, a = slope_at(books, s, last) - step * total, step * above
        eliminate_last_transposed(b, sum_r, a, first_b, last, joint, z, at, carried)


@part
def above_of_last(books: Books, joint: Array | None, s: Scratch) -> Any:
    """J's entry above in the last row."""
    rows = s.u.shape[0]
    last = rows - 1
    here = load(s.u, last), load(s.kappa, last), load(s.kappa_u, last)
    u, k = right_of(s.u, 0, last, rows, joint), right_of(s.kappa, 0, last, rows, joint)
    _, _, _, by_right = face(here, (u, k, right_of(s.kappa_u, 0, last, rows, joint)))
    return load(books.arms, 2 * rows + last) * by_right
