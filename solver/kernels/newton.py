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
    flow,
    heat_of,
    look,
    scratch,
)
from solver.kernels.compiled import kernel
from solver.kernels.lanes import (
    LANES,
    element,
    empty,
    from_left,
    from_right,
    larger,
    largest_of,
    least_of,
    like,
    load,
    magnitude,
    put,
    read,
    real_part,
    smaller,
    square,
    store,
    total_of,
)
from solver.kernels.march import add_sum, combine, copy
from solver.kernels.pieces import at_row, polynomial
from solver.kernels.tridiagonal import Array, factor, separator, sweep, sweep_back

LEAST_AHEAD = 2.0**-10  # share of a step below which shorter ones before it have no sense
SHORTEST = 2.0**-12  # share of a Newton step below which halving it has no sense
STAGNANT = 1e-8  # relative change at which it is round-off that keeps the residual from falling
ROUND_OFF = 4e-15  # of a term of the balance, by which it may be off
USUAL = 8  # iterations; whoever needs more may be chasing round-off
FAST = 0.1  # ratio of two changes from which convergence is quadratic

SETTLED, NOT_CONVERGED, CONDUCT_SIGN, STORE_SIGN, CONDUCT_LEFT, STORE_LEFT = range(6)
# Entries of a report.
WORST, MOST, TOTAL, STEP, STAGE, NODE, FIGURE, LOWEST, HIGHEST, TEMPERATURE = range(10)
REPORT = 10  # entries


@kernel
def linearise(books: Books, joint: Array | None, target: Array, step: float, s: Scratch) -> float:
    """The way down of a Newton step of ``E(u) - step q(u) = target`` at s.u, after `look`.

    Balance, matrix, elimination and sweep in one go over the rows: the divisions of the elimination
    take long, and all else is done while they run. Returns the square of the residual's norm, as a
    temperature.
    """
    rows, arms, share = target.shape[0], books.arms, books.share
    capacities, pins, weights = books.capacities, books.pins, s.weights
    temperatures, f, swept = s.u, s.factors, s.y
    conduct, keep = polynomial(books.conduct), polynomial(books.store)
    kappa, kappa_u, h_rows, c_rows = s.kappa, s.kappa_u, s.h, s.c
    last = separator(rows, joint)
    t, fill = like(target, 0.0), like(target, 0.0 if joint is None else -1.0)
    lead, first_t, first_y = like(target, 1.0), like(target, 0.0), like(target, 0.0)
    y, norm = like(target, 0.0), square(like(target, 0.0))
    below, total, above, residual = t, t, t, t
    u, k, k_u = load(temperatures, 0), load(kappa, 0), load(kappa_u, 0)
    if conduct.alone:
        k, k_u = at_row(conduct, u)
    first, k_first, k_u_first = u, k, k_u
    left, k_left, k_u_left = u, k, k_u
    if joint is not None:
        left = load(temperatures, rows - 1)
        k_left, k_u_left = load(kappa, rows - 1), load(kappa_u, rows - 1)
        if conduct.alone:
            k_left, k_u_left = at_row(conduct, left)
        left, k_left, k_u_left = from_left(left), from_left(k_left), from_left(k_u_left)
    for r in range(rows):
        right, k_right, k_u_right = u, k, k_u
        if r < rows - 1:
            right = load(temperatures, r + 1)
            if conduct.alone:
                k_right, k_u_right = at_row(conduct, right)
            else:
                k_right, k_u_right = load(kappa, r + 1), load(kappa_u, r + 1)
        elif joint is not None:
            right, k_right = from_right(first), from_right(k_first)
            k_u_right = from_right(k_u_first)
        if keep.alone:
            h, c = at_row(keep, u)
        else:
            h, c = load(h_rows, r), load(c_rows, r)
        below, total, above = load(arms, r), load(arms, rows + r), load(arms, 2 * rows + r)
        q, J_below, J_sum, J_above = flow(
            below,
            total,
            above,
            share,
            u,
            k,
            k_u,
            left,
            k_left,
            k_u_left,
            right,
            k_right,
            k_u_right,
        )
        capacity = load(capacities, r)
        residual = (capacity * h - load(target, r)) - step * q
        norm = norm + square(residual * load(weights, r))
        below, above = -step * J_below, -step * J_above
        total = (capacity * c + load(pins, r)) - step * J_sum
        if r < last:
            t = total - below * t
            fill = -(below * fill)
            inverse = 1.0 / (t - (fill + above))
            t, fill, above = t * inverse, fill * inverse, above * inverse
            y = (residual - below * y) * inverse
            first_t, first_y = first_t + lead * t, first_y + lead * y
            store(swept, r, y)
            store(f, 3 * rows + r, above)
            store(f, 4 * rows + r, fill)
            lead = -(lead * above)
        left, k_left, k_u_left = u, k, k_u
        u, k, k_u = right, k_right, k_u_right
    if joint is not None:
        store(joint, 0, -(below * fill))
        store(joint, 1, (total - below * t) - above * from_right(first_t))
        store(joint, 2, above * from_right(lead))
        store(joint, 3, (residual - below * y) - above * from_right(first_y))
        join(joint)
        store(swept, last, load(joint, 3))
    return total_of(norm)


