r"""One step of Newton's iteration for ``E(u) - step q(u) = target``.

With M = D - step J, D = dE/du and J = dq/du at u: M delta = E(u) - step q(u) - target, and u
becomes u - delta. See `solver.kernels.balance` for E and q.
"""

from __future__ import annotations

from solver.kernels.balance import Books, Scratch, flows, heat_slopes, hold_rows, look
from solver.kernels.compiled import borrowing
from solver.kernels.lanes import from_left, like, load, store
from solver.kernels.magnitudes import larger, largest_of, magnitude, square, total_of
from solver.kernels.march import copy
from solver.kernels.sweeps import sweep_back
from solver.kernels.tridiagonal import Array, factor_and_sweep, separator

ROUND_OFF = 4e-15  # of a term of the balance, by which it may be off


@borrowing
def linearise(books: Books, joint: Array | None, target: Array, step: float, s: Scratch) -> float:
    """The way down of a Newton step of ``E(u) - step q(u) = target`` at s.u, after `look`.

    Returns the square of the residual's norm, as a temperature.
    """
    flows(books, joint, s)
    squares = imbalance(books, target, step, s)
    factor_and_sweep(s.J, s.y.shape[0], step, s.D, s.factors, joint, s.y)
    return squares


@borrowing
def imbalance(books: Books, target: Array, step: float, s: Scratch) -> float:
    """The residual E - step q - target to s.y, D = dE/du to s.D, after `flows`.

    Returns the square of the residual's norm, as a temperature.
    """
    capacities, h, c, q, weights, y, D = books.capacities, s.h, s.c, s.q, s.weights, s.y, s.D
    norm = square(like(target, 0.0))
    for r in range(target.shape[0]):
        capacity = load(capacities, r)
        residual = (capacity * load(h, r) - load(target, r)) - step * load(q, r)
        norm = norm + square(residual * load(weights, r))
        store(y, r, residual)
        store(D, r, capacity * load(c, r))
    hold_rows(books, D)
    squares: float = total_of(norm)
    return squares


@borrowing
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


@borrowing
def move_back(share: float, s: Scratch) -> None:
    """s.u by a share of the last step back."""
    for r in range(s.y.shape[0]):
        store(s.u, r, load(s.u, r) + share * load(s.delta, r))


@borrowing
def ask_again(
    books: Books, joint: Array | None, target: Array, step: float, share: float, s: Scratch
) -> float:
    """The largest change that the matrix before the last step makes of the residual now.

    The last step is the `share` of s.delta that s.u has gone. Overwrites what `linearise` made.
    """
    rows = target.shape[0]
    flows(books, joint, s)
    imbalance(books, target, step, s)
    copy(rows, s.u, 0, s.saved, 0)
    move_back(share, s)
    look(books, s, False)
    flows(books, joint, s)
    heat_slopes(books, s)
    factor_and_sweep(s.J, rows, step, s.D, s.factors, joint, s.y)
    sweep_back(s.factors, joint, 0, rows, s.y, 0)
    copy(rows, s.saved, 0, s.u, 0)
    look(books, s, False)
    size = magnitude(like(s.y, 0.0))
    for r in range(rows):
        size = larger(size, magnitude(load(s.y, r)))
    change: float = largest_of(size)
    return change


@borrowing
def noise(books: Books, joint: Array | None, target: Array, step: float, s: Scratch) -> float:
    """The norm that the residual in `settle` may have of round-off alone.

    A bar at rest has nothing else: its temperatures, less the reference, are no scale for it.
    """
    c, total, n = books.store.coefficients, 0.0, s.flat_u.shape[0]
    degree, rows = c.shape[1] - 1, target.shape[0]
    look(books, s, True)
    flows(books, joint, s)
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
