"""A guess at a stage's temperatures, from how the same stage went in the steps before.

With the backward differences of a stage's values Y over the steps,

    d1 = Y^k - Y^{k-1},    d2 = d1^k - d1^{k-1},    d3 = d2^k - d2^{k-1},

    Y^{k+1} ~ Y^k + d1 + d2 + d3.

As many are added as are known to fall from one to the next, so that what jumps or is noisy is not
extrapolated. Newton's iteration begins there; where it ends depends on it by round-off alone.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from solver.kernels.balance import Scratch
from solver.kernels.compiled import part
from solver.kernels.lanes import like, load, store
from solver.kernels.magnitudes import larger, largest_of, magnitude
from solver.kernels.tridiagonal import Array

DIFFERENCES = 3  # that a guess may add
REMEMBERED = 1 + DIFFERENCES  # vectors of a stage: its last value and they
KNOWN, ORDER, OMEGA = range(3)
FIGURES = 3  # of a stage


class Past(NamedTuple):
    """What is remembered of every stage.

    most: differences that may be added; vectors (4 s rows): the last values of all stages, then
    their first, second and third differences; figures (3, s): values that were remembered,
    differences to be added, and omega as it was measured last (`solver.kernels.newton_settle`).
    """

    most: int
    vectors: Array
    figures: Array


@part
def begin(past: Past, s: Scratch) -> None:
    """Nothing is known of any stage but the last, which s.u is a value of."""
    rows, stages, u = s.u.shape[0], past.figures.shape[1], s.u
    vectors, figures = past.vectors, past.figures
    for i in range(stages):
        for r in range(rows):
            store(vectors, i * rows + r, load(u, r))
            for d in range(1, REMEMBERED):
                store(vectors, (d * stages + i) * rows + r, like(u, 0.0))
        figures[KNOWN, i], figures[ORDER, i], figures[OMEGA, i] = 0.0, 0.0, np.inf
    figures[KNOWN, stages - 1] = 1.0


@part
def extrapolate(past: Past, stage: int, s: Scratch) -> None:
    """Put the guess into s.u; without one, what stands there is left."""
    vectors, u, rows = past.vectors, s.u, s.u.shape[0]
    all_stages, order = past.figures.shape[1] * rows, past.figures[ORDER, stage]
    if order > 0:
        for r in range(rows):
            at = stage * rows + r
            guess = load(vectors, at) + load(vectors, all_stages + at)
            if order > 1:
                guess = guess + load(vectors, 2 * all_stages + at)
            if order > 2:
                guess = guess + load(vectors, 3 * all_stages + at)
            store(u, r, guess)


@part
def remember(past: Past, stage: int, s: Scratch) -> None:
    """Take s.u as the stage's values of this step."""
    vectors, figures, u, rows = past.vectors, past.figures, s.u, s.u.shape[0]
    all_stages, size_1 = figures.shape[1] * rows, magnitude(like(s.u, 0.0))
    size_2, size_3, size_4 = size_1, size_1, size_1
    for r in range(rows):
        at, here = stage * rows + r, load(u, r)
        d1 = here - load(vectors, at)
        d2 = d1 - load(vectors, all_stages + at)
        d3 = d2 - load(vectors, 2 * all_stages + at)
        d4 = d3 - load(vectors, 3 * all_stages + at)
        size_1, size_2 = larger(size_1, magnitude(d1)), larger(size_2, magnitude(d2))
        size_3, size_4 = larger(size_3, magnitude(d3)), larger(size_4, magnitude(d4))
        store(vectors, at, here)
        store(vectors, all_stages + at, d1)
        store(vectors, 2 * all_stages + at, d2)
        store(vectors, 3 * all_stages + at, d3)
    figures[KNOWN, stage] += 1.0
    order, known = 0, figures[KNOWN, stage]
    if known >= 3 and largest_of(size_2) < largest_of(size_1):
        order = 1
    if order == 1 and known >= 4 and largest_of(size_3) < largest_of(size_2):
        order = 2
    if order == 2 and known >= 5 and largest_of(size_4) < largest_of(size_3):
        order = 3
    figures[ORDER, stage] = min(past.most, order)