@kernel
def join(joint: Array) -> None:
    """Solve the separators' system: row 3 = (rows 0 to 2: below, sum, above)^-1 row 3."""
    below, total, above, x = joint[0], joint[1], joint[2], joint[3]
    t, y = 0.0, 0.0
    for r in range(LANES):
        t = total[r] - below[r] * t
        inverse = 1.0 / (t - above[r])
        t *= inverse
        above[r] *= inverse
        y = (x[r] - below[r] * y) * inverse
        x[r] = y
    for r in range(LANES - 2, -1, -1):
        x[r] -= above[r] * x[r + 1]


@kernel
def take_step(joint: Array | None, s: Scratch) -> tuple[float, float]:
    """The way back after `linearise`: s.u less s.delta. Returns the largest change, and |u|."""
    y, f, temperatures, changes = s.y, s.factors, s.u, s.delta
    rows = y.shape[0]
    last = separator(rows, joint)
    delta, left = like(y, 0.0), like(y, 0.0)
    size, scale = magnitude(delta), magnitude(delta)
    if joint is not None:
        delta = load(y, last)
        left = from_left(delta)
        u = load(temperatures, last) - delta
        store(changes, last, delta)
        store(temperatures, last, u)
        size, scale = magnitude(delta), magnitude(u)
    for r in range(last - 1, -1, -1):
        rest = load(y, r)
        if joint is not None:
            rest = rest - load(f, 4 * rows + r) * left
        delta = rest - load(f, 3 * rows + r) * delta
        u = load(temperatures, r) - delta
        store(changes, r, delta)
        store(temperatures, r, u)
        size, scale = larger(size, magnitude(delta)), larger(scale, magnitude(u))
    return largest_of(size), largest_of(scale)


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
def move_back(share: float, s: Scratch) -> None:
    """s.u by a share of the last step back."""
    for r in range(s.y.shape[0]):
        store(s.u, r, load(s.u, r) + share * load(s.delta, r))


@kernel
def ask_again(
    books: Books, joint: Array | None, target: Array, step: float, share: float, s: Scratch
) -> float:
    """The largest change that the matrix before the last step makes of the residual now.

    The last step is the `share` of s.delta that s.u has gone. Overwrites what `linearise` made.
    """
    rows = target.shape[0]
    look(books, s, True)
    balance(books, joint, s)
    for r in range(rows):
        stored = load(books.capacities, r) * load(s.h, r)
        store(s.y, r, (stored - load(target, r)) - step * load(s.q, r))
    copy(rows, s.u, 0, s.saved, 0)
    move_back(share, s)
    look(books, s, True)
    balance(books, joint, s)
    factor(s.J, rows, step, s.D, s.factors, joint, 0)
    sweep(s.factors, joint, 0, rows, s.y, 0, 0, s.y, s.y, s.y, 0)
    sweep_back(s.factors, joint, 0, rows, s.y, 0)
    copy(rows, s.saved, 0, s.u, 0)
    look(books, s, False)
    size = magnitude(like(s.y, 0.0))
    for r in range(rows):
        size = larger(size, magnitude(load(s.y, r)))
    return largest_of(size)


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
def noise(books: Books, joint: Array | None, target: Array, step: float, s: Scratch) -> float:
    """The norm that the residual in `settle` may have of round-off alone.

    A bar at rest has nothing else: its temperatures, less the reference, are no scale for it.
    """
    c, total, n = books.store.coefficients, 0.0, s.flat_u.shape[0]
    degree, rows = c.shape[1] - 1, target.shape[0]
    look(books, s, True)
    balance(books, joint, s)
    for r in range(rows):
        diagonal = load(s.J, rows + r) - load(s.J, r) - load(s.J, 2 * rows + r)
        store(s.saved, r, step * diagonal * load(s.u, r))
    conducted, aims, weights = s.saved.reshape(n), target.reshape(n), s.weights.reshape(n)
    where, store_xi = s.store_where, s.store_xi.reshape(n)
    for i in range(n):
        j, xi = where[i], abs(store_xi[i])
        stored = abs(c[j, degree])
        for d in range(degree - 1, -1, -1):
            stored = stored * xi + abs(c[j, d])
        moved = (abs(conducted[i]) + abs(aims[i])) * weights[i].real
        total += (ROUND_OFF * (stored + moved)) ** 2
    return total


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
    return within and least_of(least) > 0.0


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
                balance(books, joint, s)
                for p in range(loads):
                    store(w, p, load(histories, at + p))
                copy(rows, s.q, 0, G, (loads + i) * rows)
                add_sum(rows, loads, w, G, G, (loads + i) * rows)
        now = base + (stages - 1) * rows
        for q in range(probes.shape[1]):
            read(states, now + probes[0, q], probes[1, q], readings, (k + 1) * probes.shape[1] + q)
    return SETTLED
