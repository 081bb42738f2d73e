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

from solver.kernels.balance import Books, Scratch, balance, look, scratch
from solver.kernels.compiled import kernel
from solver.kernels.lanes import (
    add,
    add_reading,
    element,
    empty,
    from_left,
    from_right,
    like,
    load,
    put,
    read,
    store,
    total_of,
)
from solver.kernels.march import add_load_bars, add_readings, add_sum, combine, copy, set_sum
from solver.kernels.pieces import add_powers, add_values, polynomial
from solver.kernels.tridiagonal import (
    Array,
    add_product,
    factor,
    factor_transposed,
    sweep,
    sweep_back,
    transpose,
)


@kernel
def tangent(
    books: Books,
    joint: Array | None,
    A: Array,
    dt: float,
    G: Array,
    histories: Array,
    first: int,
    last: int,
    arms_dot: Array,
    capacities_dot: Array,
    conduct_dot: Array,
    store_dot: Array,
    G_dot: Array,
    histories_dot: Array,
    pinned_dot: Array,
    states: Array,
    u_dot: Array,
    probes: Array,
    readings_dot: Array,
) -> None:
    """March the q directions `u_dot` (q rows) along the stage values `states` of the same steps.

    states: u at step `first`, then the stages' values. Directions carry the arrays of the march,
    one behind the other; conduct_dot and store_dot (q, B, degree + 1) are those of the coefficients.
    Writes readings_dot (q (m + 1) Q).
    """
    stages, rows = A.shape[0], books.capacities.shape[0]
    directions, held = u_dot.shape[0] // rows, books.held.shape[1]
    loads = G.shape[0] // rows - (stages - 1)
    steps = readings_dot.shape[0] // (directions * max(1, probes.shape[1])) - 1
    slopes, heat_dot = empty(G, directions * stages * rows), empty(G, directions * rows)
    fixed, x, w, h = empty(G, rows), empty(G, rows), empty(G, stages), empty(G, loads)
    s = scratch(books)
    copy(rows, states, 0, s.u, 0)
    look(books, s, True)
    balance(books, joint, s)
    for d in range(directions):
        set_fixed(books, capacities_dot, d * rows, store_dot[d], s, heat_dot, d * rows)
        add_stored(s, u_dot, d * rows, heat_dot, d * rows)
    for k in range(first, last):
        for i in range(stages):
            step, own = dt * A[i, i], i * rows
            copy(rows, states, (1 + (k - first) * stages + i) * rows, s.u, 0)
            look(books, s, True)
            balance(books, joint, s)
            factor(s.J, rows, step, s.D, s.factors, joint, 0)
            for j in range(i + 1):
                store(w, j, like(w, dt * A[i, j]))
            for d in range(directions):
                S = slopes[d * stages * rows :]
                set_conducted(books, joint, arms_dot[3 * d * rows :], conduct_dot[d], s, S, own)
                for p in range(loads):
                    store(h, p, like(h, histories[(k * stages + i) * loads + p]))
                add_sum(rows, loads, h, G_dot[d * loads * rows :], S, own)
                at = (d * steps + k) * stages + i
                for p in range(loads):
                    store(h, p, like(h, histories_dot[at * loads + p]))
                add_sum(rows, loads, h, G, S, own)
                if step != 0.0:
                    set_fixed(books, capacities_dot, d * rows, store_dot[d], s, fixed, 0)
                    for r in range(rows):
                        store(x, r, load(heat_dot, d * rows + r) - load(fixed, r))
                    # an earlier stage's row of S holds its whole slope, this one's the load
                    combine(rows, x, 0, i + 1, w, S, x, 0)
                else:
                    copy(rows, u_dot, d * rows, x, 0)
                for e in range(held):
                    put(x, books.held[0, e], books.held[1, e], pinned_dot[at * held + e])
                if step != 0.0:
                    sweep(s.factors, joint, 0, rows, x, 0, 0, x, x, x, 0)
                    sweep_back(s.factors, joint, 0, rows, x, 0)
                if i < stages - 1:
                    add_product(s.J, joint, rows, x, 0, S, own)
                else:
                    copy(rows, x, 0, u_dot, d * rows)
                    copy(rows, fixed, 0, heat_dot, d * rows)
                    add_stored(s, x, 0, heat_dot, d * rows)
        for d in range(directions):
            for q in range(probes.shape[1]):
                at = (d * (steps + 1) + k + 1) * probes.shape[1] + q
                read(u_dot, d * rows + probes[0, q], probes[1, q], readings_dot, at)


