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

from typing import Any, NamedTuple

from solver.kernels.balance import Books, Scratch, Way, flows, heat_slopes, look, scratch, slope_at
from solver.kernels.compiled import kernel, part
from solver.kernels.elimination import factor_and_sweep_transposed
from solver.kernels.lanes import add, empty, like, load, store
from solver.kernels.magnitudes import total_of
from solver.kernels.nodes import add_readings, element, left_of_first, put, right_of
from solver.kernels.pieces import (
    Polynomial,
    add_power,
    add_powers,
    add_sums,
    no_powers,
    polynomial,
)
from solver.kernels.products import add_product
from solver.kernels.sweeps import sweep_back
from solver.kernels.tridiagonal import Array, transpose
from solver.kernels.vectors import add_load_bars, copy, set_sum


class Cotangents(NamedTuple):
    """Of all that is marched; those of no rows are left out of the work.

    heat (rows): of E; arms (3 rows), capacities (rows); conduct and store: of the laws' pieces, and
    of a law of one piece the sums (degree + 1), lane by lane; of G's profiles, of histories and of
    pinned temperatures.
    """

    heat: Array
    arms: Array
    capacities: Array
    conduct: Array
    conduct_powers: Array
    store: Array
    store_powers: Array
    G: Array
    histories: Array
    pinned: Array
    initial: Array


@kernel
def adjoint(
    books: Books,
    joint: Array | None,
    way: Way,
    first: int,
    last: int,
    start: int,
    states: Array,
    probes: Array,
    readings_bar: Array,
    bars: Cotangents,
) -> None:
    """March the cotangent of E back from step `last` to `first`, in place, and add to the others.

    Where that is the beginning, also to those of the initial state. states: u at step `start` and
    the stage values since; readings_bar ((m + 1) Q): cotangents of the
    readings, of which those of steps first + 1..last enter.
    """
    G, stages, rows = way.G, way.A.shape[0], books.capacities.shape[0]
    z, phi = empty(G, stages * rows), empty(G, rows)
    transposed, w, s = empty(G, 3 * rows), empty(G, stages), scratch(books)
    now = (stages - 1) * rows  # eps during the sweep: the last stage is solved in its place
    copy(rows, bars.heat, 0, z, now)
    for k in range(last - 1, first - 1, -1):
        at, whole = (1 + (k - start) * stages) * rows, k == last - 1
        retreat(
            books,
            joint,
            way,
            k,
            states,
            at,
            whole,
            probes,
            readings_bar,
            bars,
            z,
            phi,
            transposed,
            w,
            s,
        )
    copy(rows, z, now, bars.heat, 0)
    if first == 0 and bars.initial.shape[0] > 0:
        begin(books, s, states, probes, readings_bar, bars)


