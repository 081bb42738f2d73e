r"""Newton's iteration for one stage, ``E(u) - step q(u) = target``, from a guess to the root.

Every step's matrix is tridiagonal (`newton_step`). Near the root the changes of u fall
quadratically, ``|delta_{i+1}| <= omega |delta_i|^2``; omega is measured wherever two changes follow
one another, and tells the change that the next iteration would make, so that none is made only to
see that it was not needed. A step that brings the residual down too little is halved; where that
leads nowhere, shorter time steps lead the way (`reach`).

A part stands in machine code wherever it is called, and this march takes the compiler longest of
all: so the loops are written such that what is long is called in one place.

References: Deuflhard, Newton Methods for Nonlinear Problems (2004), 2.1 (omega), 3.3 (the natural
monotonicity test) and 5.1 (continuation); Hairer & Wanner, Solving Ordinary Differential Equations
II, IV.8 (stopping by what an earlier step showed of the convergence).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from solver.kernels.balance import Books, Scratch, heat_of, look
from solver.kernels.compiled import part
from solver.kernels.lanes import load, store
from solver.kernels.newton_step import ask_again, linearise, move_back, noise, take_step
from solver.kernels.nodes import element, put
from solver.kernels.tridiagonal import Array
from solver.kernels.vectors import copy

LEAST_AHEAD = 2.0**-10  # share of a step below which shorter ones before it have no sense
SHORTEST = 2.0**-12  # share of a Newton step below which halving it has no sense
STAGNANT = 1e-8  # relative change at which it is round-off that keeps the residual from falling
USUAL = 8  # iterations; whoever needs more may be chasing round-off
FAST = 0.01  # of this change, what the next would be, from which convergence is quadratic
DOUBT = 10.0  # factor by which omega may have grown since an earlier stage


class Criteria(NamedTuple):
    """When an iteration ends.

    Where the next change of u would be below `tolerance` times the largest temperature, or where
    the law that conducts has kinks (not `smooth`), the last one was; or after `most` iterations.
    """

    tolerance: float
    most: int
    smooth: bool


@part
def reach(
    books: Books,
    joint: Array | None,
    target: Array,
    step: float,
    criteria: Criteria,
    omega: float,
    start: Array,
    at: int,
    held: Array,
    at_held: int,
    s: Scratch,
) -> tuple[int, float, float]:
    """Solve ``E(u) - step q(u) = target`` from the guess s.u, in place, which is looked at then.

    Returns as `settle`, omega as the whole step showed it. Where that fails, shorter steps go
    before it, each from where the last one led, the first from start[at:]. On the way from there to
    the answer stands ``E(v) - w step q(v) = (1 - w) E(u) + w target``, with w from 0 to 1: a
    shorter step is easier. held[at_held:]: the pinned temperatures.
    """
    rows, way = target.shape[0], s.way  # E at the start, the goal, the last u that was reached
    last = 2 * rows
    goal, w, done, ahead, total, met = target, 1.0, 0.0, 1.0, 0, omega
    while True:
        hold(books, held, at_held, s)
        count, change, shown = settle(books, joint, goal, w * step, criteria, omega, s)
        whole, total = ahead == 1.0 and done == 0.0, total + abs(count)
        if whole:
            met = shown
        if count > 0 and w == 1.0:
            return total, change, met
        if count > 0:
            done, ahead = w, 2.0 * ahead
        elif ahead < LEAST_AHEAD:
            return -total, change, met
        elif whole:
            copy(rows, start, at, s.u, 0)
            hold(books, held, at_held, s)
            look(books, s, False)
            heat_of(books, s, way)
            goal, ahead, total, omega = way[rows:last], 0.25, 0, np.inf
        else:
            copy(rows, way, last, s.u, 0)
            ahead *= 0.25
        w = min(done + ahead, 1.0)
        for r in range(rows):
            here = load(way, r)
            store(goal, r, here + w * (load(target, r) - here))
        copy(rows, s.u, 0, way, last)


@part
def settle(
    books: Books,
    joint: Array | None,
    target: Array,
    step: float,
    criteria: Criteria,
    omega: float,
    s: Scratch,
) -> tuple[int, float, float]:
    """Newton's iteration from s.u, in place, which is looked at then.

    Returns the iterations, or minus them where there is no root to be found, the change that is
    left undone, and omega: as measured here, or the given one of an earlier stage (inf where none
    is known). A complex u takes one iteration more: the last one settles the imaginary part. A step
    that brings down neither the residual's norm nor that of what the same matrix makes of it is
    halved, down to `SHORTEST`; so short a one is taken all the same, which leads past a kink of a
    law.
    """
    tolerance, most, smooth = criteria.tolerance, criteria.most, criteria.smooth
    before, share, found, y, delta = np.inf, 1.0, False, s.y, s.delta
    size, last, change, doubt = np.inf, np.inf, np.inf, DOUBT
    iteration, asked, nearer, over = 0, False, False, False
    while True:
        look(books, s, False)
        if over:
            return iteration, change, omega
        if iteration == most + (1 if np.iscomplexobj(s.u) else 0):
            copy(target.shape[0], delta, 0, s.delta, 0)
            return -most, change, omega
        norm = linearise(books, joint, target, step, s, y)
        stuck = not (found or nearer or norm < before)
        if stuck and iteration > 0 and not asked:
            # The same matrix may see progress all the same; that takes what was linearised.
            again = ask_again(books, joint, target, step, share, s, delta, y)
            asked, nearer = True, again < (1.0 - 0.25 * share) * size
            continue
        iteration, asked, nearer = iteration + 1, False, False
        settled = stuck and change <= STAGNANT
        if not settled and not found and (stuck or iteration > USUAL):
            settled = norm <= noise(books, joint, target, step, s)
            change = min(change, tolerance) if settled else change
        if settled and not np.iscomplexobj(s.u):
            return iteration, change, omega
        if settled:
            found = True
        elif stuck:
            share *= 0.5
            if iteration == 1:
                return -iteration, change, omega
            if share >= SHORTEST:
                move_back(share, s, delta)
                continue
        size, scale = take_step(joint, s, y)
        y, delta = delta, y
        if found:
            over = True
            continue
        change = size / scale if size > 0.0 else 0.0
        if iteration > 1:
            omega, doubt = (change / last**2 if share == 1.0 else np.inf), 1.0
        last = change
        if smooth and doubt * omega * change <= FAST:
            change = min(change, doubt * omega * change**2)
        found = change <= tolerance
        over = found and not np.iscomplexobj(s.u)
        before, share = norm, 1.0


@part
def hold(books: Books, pinned: Array, at: int, s: Scratch) -> None:
    """Put the pinned temperatures of a stage into s.u."""
    for e in range(books.held.shape[1]):
        put(s.u, books.held[0, e], books.held[1, e], pinned[at + e])
    follow(books, s)


@part
def follow(books: Books, s: Scratch) -> None:
    """Rows without a node are as warm as the last node, so that no law is asked elsewhere."""
    if books.padding.shape[1] > 0:
        end = element(s.u, books.last[0], books.last[1])
        for e in range(books.padding.shape[1]):
            put(s.u, books.padding[0, e], books.padding[1, e], end)