@kernel
def set_fixed(
    books: Books,
    capacities_dot: Array,
    at: int,
    store_dot: Array,
    s: Scratch,
    out: Array,
    to: int,
) -> None:
    """out[to:] = the direction of the heat content at fixed temperatures; all laws looked at."""
    n = s.flat_u.shape[0]
    s.saved.reshape(n)[:] = 0.0
    add_values(store_dot, s.store_where, s.store_xi.reshape(n), s.saved.reshape(n))
    capacities, h_dot, h = books.capacities, s.saved, s.h
    for r in range(h.shape[0]):
        moved = load(capacities, r) * load(h_dot, r)
        store(out, to + r, load(capacities_dot, at + r) * load(h, r) + moved)


@kernel
def add_stored(s: Scratch, u_dot: Array, at: int, out: Array, to: int) -> None:
    """out[to:] += D u_dot[at:]."""
    D = s.D
    for r in range(D.shape[0]):
        add(out, to + r, load(D, r) * load(u_dot, at + r))


@kernel
def set_conducted(
    books: Books,
    joint: Array | None,
    arms_dot: Array,
    conduct_dot: Array,
    s: Scratch,
    out: Array,
    to: int,
) -> None:
    """out[to:] = the direction of q at fixed temperatures: of the arms, and of kappa."""
    rows, n = s.u.shape[0], s.flat_u.shape[0]
    s.saved.reshape(n)[:] = 0.0
    add_values(conduct_dot, s.conduct_where, s.conduct_xi.reshape(n), s.saved.reshape(n))
    share, own, arms = books.share, 1.0 - books.share, books.arms
    temperatures, kappa, kappa_dot, last = s.u, s.kappa, s.saved, rows - 1
    u, k, k_dot = load(temperatures, 0), load(kappa, 0), load(kappa_dot, 0)
    first, k_first, k_dot_first = u, k, k_dot
    left, k_left, k_left_dot = u, k, k_dot
    if joint is not None:
        left, k_left = from_left(load(temperatures, last)), from_left(load(kappa, last))
        k_left_dot = from_left(load(kappa_dot, last))
    for r in range(rows):
        right, k_right, k_right_dot = u, k, k_dot
        if r < last:
            right, k_right = load(temperatures, r + 1), load(kappa, r + 1)
            k_right_dot = load(kappa_dot, r + 1)
        elif joint is not None:
            right, k_right = from_right(first), from_right(k_first)
            k_right_dot = from_right(k_dot_first)
        below = load(arms_dot, r) * (own * k + share * k_left)
        below = below + load(arms, r) * (own * k_dot + share * k_left_dot)
        above = load(arms_dot, 2 * rows + r) * (own * k + share * k_right)
        above = above + load(arms, 2 * rows + r) * (own * k_dot + share * k_right_dot)
        flows = below * (left - u) + above * (right - u)
        store(out, to + r, flows + load(arms_dot, rows + r) * u)
        left, k_left, k_left_dot = u, k, k_dot
        u, k, k_dot = right, k_right, k_right_dot


