"""Products with a matrix in lanes, and what the matrix gets of them on the way back.

A matrix is as `solver.kernels.tridiagonal` has it. Of vectors that are divided by a `scale`
(`solver.kernels.symmetric`) differences are those of temperatures, over the scale of the row:

    K_{r,r-1} (u_{r-1} - u_r) / scale_r = K_{r,r-1} (v_{r-1} scale_{r-1} / scale_r - v_r).
"""

from __future__ import annotations

from typing import Any

from solver.kernels.compiled import part
from solver.kernels.lanes import add, load, store
from solver.kernels.nodes import left_of_first, right_of
from solver.kernels.tridiagonal import Array

GROUP = 8  # products that are added to K_bar at a time


@part
def difference(neighbour: Any, here: Any, scale: Array | None, at: int) -> Any:
    """From here to a neighbour, whose scale over the one here is scale[at], if there is one."""
    if scale is not None:
        neighbour = load(scale, at) * neighbour
    return neighbour - here


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
    """out[to:] += K u[at:]; with a scale, what that is of vectors divided by it."""
    left, here = left_of_first(u, at, rows, joint), load(u, at)
    for r in range(rows):
        right = right_of(u, at, r, rows, joint)
        fall, rise = differences(left, here, right, scale, rows, r)
        flow = load(K, r) * fall + load(K, rows + r) * here
        add(out, to + r, flow + load(K, 2 * rows + r) * rise)
        left, here = here, right


@part
def differences(
    left: Any, here: Any, right: Any, scale: Array | None, rows: int, r: int
) -> tuple[Any, Any]:
    """From row r to what is left and right of it."""
    return (
        difference(left, here, scale, rows + r),
        difference(right, here, scale, 2 * rows + r),
    )


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
