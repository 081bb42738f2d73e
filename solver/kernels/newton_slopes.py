r"""Tangent and adjoint of the march by Newton.

They are taken at the root, by the implicit function theorem, never through the iterations; names
are those of `solver.kernels.newton`.

Tangent, with G_i the directions of arms, laws and loads at fixed temperatures:

    M_i Ydot_i = Edot_k + dt sum_{j<i} A_ij Qdot_j + dt A_ii G_i - (Edot at fixed Y_i),
    Qdot_i = G_i + J_i Ydot_i,    Edot_{k+1} = D_s Ydot_s + (Edot at fixed Y_s).

Adjoint, with eps the cotangent of E_{k+1}, u_bar that of a reading of u_{k+1}, z_i that of the
right side of stage i, in reverse i = s..1:

    M_i^T z_i = [i = s] (u_bar + D_s eps) + J_i^T psi_i,    psi_i = dt sum_{j>i} A_ji z_j,
    phi_i = psi_i + dt A_ii z_i                      (the cotangent of Q_i),
    ([i = s] eps - z_i)                              (the cotangent of E at fixed Y_i),

and eps <- sum_i z_i. In a pinned node's row M is the identity and z its temperature's cotangent.

Reference: Griewank & Walther, Evaluating Derivatives, 2nd ed. (2008), chapter 15.
"""

from __future__ import annotations

import numpy as np

from solver.kernels.balance import (
    Books,
    Scratch,
    add_balance_bar,
    add_banded,
    add_conducted,
    balance,
    factor_shifted,
    look,
    scratch,
    transpose_bands,
)
from solver.kernels.compiled import kernel
from solver.kernels.pieces import add_powers, add_values
from solver.kernels.scalar import add_load, add_multiple, copy, dot, solve
from solver.kernels.tridiagonal import Array


@kernel
def tangent(
    books: Books,
    tableau: Array,
    dt: float,
    profiles: Array,
    histories: Array,
    first: int,
    last: int,
    start: Array,
    arms_dot: Array,
    capacities_dot: Array,
    conduct_dot: Array,
    store_dot: Array,
    profiles_dot: Array,
    histories_dot: Array,
    pinned_dot: Array,
    states: Array,
    u_dot: Array,
    probes: Array,
    readings_dot: Array,
) -> None:
    """March the q directions `u_dot` (q, N) along the stage values `states` of the same steps.

    start (N,): u at step `first`. Directions carry the arrays of the march with an axis q in front;
    conduct_dot and store_dot (q, B, degree + 1) are those of the coefficients. Writes readings_dot
    (q, m + 1, Q).
    """
    stages = tableau.shape[0]
    directions, n = u_dot.shape
    slopes = np.empty((directions, stages, n), u_dot.dtype)
    heat_dot = np.zeros((directions, n), u_dot.dtype)
    fixed, kappa_dot, rhs = np.empty_like(start), np.empty_like(start), np.empty_like(start)
    s = scratch(start)
    look(books, start, s)
    for d in range(directions):
        add_fixed(books, capacities_dot[d], store_dot[d], s, heat_dot[d])
        for r in range(n):
            heat_dot[d, r] += s.D[r] * u_dot[d, r]
    for k in range(first, last):
        for i in range(stages):
            y, step = states[k - first, i], dt * tableau[i, i]
            look(books, y, s)
            balance(books, y, s)
            factor_shifted(s.J, s.D, step, s.factors)
            for d in range(directions):
                load = slopes[d, i]
                for r in range(n):
                    load[r] = arms_dot[d, 1, r] * y[r]
                    kappa_dot[r] = 0.0
                    fixed[r] = 0.0
                add_conducted(arms_dot[d], books.share, s.kappa, y, load)
                add_values(conduct_dot[d], s.conduct_where, s.conduct_xi, kappa_dot)
                add_conducted(books.arms, books.share, kappa_dot, y, load)
                add_load(1.0, profiles_dot[d], histories[k, i], load)
                add_load(1.0, profiles, histories_dot[d, k, i], load)
                if tableau[i, i] != 0.0:
                    add_fixed(books, capacities_dot[d], store_dot[d], s, fixed)
                    for r in range(n):
                        rhs[r] = heat_dot[d, r] - fixed[r]
                    for j in range(i + 1):  # slopes[d, j] holds the whole slope of an earlier stage
                        add_multiple(dt * tableau[i, j], slopes[d, j], rhs)
                else:
                    copy(u_dot[d], rhs)
                for e in range(books.held.shape[0]):
                    rhs[books.held[e]] = pinned_dot[d, k, i, e]
                if tableau[i, i] != 0.0:
                    solve(s.factors, rhs, rhs)
                if i < stages - 1:
                    add_banded(s.J, rhs, load)
                else:
                    copy(rhs, u_dot[d])
                    copy(fixed, heat_dot[d])
                    for r in range(n):
                        heat_dot[d, r] += s.D[r] * rhs[r]
        for d in range(directions):
            for q in range(probes.shape[0]):
                readings_dot[d, k + 1, q] = u_dot[d, probes[q]]


