r"""One step of Newton's iteration for ``E(u) - step q(u) = target``.

With M = D - step J, D = dE/du and J = dq/du at u: M delta = E(u) - step q(u) - target, and u
becomes u - delta. See `solver.kernels.balance` for E and q.
"""

from __future__ import annotations

from typing import Any

from solver.kernels.balance import (
    Books,
    Scratch,
    at_node,
    between_faces,
    first_of_faces,
    flows,
    heat_at,
    look,
    slope_at,
)
from solver.kernels.compiled import aside, part
from solver.kernels.elimination import eliminate, eliminate_last, nothing_before
from solver.kernels.lanes import from_left, like, load, store
from solver.kernels.magnitudes import larger, largest_of, magnitude, square, total_of
from solver.kernels.nodes import left_of_first
from solver.kernels.sweeps import sweep_back
from solver.kernels.tridiagonal import Array, separator
from solver.kernels.vectors import copy

ROUND_OFF = 4e-15  # of a term of the balance, by which it may be off


@part
def linearise(
    books: Books, joint: Array | None, target: Array | None, step: float, s: Scratch, x: Array
) -> float:
    """The way down of a Newton step of ``E(u) - step q(u) = target`` at s.u, after `look`, in x.

    Returns the square of the residual's norm, a heat. Without a target, that of M x = x.
    """
    if books.share == 0.0:
        norm = down_the_nodes(books, joint, target, step, s, x)
    else:
        norm = down_the_faces(books, joint, target, step, s, x)
    squares: float = total_of(norm)
    return squares


@part
def down_the_nodes(
    books: Books, joint: Array | None, target: Array | None, step: float, s: Scratch, x: Array
) -> Any:
    """`linearise` in the lecture's form; the squares lane by lane."""
    rows, last = x.shape[0], separator(x.shape[0], joint)
    norm, carried = square(like(x, 0.0)), nothing_before(x, joint)
    left, here = left_of_first(s.u, 0, rows, joint), load(s.u, 0)
    for r in range(rows):
        right, below, total, above, q = at_node(books, joint, s, r, left, here)
        rhs = right_side(books, target, step, s, r, q, x)
        b, sum_r, a = step * below, slope_at(books, s, r) - step * total, step * above
        norm, left, here = norm + square(rhs), here, right
        if r < last:
            carried = eliminate(b, sum_r, a, rhs, r, rows, s.factors, x, carried)
    if joint is not None:
        eliminate_last(b, sum_r, a, rhs, last, joint, x, carried)
    return norm


@part
def down_the_faces(
    books: Books, joint: Array | None, target: Array | None, step: float, s: Scratch, x: Array
) -> Any:
    """`linearise` in the divergence form; the squares lane by lane."""
    rows, last = x.shape[0], separator(x.shape[0], joint)
    norm, carried = square(like(x, 0.0)), nothing_before(x, joint)
    here, left = first_of_faces(joint, s)
    for r in range(rows):
        here, left, below, total, above, q = between_faces(books, joint, s, r, here, left)
        rhs = right_side(books, target, step, s, r, q, x)
        b, sum_r, a = step * below, slope_at(books, s, r) - step * total, step * above
        norm = norm + square(rhs)
        if r < last:
            carried = eliminate(b, sum_r, a, rhs, r, rows, s.factors, x, carried)
    if joint is not None:
        eliminate_last(b, sum_r, a, rhs, last, joint, x, carried)
    return norm


@part
def right_side(
    books: Books, target: Array | None, step: float, s: Scratch, r: int, q: Any, x: Array
) -> Any:
    """The residual at row r, or what x holds there."""
    rhs = q
    if target is None:
        rhs = load(x, r)
    else:
        rhs = (heat_at(books, s, r) - load(target, r)) - step * q
    return rhs


@part
def take_step(joint: Array | None, s: Scratch, y: Array) -> tuple[float, float]:
    """The way back after `linearise`, y in place; s.u less y. Returns the largest y, and |u|."""
    f, temperatures, rows = s.factors, s.u, y.shape[0]
    last = separator(rows, joint)
    delta, left = like(y, 0.0), like(y, 0.0)
    size, scale = magnitude(delta), magnitude(delta)
    if joint is not None:
        delta = load(y, last)
        left = from_left(delta)
        u = load(temperatures, last) - delta
        store(y, last, delta)
        store(temperatures, last, u)
        size, scale = magnitude(delta), magnitude(u)
    for r in range(last - 1, -1, -1):
        rest = load(y, r)
        if joint is not None:
            rest = rest + load(f, 4 * rows + r) * left
        delta = rest + load(f, 3 * rows + r) * delta
        u = load(temperatures, r) - delta
        store(y, r, delta)
        store(temperatures, r, u)
        size, scale = larger(size, magnitude(delta)), larger(scale, magnitude(u))
    return largest_of(size), largest_of(scale)


@part
def move_back(share: float, s: Scratch, delta: Array) -> None:
    """s.u by a share of the last step back."""
    for r in range(delta.shape[0]):
        store(s.u, r, load(s.u, r) + share * load(delta, r))


@aside
def ask_again(
    books: Books,
    joint: Array | None,
    target: Array,
    step: float,
    share: float,
    s: Scratch,
    delta: Array,
    again: Array,
) -> float:
    """The largest change that the matrix before the last step makes of the residual now.

    The last step is the `share` of `delta` that s.u has gone. Overwrites what `look` and
    `linearise` made, and `again`.
    """
    rows = target.shape[0]
    flows(books, joint, target, step, s, again)
    copy(rows, s.u, 0, s.saved, 0)
    move_back(share, s, delta)
    look(books, s, False)
    linearise(books, joint, None, step, s, again)
    sweep_back(s.factors, joint, rows, again, 0)
    copy(rows, s.saved, 0, s.u, 0)
    size = magnitude(like(again, 0.0))
    for r in range(rows):
        size = larger(size, magnitude(load(again, r)))
    change: float = largest_of(size)
    return change


@aside
def noise(books: Books, joint: Array | None, target: Array, step: float, s: Scratch) -> float:
    """The square of the norm that the residual in `settle` may have of round-off alone.

    A bar at rest has nothing else: its temperatures, less the reference, are no scale for it.
    """
    c, total, n = books.store.coefficients, 0.0, s.flat_u.shape[0]
    degree, rows = c.shape[1] - 1, target.shape[0]
    look(books, s, True)
    flows(books, joint, None, step, s, None)
    for r in range(rows):
        diagonal = load(s.J, rows + r) - load(s.J, r) - load(s.J, 2 * rows + r)
        store(s.saved, r, step * diagonal * load(s.u, r))
    conducted, aims = s.saved.reshape(n), target.reshape(n)
    capacities = books.capacities.reshape(n)
    where, store_xi = s.store_where, s.store_xi.reshape(n)
    for i in range(n):
        j, xi = where[i], abs(store_xi[i])
        stored = abs(c[j, degree])
        for d in range(degree - 1, -1, -1):
            stored = stored * xi + abs(c[j, d])
        stored *= abs(capacities[i])
        total += (ROUND_OFF * (stored + abs(conducted[i]) + abs(aims[i]))) ** 2
    return total
