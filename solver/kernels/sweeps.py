"""Sweeps over a tridiagonal matrix in lanes, by its factors (`solver.kernels.tridiagonal`)."""

from __future__ import annotations

from solver.kernels.compiled import part
from solver.kernels.lanes import from_left, from_right, like, load, store
from solver.kernels.tridiagonal import Array, separator, separators


@part
def sweep(f: Array, joint: Array | None, rows: int, x: Array, at: int) -> None:
    """The way down of x[at:] = M^-1 x[at:], in place; `sweep_back` is the way back."""
    last = separator(rows, joint)
    y, first = like(x, 0.0), like(x, 0.0)
    for r in range(last):
        # The first product is the one that is fused: behind the other, y would wait for both.
        y = load(f, rows + r) * y + load(x, at + r) * load(f, r)
        if joint is not None:
            first = first + y * load(f, 2 * rows + r)
        store(x, at + r, y)
    if joint is not None:
        rhs = load(x, at + last) + load(f, last) * y + load(f, rows + last) * from_right(first)
        store(x, at + last, separators(joint, 0, rhs))


@part
def sweep_back(f: Array, joint: Array | None, rows: int, x: Array, at: int) -> None:
    """The way back of a solve, x[at:] in place."""
    last = separator(rows, joint)
    u, left = like(x, 0.0), like(x, 0.0)
    if joint is not None:
        u = load(x, at + last)
        left = from_left(u)
    for r in range(last - 1, -1, -1):
        rest = load(x, at + r)
        if joint is not None:
            rest = rest + load(f, 4 * rows + r) * left
        u = rest + load(f, 3 * rows + r) * u
        store(x, at + r, u)
