"""Sweeps over a tridiagonal matrix in lanes, by its factors; products with it.

What stands in the factors, and what a sweep does with them, see `solver.kernels.tridiagonal`.
"""

from __future__ import annotations

from typing import Any

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
    add,
    from_left,
    from_right,
    like,
    load,
    store,
)
from solver.kernels.tridiagonal import PARTS, Array, separator


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
        y = rhs * load(f, at + r) + load(f, at + rows + r) * y
        if joint is not None:
            first = first + y * load(f, at + 2 * rows + r)
        store(x, to + r, y)
    if joint is not None:
        rhs = load(u, start + last)
        for p in range(terms):
            rhs = rhs + load(w, p) * load(G, p * rows + last)
        rhs = rhs + load(f, at + last) * y + load(f, at + rows + last) * from_right(first)
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
            rest = rest + load(f, at + 4 * rows + r) * left
        u = rest + load(f, at + 3 * rows + r) * u
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
            rest = rest + load(f, at + 4 * rows + r) * left
        z_r = rest + load(f, at + 3 * rows + r) * z_r
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


@part
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
