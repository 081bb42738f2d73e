r"""The linear march and its adjoint, for any stiffly accurate DIRK method.

The semi-discrete bar is ``u' = K u + S^T h(t)``: K tridiagonal, ``S`` (P, N) the profiles of what
drives it (sources and ends alike), ``h`` their histories. The kernels know no law, no end
condition and no method by name; all of that stands in K, S, h and the tableau A.

Forward. With stages i = 1..s, F_j = K Y_j + S^T h_j and u_{k+1} = Y_s (stiffly accurate: the
last row of A holds the weights),

    Y_i = u_k + dt sum_{j<=i} A_ij F_j,    that is,    (I - dt A_ii K) Y_i = w_i + dt A_ii S^T h_i.

Adjoint. Let lam be the cotangent of u_{k+1}, and z_i that of the right side of stage i's equation.
Y_i enters later stages through F_i only, whose cotangent from them is dt sum_{j>i} A_ji z_j. So for
i = s..1

    (I - dt A_ii K^T) z_i = [i = s] lam + K^T (dt sum_{j>i} A_ji z_j),
    phi_i = dt sum_{j>=i} A_ji z_j          (the whole cotangent of F_i),
    K_bar += phi_i Y_i^T (on the bands),   S_bar += h_i phi_i^T,   h_bar_i = S phi_i,

and the cotangent of u_k is sum_i z_i. For backward Euler this is the lecture's adjoint,
A^T lam^k = lam^{k+1} + dJ/du^k. It is exact for the discrete scheme: no time derivative is
approximated anew. For the tangent see `march_tangent`.

A pinned end, u_end = g(t), adds no equation and is no state: in the row r beside it stands
``K_r,end u_end``, which is a load with the profile K_r,end e_r and the history g. So stage i takes
``h_i = g(t_k + c_i dt)``, and its cotangent is that of any history, ``S phi_i = K_r,end phi_i,r``.

Arrays are made of rows of lanes (`solver.kernels.lanes`), vectors one behind the other: `joint` is
the separators' inverse where the lanes are the pieces of one bar, else None.

Each kernel advances from step `first` to step `last`, so that Python gets control between calls
(progress, cancelling) and can recompute a trajectory block by block.

References: Hairer & Wanner, Solving Ordinary Differential Equations II, IV.6 (DIRK methods);
Giles & Pierce, An Introduction to the Adjoint Approach to Design, Flow, Turbulence and Combustion
65 (2000) 393-415 (discrete adjoints); Griewank & Walther, Evaluating Derivatives, 2nd ed. (2008).
"""

from __future__ import annotations

from solver.kernels.compiled import kernel, part
from solver.kernels.lanes import add, empty, like, load, store
from solver.kernels.nodes import add_reading, read
from solver.kernels.sweeps import GROUP, add_outer, add_outers, add_product, sweep, sweep_back
from solver.kernels.tridiagonal import Array


@kernel
def forward(
    K: Array,
    f: Array,
    joint: Array | None,
    A: Array,
    dt: float,
    G: Array,
    histories: Array,
    first: int,
    last: int,
    start: int,
    states: Array,
    keep: bool,
    probes: Array,
    readings: Array,
) -> None:
    """March from step `first` to step `last`.

    K (3 rows); f, joint: the factors of I - dt A_ii K for every stage; A (s, s); G: the profiles
    (P rows) and room for s - 1 slopes; histories (m s P) at the stage times; states: u at step
    `start`, then the stages' values, of every step since where they are kept, else of the last one.
    probes (2, Q): row and lane of the nodes that are read, into readings ((m + 1) Q).
    """
    stages, rows = A.shape[0], K.shape[0] // 3
    loads = G.shape[0] // rows - (stages - 1)
    w = empty(histories, loads + stages)
    now = (first - start if keep else min(first - start, 1)) * stages * rows
    if first == 0:
        read_probes(states, 0, probes, readings, 0)
    for k in range(first, last):
        base = (1 + (k - start) * stages if keep else 1) * rows
        for i in range(stages):
            to, step = base + i * rows, dt * A[i, i]
            for p in range(loads):
                store(w, p, step * load(histories, (k * stages + i) * loads + p))
            for j in range(i):
                store(w, loads + j, like(w, dt * A[i, j]))
            if step == 0.0:
                combine(rows, states, now, loads + i, w, G, states, to)
            else:
                if loads + i == 1:
                    sweep(f, joint, i, rows, states, now, load(w, 0), G, states, to)
                else:
                    combine(rows, states, now, loads + i, w, G, states, to)
                    sweep(f, joint, i, rows, states, to, None, None, states, to)
                sweep_back(f, joint, i, rows, states, to)
            if i < stages - 1:
                slope = (loads + i) * rows
                for p in range(loads):
                    store(w, p, load(histories, (k * stages + i) * loads + p))
                set_sum(rows, loads, w, G, G, slope)
                add_product(K, joint, rows, states, to, G, slope)
        now = base + (stages - 1) * rows
        read_probes(states, now, probes, readings, k + 1)


