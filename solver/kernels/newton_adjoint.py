r"""Adjoint of the march by Newton.

It is taken at the root, by the implicit function theorem, never through the iterations; names are
those of `solver.kernels.newton`. With eps the cotangent of E_{k+1}, u_bar that of a reading of
u_{k+1}, z_i that of the right side of stage i, in reverse i = s..1:

    M_i^T z_i = [i = s] (u_bar + D_s eps) + J_i^T psi_i,    psi_i = dt sum_{j>i} A_ji z_j,
    phi_i = psi_i + dt A_ii z_i                      (the cotangent of Q_i),
    ([i = s] eps - z_i)                              (the cotangent of E at fixed Y_i),

and eps <- sum_i z_i. In a pinned node's row M is the identity and z its temperature's cotangent.

Reference: Griewank & Walther, Evaluating Derivatives, 2nd ed. (2008), chapter 15.
"""

from __future__ import annotations

from solver.kernels.balance import Books, Scratch, balance, look, scratch
from solver.kernels.compiled import kernel
from solver.kernels.lanes import add, empty, from_left, from_right, like, load, store
from solver.kernels.magnitudes import total_of
from solver.kernels.march import add_load_bars, add_readings, copy, set_sum
from solver.kernels.nodes import element, put
from solver.kernels.pieces import add_powers, polynomial
from solver.kernels.sweeps import add_product, sweep_back
from solver.kernels.tridiagonal import Array, factor_and_sweep_transposed, transpose


