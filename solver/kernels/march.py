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

Scale. What marches is v, u = scale v node by node, in which K is symmetric
(`solver.kernels.symmetric`): the adjoint solves by the factors of the march itself. S and the
initial u come divided by the scale, readings are multiplied by it; in the other direction the
cotangents of readings are multiplied, and those of S and the initial u divided in the end.

Arrays are made of rows of lanes (`solver.kernels.lanes`), vectors one behind the other: `joint` is
the separators' inverse where the lanes are the pieces of one bar, else None.

Each kernel advances from step `first` to step `last`, so that Python gets control between calls
(progress, cancelling) and can recompute a trajectory block by block.

References: Hairer & Wanner, Solving Ordinary Differential Equations II, IV.6 (DIRK methods);
Giles & Pierce, An Introduction to the Adjoint Approach to Design, Flow, Turbulence and Combustion
65 (2000) 393-415 (discrete adjoints); Griewank & Walther, Evaluating Derivatives, 2nd ed. (2008).
"""

from __future__ import annotations

from solver.kernels.compiled import kernel
from solver.kernels.lanes import empty, like, load, store
from solver.kernels.nodes import add_readings, read_probes
from solver.kernels.one_stage import march_back, march_on
from solver.kernels.products import GROUP, add_outer, add_product
from solver.kernels.symmetric import sweep, sweep_back
from solver.kernels.tridiagonal import Array
from solver.kernels.vectors import add_load_bars, combine, copy, divide, set_sum, set_total


@kernel
def forward(
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
    start: int,
    states: Array,
    keep: bool,
    probes: Array,
    readings: Array,
) -> None:
    """March from step `first` to step `last`.

    K (3 rows), its scale (3 rows); f, joint: the factors of I - dt A_ii K for every stage;
    A (s, s); G: the profiles (P rows), over the scale, and room for s - 1 slopes; histories (m s P)
    at the stage times; states: v at step `start`, then the stages' values, of every step since
    where they are kept, else of the last one. probes (2, Q): row and lane of the nodes that are
    read, into readings ((m + 1) Q).
    """
    stages, rows = A.shape[0], K.shape[0] // 3
    loads = G.shape[0] // rows - (stages - 1)
    if first == 0:
        read_probes(states, 0, probes, scale, readings, 0)
    if stages == 1 and loads == 1:
        step = dt * A[0, 0]
        march_on(
            *(scale, f, joint, step, G, histories, first, last, start),
            *(states, keep, probes, readings),
        )
        return
    w = empty(histories, loads + stages)
    now = (first - start if keep else min(first - start, 1)) * stages * rows
    for k in range(first, last):
        base = (1 + (k - start) * stages if keep else 1) * rows
        for i in range(stages):
            to, step = base + i * rows, dt * A[i, i]
            for p in range(loads):
                store(w, p, step * load(histories, (k * stages + i) * loads + p))
            for j in range(i):
                store(w, loads + j, like(w, dt * A[i, j]))
            combine(rows, states, now, loads + i, w, G, states, to)
            if step != 0.0:
                sweep(f, joint, i, rows, states, to, None, None, states, to)
                sweep_back(f, joint, i, rows, states, to)
            if i < stages - 1:
                slope = (loads + i) * rows
                for p in range(loads):
                    store(w, p, load(histories, (k * stages + i) * loads + p))
                set_sum(rows, loads, w, G, G, slope)
                add_product(K, scale, joint, rows, states, to, G, slope)
        now = base + (stages - 1) * rows
        read_probes(states, now, probes, scale, readings, k + 1)


@kernel
def adjoint(
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
    start: int,
    states: Array,
    probes: Array,
    readings_bar: Array,
    lam: Array,
    K_bar: Array,
    G_bar: Array,
    histories_bar: Array,
) -> None:
    """March the cotangent `lam` (rows) of v back from step `last` to step `first`, in place.

    states: the stage values since step `start`; readings_bar ((m + 1) Q): cotangents of the
    readings, of which those of steps first + 1..last enter, and from step 0 those at t = 0. Adds
    to K_bar (3 rows), G_bar (P rows) and histories_bar (m s P); a G_bar or histories_bar of no rows
    is left out of the work. From step 0 on they and lam are those of K, of the profiles and of u.
    """
    stages, rows = A.shape[0], K.shape[0] // 3
    loads = G.shape[0] // rows - (stages - 1)
    z, psi = empty(lam, (1 + max(stages, GROUP)) * rows), empty(lam, rows)
    w, kept = empty(histories, stages), empty(lam, probes.shape[1])
    copy(rows, lam, 0, z, 0)
    if stages == 1:
        march_back(
            *(scale, f, joint, dt * A[0, 0], G, histories, first, last, start, states),
            *(probes, readings_bar, z, kept, K_bar, G_bar, histories_bar),
        )
    for k in range(last - 1, first - 1 if stages > 1 else last - 1, -1):
        add_readings(z, 0, probes, scale, readings_bar, k + 1)
        for i in range(stages - 1, -1, -1):
            y, step, at = (1 + (k - start) * stages + i) * rows, dt * A[i, i], (1 + i) * rows
            if i < stages - 1:
                for j in range(i + 1, stages):
                    store(w, j - i - 1, like(w, dt * A[j, i]))
                set_sum(rows, stages - 1 - i, w, z[at + rows :], psi, 0)
                set_sum(rows, 0, w, psi, z, at)
                add_product(K, scale, joint, rows, psi, 0, z, at)
                add_outer(psi, 0, 1.0, scale, joint, rows, states, y, K_bar)
                place = (k * stages + i) * loads
                add_load_bars(rows, loads, 1.0, psi, 0, G, histories, place, G_bar, histories_bar)
            if step != 0.0:
                begin = at if i < stages - 1 else 0
                sweep(f, joint, i, rows, z, begin, None, None, z, at)
                sweep_back(f, joint, i, rows, z, at)
                add_outer(z, at, step, scale, joint, rows, states, y, K_bar)
                place = (k * stages + i) * loads
                add_load_bars(rows, loads, step, z, at, G, histories, place, G_bar, histories_bar)
        set_total(rows, stages, z, rows, z, 0)
    copy(rows, z, 0, lam, 0)
    if first == 0:
        add_readings(lam, 0, probes, scale, readings_bar, 0)
        divide(rows, lam, scale, lam)
        divide(rows, G_bar, scale, G_bar)