@kernel
def adjoint(
    K_T: Array,
    f_T: Array,
    joint_T: Array | None,
    A: Array,
    dt: float,
    G: Array,
    histories: Array,
    first: int,
    last: int,
    start: int,
    states: Array,
    probes: Array,
    readings_bar: Array,
    lam: Array,
    K_bar: Array,
    G_bar: Array,
    histories_bar: Array,
) -> None:
    """March the cotangent `lam` (rows) of u back from step `last` to step `first`, in place.

    K_T, f_T, joint_T: the transposed matrix and its factors; states: the stage values since step
    `start`; readings_bar ((m + 1) Q): cotangents of the readings, of which those of steps
    first + 1..last enter, and from step 0 those at t = 0. Adds to K_bar (3 rows), G_bar (P rows)
    and histories_bar (m s P); a G_bar or histories_bar of no rows is left out of the work.
    """
    stages, rows = A.shape[0], K_T.shape[0] // 3
    loads = G.shape[0] // rows - (stages - 1)
    # Of one stage the z of several steps are kept, each in the place of the lam of the next one.
    group, waiting = GROUP if stages == 1 else 1, 0
    z, psi = empty(lam, (1 + group * stages) * rows), empty(lam, rows)
    w, kept = empty(histories, stages), empty(lam, probes.shape[1])
    copy(rows, lam, 0, z, 0)
    for k in range(last - 1, first - 1, -1):
        at_lam = waiting * rows
        own = at_lam + rows
        keep_rows(z, at_lam, probes, kept)  # as z that waits it has no part of the readings
        add_readings(z, at_lam, probes, readings_bar, k + 1)
        for i in range(stages - 1, -1, -1):
            y, step, at = (1 + (k - start) * stages + i) * rows, dt * A[i, i], own + i * rows
            if i < stages - 1:
                for j in range(i + 1, stages):
                    store(w, j - i - 1, like(w, dt * A[j, i]))
                set_sum(rows, stages - 1 - i, w, z[at + rows :], psi, 0)
                set_sum(rows, 0, w, psi, z, at)
                add_product(K_T, joint_T, rows, psi, 0, z, at)
                add_outer(psi, 0, 1.0, joint_T, rows, states, y, K_bar)
            if step != 0.0:
                begin = at if i < stages - 1 else at_lam
                sweep(f_T, joint_T, i, rows, z, begin, None, None, z, at)
                sweep_back(f_T, joint_T, i, rows, z, at)
                if stages > 1:
                    add_outer(z, at, step, joint_T, rows, states, y, K_bar)
            if G_bar.shape[0] > 0 or histories_bar.shape[0] > 0:
                for r in range(rows):  # psi becomes phi
                    before = load(psi, r) if i < stages - 1 else like(psi, 0.0)
                    store(psi, r, before + step * load(z, at + r))
                place = (k * stages + i) * loads
                add_load_bars(rows, loads, psi, G, histories, place, G_bar, histories_bar)
        put_rows(z, at_lam, probes, kept)
        waiting += 1
        if waiting == group or k == first:
            if stages == 1:
                y = (1 + k - start + waiting - 1) * rows
                add_group(z, dt * A[0, 0], joint_T, rows, states, y, waiting, K_bar)
            set_total(rows, stages, z, own, z, 0)
            waiting = 0
    copy(rows, z, 0, lam, 0)
    if first == 0:
        add_readings(lam, 0, probes, readings_bar, 0)