@kernel
def adjoint(
    books: Books,
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
    transposed, w = empty(G, 3 * rows), empty(G, stages)
    s = scratch(books)
    D, all_laws = s.D, arms_bar.shape[0] + capacities_bar.shape[0] > 0
    stored = capacities_bar.shape[0] + store_bar.shape[0] > 0
    now = (stages - 1) * rows  # eps during the sweep: the last stage is solved in its place
    copy(rows, heat_bar, 0, z, now)
    for k in range(last - 1, first - 1, -1):
        for i in range(stages - 1, -1, -1):
            step, own = dt * A[i, i], i * rows
            copy(rows, states, (1 + (k - start) * stages + i) * rows, s.u, 0)
            look(books, s, all_laws)
            balance(books, joint, s, False)
            if i < stages - 1:
                for j in range(i + 1, stages):
                    store(w, j - i - 1, like(w, dt * A[j, i]))
                set_sum(rows, stages - 1 - i, w, z[(i + 1) * rows :], phi, 0)
                transpose(s.J, rows, joint, transposed)
                for r in range(rows):
                    store(z, own + r, like(z, 0.0))
                add_product(transposed, joint, rows, phi, 0, z, own)
            else:
                if stored:
                    copy(rows, z, now, heat_bar, 0)
                add_over(D, probes, readings_bar, k + 1, z, now)
            if step != 0.0:
                weighted = i == stages - 1
                factor_and_sweep_transposed(
                    s.J, rows, step, s.D, s.factors, joint, z, own, weighted
                )
                sweep_back(s.factors, joint, 0, rows, z, own)
            else:
                for r in range(rows):
                    store(z, own + r, load(z, own + r) / load(D, r))
            for e in range(held):
                row, lane = own + books.held[0, e], books.held[1, e]
                pinned_bar[(k * stages + i) * held + e] += element(z, row, lane)
                put(z, row, lane, 0.0)
            for r in range(rows):
                phi_r = step * load(z, own + r)
                if i < stages - 1:
                    phi_r = phi_r + load(phi, r)
                store(phi, r, phi_r)
            add_balance_bar(books, joint, s, phi, arms_bar, conduct_bar, conduct_powers)
            if stored:
                set_fixed_bar(rows, z, own, heat_bar, i == stages - 1, s.y)
                add_heat_bar(books, s, capacities_bar, store_bar, store_powers)
            if G_bar.shape[0] > 0 or histories_bar.shape[0] > 0:
                at = (k * stages + i) * loads
                add_load_bars(rows, loads, phi, G, histories, at, G_bar, histories_bar)
        for i in range(stages - 1):
            for r in range(rows):
                add(z, now + r, load(z, i * rows + r))
    copy(rows, z, now, heat_bar, 0)


@kernel
def add_over(D: Array, probes: Array, readings_bar: Array, k: int, z: Array, at: int) -> None:
    """Add the readings' cotangents of step k, over D, by which the sweep multiplies."""
    for q in range(probes.shape[1]):
        row, lane = probes[0, q], probes[1, q]
        reading = readings_bar[k * probes.shape[1] + q] / element(D, row, lane)
        put(z, at + row, lane, element(z, at + row, lane) + reading)


@kernel
def set_fixed_bar(rows: int, z: Array, at: int, heat_bar: Array, is_last: bool, out: Array) -> None:
    """The cotangent of E at fixed temperatures."""
    for r in range(rows):
        eps = load(heat_bar, r) if is_last else like(heat_bar, 0.0)
        store(out, r, eps - load(z, at + r))


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
    law, count, last = polynomial(books.conduct), powers.shape[0], rows - 1
    wanted, conducts, lecture = arms_bar.shape[0] > 0, conduct_bar.shape[0] > 0, share == 0.0
    u, p = load(temperatures, 0), load(phi, 0)
    k = load(kappa, 0) if wanted else u
    below, above = load(arms, 0), load(arms, 2 * rows)
    first, k_first, p_first, below_first = u, k, p, below
    left, k_left, p_left, above_left = u, k, 0.0 * p, above
    sum_0, sum_1 = like(phi, 0.0), like(phi, 0.0)
    if joint is not None:
        left, p_left = from_left(load(temperatures, last)), from_left(load(phi, last))
        k_left = from_left(load(kappa, last)) if wanted else left
        above_left = from_left(load(arms, 2 * rows + last))
    for r in range(rows):
        right, k_right, p_right, below_right = u, k, 0.0 * p, below
        if r < last:
            right, p_right = load(temperatures, r + 1), load(phi, r + 1)
            below_right = load(arms, r + 1)
            if wanted:
                k_right = load(kappa, r + 1)
        elif joint is not None:
            right, k_right = from_right(first), from_right(k_first)
            p_right, below_right = from_right(p_first), from_right(below_first)
        fall, rise = left - u, right - u
        if wanted:
            add(arms_bar, r, p * (own * k + share * k_left) * fall)
            add(arms_bar, rows + r, p * u)
            add(arms_bar, 2 * rows + r, p * (own * k + share * k_right) * rise)
        if conducts:
            kappa_bar = own * (p * (below * fall + above * rise))
            if not lecture:  # what this node's kappa does in its neighbours' books
                kappa_bar = kappa_bar - share * (p_left * above_left * fall)
                kappa_bar = kappa_bar - share * (p_right * below_right * rise)
            if law.alone:
                xi = (u - law.center) * law.inverse
                power = kappa_bar * xi
                sum_0, sum_1 = sum_0 + kappa_bar, sum_1 + power
                for d in range(2, count):
                    power = power * xi
                    add(powers, d, power)
            else:
                store(saved, r, kappa_bar)
        above_left, above = above, load(arms, 2 * rows + min(r + 1, last))
        left, k_left, p_left = u, k, p
        u, k, p, below = right, k_right, p_right, below_right
    if conducts and law.alone:
        add(powers, 0, sum_0)
        if count > 1:
            add(powers, 1, sum_1)
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
        sum_0, sum_1, sum_2 = like(y, 0.0), like(y, 0.0), like(y, 0.0)
        for r in range(rows):
            h_bar = load(capacities, r) * load(y, r)
            if law.alone:
                xi = (load(temperatures, r) - law.center) * law.inverse
                power, square = h_bar * xi, h_bar * xi * xi
                sum_0, sum_1, sum_2 = sum_0 + h_bar, sum_1 + power, sum_2 + square
                for d in range(3, count):
                    square = square * xi
                    add(powers, d, square)
            else:
                store(saved, r, h_bar)
        if law.alone:
            add(powers, 0, sum_0)
            add(powers, 1, sum_1)
            if count > 2:
                add(powers, 2, sum_2)
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
    add_readings(u_bar, 0, probes, readings_bar, 0)
