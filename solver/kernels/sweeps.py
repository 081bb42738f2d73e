"""Sweeps over a tridiagonal matrix in lanes, by its factors; products with it.

What stands in the factors, and what a sweep does with them, see `solver.kernels.tridiagonal`.
"""

from __future__ import annotations

from typing import Any

from solver.kernels.compiled import part
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
from solver.kernels.nodes import left_of_first, right_of
from solver.kernels.tridiagonal import PARTS, Array, separator

GROUP = 4  # products that are added to K_bar at a time


@part
def sweep(
    f: Array,
    joint: Array | None,
    stage: int,
    rows: int,
    u: Array,
    start: int,
    w: Any | None,
    G: Array | None,
    x: Array,
    to: int,
) -> None:
    """The way down of x[to:] = M^-1 (u[start:] + w G), or M^-1 u[start:] where there is no G.

    `sweep_back` is the way back. x[to:] may be u[start:].
    """
    at, last = PARTS * rows * stage, separator(rows, joint)
    y, first = like(x, 0.0), like(x, 0.0)
    for r in range(last):
        rhs = loaded(u, start, r, w, G)
        # The first product is the one that is fused: behind the other, y would wait for both.
        y = load(f, at + rows + r) * y + rhs * load(f, at + r)
        if joint is not None:
            first = first + y * load(f, at + 2 * rows + r)
        store(x, to + r, y)
    if joint is not None:
        rhs = loaded(u, start, last, w, G)
        rhs = rhs + load(f, at + last) * y + load(f, at + rows + last) * from_right(first)
        store(x, to + last, separators(joint, LANES * stage, rhs))


@part
def loaded(u: Array, start: int, r: int, w: Any | None, G: Array | None) -> Any:
    """Row r of u[start:] + w G."""
    row = load(u, start + r)
    if G is not None:
        row = row + w * load(G, r)
    return row


@part
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
            rest = rest + load(f, at + 4 * rows + r) * left
        u = rest + load(f, at + 3 * rows + r) * u
        store(x, to + r, u)


@part
def separators(joint: Array, at: int, rhs: Any) -> Any:
    """The separators, one in every lane: the inverse of their matrix times `rhs`."""
    q = P0(rhs) * load(joint, at) + P1(rhs) * load(joint, at + 1)
    s = P2(rhs) * load(joint, at + 2) + P3(rhs) * load(joint, at + 3)
    t = P4(rhs) * load(joint, at + 4) + P5(rhs) * load(joint, at + 5)
    v = P6(rhs) * load(joint, at + 6) + P7(rhs) * load(joint, at + 7)
    return (q + s) + (t + v)


@part
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


@part
def add_outer(
    z: Array,
    at_z: int,
    step: float,
    joint: Array | None,
    rows: int,
    u: Array,
    at: int,
    K_bar: Array,
) -> None:
    """Add to K_bar the transpose of K -> step z[at_z:] . (K u[at:])."""
    add_row(1, z, at_z, step, joint, rows, 0, u, at, K_bar)
    for r in range(1, rows):
        add_row(1, z, at_z, step, joint, rows, r, u, at, K_bar)


@part
def add_outers(
    z: Array,
    at_z: int,
    step: float,
    joint: Array | None,
    rows: int,
    u: Array,
    at: int,
    K_bar: Array,
) -> None:
    """`add_outer` of `GROUP` vectors, one after the other, but K_bar is read and written once.

    They are z[at_z:], z[at_z + rows:], ... and u[at:], u[at - rows:], ...
    """
    add_row(GROUP, z, at_z, step, joint, rows, 0, u, at, K_bar)
    for r in range(1, rows - 1):
        add_row(GROUP, z, at_z, step, joint, rows, r, u, at, K_bar)
    if rows > 1:
        add_row(GROUP, z, at_z, step, joint, rows, rows - 1, u, at, K_bar)


@part
def add_row(
    count: int,
    z: Array,
    at_z: int,
    step: float,
    joint: Array | None,
    rows: int,
    r: int,
    u: Array,
    at: int,
    K_bar: Array,
) -> None:
    """Row r of `count` of them."""
    below, middle, above = load(K_bar, r), load(K_bar, rows + r), load(K_bar, 2 * rows + r)
    for c in range(count):
        own = at - c * rows
        here, left = load(u, own + r), left_of_first(u, own, rows, joint)
        if r > 0:
            left = load(u, own + r - 1)
        phi = step * load(z, at_z + c * rows + r)
        below = below + phi * (left - here)
        middle = middle + phi * here
        above = above + phi * (right_of(u, own, r, rows, joint) - here)
    store(K_bar, r, below)
    store(K_bar, rows + r, middle)
    store(K_bar, 2 * rows + r, above)
