r"""The tangent of the linear march (`solver.kernels.march`), two directions in one sweep.

With F_j = K Y_j + S^T h_j differentiated, and the load
G_j = Kdot Y_j + Sdot^T h_j + S^T hdot_j,

    (I - dt A_ii K) Ydot_i = wdot_i + dt A_ii G_i.

Directions share the factors and the stage values, which are read once for two of them; and while
the one waits for its row before, the other goes on. What moves K is multiplied in the sweep itself.
"""

from __future__ import annotations

from typing import Any

from solver.kernels.compiled import kernel, part
from solver.kernels.lanes import LANES, empty, from_left, from_right, like, load, store
from solver.kernels.nodes import left_of_first, read_probes, right_of
from solver.kernels.products import add_moved, add_product, differences
from solver.kernels.symmetric import PARTS
from solver.kernels.tridiagonal import Array, separator, separators
from solver.kernels.vectors import add_sum, combine, divide, set_sum


@kernel
def tangent(
    K: Array,
    scale: Array,
    f: Array,
    joint: Array | None,
    A: Array,
    dt: float,
    G: Array,
    histories: Array,
    first: int,
    last: int,
    K_dot: Array,
    G_dot: Array,
    histories_dot: Array,
    states: Array,
    u_dot: Array,
    probes: Array,
    readings_dot: Array,
) -> None:
    """March the q directions `u_dot` (q rows) along the stage values `states` of the same steps.

    At step 0 they are those of u, from then on of v. K_dot (q 3 rows), G_dot (q P rows),
    histories_dot (q m s P): the directions of the coefficients; no rows where they are none. Writes
    readings_dot (q (m + 1) Q).
    """
    stages, rows = A.shape[0], K.shape[0] // 3
    directions = u_dot.shape[0] // rows
    loads = G.shape[0] // rows - (stages - 1)
    steps = readings_dot.shape[0] // max(1, directions * probes.shape[1]) - 1
    driven = G_dot.shape[0] > 0 or histories_dot.shape[0] > 0
    # of every direction the slopes of the stages before, and the load of what drives this one
    S = empty(u_dot, directions * stages * rows if driven or stages > 1 else 0)
    x, w, h = empty(u_dot, directions * rows), empty(histories, stages), empty(histories, loads)
    own_G = empty(u_dot, G_dot.shape[0])
    divide(rows, G_dot, scale, own_G)
    if first == 0:
        for d in range(directions):
            read_probes(u_dot, d * rows, probes, None, readings_dot, d * (steps + 1))
        divide(rows, u_dot, scale, u_dot)
    for k in range(first, last):
        for i in range(stages):
            y, step = (1 + (k - first) * stages + i) * rows, dt * A[i, i]
            out = x if i < stages - 1 else u_dot
            for j in range(i + 1):
                store(w, j, like(w, dt * A[i, j]))
            for d in range(directions):
                own = (d * stages + i) * rows
                if driven or i < stages - 1:
                    set_sum(rows, 0, h, G, S, own)
                if G_dot.shape[0] > 0:
                    for p in range(loads):
                        store(h, p, load(histories, (k * stages + i) * loads + p))
                    add_sum(rows, loads, h, own_G[d * loads * rows :], S, own)
                if histories_dot.shape[0] > 0:
                    at = d * (histories.shape[0] // loads if loads > 0 else 0)
                    for p in range(loads):
                        store(h, p, load(histories_dot, (at + k * stages + i) * loads + p))
                    add_sum(rows, loads, h, G, S, own)
            if step != 0.0:
                for d in range(0, directions, 2):  # an odd one goes with itself
                    e, terms = min(d + 1, directions - 1), i + 1 if driven else i
                    sweep_two(
                        *(scale, f, joint, i, rows, u_dot, d, e, step, K_dot),
                        *(states, y, terms, w, S, out),
                    )
                    sweep_two_back(f, joint, i, rows, out, d * rows, e * rows)
            else:
                for d in range(directions):
                    combine(rows, u_dot, d * rows, i, w, S[d * stages * rows :], out, d * rows)
            if i < stages - 1:
                for d in range(directions):
                    own = (d * stages + i) * rows
                    if K_dot.shape[0] > 0:
                        add_moved(K_dot[3 * d * rows :], scale, joint, rows, states, y, S, own)
                    add_product(K, scale, joint, rows, out, d * rows, S, own)
        for d in range(directions):
            read_probes(u_dot, d * rows, probes, scale, readings_dot, d * (steps + 1) + k + 1)


@part
def sweep_two(
    scale: Array,
    f: Array,
    joint: Array | None,
    stage: int,
    rows: int,
    u_dot: Array,
    d: int,
    e: int,
    step: float,
    K_dot: Array,
    u: Array,
    at: int,
    terms: int,
    w: Array,
    S: Array,
    x: Array,
) -> None:
    """The way down of x = M^-1 (u_dot + step K_dot u[at:] + sum_p w_p S_p), of directions d and e.

    `sweep_two_back` is the way back; p < terms. x may be u_dot, and d may be e.
    """
    own, last = PARTS * rows * stage, separator(rows, joint)
    x_d, x_e, first_d, first_e = like(x, 0.0), like(x, 0.0), like(x, 0.0), like(x, 0.0)
    left, here = left_of_first(u, at, rows, joint), load(u, at)
    for r in range(last):
        right = right_of(u, at, r, rows, joint)
        fall, rise = differences(left, here, right, scale, rows, r)
        rhs_d = moved(u_dot, d, rows, r, step, K_dot, fall, here, rise, terms, w, S)
        rhs_e = moved(u_dot, e, rows, r, step, K_dot, fall, here, rise, terms, w, S)
        before = load(f, own + r)
        x_d, x_e = before * x_d + rhs_d, before * x_e + rhs_e
        if joint is not None:
            fill = load(f, own + rows + r)
            first_d, first_e = first_d + x_d * fill, first_e + x_e * fill
        store(x, d * rows + r, x_d)
        store(x, e * rows + r, x_e)
        left, here = here, right
    if joint is not None:
        right = right_of(u, at, last, rows, joint)
        fall, rise = differences(left, here, right, scale, rows, last)
        rhs_d = moved(u_dot, d, rows, last, step, K_dot, fall, here, rise, terms, w, S)
        rhs_e = moved(u_dot, e, rows, last, step, K_dot, fall, here, rise, terms, w, S)
        before = load(f, own + last)
        rhs_d = rhs_d + before * x_d + from_right(first_d)
        rhs_e = rhs_e + before * x_e + from_right(first_e)
        store(x, d * rows + last, separators(joint, LANES * stage, rhs_d))
        store(x, e * rows + last, separators(joint, LANES * stage, rhs_e))


@part
def moved(
    u_dot: Array,
    d: int,
    rows: int,
    r: int,
    step: float,
    K_dot: Array,
    fall: Any,
    here: Any,
    rise: Any,
    terms: int,
    w: Array,
    S: Array,
) -> Any:
    """Row r of what direction d is solved for; u falls and rises towards its neighbours so."""
    rhs, at, stages = load(u_dot, d * rows + r), 3 * d * rows + r, S.shape[0] // u_dot.shape[0]
    if K_dot.shape[0] > 0:
        flow = load(K_dot, at) * fall + load(K_dot, at + rows) * here
        rhs = rhs + step * (flow + load(K_dot, at + 2 * rows) * rise)
    for p in range(terms):
        rhs = rhs + load(w, p) * load(S, (d * stages + p) * rows + r)
    return rhs


@part
def sweep_two_back(
    f: Array, joint: Array | None, stage: int, rows: int, x: Array, d: int, e: int
) -> None:
    """The way back of a solve, x[d:] and x[e:] in place."""
    at, last = PARTS * rows * stage, separator(rows, joint)
    x_d, x_e, left_d, left_e = like(x, 0.0), like(x, 0.0), like(x, 0.0), like(x, 0.0)
    if joint is not None:
        x_d, x_e = load(x, d + last), load(x, e + last)
        left_d, left_e = from_left(x_d), from_left(x_e)
    for r in range(last - 1, -1, -1):
        inverse = load(f, at + 2 * rows + r)
        rest_d, rest_e = load(x, d + r) * inverse, load(x, e + r) * inverse
        if joint is not None:
            fill = load(f, at + rows + r)
            rest_d, rest_e = rest_d + fill * left_d, rest_e + fill * left_e
        after = load(f, at + r + 1)
        x_d, x_e = rest_d + after * x_d, rest_e + after * x_e
        store(x, d + r, x_d)
        store(x, e + r, x_e)
