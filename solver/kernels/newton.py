r"""The march of matter that changes with temperature, by Newton in every stage.

With E(u) = capacities h(u), the heat content of every node's volume, and Q(u) = q(u) + loads (see
`balance`), a stiffly accurate DIRK step keeps the books exactly,

    E(Y_i) = E_k + dt sum_{j<=i} A_ij Q_j(Y_j),    E_{k+1} = E(Y_s),    u_{k+1} = Y_s,

and pinned nodes have Y_i = g(t_k + c_i dt). Each implicit stage is solved by Newton with the
tridiagonal matrix M = D - dt A_ii J, D = dE/du and J = dq/du; a step that does not bring the
residual down is halved. Where that leads nowhere, shorter time steps lead the way (`approach`).

References: Hairer & Wanner, Solving Ordinary Differential Equations II, IV.8 (Newton in implicit
Runge-Kutta methods); Celia, Bouloutas & Zarba, Water Resour. Res. 26 (1990) 1483-1496 (the form
that keeps the books); Deuflhard, Newton Methods for Nonlinear Problems (2004), 3.3 (the natural
monotonicity test) and 5.1 (continuation).
"""

from __future__ import annotations

import numpy as np

from solver.kernels.balance import Books, Scratch, balance, heat_of, look, scratch
from solver.kernels.compiled import kernel
from solver.kernels.lanes import empty, like, load, store
from solver.kernels.magnitudes import larger, largest_of, least_of, real_part, smaller
from solver.kernels.march import add_sum, combine, copy
from solver.kernels.newton_step import ask_again, linearise, move_back, noise, take_step
from solver.kernels.nodes import element, put, read
from solver.kernels.pieces import at_row, polynomial
from solver.kernels.tridiagonal import Array

LEAST_AHEAD = 2.0**-10  # share of a step below which shorter ones before it have no sense
SHORTEST = 2.0**-12  # share of a Newton step below which halving it has no sense
STAGNANT = 1e-8  # relative change at which it is round-off that keeps the residual from falling
USUAL = 8  # iterations; whoever needs more may be chasing round-off
FAST = 0.1  # ratio of two changes from which convergence is quadratic

SETTLED, NOT_CONVERGED, CONDUCT_SIGN, STORE_SIGN, CONDUCT_LEFT, STORE_LEFT = range(6)
# Entries of a report.
WORST, MOST, TOTAL, STEP, STAGE, NODE, FIGURE, LOWEST, HIGHEST, TEMPERATURE = range(10)
REPORT = 10  # entries


@kernel
def settle(
    books: Books,
    joint: Array | None,
    target: Array,
    step: float,
    tolerance: float,
    most: int,
    smooth: bool,
    s: Scratch,
) -> tuple[int, float]:
    """Solve ``E(u) - step q(u) = target`` for s.u, in place, after `look`.

    Until the next change of u would be below `tolerance` times the largest temperature; where the
    law that conducts has kinks (not `smooth`), until the last one was. Returns the iterations, or
    minus them where there is no root to be found, and that change. A complex u takes one iteration
    more: the last one settles the imaginary part. A step that brings down neither the residual's
    norm nor that of what the same matrix makes of it is halved, down to `SHORTEST`; so short a one
    is taken all the same, which leads past a kink of a law.
    """
    before, share, found = np.inf, 1.0, False
    size, change = np.inf, np.inf
    for iteration in range(1, most + (2 if np.iscomplexobj(s.u) else 1)):
        norm = linearise(books, joint, target, step, s)
        stuck = not found and not norm < before
        if stuck and iteration > 1:  # the same matrix, asked again, may see progress all the same
            again = ask_again(books, joint, target, step, share, s)
            stuck = not again < (1.0 - 0.25 * share) * size
            linearise(books, joint, target, step, s)
        settled = stuck and change <= STAGNANT
        if not settled and not found and (stuck or iteration > USUAL):
            settled = norm <= noise(books, joint, target, step, s)
            change = min(change, tolerance) if settled else change
        if settled and not np.iscomplexobj(s.u):
            return iteration, change
        if settled:
            found = True
        elif stuck:
            share *= 0.5
            if iteration == 1:
                return -iteration, change
            if share >= SHORTEST:
                move_back(share, s)
                look(books, s, False)
                continue
        size_before = size
        size, scale = take_step(joint, s)
        look(books, s, False)
        if found:
            return iteration, change
        ratio = size / size_before if share == 1.0 and iteration > 1 else 1.0
        change = size / scale if size > 0.0 else 0.0
        if smooth and ratio <= FAST:
            change *= ratio * ratio  # what the next step would be, while convergence is quadratic
        found = change <= tolerance
        if found and not np.iscomplexobj(s.u):
            return iteration, change
        before, share = norm, 1.0
    return -most, change


