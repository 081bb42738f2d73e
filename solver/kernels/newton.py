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

from solver.kernels.balance import (
    Books,
    Scratch,
    balance,
    factor_shifted,
    look,
    scratch,
)
from solver.kernels.compiled import kernel
from solver.kernels.scalar import add_load, add_multiple, copy, solve
from solver.kernels.tridiagonal import Array

LEAST_AHEAD = 2.0**-10  # share of a step below which shorter ones before it have no sense
SHORTEST = 2.0**-12  # share of a Newton step below which halving it has no sense
STAGNANT = 1e-8  # relative change at which it is round-off that keeps the residual from falling
ROUND_OFF = 4e-15  # of a term of the balance, by which it may be off
USUAL = 8  # iterations; whoever needs more may be chasing round-off
FAST = 0.1  # ratio of two changes from which convergence is quadratic

SETTLED, NOT_CONVERGED, CONDUCT_SIGN, STORE_SIGN, CONDUCT_LEFT, STORE_LEFT = range(6)
# Entries of a report.
WORST, MOST, TOTAL, STEP, STAGE, NODE, FIGURE, LOWEST, HIGHEST = range(9)
REPORT = 9  # entries


@kernel
def settle(
    books: Books,
    target: Array,
    step: float,
    tolerance: float,
    most: int,
    smooth: bool,
    u: Array,
    s: Scratch,
) -> tuple[int, float]:
    """Solve ``E(u) - step q(u) = target`` for u (N,), in place, from u, at which `look` stands.

    Until the next change of u would be below `tolerance` times the largest temperature; where the
    law that conducts has kinks (not `smooth`), until the last one was. Returns the iterations, or
    minus them where there is no root to be found, and that change. A complex u takes one iteration
    more: the last one settles the imaginary part. A step that brings down neither the residual's
    norm nor that of what the same matrix makes of it is halved, down to `SHORTEST`; so short a one
    is taken all the same, which leads past a kink of a law.
    """
    n, held = u.shape[0], books.held
    residual, delta = s.residual, s.delta
    before, share, found = np.inf, 1.0, False
    size, change = np.inf, np.inf
    for iteration in range(1, most + (2 if np.iscomplexobj(u) else 1)):
        balance(books, u, s)
        norm = 0.0
        for r in range(n):
            residual[r] = books.capacities[r] * s.h[r] - target[r] - step * s.q[r]
        for e in range(held.shape[0]):
            residual[held[e]] = 0.0
        for r in range(n):
            norm += (abs(residual[r]) / books.capacities[r].real) ** 2
        stuck = not found and not norm < before
        if stuck and iteration > 1:  # the same matrix, asked again, may see progress all the same
            copy(residual, s.q)
            solve(s.factors, s.q, s.q)
            again = 0.0
            for r in range(n):
                again = max(again, abs(s.q[r]))
            stuck = not again < (1.0 - 0.25 * share) * size
        settled = stuck and change <= STAGNANT
        if not settled and not found and (stuck or iteration > USUAL):
            settled = norm <= noise(books, target, step, u, s)
            change = min(change, tolerance) if settled else change
        if settled and not np.iscomplexobj(u):
            return iteration, change
        if settled:
            found = True
        elif stuck:
            share *= 0.5
            if iteration == 1:
                return -iteration, change
            if share >= SHORTEST:
                for r in range(n):
                    u[r] += share * delta[r]
                look(books, u, s)
                continue
        factor_shifted(s.J, s.D, step, s.factors)
        solve(s.factors, residual, delta)
        size_before, size, scale = size, 0.0, 0.0
        for r in range(n):
            u[r] -= delta[r]
            size, scale = max(size, abs(delta[r])), max(scale, abs(u[r]))
        look(books, u, s)
        if found:
            return iteration, change
        ratio = size / size_before if share == 1.0 and iteration > 1 else 1.0
        change = size / scale if size > 0.0 else 0.0
        if smooth and ratio <= FAST:
            change *= ratio * ratio  # what the next step would be, while convergence is quadratic
        found = change <= tolerance
        if found and not np.iscomplexobj(u):
            return iteration, change
        before, share = norm, 1.0
    return -most, change


@kernel
def approach(
    books: Books,
    target: Array,
    step: float,
    tolerance: float,
    most: int,
    smooth: bool,
    u: Array,
    s: Scratch,
) -> tuple[int, float]:
    """As `settle`, by shorter steps before the whole one, each from where the last one led.

    On the way from u to the answer stands ``E(v) - w step q(v) = (1 - w) E(u) + w target``, with w
    from 0 to 1: a shorter step is easier.
    """
    n = u.shape[0]
    start, goal, last = np.empty_like(u), np.empty_like(u), np.empty_like(u)
    look(books, u, s)
    for r in range(n):
        start[r] = books.capacities[r] * s.h[r]
    done, ahead, total, change = 0.0, 0.25, 0, np.inf
    while done < 1.0:
        w = min(done + ahead, 1.0)
        for r in range(n):
            goal[r] = start[r] + w * (target[r] - start[r])
        copy(u, last)
        count, change = settle(books, goal, w * step, tolerance, most, smooth, u, s)
        total += abs(count)
        if count > 0:
            done, ahead = w, 2.0 * ahead
            continue
        copy(last, u)
        look(books, u, s)
        if ahead < LEAST_AHEAD:
            return -total, change
        ahead *= 0.25
    return total, change