@part
def retreat(
    books: Books,
    joint: Array | None,
    way: Way,
    k: int,
    states: Array,
    at_stages: int,
    whole: bool,
    probes: Array,
    readings_bar: Array,
    bars: Cotangents,
    z: Array,
    phi: Array,
    transposed: Array,
    w: Array,
    s: Scratch,
) -> None:
    """One step back, its stages' values in states[at_stages:]. See `adjoint`.

    eps stands in the last stage's rows of z (s rows); phi, transposed and w are room. whole:
    whether it is the first look at the laws.
    """
    A, dt, G, histories = way.A, way.dt, way.G, way.histories
    stages, rows, held = A.shape[0], phi.shape[0], books.held.shape[1]
    now, loads = (stages - 1) * rows, G.shape[0] // rows - (stages - 1)
    stored = bars.capacities.shape[0] + bars.store.shape[0] > 0
    for i in range(stages - 1, -1, -1):
        step, own = dt * A[i, i], i * rows
        copy(rows, states, at_stages + i * rows, s.u, 0)
        look(books, s, whole)
        flows(books, joint, None, step, s, None)
        if i < stages - 1:
            heat_slopes(books, s)
            for j in range(i + 1, stages):
                store(w, j - i - 1, like(w, dt * A[j, i]))
            set_sum(rows, stages - 1 - i, w, z[(i + 1) * rows :], phi, 0)
            transpose(s.J, rows, joint, transposed)
            for r in range(rows):
                store(z, own + r, like(z, 0.0))
            add_product(transposed, None, joint, rows, phi, 0, z, own)
        else:
            weigh(books, s, z, now, bars.heat, stored)
            add_readings(z, now, probes, None, readings_bar, k + 1)
        if step != 0.0:
            factor_and_sweep_transposed(s.J, rows, step, s.D, s.factors, joint, z, own)
            sweep_back(s.factors, joint, rows, z, own)
        else:
            for r in range(rows):
                store(z, own + r, load(z, own + r) / load(s.D, r))
        for e in range(held):
            row, lane = own + books.held[0, e], books.held[1, e]
            bars.pinned[(k * stages + i) * held + e] += element(z, row, lane)
            put(z, row, lane, 0.0)
        for r in range(rows):
            phi_r = step * load(z, own + r)
            if i < stages - 1:
                phi_r = phi_r + load(phi, r)
            store(phi, r, phi_r)
        if bars.arms.shape[0] > 0:
            add_arms_bar(books, joint, s, phi, bars.arms)
        if bars.conduct.shape[0] > 0:
            add_conduct_bar(books, joint, s, phi, bars.conduct, bars.conduct_powers)
        if stored:
            add_heat_bar(books, s, bars, i == stages - 1, z, own)
        if bars.G.shape[0] > 0 or bars.histories.shape[0] > 0:
            at = (k * stages + i) * loads
            add_load_bars(rows, loads, 1.0, phi, 0, G, histories, at, bars.G, bars.histories)
    for i in range(stages - 1):
        for r in range(rows):
            add(z, now + r, load(z, i * rows + r))


@part
def weigh(books: Books, s: Scratch, z: Array, at: int, eps: Array, stored: bool) -> None:
    """s.D = dE/du, and z[at:], which is eps, times it; of held nodes that is zero."""
    D = s.D
    for r in range(D.shape[0]):
        d, eps_r = slope_at(books, s, r), load(z, at + r)
        if stored:
            store(eps, r, eps_r)
        store(D, r, d)
        store(z, at + r, d * eps_r)


@part
def add_arms_bar(
    books: Books, joint: Array | None, s: Scratch, phi: Array, arms_bar: Array
) -> None:
    """The transpose of ``phi . q`` by the arms."""
    u, kappa, rows, share, own = s.u, s.kappa, s.u.shape[0], books.share, 1.0 - books.share
    here, k = load(u, 0), load(kappa, 0)
    left, k_left = left_of_first(u, 0, rows, joint), left_of_first(kappa, 0, rows, joint)
    for r in range(rows):
        right, k_right = right_of(u, 0, r, rows, joint), right_of(kappa, 0, r, rows, joint)
        p = load(phi, r)
        add(arms_bar, r, p * (own * k + share * k_left) * (left - here))
        add(arms_bar, rows + r, p * here)
        add(arms_bar, 2 * rows + r, p * (own * k + share * k_right) * (right - here))
        left, k_left, here, k = here, k, right, k_right


@part
def add_conduct_bar(
    books: Books, joint: Array | None, s: Scratch, phi: Array, conduct_bar: Array, powers: Array
) -> None:
    """The transpose of ``phi . q`` by the law that conducts."""
    p, sums = polynomial(books.conduct), no_powers(s.u)
    if books.share == 0.0:
        sums = add_kappa_bar_of_nodes(p, books, joint, s, phi, powers, sums)
    else:
        sums = add_kappa_bar_through_faces(p, books, joint, s, phi, powers, sums)
    finish_law_bar(p, sums, s.conduct_where, s.conduct_xi, s.saved, conduct_bar, powers)


@part
def add_kappa_bar_of_nodes(
    p: Polynomial,
    books: Books,
    joint: Array | None,
    s: Scratch,
    phi: Array,
    powers: Array,
    sums: Any,
) -> Any:
    """The transpose by the kappa of every node, in the lecture's form. See `add_value_bar`."""
    arms, u, rows = books.arms, s.u, s.u.shape[0]
    left, here = left_of_first(u, 0, rows, joint), load(u, 0)
    for r in range(rows):
        right = right_of(u, 0, r, rows, joint)
        bend = load(arms, r) * (left - here) + load(arms, 2 * rows + r) * (right - here)
        sums = add_value_bar(p, here, load(phi, r) * bend, r, s.saved, powers, sums)
        left, here = here, right
    return sums