@part
def add_group(
    z: Array,
    step: float,
    joint: Array | None,
    rows: int,
    states: Array,
    y: int,
    count: int,
    K_bar: Array,
) -> None:
    """What `count` steps add to K_bar, the last one first: with z behind lam, their Y from y on."""
    if count == GROUP:
        add_outers(z, rows, step, joint, rows, states, y, K_bar)
    else:
        for c in range(count):
            add_outer(z, (1 + c) * rows, step, joint, rows, states, y - c * rows, K_bar)


@part
def keep_rows(u: Array, at: int, probes: Array, kept: Array) -> None:
    """The rows of u[at:] with the probes."""
    for q in range(probes.shape[1]):
        store(kept, q, load(u, at + probes[0, q]))


@part
def put_rows(u: Array, at: int, probes: Array, kept: Array) -> None:
    """Put them back."""
    for q in range(probes.shape[1]):
        store(u, at + probes[0, q], load(kept, q))


@part
def set_total(rows: int, terms: int, z: Array, at: int, out: Array, to: int) -> None:
    """out[to:] = the sum of z[at:], z[at + rows:], ..."""
    for r in range(rows):
        out_r = load(z, at + r)
        for i in range(1, terms):
            out_r = out_r + load(z, at + i * rows + r)
        store(out, to + r, out_r)


@part
def add_load_bars(
    rows: int,
    loads: int,
    phi: Array,
    G: Array,
    histories: Array,
    at: int,
    G_bar: Array,
    histories_bar: Array,
) -> None:
    """The transpose of the loads, of one stage."""
    if G_bar.shape[0] > 0:
        for p in range(loads):
            for r in range(rows):
                add(G_bar, p * rows + r, load(histories, at + p) * load(phi, r))
    if histories_bar.shape[0] > 0:
        for p in range(loads):
            dot = like(phi, 0.0)
            for r in range(rows):
                dot = dot + load(G, p * rows + r) * load(phi, r)
            add(histories_bar, at + p, dot)


@part
def read_probes(u: Array, at: int, probes: Array, readings: Array, step: int) -> None:
    """Read u[at:] at the probes, into the readings of a step."""
    for q in range(probes.shape[1]):
        read(u, at + probes[0, q], probes[1, q], readings, step * probes.shape[1] + q)


@part
def add_readings(u_bar: Array, at: int, probes: Array, readings_bar: Array, step: int) -> None:
    """The transpose of `read_probes`, added to u_bar[at:]."""
    for q in range(probes.shape[1]):
        add_reading(
            u_bar, at + probes[0, q], probes[1, q], readings_bar, step * probes.shape[1] + q
        )


@part
def combine(
    rows: int, u: Array, start: int, terms: int, w: Array, G: Array, x: Array, to: int
) -> None:
    """x[to:] = u[start:] + sum_p w_p G_p, p < terms."""
    for r in range(rows):
        x_r = load(u, start + r)
        for p in range(terms):
            x_r = x_r + load(w, p) * load(G, p * rows + r)
        store(x, to + r, x_r)


@part
def set_sum(rows: int, terms: int, w: Array, G: Array, out: Array, to: int) -> None:
    """out[to:] = sum_p w_p G_p, p < terms."""
    for r in range(rows):
        store(out, to + r, like(out, 0.0))
    add_sum(rows, terms, w, G, out, to)


@part
def add_sum(rows: int, terms: int, w: Array, G: Array, out: Array, to: int) -> None:
    """out[to:] += sum_p w_p G_p, p < terms."""
    for r in range(rows):
        out_r = load(out, to + r)
        for p in range(terms):
            out_r = out_r + load(w, p) * load(G, p * rows + r)
        store(out, to + r, out_r)


@part
def copy(rows: int, a: Array, at: int, out: Array, to: int) -> None:
    """out[to:] = a[at:]."""
    for r in range(rows):
        store(out, to + r, load(a, at + r))
