r"""One step of Newton's iteration for ``E(u) - step q(u) = target``.

With M = D - step J, D = dE/du and J = dq/du at u: M delta = E(u) - step q(u) - target, and u
becomes u - delta. See `solver.kernels.balance` for E and q.
"""

from __future__ import annotations

from solver.kernels.balance import (
    Books,
    Scratch,
    balance,
    conducting,
    flow,
    from_lane_left,
    from_lane_right,
    look,
)
from solver.kernels.compiled import kernel
from solver.kernels.lanes import LANES, from_left, from_right, like, load, store
from solver.kernels.magnitudes import larger, largest_of, magnitude, square, total_of
from solver.kernels.march import copy
from solver.kernels.pieces import at_row, polynomial
from solver.kernels.sweeps import sweep, sweep_back
from solver.kernels.tridiagonal import Array, factor, separator

ROUND_OFF = 4e-15  # of a term of the balance, by which it may be off


@kernel
def linearise(books: Books, joint: Array | None, target: Array, step: float, s: Scratch) -> float:
    """The way down of a Newton step of ``E(u) - step q(u) = target`` at s.u, after `look`.

    Balance, matrix, elimination and sweep in one go over the rows: the divisions of the elimination
    take long, and all else is done while they run. Returns the square of the residual's norm, as a
    temperature.
    """
    rows, arms, share = target.shape[0], books.arms, books.share
    capacities, pins, weights = books.capacities, books.pins, s.weights
    temperatures, f, swept = s.u, s.factors, s.y
    conduct, keep = polynomial(books.conduct), polynomial(books.store)
    kappa, kappa_u, h_rows, c_rows = s.kappa, s.kappa_u, s.h, s.c
    last = separator(rows, joint)
    t, fill = like(target, 0.0), like(target, 0.0 if joint is None else -1.0)
    lead, first_t, first_y = like(target, 1.0), like(target, 0.0), like(target, 0.0)
    y, norm = like(target, 0.0), square(like(target, 0.0))
    below, total, above, residual = t, t, t, t
    u = load(temperatures, 0)
    here = (u, load(kappa, 0), load(kappa_u, 0))
    if conduct.alone:
        here = conducting(conduct, u)
    first, left = here, here
    if joint is not None:
        u = load(temperatures, rows - 1)
        left = (u, load(kappa, rows - 1), load(kappa_u, rows - 1))
        if conduct.alone:
            left = conducting(conduct, u)
        left = from_lane_left(left)
    for r in range(rows):
        right = here
        if r < rows - 1:
            u = load(temperatures, r + 1)
            if conduct.alone:
                right = conducting(conduct, u)
            else:
                right = (u, load(kappa, r + 1), load(kappa_u, r + 1))
        elif joint is not None:
            right = from_lane_right(first)
        h, c = load(h_rows, r), load(c_rows, r)
        if keep.alone:
            h, c = at_row(keep, here[0])
        between = (load(arms, r), load(arms, rows + r), load(arms, 2 * rows + r))
        q, J_below, J_sum, J_above = flow(between, share, here, left, right)
        capacity = load(capacities, r)
        residual = (capacity * h - load(target, r)) - step * q
        norm = norm + square(residual * load(weights, r))
        below, above = -step * J_below, -step * J_above
        total = (capacity * c + load(pins, r)) - step * J_sum
        if r < last:
            t = total - below * t
            fill = -(below * fill)
            inverse = 1.0 / (t - (fill + above))
            t, fill, above = t * inverse, fill * inverse, above * inverse
            y = (residual - below * y) * inverse
            first_t, first_y = first_t + lead * t, first_y + lead * y
            store(swept, r, y)
            store(f, 3 * rows + r, above)
            store(f, 4 * rows + r, fill)
            lead = -(lead * above)
        left, here = here, right
    if joint is not None:
        store(joint, 0, -(below * fill))
        store(joint, 1, (total - below * t) - above * from_right(first_t))
        store(joint, 2, above * from_right(lead))
        store(joint, 3, (residual - below * y) - above * from_right(first_y))
        join(joint)
        store(swept, last, load(joint, 3))
    squares: float = total_of(norm)
    return squares


