r"""The linear march, its tangent and its adjoint, for any stiffly accurate DIRK method.

The semi-discrete bar is ``u' = K u + S^T h(t)``: K tridiagonal, ``S`` (P, N) the profiles of what
drives it (sources and ends alike), ``h`` their histories. The kernels know no law, no end
condition and no method by name; all of that stands in K, S, h and the tableau A.

Forward. With stages i = 1..s, F_j = K Y_j + S^T h_j and u_{k+1} = Y_s (stiffly accurate: the
last row of A holds the weights),

    Y_i = u_k + dt sum_{j<=i} A_ij F_j,    that is,    (I - dt A_ii K) Y_i = w_i + dt A_ii S^T h_i.

Tangent. Differentiate: with Fdot_j = K Ydot_j + G_j and the load
G_j = Kdot Y_j + Sdot^T h_j + S^T hdot_j,

    (I - dt A_ii K) Ydot_i = wdot_i + dt A_ii G_i.

Adjoint. Let lam be the cotangent of u_{k+1}, and z_i that of the right side of stage i's equation.
Y_i enters later stages through F_i only, whose cotangent from them is dt sum_{j>i} A_ji z_j. So for
i = s..1

    (I - dt A_ii K^T) z_i = [i = s] lam + K^T (dt sum_{j>i} A_ji z_j),
    phi_i = dt sum_{j>=i} A_ji z_j          (the whole cotangent of F_i),
    K_bar += phi_i Y_i^T (on the bands),   S_bar += h_i phi_i^T,   h_bar_i = S phi_i,

and the cotangent of u_k is sum_i z_i. For backward Euler this is the lecture's adjoint,
A^T lam^k = lam^{k+1} + dJ/du^k. It is exact for the discrete scheme: no time derivative is
approximated anew.

A pinned end, u_end = g(t), adds no equation and is no state: in the row r beside it stands
``K_r,end u_end``, which is a load with the profile K_r,end e_r and the history g. So stage i takes
``h_i = g(t_k + c_i dt)``, no derivative of g is asked for, and its cotangent is that of any
history, ``S phi_i = K_r,end phi_i,r``; a reading of the end itself is g at the steps.

Each kernel advances from step `first` to step `last`, so that Python gets control between calls
(progress, cancelling) and can recompute a trajectory block by block. Loads and stages are
generic; backward Euler is the case s = 1 and pays nothing for the generality.

References: Hairer & Wanner, Solving Ordinary Differential Equations II, IV.6 (DIRK methods);
Giles & Pierce, An Introduction to the Adjoint Approach to Design, Flow, Turbulence and Combustion
65 (2000) 393-415 (discrete adjoints); Griewank & Walther, Evaluating Derivatives, 2nd ed. (2008).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from solver.kernels.compiled import kernel
from solver.kernels.tridiagonal import (
    Array,
    add_outer,
    add_product,
    solve,
    solve_and_add_outer,
)


@kernel
def forward(
    bands: Array,
    factors: Array,
    tableau: Array,
    dt: float,
    profiles: Array,
    histories: Array,
    first: int,
    last: int,
    u: Array,
    probes: Array,
    states: Array,
    readings: Array,
) -> None:
    """March `u` (N,) from step `first` to step `last`, in place.

    bands (3, N); factors (s, 3, N) of I - dt A_ii K; tableau (s, s); profiles (P, N);
    histories (m, s, P) at the stage times. Stage values are written to ``states[k - first]``
    where `states` (rows, s, N) has as many rows as steps are asked for, or all to row 0 where it
    has one; u at the nodes `probes` (Q,) to ``readings[k + 1]`` (m + 1, Q).
    """
    stages = tableau.shape[0]
    slopes = np.empty((stages, u.shape[0]), u.dtype)
    rhs = np.empty_like(u)
    now = u
    for k in range(first, last):
        row = states[(k - first) % states.shape[0]]
        for i in range(stages):
            copy(now, rhs)
            for j in range(i):
                add_multiple(dt * tableau[i, j], slopes[j], rhs)
            if tableau[i, i] == 0.0:
                copy(rhs, row[i])
            else:
                add_load(dt * tableau[i, i], profiles, histories[k, i], rhs)
                solve(factors[i], rhs, row[i])
            if i < stages - 1:
                slopes[i, :] = 0.0
                add_load(1.0, profiles, histories[k, i], slopes[i])
                add_product(bands, row[i], slopes[i])
        now = row[stages - 1]
        for q in range(probes.shape[0]):
            readings[k + 1, q] = now[probes[q]]
    copy(now, u)


@kernel
def tangent(
    bands: Array,
    factors: Array,
    tableau: Array,
    dt: float,
    profiles: Array,
    histories: Array,
    first: int,
    last: int,
    bands_dot: Array,
    profiles_dot: Array,
    histories_dot: Array,
    states: Array,
    u_dot: Array,
    probes: Array,
    readings_dot: Array,
) -> None:
    """March the q directions `u_dot` (q, N) along the stage values `states` of the same steps.

    bands_dot (q, 3, N), profiles_dot (q, P, N), histories_dot (q, m, s, P): the directions of the
    coefficients. Writes readings_dot (q, m + 1, Q).
    """
    stages = tableau.shape[0]
    directions, n = u_dot.shape
    slopes = np.empty((directions, stages, n), u_dot.dtype)
    stage_dot = np.empty(n, u_dot.dtype)
    for k in range(first, last):
        for d in range(directions):
            for i in range(stages):
                load = slopes[d, i]
                load[:] = 0.0
                add_product(bands_dot[d], states[k - first, i], load)
                add_load(1.0, profiles_dot[d], histories[k, i], load)
                add_load(1.0, profiles, histories_dot[d, k, i], load)
                copy(u_dot[d], stage_dot)
                for j in range(i + 1):  # slopes[d, j] holds the whole slope of an earlier stage
                    add_multiple(dt * tableau[i, j], slopes[d, j], stage_dot)
                if tableau[i, i] != 0.0:
                    solve(factors[i], stage_dot, stage_dot)
                if i < stages - 1:
                    add_product(bands, stage_dot, load)
            copy(stage_dot, u_dot[d])
            for q in range(probes.shape[0]):
                readings_dot[d, k + 1, q] = stage_dot[probes[q]]


@kernel
def adjoint(
    transposed: Array,
    factors: Array,
    tableau: Array,
    dt: float,
    profiles: Array,
    histories: Array,
    first: int,
    last: int,
    states: Array,
    probes: Array,
    readings_bar: Array,
    lam: Array,
    bands_bar: Array,
    profiles_bar: Array,
    histories_bar: Array,
) -> None:
    """March the cotangent `lam` (N,) of u back from step `last` to step `first`, in place.

    transposed and factors: bands (3, N) of K^T and factors (s, 3, N) of I - dt A_ii K^T; states:
    the stage values of these steps; readings_bar (m + 1, Q): cotangents of the readings, of which
    those of steps first + 1..last enter. Adds to bands_bar (3, N), profiles_bar (P, N) and
    histories_bar (m, s, P); a profiles_bar or histories_bar of no rows is left out of the work.
    """
    stages = tableau.shape[0]
    z = np.empty((stages, lam.shape[0]), lam.dtype)
    phi = np.empty_like(lam)
    now = z[stages - 1]  # lam during the sweep: the last stage is solved in its place
    copy(lam, now)
    for k in range(last - 1, first - 1, -1):
        for q in range(probes.shape[0]):
            now[probes[q]] += readings_bar[k + 1, q]
        for i in range(stages - 1, -1, -1):
            phi[:] = 0.0
            if i < stages - 1:
                for j in range(i + 1, stages):
                    add_multiple(dt * tableau[j, i], z[j], phi)
                z[i, :] = 0.0
                add_product(transposed, phi, z[i])
            y = states[k - first, i]
            if tableau[i, i] == 0.0:
                add_outer(phi, y, bands_bar)
            else:
                solve_and_add_outer(factors[i], z[i], dt * tableau[i, i], phi, y, bands_bar)
            for p in range(profiles_bar.shape[0]):
                add_multiple(histories[k, i, p], phi, profiles_bar[p])
            if histories_bar.shape[0] > 0:
                for p in range(profiles.shape[0]):
                    histories_bar[k, i, p] += dot(profiles[p], phi)
        for i in range(stages - 1):
            add_multiple(1.0, z[i], now)
    copy(now, lam)


@kernel
def add_load(step: float, profiles: Array, history: Array, out: Array) -> None:
    """out += step sum_p history_p profiles_p."""
    for p in range(profiles.shape[0]):
        add_multiple(step * history[p], profiles[p], out)


@kernel
def copy(a: Array, out: Array) -> None:
    """out = a; unlike ``out[:] = a``, which allows for overlap, it runs in SIMD."""
    for r in range(out.shape[0]):
        out[r] = a[r]


@kernel
def add_multiple(factor: complex, a: Array, out: Array) -> None:
    """out += factor a."""
    for r in range(out.shape[0]):
        out[r] += factor * a[r]


@kernel
def dot(a: Array, b: Array) -> Any:
    """The sum of a b (no conjugate, so that a complex step passes through)."""
    total = 0.0 * a[0]
    for r in range(a.shape[0]):
        total += a[r] * b[r]
    return total