@kernel
def noise(books: Books, target: Array, step: float, u: Array, s: Scratch) -> float:
    """The norm that the residual in `settle` may have of round-off alone.

    A bar at rest has nothing else: its temperatures, less the reference, are no scale for it.
    """
    c, total = books.store.coefficients, 0.0
    degree = c.shape[1] - 1
    for r in range(u.shape[0]):
        j, xi = s.store_where[r], abs(s.store_xi[r])
        stored = abs(c[j, degree])
        for d in range(degree - 1, -1, -1):
            stored = stored * xi + abs(c[j, d])
        conducted = step * abs(s.J[1, r] * u[r]) + abs(target[r])
        total += (ROUND_OFF * (stored + conducted / books.capacities[r].real)) ** 2
    return total


@kernel
def judge(books: Books, u: Array, s: Scratch) -> tuple[int, int]:
    """Whether both laws are positive at u, and u within their limits: what is wrong, and where."""
    low, high = books.conduct.limits
    least, most = books.store.limits
    for r in range(u.shape[0]):
        here = u[r].real
        if here < low or here > high:
            return CONDUCT_LEFT, r
        if here < least or here > most:
            return STORE_LEFT, r
        if not s.kappa[r].real > 0.0:
            return CONDUCT_SIGN, r
        if not s.c[r].real > 0.0:
            return STORE_SIGN, r
    return SETTLED, 0


@kernel
def widen(u: Array, report: Array) -> None:
    """Widen the range of temperatures in a report to those of u."""
    low, high = report[LOWEST], report[HIGHEST]
    for r in range(u.shape[0]):
        low, high = min(low, u[r].real), max(high, u[r].real)
    report[LOWEST], report[HIGHEST] = low, high


@kernel
def forward(
    books: Books,
    tableau: Array,
    dt: float,
    profiles: Array,
    histories: Array,
    pinned: Array,
    tolerance: float,
    most: int,
    smooth: bool,
    first: int,
    last: int,
    u: Array,
    probes: Array,
    states: Array,
    readings: Array,
    report: Array,
) -> int:
    """March `u` (N,) from step `first` to step `last`, in place.

    tableau (s, s); profiles (P, N); histories (m, s, P) and pinned (m, s, H) at the stage times;
    tolerance, most, smooth: see `settle`. Stage values are written to ``states[k - first]`` where
    `states` (rows, s, N) has as many rows as steps are asked for, or all to row 0 where it has one;
    u at `probes` (Q,) to ``readings[k + 1]``. Returns SETTLED or what went wrong; `report`
    (REPORT,) holds the worst change, the most and the total of iterations, where it went wrong, and
    the lowest and highest u of all nodes, which widen what stands there.
    """
    stages, n = tableau.shape[0], u.shape[0]
    slopes = np.empty((stages, n), u.dtype)
    heat, target = np.empty_like(u), np.empty_like(u)
    s = scratch(u)
    look(books, u, s)
    wrong, node = judge(books, u, s)
    widen(u, report)
    if wrong != SETTLED:
        report[STEP], report[STAGE], report[NODE] = first - 1, stages - 1, node
        return wrong
    for k in range(first, last):
        row = states[(k - first) % states.shape[0]]
        for r in range(n):
            heat[r] = books.capacities[r] * s.h[r]
        for i in range(stages):
            copy(heat, target)
            for j in range(i):
                add_multiple(dt * tableau[i, j], slopes[j], target)
            if books.held.shape[0] > 0:
                for e in range(books.held.shape[0]):
                    u[books.held[e]] = pinned[k, i, e]
                look(books, u, s)
            if tableau[i, i] != 0.0:
                step = dt * tableau[i, i]
                add_load(step, profiles, histories[k, i], target)
                copy(u, slopes[i])  # room that is filled later
                count, change = settle(books, target, step, tolerance, most, smooth, u, s)
                if count < 0:
                    copy(slopes[i], u)
                    count, change = approach(books, target, step, tolerance, most, smooth, u, s)
                report[TOTAL] += abs(count)
                report[MOST], report[WORST] = (
                    max(report[MOST], abs(count)),
                    max(report[WORST], change),
                )
                wrong, node = judge(books, u, s)
                if count < 0:
                    if wrong == SETTLED:
                        wrong, node = NOT_CONVERGED, int(np.argmax(np.abs(s.delta)))
                    report[FIGURE], report[MOST] = change, -count  # else the figure is 0
                if wrong != SETTLED:
                    widen(u, report)
                    report[STEP], report[STAGE], report[NODE] = k, i, node
                    return wrong
            widen(u, report)
            copy(u, row[i])
            if i < stages - 1:
                balance(books, u, s)
                copy(s.q, slopes[i])
                add_load(1.0, profiles, histories[k, i], slopes[i])
        for q in range(probes.shape[0]):
            readings[k + 1, q] = u[probes[q]]
    return SETTLED