@kernel
def adjoint(
    books: Books,
    joint: Array | None,
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
    heat_bar: Array,
    arms_bar: Array,
    capacities_bar: Array,
    conduct_bar: Array,
    conduct_powers: Array,
    store_bar: Array,
    store_powers: Array,
    G_bar: Array,
    histories_bar: Array,
    pinned_bar: Array,
) -> None:
    """March the cotangent `heat_bar` (rows) of E back from step `last` to step `first`, in place.

    states: the stage values since step `start`; readings_bar ((m + 1) Q): cotangents of the
    readings, of which those of steps first + 1..last enter. Adds to the cotangents of what is
    marched; those of no rows are left out of the work. Of a law of one piece the sums stand in
    conduct_powers and store_powers (degree + 1), lane by lane.
    """
    stages, rows = A.shape[0], books.capacities.shape[0]
    loads, held = G.shape[0] // rows - (stages - 1), books.held.shape[1]
    z, phi = empty(G, stages * rows), empty(G, rows)
    transposed, f_T, w = empty(G, 3 * rows), empty(G, 5 * rows), empty(G, stages)
    s = scratch(books)
    for k in range(last - 1, first - 1, -1):
        for i in range(stages - 1, -1, -1):
            step, own = dt * A[i, i], i * rows
            copy(rows, states, (1 + (k - start) * stages + i) * rows, s.u, 0)
            look(books, s, True)
            balance(books, joint, s)
            if i < stages - 1:
                for j in range(i + 1, stages):
                    store(w, j - i - 1, like(w, dt * A[j, i]))
                set_sum(rows, stages - 1 - i, w, z[(i + 1) * rows :], phi, 0)
                transpose(s.J, rows, joint, transposed)
                for r in range(rows):
                    store(z, own + r, like(z, 0.0))
                add_product(transposed, joint, rows, phi, 0, z, own)
            else:
                for r in range(rows):
                    store(phi, r, like(phi, 0.0))
                    store(z, own + r, load(s.D, r) * load(heat_bar, r))
                for q in range(probes.shape[1]):
                    at = (k + 1) * probes.shape[1] + q
                    add_reading(z, own + probes[0, q], probes[1, q], readings_bar, at)
            if step != 0.0:
                factor(s.J, rows, step, s.D, s.factors, joint, 0)
                factor_transposed(s.J, rows, step, s.factors, joint, f_T, joint_T, 0)
                sweep(f_T, joint_T, 0, rows, z, own, 0, z, z, z, own)
                sweep_back(f_T, joint_T, 0, rows, z, own)
            else:
                for r in range(rows):
                    store(z, own + r, load(z, own + r) / load(s.D, r))
            for e in range(held):
                row, lane = own + books.held[0, e], books.held[1, e]
                pinned_bar[(k * stages + i) * held + e] += element(z, row, lane)
                put(z, row, lane, 0.0)
            for r in range(rows):
                add(phi, r, step * load(z, own + r))
            add_balance_bar(books, joint, s, phi, arms_bar, conduct_bar, conduct_powers)
            if i < stages - 1:
                for r in range(rows):
                    store(s.y, r, -load(z, own + r))
            else:
                for r in range(rows):
                    store(s.y, r, load(heat_bar, r) - load(z, own + r))
            add_heat_bar(books, s, capacities_bar, store_bar, store_powers)
            if G_bar.shape[0] > 0 or histories_bar.shape[0] > 0:
                at = (k * stages + i) * loads
                add_load_bars(rows, loads, phi, G, histories, at, G_bar, histories_bar)
        copy(rows, z, 0, heat_bar, 0)
        for i in range(1, stages):
            for r in range(rows):
                add(heat_bar, r, load(z, i * rows + r))