@part
def add_kappa_bar_through_faces(
    p: Polynomial,
    books: Books,
    joint: Array | None,
    s: Scratch,
    phi: Array,
    powers: Array,
    sums: Any,
) -> Any:
    """In the divergence form, where a face takes half of the kappa of both its nodes."""
    arms, u, rows = books.arms, s.u, s.u.shape[0]
    here, phi_here, below = load(u, 0), load(phi, 0), load(arms, 0)
    rise = here - left_of_first(u, 0, rows, joint)
    above_left = left_of_first(arms, 2 * rows, rows, joint)
    came = rise * (left_of_first(phi, 0, rows, joint) * above_left - phi_here * below)
    for r in range(rows):
        right, phi_right = right_of(u, 0, r, rows, joint), right_of(phi, 0, r, rows, joint)
        below_right = right_of(arms, 0, r, rows, joint)
        goes = (right - here) * (phi_here * load(arms, 2 * rows + r) - phi_right * below_right)
        sums = add_value_bar(p, here, 0.5 * (came + goes), r, s.saved, powers, sums)
        here, phi_here, came = right, phi_right, goes
    return sums


@part
def add_value_bar(
    p: Polynomial, u: Any, value_bar: Any, r: int, saved: Array, powers: Array, sums: Any
) -> Any:
    """The cotangent of a law's value at row r: to the sums, or where there are pieces to `saved`."""
    if p.alone:
        sums = add_power(p, u, value_bar, powers, sums)
    else:
        store(saved, r, value_bar)
    return sums


@part
def finish_law_bar(
    p: Polynomial,
    sums: Any,
    where: Array,
    xi: Array,
    saved: Array,
    coefficients_bar: Array,
    powers: Array,
) -> None:
    """What `add_value_bar` left to do, after the last row."""
    if p.alone:
        add_sums(sums, powers)
    else:
        add_powers(where, xi.reshape(xi.size), saved.reshape(xi.size), coefficients_bar)


@part
def add_heat_bar(
    books: Books, s: Scratch, bars: Cotangents, is_last: bool, z: Array | None, at: int
) -> None:
    """The transpose of the heat content at fixed temperatures, by capacities and by h."""
    capacities, p, sums = books.capacities, polynomial(books.store), no_powers(s.u)
    for r in range(s.u.shape[0]):
        y = load(bars.heat, r) if is_last else like(bars.heat, 0.0)
        if z is not None:
            y = y - load(z, at + r)
        if bars.capacities.shape[0] > 0:
            add(bars.capacities, r, load(s.h, r) * y)
        if bars.store.shape[0] > 0:
            h_bar = load(capacities, r) * y
            sums = add_value_bar(p, load(s.u, r), h_bar, r, s.saved, bars.store_powers, sums)
    if bars.store.shape[0] > 0:
        where, xi = s.store_where, s.store_xi
        finish_law_bar(p, sums, where, xi, s.saved, bars.store, bars.store_powers)


@kernel
def add_totals(powers: Array, coefficients_bar: Array) -> None:
    """The first piece's coefficients get the sums over the lanes."""
    if coefficients_bar.shape[0] > 0:
        for d in range(powers.shape[0]):
            coefficients_bar[0, d] += total_of(load(powers, d))


@part
def begin(
    books: Books, s: Scratch, u: Array, probes: Array, readings_bar: Array, bars: Cotangents
) -> None:
    """The cotangent of the initial temperatures u, of their heat content and readings."""
    rows, u_bar = bars.heat.shape[0], bars.initial
    copy(rows, u, 0, s.u, 0)
    look(books, s, True)
    capacities, c = books.capacities, s.c
    for r in range(rows):
        store(u_bar, r, load(capacities, r) * load(c, r) * load(bars.heat, r))
    add_heat_bar(books, s, bars, True, None, 0)
    add_readings(u_bar, 0, probes, None, readings_bar, 0)
