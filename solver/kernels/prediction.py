"""A guess at a stage's temperatures, from how the same stage went in the steps before.

With the backward differences of a stage's values Y over the steps,

    d1 = Y^k - Y^{k-1},    d2 = d1^k - d1^{k-1},    d3 = d2^k - d2^{k-1},

    Y^{k+1} ~ Y^k + d1 + d2 + d3.

As many are added as are known to fall from one to the next, so that what jumps or is noisy is not
extrapolated. Newton's iteration begins there; where it ends does not depend on it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from solver.kernels.balance import Scratch
from solver.kernels.compiled import kernel, part
from solver.kernels.lanes import empty, like, load, store
from solver.kernels.magnitudes import larger, largest_of, magnitude
from solver.kernels.tridiagonal import Array


class Past(NamedTuple):
    """Of every stage: the last values and differences (stages rows), and the rest (stages,).

    known: values that were remembered; order: differences to be added, at most `most`; omega: as
    measured last (`solver.kernels.newton_settle`), inf at first.
    """

    most: int
    values: Array
    first: Array
    second: Array
    third: Array
    known: Array
    order: Array
    omega: Array


@kernel
def begin(s: Scratch, stages: int, most: int) -> Past:
    """Nothing is known of any stage but the last, which s.u is a value of."""
    rows = s.u.shape[0]
    past = Past(
        most,
        empty(s.u, stages * rows),
        empty(s.u, stages * rows),
        empty(s.u, stages * rows),
        empty(s.u, stages * rows),
        np.zeros(stages, np.int64),
        np.zeros(stages, np.int64),
        np.full(stages, np.inf),
    )
    for i in range(stages):
        for r in range(rows):
            store(past.values, i * rows + r, load(s.u, r))
            store(past.first, i * rows + r, like(s.u, 0.0))
            store(past.second, i * rows + r, like(s.u, 0.0))
            store(past.third, i * rows + r, like(s.u, 0.0))
    past.known[stages - 1] = 1
    return past


@part
def extrapolate(past: Past, stage: int, s: Scratch) -> None:
    """Put the guess into s.u; without one, what stands there is left."""
    values, first, second, third = past.values, past.first, past.second, past.third
    u, order = s.u, past.order[stage]
    if order > 0:
        for r in range(u.shape[0]):
            at = stage * u.shape[0] + r
            guess = load(values, at) + load(first, at)
            if order > 1:
                guess = guess + load(second, at)
            if order > 2:
                guess = guess + load(third, at)
            store(u, r, guess)


@part
def remember(past: Past, stage: int, s: Scratch) -> None:
    """Take s.u as the stage's values of this step."""
    values, first, second, third = past.values, past.first, past.second, past.third
    u, size_1 = s.u, magnitude(like(s.u, 0.0))
    size_2, size_3, size_4 = size_1, size_1, size_1
    for r in range(u.shape[0]):
        at, here = stage * u.shape[0] + r, load(u, r)
        d1 = here - load(values, at)
        d2 = d1 - load(first, at)
        d3 = d2 - load(second, at)
        size_1, size_2 = larger(size_1, magnitude(d1)), larger(size_2, magnitude(d2))
        size_3 = larger(size_3, magnitude(d3))
        size_4 = larger(size_4, magnitude(d3 - load(third, at)))
        store(values, at, here)
        store(first, at, d1)
        store(second, at, d2)
        store(third, at, d3)
    past.known[stage] += 1
    order, known = 0, past.known[stage]
    if known >= 3 and largest_of(size_2) < largest_of(size_1):
        order = 1
    if order == 1 and known >= 4 and largest_of(size_3) < largest_of(size_2):
        order = 2
    if order == 2 and known >= 5 and largest_of(size_4) < largest_of(size_3):
        order = 3
    past.order[stage] = min(past.most, order)