@kernel
def add_balance_bar(
    books: Books,
    joint: Array | None,
    s: Scratch,
    phi: Array,
    arms_bar: Array,
    conduct_bar: Array,
    powers: Array,
) -> None:
    """The transpose by arms and by the law that conducts of ``phi . q``, all laws looked at."""
    rows, share, own = s.u.shape[0], books.share, 1.0 - books.share
    temperatures, kappa, arms, saved = s.u, s.kappa, books.arms, s.saved
    law, count = polynomial(books.conduct), powers.shape[0]
    last = rows - 1
    u, k, p = load(temperatures, 0), load(kappa, 0), load(phi, 0)
    below, above = load(arms, 0), load(arms, 2 * rows)
    first, k_first, p_first, below_first = u, k, p, below
    left, k_left, p_left, above_left = u, k, 0.0 * p, above
    if joint is not None:
        left, k_left = from_left(load(temperatures, last)), from_left(load(kappa, last))
        p_left, above_left = from_left(load(phi, last)), from_left(load(arms, 2 * rows + last))
    for r in range(rows):
        right, k_right, p_right, below_right = u, k, 0.0 * p, below
        if r < last:
            right, k_right = load(temperatures, r + 1), load(kappa, r + 1)
            p_right, below_right = load(phi, r + 1), load(arms, r + 1)
        elif joint is not None:
            right, k_right = from_right(first), from_right(k_first)
            p_right, below_right = from_right(p_first), from_right(below_first)
        fall, rise = left - u, right - u
        if arms_bar.shape[0] > 0:
            add(arms_bar, r, p * (own * k + share * k_left) * fall)
            add(arms_bar, rows + r, p * u)
            add(arms_bar, 2 * rows + r, p * (own * k + share * k_right) * rise)
        if conduct_bar.shape[0] > 0:
            kappa_bar = own * (p * (below * fall + above * rise))
            # what this node's kappa does in its neighbours' books
            kappa_bar = kappa_bar - share * (p_left * above_left * fall)
            kappa_bar = kappa_bar - share * (p_right * below_right * rise)
            if law.alone:
                xi, power = (u - law.center) * law.inverse, kappa_bar
                for d in range(count):
                    add(powers, d, power)
                    power = power * xi
            else:
                store(saved, r, kappa_bar)
        above_left, above = above, load(arms, 2 * rows + min(r + 1, last))
        left, k_left, p_left = u, k, p
        u, k, p, below = right, k_right, p_right, below_right
    if conduct_bar.shape[0] > 0 and not law.alone:
        n = s.flat_u.shape[0]
        add_powers(s.conduct_where, s.conduct_xi.reshape(n), saved.reshape(n), conduct_bar)


@kernel
def add_heat_bar(
    books: Books, s: Scratch, capacities_bar: Array, store_bar: Array, powers: Array
) -> None:
    """The transpose of the heat content by capacities and by h, for the cotangent s.y of E."""
    rows, temperatures, capacities, saved, y = s.u.shape[0], s.u, books.capacities, s.saved, s.y
    law, count, h = polynomial(books.store), powers.shape[0], s.h
    if capacities_bar.shape[0] > 0:
        for r in range(rows):
            add(capacities_bar, r, load(h, r) * load(y, r))
    if store_bar.shape[0] > 0:
        for r in range(rows):
            h_bar = load(capacities, r) * load(y, r)
            if law.alone:
                xi = (load(temperatures, r) - law.center) * law.inverse
                for d in range(count):
                    add(powers, d, h_bar)
                    h_bar = h_bar * xi
            else:
                store(saved, r, h_bar)
        if not law.alone:
            n = s.flat_u.shape[0]
            add_powers(s.store_where, s.store_xi.reshape(n), saved.reshape(n), store_bar)


@kernel
def add_totals(powers: Array, coefficients_bar: Array) -> None:
    """The first piece's coefficients get the sums over the lanes."""
    if coefficients_bar.shape[0] > 0:
        for d in range(powers.shape[0]):
            coefficients_bar[0, d] += total_of(load(powers, d))


@kernel
def adjoint_of_start(
    books: Books,
    u: Array,
    heat_bar: Array,
    capacities_bar: Array,
    store_bar: Array,
    store_powers: Array,
    probes: Array,
    readings_bar: Array,
    u_bar: Array,
) -> None:
    """The cotangent (rows) of the initial temperatures u, of their heat content and readings."""
    s, rows = scratch(books), u.shape[0]
    copy(rows, u, 0, s.u, 0)
    look(books, s, True)
    capacities, c, y = books.capacities, s.c, s.y
    for r in range(rows):
        heat = load(heat_bar, r)
        store(y, r, heat)
        store(u_bar, r, load(capacities, r) * load(c, r) * heat)
    add_heat_bar(books, s, capacities_bar, store_bar, store_powers)
    add_readings(u_bar, probes, readings_bar)
