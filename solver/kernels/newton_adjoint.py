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

from solver.kernels.balance import Books, Scratch, Way, flows, look, scratch, slope_at
from solver.kernels.balance_adjoint import Cotangents, add_arms_bar, add_conduct_bar, add_heat_bar
from solver.kernels.compiled import kernel, part
from solver.kernels.lanes import add, empty, like, load, store
from solver.kernels.magnitudes import total_of
from solver.kernels.newton_transposed import linearise_transposed
from solver.kernels.nodes import add_readings, element, put
from solver.kernels.products import add_product
from solver.kernels.sweeps import sweep_back
from solver.kernels.tridiagonal import Array, transpose
from solver.kernels.vectors import add_load_bars, copy, set_sum


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
    z = empty(G, (stages + 1) * rows)
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
    transposed: Array,
    w: Array,
    s: Scratch,
) -> None:
    """One step back, its stages' values in states[at_stages:]. See `adjoint`.

    eps stands in the last stage's rows of z (s rows and room for phi); transposed and w are room.
    whole: whether it is the first look at the laws.
    """
    A, dt, G, histories = way.A, way.dt, way.G, way.histories
    stages, rows, held = A.shape[0], s.u.shape[0], books.held.shape[1]
    now, loads = (stages - 1) * rows, G.shape[0] // rows - (stages - 1)
    phi = stages * rows  # of all stages but the last, in which it is z times the step
    stored = bars.capacities.shape[0] + bars.store.shape[0] > 0
    for i in range(stages - 1, -1, -1):
        step, own = dt * A[i, i], i * rows
        copy(rows, states, at_stages + i * rows, s.u, 0)
        look(books, s, whole)
        if i < stages - 1:
            flows(books, joint, None, step, s, None)
            for j in range(i + 1, stages):
                store(w, j - i - 1, like(w, dt * A[j, i]))
            set_sum(rows, stages - 1 - i, w, z[(i + 1) * rows :], z, phi)
            transpose(s.J, rows, joint, transposed)
            for r in range(rows):
                store(z, own + r, like(z, 0.0))
            add_product(transposed, None, joint, rows, z, phi, z, own)
        else:
            weigh(books, s, z, now, bars.heat, stored)
            add_readings(z, now, probes, None, readings_bar, k + 1)
        if step != 0.0:
            linearise_transposed(books, joint, step, s, z, own)
            sweep_back(s.factors, joint, rows, z, own)
        else:
            for r in range(rows):
                store(z, own + r, load(z, own + r) / slope_at(books, s, r))
        for e in range(held):
            row, lane = own + books.held[0, e], books.held[1, e]
            bars.pinned[(k * stages + i) * held + e] += element(z, row, lane)
            put(z, row, lane, 0.0)
        flow, weight = own, step
        if i < stages - 1:
            flow, weight = phi, 1.0
            for r in range(rows):
                add(z, phi + r, step * load(z, own + r))
        if bars.arms.shape[0] > 0:
            add_arms_bar(books, joint, s, weight, z, flow, bars.arms)
        if bars.conduct.shape[0] > 0:
            add_conduct_bar(books, joint, s, weight, z, flow, bars.conduct, bars.conduct_powers)
        if stored:
            add_heat_bar(books, s, bars, i == stages - 1, z, own)
        if bars.G.shape[0] > 0 or bars.histories.shape[0] > 0:
            at = (k * stages + i) * loads
            add_load_bars(rows, loads, weight, z, flow, G, histories, at, bars.G, bars.histories)
    for i in range(stages - 1):
        for r in range(rows):
            add(z, now + r, load(z, i * rows + r))


@part
def weigh(books: Books, s: Scratch, z: Array, at: int, eps: Array, stored: bool) -> None:
    """z[at:], which is eps, times dE/du; of held nodes that is zero."""
    for r in range(s.u.shape[0]):
        eps_r = load(z, at + r)
        if stored:
            store(eps, r, eps_r)
        store(z, at + r, slope_at(books, s, r) * eps_r)


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
