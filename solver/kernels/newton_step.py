r"""One step of Newton's iteration for ``E(u) - step q(u) = target``.

With M = D - step J, D = dE/du and J = dq/du at u: M delta = E(u) - step q(u) - target, and u
becomes u - delta. See `solver.kernels.balance` for E and q.
"""

from __future__ import annotations

from solver.kernels.balance import Books, Scratch, flows, heat_slopes, look
from solver.kernels.compiled import aside, part
from solver.kernels.lanes import from_left, like, load, store
from solver.kernels.magnitudes import larger, largest_of, magnitude
from solver.kernels.march import copy
from solver.kernels.sweeps import sweep_back
from solver.kernels.tridiagonal import Array, factor_and_sweep, separator

ROUND_OFF = 4e-15  # of a term of the balance, by which it may be off


@part
def linearise(
    books: Books, joint: Array | None, target: Array, step: float, s: Scratch, delta: Array
) -> float:
    """The way down of a Newton step of ``E(u) - step q(u) = target`` at s.u, after `look`.

    Returns the square of the residual's norm, a heat.
    """
    squares = flows(books, joint, target, step, s, delta)
    factor_and_sweep(s.J, delta.shape[0], step, s.D, s.factors, joint, delta)
    return squares


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

    The last step is the `share` of `delta` that s.u has gone. Overwrites what `linearise` made, and
    `again`.
    """
    rows = target.shape[0]
    flows(books, joint, target, step, s, again)
    copy(rows, s.u, 0, s.saved, 0)
    move_back(share, s, delta)
    look(books, s, False)
    flows(books, joint, None, step, s, None)
    heat_slopes(books, s)
    factor_and_sweep(s.J, rows, step, s.D, s.factors, joint, again)
    sweep_back(s.factors, joint, 0, rows, again, 0)
    copy(rows, s.saved, 0, s.u, 0)
    look(books, s, False)
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