@kernel
def add_fixed(
    books: Books, capacities_dot: Array, store_dot: Array, s: Scratch, out: Array
) -> None:
    """out += the direction of the heat content at fixed temperatures, after `look`."""
    for r in range(out.shape[0]):
        s.residual[r] = 0.0
    add_values(store_dot, s.store_where, s.store_xi, s.residual)
    for r in range(out.shape[0]):
        out[r] += capacities_dot[r] * s.h[r] + books.capacities[r] * s.residual[r]


@kernel
def adjoint(
    books: Books,
    tableau: Array,
    dt: float,
    profiles: Array,
    histories: Array,
    first: int,
    last: int,
    states: Array,
    probes: Array,
    readings_bar: Array,
    heat_bar: Array,
    arms_bar: Array,
    capacities_bar: Array,
    conduct_bar: Array,
    store_bar: Array,
    profiles_bar: Array,
    histories_bar: Array,
    pinned_bar: Array,
) -> None:
    """March the cotangent `heat_bar` (N,) of E back from step `last` to step `first`, in place.

    states: the stage values of these steps; readings_bar (m + 1, Q): cotangents of the readings, of
    which those of steps first + 1..last enter. Adds to the cotangents of what is marched; those of
    no rows are left out of the work, but for arms_bar and capacities_bar.
    """
    stages, n = tableau.shape[0], heat_bar.shape[0]
    z = np.empty((stages, n), heat_bar.dtype)
    phi, rhs, kappa_bar, h_bar = (
        np.empty_like(heat_bar),
        np.empty_like(heat_bar),
        np.empty_like(heat_bar),
        np.empty_like(heat_bar),
    )
    transposed = np.empty((3, n), heat_bar.dtype)
    s = scratch(heat_bar)
    for k in range(last - 1, first - 1, -1):
        for i in range(stages - 1, -1, -1):
            y, step = states[k - first, i], dt * tableau[i, i]
            look(books, y, s)
            balance(books, y, s)
            transpose_bands(s.J, transposed)
            for r in range(n):
                phi[r] = 0.0
                rhs[r] = 0.0
            if i < stages - 1:
                for j in range(i + 1, stages):
                    add_multiple(dt * tableau[j, i], z[j], phi)
                add_banded(transposed, phi, rhs)
            else:
                for r in range(n):
                    rhs[r] = s.D[r] * heat_bar[r]
                for q in range(probes.shape[0]):
                    rhs[probes[q]] += readings_bar[k + 1, q]
            if tableau[i, i] != 0.0:
                factor_shifted(transposed, s.D, step, s.factors)
                solve(s.factors, rhs, z[i])
            else:
                for r in range(n):
                    z[i, r] = rhs[r] / s.D[r]
            for e in range(books.held.shape[0]):
                pinned_bar[k, i, e] += z[i, books.held[e]]
                z[i, books.held[e]] = 0.0
            add_multiple(step, z[i], phi)
            for r in range(n):
                kappa_bar[r] = 0.0
                h_bar[r] = -z[i, r]
            if i == stages - 1:
                add_multiple(1.0, heat_bar, h_bar)
            add_balance_bar(books, phi, y, s, arms_bar, kappa_bar)
            if conduct_bar.shape[0] > 0:
                add_powers(s.conduct_where, s.conduct_xi, kappa_bar, conduct_bar)
            add_heat_bar(books, h_bar, s, capacities_bar, store_bar)
            for p in range(profiles_bar.shape[0]):
                add_multiple(histories[k, i, p], phi, profiles_bar[p])
            if histories_bar.shape[0] > 0:
                for p in range(profiles.shape[0]):
                    histories_bar[k, i, p] += dot(profiles[p], phi)
        for r in range(n):
            heat_bar[r] = 0.0
        for i in range(stages):
            add_multiple(1.0, z[i], heat_bar)


@kernel
def add_heat_bar(
    books: Books, heat_bar: Array, s: Scratch, capacities_bar: Array, store_bar: Array
) -> None:
    """The transpose of the heat content by capacities and by h; heat_bar is overwritten."""
    for r in range(heat_bar.shape[0]):
        capacities_bar[r] += s.h[r] * heat_bar[r]
        heat_bar[r] *= books.capacities[r]
    if store_bar.shape[0] > 0:
        add_powers(s.store_where, s.store_xi, heat_bar, store_bar)


@kernel
def adjoint_of_start(
    books: Books, u: Array, heat_bar: Array, capacities_bar: Array, store_bar: Array
) -> Array:
    """The cotangent (N,) of the initial temperatures u, from that of their heat content."""
    s = scratch(u)
    look(books, u, s)
    u_bar = np.empty_like(u)
    for r in range(u.shape[0]):
        u_bar[r] = s.D[r] * heat_bar[r]
    add_heat_bar(books, heat_bar, s, capacities_bar, store_bar)
    return u_bar
