r"""Tangent of the march by Newton.

It is taken at the root, by the implicit function theorem, never through the iterations; names are
those of `solver.kernels.newton`. With G_i the directions of arms, laws and loads at fixed
temperatures:

    M_i Ydot_i = Edot_k + dt sum_{j<i} A_ij Qdot_j + dt A_ii G_i - (Edot at fixed Y_i),
    Qdot_i = G_i + J_i Ydot_i,    Edot_{k+1} = D_s Ydot_s + (Edot at fixed Y_s).

Reference: Griewank & Walther, Evaluating Derivatives, 2nd ed. (2008), chapter 15.
"""

from __future__ import annotations

from solver.kernels.balance import Books, Scratch, Way, flows, heat_slopes, look, scratch
from solver.kernels.compiled import kernel, part
from solver.kernels.lanes import add, empty, like, load, store
from solver.kernels.nodes import left_of_first, put, read_probes, right_of
from solver.kernels.pieces import add_values
from solver.kernels.products import add_product
from solver.kernels.sweeps import sweep, sweep_back
from solver.kernels.tridiagonal import Array, factor
from solver.kernels.vectors import add_sum, combine, copy


@kernel
def tangent(
    books: Books,
    joint: Array | None,
    way: Way,
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
    one behind the other; conduct_dot and store_dot (q, B, degree + 1): those of the coefficients.
    Writes readings_dot (q (m + 1) Q).
    """
    A, dt, G, histories = way.A, way.dt, way.G, way.histories
    stages, rows = A.shape[0], books.capacities.shape[0]
    directions, held = u_dot.shape[0] // rows, books.held.shape[1]
    loads = G.shape[0] // rows - (stages - 1)
    steps = readings_dot.shape[0] // (directions * max(1, probes.shape[1])) - 1
    slopes, heat_dot = empty(G, directions * stages * rows), empty(G, directions * rows)
    fixed, x, w, h = empty(G, rows), empty(G, rows), empty(G, stages), empty(G, loads)
    s = scratch(books)
    copy(rows, states, 0, s.u, 0)
    look(books, s, True)
    heat_slopes(books, s)
    for d in range(directions):
        set_fixed(books, capacities_dot, d * rows, store_dot[d], s, heat_dot, d * rows)
        add_stored(s, u_dot, d * rows, heat_dot, d * rows)
    for k in range(first, last):
        for i in range(stages):
            step, own = dt * A[i, i], i * rows
            copy(rows, states, (1 + (k - first) * stages + i) * rows, s.u, 0)
            look(books, s, True)
            flows(books, joint, None, step, s, None)
            heat_slopes(books, s)
            factor(s.J, rows, step, s.D, s.factors, joint)
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
                    sweep(s.factors, joint, rows, x, 0)
                    sweep_back(s.factors, joint, rows, x, 0)
                if i < stages - 1:
                    add_product(s.J, None, joint, rows, x, 0, S, own)
                else:
                    copy(rows, x, 0, u_dot, d * rows)
                    copy(rows, fixed, 0, heat_dot, d * rows)
                    add_stored(s, x, 0, heat_dot, d * rows)
        for d in range(directions):
            read_probes(u_dot, d * rows, probes, None, readings_dot, d * (steps + 1) + k + 1)


@part
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


@part
def add_stored(s: Scratch, u_dot: Array, at: int, out: Array, to: int) -> None:
    """out[to:] += D u_dot[at:]."""
    D = s.D
    for r in range(D.shape[0]):
        add(out, to + r, load(D, r) * load(u_dot, at + r))


@part
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
    temperatures, kappa, kappa_dot = s.u, s.kappa, s.saved
    u, k, k_dot = load(temperatures, 0), load(kappa, 0), load(kappa_dot, 0)
    left = left_of_first(temperatures, 0, rows, joint)
    k_left = left_of_first(kappa, 0, rows, joint)
    k_left_dot = left_of_first(kappa_dot, 0, rows, joint)
    for r in range(rows):
        right = right_of(temperatures, 0, r, rows, joint)
        k_right = right_of(kappa, 0, r, rows, joint)
        k_right_dot = right_of(kappa_dot, 0, r, rows, joint)
        below = load(arms_dot, r) * (own * k + share * k_left)
        below = below + load(arms, r) * (own * k_dot + share * k_left_dot)
        above = load(arms_dot, 2 * rows + r) * (own * k + share * k_right)
        above = above + load(arms, 2 * rows + r) * (own * k_dot + share * k_right_dot)
        flows = below * (left - u) + above * (right - u)
        store(out, to + r, flows + load(arms_dot, rows + r) * u)
        left, k_left, k_left_dot = u, k, k_dot
        u, k, k_dot = right, k_right, k_right_dot
