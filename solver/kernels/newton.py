r"""The march of matter that changes with temperature, by Newton in every stage.

With E(u) = capacities h(u), the heat content of every node's volume, and Q(u) = q(u) + loads (see
`balance`), a stiffly accurate DIRK step keeps the books exactly,

    E(Y_i) = E_k + dt sum_{j<=i} A_ij Q_j(Y_j),    E_{k+1} = E(Y_s),    u_{k+1} = Y_s,

and pinned nodes have Y_i = g(t_k + c_i dt). Each implicit stage is solved by Newton with the
tridiagonal matrix M = D - dt A_ii J, D = dE/du and J = dq/du (`newton_settle`), from where the same
stage of the steps before leads (`prediction`).

References: Hairer & Wanner, Solving Ordinary Differential Equations II, IV.8 (Newton in implicit
Runge-Kutta methods); Celia, Bouloutas & Zarba, Water Resour. Res. 26 (1990) 1483-1496 (the form
that keeps the books).
"""

from __future__ import annotations

from solver.kernels.balance import Books, Scratch, Way, flows, look, scratch
from solver.kernels.compiled import aside, kernel, part
from solver.kernels.lanes import empty, like, load, store
from solver.kernels.magnitudes import larger, largest_of, least_of, real_part, smaller
from solver.kernels.newton_settle import Criteria, follow, hold, reach
from solver.kernels.nodes import read_probes
from solver.kernels.prediction import OMEGA, Past, begin, extrapolate, remember
from solver.kernels.tridiagonal import Array
from solver.kernels.vectors import add_sum, combine, copy

SETTLED, NOT_CONVERGED, CONDUCT_SIGN, STORE_SIGN, CONDUCT_LEFT, STORE_LEFT = range(6)
# Entries of a report.
WORST, MOST, TOTAL, STEP, STAGE, NODE, FIGURE, LOWEST, HIGHEST, TEMPERATURE = range(10)
REPORT = 10  # entries


@part
def survey(books: Books, s: Scratch, heat: Array, report: Array) -> bool:
    """The heat content at s.u, after `look`; whether both laws are positive, u within their limits.

    Widens the range of temperatures in a report to those of u.
    """
    u, kappa, h, c, capacities = s.u, s.kappa, s.h, s.c, books.capacities
    low = high = real_part(load(u, 0))
    least = real_part(load(kappa, 0))
    for r in range(heat.shape[0]):
        store(heat, r, load(capacities, r) * load(h, r))
        here = real_part(load(u, r))
        low, high = smaller(low, here), larger(high, here)
        least = smaller(least, smaller(real_part(load(kappa, r)), real_part(load(c, r))))
    coldest, hottest = least_of(low), largest_of(high)
    report[LOWEST] = min(report[LOWEST], coldest)
    report[HIGHEST] = max(report[HIGHEST], hottest)
    within = max(books.conduct.limits[0], books.store.limits[0]) <= coldest
    within = within and hottest <= min(books.conduct.limits[1], books.store.limits[1])
    fine: bool = within and least_of(least) > 0.0
    return fine


@aside
def judge(books: Books, s: Scratch) -> tuple[int, int]:
    """What is wrong with the laws at s.u, and where (of the flat nodes): see `survey`."""
    low, high = books.conduct.limits
    least, most = books.store.limits
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
def forward(
    books: Books,
    joint: Array | None,
    way: Way,
    criteria: Criteria,
    past: Past,
    anew: bool,
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

    joint: room (8, 8) where the lanes are joined; past: of the steps before, in place, or `anew`;
    states: u at step `start`, then the stages' values, of every step since where they are kept,
    else of the last one; u at `probes` (2, Q: row and lane) to readings ((m + 1) Q). Returns
    SETTLED or what went wrong; `report` (REPORT,) holds the worst change, the most and the total of
    iterations, where it went wrong (a flat node, see `Scratch`), and the lowest and highest u of
    all nodes, which widen what stands there.
    """
    G, stages, rows = way.G, way.A.shape[0], books.capacities.shape[0]
    w, heat, target = empty(way.histories, G.shape[0] // rows + 1), empty(G, rows), empty(G, rows)
    s = scratch(books)
    now = (first - start if keep else min(first - start, 1)) * stages * rows
    copy(rows, states, now, s.u, 0)
    follow(books, s)
    look(books, s, True)
    if not survey(books, s, heat, report):
        return failure(books, s, SETTLED, first - 1, stages - 1, report)
    if anew:
        begin(past, s)
    for k in range(first, last):
        base = (1 + (k - start) * stages if keep else 1) * rows
        code = advance(
            books, joint, way, criteria, past, k, states, now, base, w, heat, target, s, report
        )
        if code != SETTLED:
            return code
        now = base + (stages - 1) * rows
        read_probes(states, now, probes, None, readings, k + 1)
    return SETTLED


@part
def advance(
    books: Books,
    joint: Array | None,
    way: Way,
    criteria: Criteria,
    past: Past,
    k: int,
    states: Array,
    now: int,
    to: int,
    w: Array,
    heat: Array,
    target: Array,
    s: Scratch,
    report: Array,
) -> int:
    """One step, from u in states[now:]; its stages go to states[to:]. See `forward`.

    heat: E at u, in place; w (P + s), target: room.
    """
    A, dt, G, histories = way.A, way.dt, way.G, way.histories
    stages, rows, held = A.shape[0], heat.shape[0], books.held.shape[1]
    loads = G.shape[0] // rows - (stages - 1)
    for i in range(stages):
        step, at, at_held = dt * A[i, i], (k * stages + i) * loads, (k * stages + i) * held
        for p in range(loads):
            store(w, p, step * load(histories, at + p))
        for j in range(i):
            store(w, loads + j, like(w, dt * A[i, j]))
        combine(rows, heat, 0, loads + i, w, G, target, 0)
        extrapolate(past, i, s)
        if step == 0.0:
            hold(books, way.pinned, at_held, s)
            look(books, s, False)
        else:
            count, change, past.figures[OMEGA, i] = reach(
                *(books, joint, target, step, criteria, past.figures[OMEGA, i]),
                *(states, now, way.pinned, at_held, s),
            )
            report[TOTAL] += abs(count)
            report[MOST] = max(report[MOST], abs(count))
            report[WORST] = max(report[WORST], change)
            fine = survey(books, s, target if i < stages - 1 else heat, report)
            if count < 0:
                report[FIGURE], report[MOST] = change, -count  # else the figure is 0
                return failure(books, s, NOT_CONVERGED, k, i, report)
            if not fine:
                return failure(books, s, SETTLED, k, i, report)
            remember(past, i, s)
        copy(rows, s.u, 0, states, to + i * rows)
        if i < stages - 1:
            flows(books, joint, None, step, s, s.q)
            for p in range(loads):
                store(w, p, load(histories, at + p))
            copy(rows, s.q, 0, G, (loads + i) * rows)
            add_sum(rows, loads, w, G, G, (loads + i) * rows)
    return SETTLED


@aside
def failure(books: Books, s: Scratch, otherwise: int, k: int, stage: int, report: Array) -> int:
    """What is wrong at s.u, and where, into a report; `otherwise` where no law is to blame."""
    code, node = judge(books, s)
    if code == SETTLED:
        code, size = otherwise, -1.0
        for i in range(s.flat_u.shape[0]):
            if abs(s.flat_delta[i]) > size:
                node, size = i, abs(s.flat_delta[i])
    report[STEP], report[STAGE], report[NODE] = k, stage, node
    report[TEMPERATURE] = s.flat_u[node].real
    return code