@kernel
def approach(
    books: Books,
    joint: Array | None,
    target: Array,
    step: float,
    tolerance: float,
    most: int,
    smooth: bool,
    s: Scratch,
) -> tuple[int, float]:
    """As `settle`, by shorter steps before the whole one, each from where the last one led.

    On the way from u to the answer stands ``E(v) - w step q(v) = (1 - w) E(u) + w target``, with w
    from 0 to 1: a shorter step is easier.
    """
    rows = target.shape[0]
    start, goal, last = empty(target, rows), empty(target, rows), empty(target, rows)
    look(books, s, True)
    heat_of(books, s, start)
    done, ahead, total, change = 0.0, 0.25, 0, np.inf
    while done < 1.0:
        w = min(done + ahead, 1.0)
        for r in range(rows):
            here = load(start, r)
            store(goal, r, here + w * (load(target, r) - here))
        copy(rows, s.u, 0, last, 0)
        count, change = settle(books, joint, goal, w * step, tolerance, most, smooth, s)
        total += abs(count)
        if count > 0:
            done, ahead = w, 2.0 * ahead
            continue
        copy(rows, last, 0, s.u, 0)
        look(books, s, False)
        if ahead < LEAST_AHEAD:
            return -total, change
        ahead *= 0.25
    return total, change


@kernel
def survey(books: Books, s: Scratch, heat: Array, report: Array) -> bool:
    """The heat content at s.u, after `look`; whether both laws are positive, u within their limits.

    Widens the range of temperatures in a report to those of u.
    """
    conduct, keep = polynomial(books.conduct), polynomial(books.store)
    kappa, h_rows, c_rows = s.kappa, s.h, s.c
    temperatures, capacities = s.u, books.capacities
    u = real_part(load(temperatures, 0))
    least, low, high = real_part(like(heat, np.inf)), u, u
    for r in range(heat.shape[0]):
        u_r = load(temperatures, r)
        k, h, c = load(kappa, r), load(h_rows, r), load(c_rows, r)
        if conduct.alone:
            k, _ = at_row(conduct, u_r)
        if keep.alone:
            h, c = at_row(keep, u_r)
        store(heat, r, load(capacities, r) * h)
        least = smaller(least, smaller(real_part(k), real_part(c)))
        low, high = smaller(low, real_part(u_r)), larger(high, real_part(u_r))
    coldest, hottest = least_of(low), largest_of(high)
    report[LOWEST] = min(report[LOWEST], coldest)
    report[HIGHEST] = max(report[HIGHEST], hottest)
    within = max(books.conduct.limits[0], books.store.limits[0]) <= coldest
    within = within and hottest <= min(books.conduct.limits[1], books.store.limits[1])
    fine: bool = within and least_of(least) > 0.0
    return fine


@kernel
def judge(books: Books, s: Scratch) -> tuple[int, int]:
    """What is wrong with the laws at s.u, and where (of the flat nodes): see `survey`."""
    low, high = books.conduct.limits
    least, most = books.store.limits
    look(books, s, True)
    for i in range(s.flat_u.shape[0]):
        here = s.flat_u[i].real
        if here < low or here > high:
            return CONDUCT_LEFT, i
        if here < least or here > most:
            return STORE_LEFT, i
        if not s.flat_kappa[i].real > 0.0:
            return CONDUCT_SIGN, i
        if not s.flat_c[i].real > 0.0:
            return STORE_SIGN, i
    return SETTLED, 0


@kernel
def hold(books: Books, pinned: Array, at: int, s: Scratch) -> None:
    """Put the pinned temperatures of a stage into s.u."""
    for e in range(books.held.shape[1]):
        put(s.u, books.held[0, e], books.held[1, e], pinned[at + e])
    follow(books, s)
    look(books, s, False)


