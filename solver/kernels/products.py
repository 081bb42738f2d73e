"""Products with a matrix in lanes, and what the matrix gets of them on the way back.

A matrix is as `solver.kernels.tridiagonal` has it. Of vectors v that are divided by a `scale`
(`solver.kernels.symmetric`) a march takes differences of temperatures u = scale v, which keep the
heat; a direction of the matrix and the transpose of that take both the same ones, in v, which are
quicker and the others to round-off of u.
"""

from __future__ import annotations

from typing import Any

from solver.kernels.compiled import part
from solver.kernels.lanes import add, from_left, from_right, load, store
from solver.kernels.nodes import left_of_first, right_of
from solver.kernels.tridiagonal import Array

GROUP = 8  # products that are added to K_bar at a time


@part
def add_product(
    K: Array,
    scale: Array | None,
    joint: Array | None,
    rows: int,
    u: Array,
    at: int,
    out: Array,
    to: int,
) -> None:
    """out[to:] += K u[at:]; with a scale, what that is of vectors divided by it.

    What flows from a node arrives at the next one, to round-off of what flows and not of u: the
    differences here are those of temperatures themselves.
    """
    here = temperature(u, at, 0, scale)
    left = here
    if joint is not None:
        left = from_left(temperature(u, at, rows - 1, scale))
    for r in range(rows):
        right = here
        if r < rows - 1:
            right = temperature(u, at, r + 1, scale)
        elif joint is not None:
            right = from_right(temperature(u, at, 0, scale))
        product = load(K, r) * (left - here) + load(K, rows + r) * here
        product = product + load(K, 2 * rows + r) * (right - here)
        if scale is not None:
            product = product / load(scale, r)
        add(out, to + r, product)
        left, here = here, right


@part
def add_moved(
    K_dot: Array,
    scale: Array,
    joint: Array | None,
    rows: int,
    u: Array,
    at: int,
    out: Array,
    to: int,
) -> None:
    """The same of a direction of K, by the very differences that `add_outer` takes."""
    left, here = left_of_first(u, at, rows, joint), load(u, at)
    for r in range(rows):
        right = right_of(u, at, r, rows, joint)
        fall, rise = differences(left, here, right, scale, rows, r)
        flow = load(K_dot, r) * fall + load(K_dot, rows + r) * here
        add(out, to + r, flow + load(K_dot, 2 * rows + r) * rise)
        left, here = here, right


@part
def temperature(u: Array, at: int, r: int, scale: Array | None) -> Any:
    """Row r of what u[at:] stands for."""
    value = load(u, at + r)
    if scale is not None:
        value = value * load(scale, r)
    return value


@part
def differences(
    left: Any, here: Any, right: Any, scale: Array, rows: int, r: int
) -> tuple[Any, Any]:
    """From row r to what is left and right of it, over the scale of row r."""
    return load(scale, rows + r) * left - here, load(scale, 2 * rows + r) * right - here


@part
def add_outer(
    z: Array,
    at_z: int,
    step: float,
    scale: Array,
    joint: Array | None,
    rows: int,
    u: Array,
    at: int,
    K_bar: Array,
) -> None:
    """Add to K_bar the transpose of K -> step z[at_z:] . (K u[at:])."""
    add_row(1, z, at_z, step, scale, joint, rows, 0, u, at, K_bar)
    for r in range(1, rows):
        add_row(1, z, at_z, step, scale, joint, rows, r, u, at, K_bar)


@part
def add_outers(
    z: Array,
    at_z: int,
    step: float,
    scale: Array,
    joint: Array | None,
    rows: int,
    u: Array,
    at: int,
    K_bar: Array,
) -> None:
    """`add_outer` of `GROUP` vectors, one after the other, but K_bar is read and written once.

    They are z[at_z:], z[at_z + rows:], ... and u[at:], u[at - rows:], ...
    """
    add_row(GROUP, z, at_z, step, scale, joint, rows, 0, u, at, K_bar)
    for r in range(1, rows - 1):
        add_row(GROUP, z, at_z, step, scale, joint, rows, r, u, at, K_bar)
    if rows > 1:
        add_row(GROUP, z, at_z, step, scale, joint, rows, rows - 1, u, at, K_bar)


@part
def add_row(
    count: int,
    z: Array,
    at_z: int,
    step: float,
    scale: Array,
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
        fall, rise = differences(left, here, right_of(u, own, r, rows, joint), scale, rows, r)
        phi = step * load(z, at_z + c * rows + r)
        below = below + phi * fall
        middle = middle + phi * here
        above = above + phi * rise
    store(K_bar, r, below)
    store(K_bar, rows + r, middle)
    store(K_bar, 2 * rows + r, above)