@kernel
def join(joint: Array) -> None:
    """Solve the separators' system: row 3 = (rows 0 to 2: below, sum, above)^-1 row 3."""
    below, total, above, x = joint[0], joint[1], joint[2], joint[3]
    t, y = 0.0, 0.0
    for r in range(LANES):
        t = total[r] - below[r] * t
        inverse = 1.0 / (t - above[r])
        t *= inverse
        above[r] *= inverse
        y = (x[r] - below[r] * y) * inverse
        x[r] = y
    for r in range(LANES - 2, -1, -1):
        x[r] -= above[r] * x[r + 1]


@kernel
def take_step(joint: Array | None, s: Scratch) -> tuple[float, float]:
    """The way back after `linearise`: s.u less s.delta. Returns the largest change, and |u|."""
    y, f, temperatures, changes = s.y, s.factors, s.u, s.delta
    rows = y.shape[0]
    last = separator(rows, joint)
    delta, left = like(y, 0.0), like(y, 0.0)
    size, scale = magnitude(delta), magnitude(delta)
    if joint is not None:
        delta = load(y, last)
        left = from_left(delta)
        u = load(temperatures, last) - delta
        store(changes, last, delta)
        store(temperatures, last, u)
        size, scale = magnitude(delta), magnitude(u)
    for r in range(last - 1, -1, -1):
        rest = load(y, r)
        if joint is not None:
            rest = rest - load(f, 4 * rows + r) * left
        delta = rest - load(f, 3 * rows + r) * delta
        u = load(temperatures, r) - delta
        store(changes, r, delta)
        store(temperatures, r, u)
        size, scale = larger(size, magnitude(delta)), larger(scale, magnitude(u))
    return largest_of(size), largest_of(scale)


@kernel
def move_back(share: float, s: Scratch) -> None:
    """s.u by a share of the last step back."""
    for r in range(s.y.shape[0]):
        store(s.u, r, load(s.u, r) + share * load(s.delta, r))


@kernel
def ask_again(
    books: Books, joint: Array | None, target: Array, step: float, share: float, s: Scratch
) -> float:
    """The largest change that the matrix before the last step makes of the residual now.

    The last step is the `share` of s.delta that s.u has gone. Overwrites what `linearise` made.
    """
    rows = target.shape[0]
    look(books, s, True)
    balance(books, joint, s, True)
    for r in range(rows):
        stored = load(books.capacities, r) * load(s.h, r)
        store(s.y, r, (stored - load(target, r)) - step * load(s.q, r))
    copy(rows, s.u, 0, s.saved, 0)
    move_back(share, s)
    look(books, s, True)
    balance(books, joint, s, True)
    factor(s.J, rows, step, s.D, s.factors, joint, 0)
    sweep(s.factors, joint, 0, rows, s.y, 0, 0, s.y, s.y, s.y, 0)
    sweep_back(s.factors, joint, 0, rows, s.y, 0)
    copy(rows, s.saved, 0, s.u, 0)
    look(books, s, False)
    size = magnitude(like(s.y, 0.0))
    for r in range(rows):
        size = larger(size, magnitude(load(s.y, r)))
    change: float = largest_of(size)
    return change


@kernel
def noise(books: Books, joint: Array | None, target: Array, step: float, s: Scratch) -> float:
    """The norm that the residual in `settle` may have of round-off alone.

    A bar at rest has nothing else: its temperatures, less the reference, are no scale for it.
    """
    c, total, n = books.store.coefficients, 0.0, s.flat_u.shape[0]
    degree, rows = c.shape[1] - 1, target.shape[0]
    look(books, s, True)
    balance(books, joint, s, True)
    for r in range(rows):
        diagonal = load(s.J, rows + r) - load(s.J, r) - load(s.J, 2 * rows + r)
        store(s.saved, r, step * diagonal * load(s.u, r))
    conducted, aims, weights = s.saved.reshape(n), target.reshape(n), s.weights.reshape(n)
    where, store_xi = s.store_where, s.store_xi.reshape(n)
    for i in range(n):
        j, xi = where[i], abs(store_xi[i])
        stored = abs(c[j, degree])
        for d in range(degree - 1, -1, -1):
            stored = stored * xi + abs(c[j, d])
        moved = (abs(conducted[i]) + abs(aims[i])) * weights[i].real
        total += (ROUND_OFF * (stored + moved)) ** 2
    return total