@kernel
def follow(books: Books, s: Scratch) -> None:
    """Rows without a node are as warm as the last node, so that no law is asked elsewhere."""
    if books.padding.shape[1] > 0:
        end = element(s.u, books.last[0], books.last[1])
        for e in range(books.padding.shape[1]):
            put(s.u, books.padding[0, e], books.padding[1, e], end)


@kernel
def forward(
    books: Books,
    joint: Array | None,
    A: Array,
    dt: float,
    G: Array,
    histories: Array,
    pinned: Array,
    tolerance: float,
    most: int,
    smooth: bool,
    first: int,
    last: int,
    start: int,
    states: Array,
    keep: bool,
    probes: Array,
    readings: Array,
    report: Array,
) -> int:
    """March from step `first` to step `last`.

    joint: room (8, 8) where the lanes are joined; A (s, s); G: the profiles (P rows) and room for
    s - 1 slopes; histories (m s P) and pinned (m s H) at the stage times; tolerance, most, smooth:
    see `settle`. states: u at step `start`, then the stages' values, of every step since where they
    are kept, else of the last one; u at `probes` (2, Q: row and lane) to readings ((m + 1) Q).
    Returns SETTLED or what went wrong; `report` (REPORT,) holds the worst change, the most and the
    total of iterations, where it went wrong (a flat node, see `Scratch`), and the lowest and
    highest u of all nodes, which widen what stands there.
    """
    stages, rows = A.shape[0], books.capacities.shape[0]
    loads = G.shape[0] // rows - (stages - 1)
    held = books.held.shape[1]
    w = empty(histories, loads + stages)
    heat, target, before = empty(G, rows), empty(G, rows), empty(G, rows)
    s = scratch(books)
    now = (first - start if keep else min(first - start, 1)) * stages * rows
    copy(rows, states, now, s.u, 0)
    follow(books, s)
    look(books, s, False)
    if not survey(books, s, heat, report):
        code, report[NODE] = judge(books, s)
        report[STEP], report[STAGE] = first - 1, stages - 1
        report[TEMPERATURE] = s.flat_u[int(report[NODE])].real
        return code
    for k in range(first, last):
        base = (1 + (k - start) * stages if keep else 1) * rows
        for i in range(stages):
            step, at = dt * A[i, i], (k * stages + i) * loads
            for p in range(loads):
                store(w, p, step * load(histories, at + p))
            for j in range(i):
                store(w, loads + j, like(w, dt * A[i, j]))
            combine(rows, heat, 0, loads + i, w, G, target, 0)
            hold(books, pinned, (k * stages + i) * held, s)
            if step != 0.0:
                copy(rows, s.u, 0, before, 0)
                count, change = settle(books, joint, target, step, tolerance, most, smooth, s)
                if count < 0:
                    copy(rows, before, 0, s.u, 0)
                    count, change = approach(books, joint, target, step, tolerance, most, smooth, s)
                report[TOTAL] += abs(count)
                report[MOST] = max(report[MOST], abs(count))
                report[WORST] = max(report[WORST], change)
                fine = survey(books, s, target if i < stages - 1 else heat, report)
                if count < 0 or not fine:
                    code, report[NODE] = judge(books, s)
                    report[STEP], report[STAGE] = k, i
                    if count < 0:
                        report[FIGURE], report[MOST] = change, -count  # else the figure is 0
                        if code == SETTLED:
                            code = NOT_CONVERGED
                            report[NODE] = np.argmax(np.abs(s.delta.reshape(s.flat_u.shape[0])))
                    report[TEMPERATURE] = s.flat_u[int(report[NODE])].real
                    return code
            copy(rows, s.u, 0, states, base + i * rows)
            if i < stages - 1:
                look(books, s, True)
                balance(books, joint, s, True)
                for p in range(loads):
                    store(w, p, load(histories, at + p))
                copy(rows, s.q, 0, G, (loads + i) * rows)
                add_sum(rows, loads, w, G, G, (loads + i) * rows)
        now = base + (stages - 1) * rows
        for q in range(probes.shape[1]):
            read(states, now + probes[0, q], probes[1, q], readings, (k + 1) * probes.shape[1] + q)
    return SETTLED
