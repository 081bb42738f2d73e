"""Searching for the least squares: which method, and from how many starts.

Searches keep within the bounds, and step back from a trial point at which the model has no finite
answer. To add a method: a function from a start to a `Search`, and a line in `METHODS`.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from solver.errors import InvalidExperiment, Problem, TrialError
from solver.kernels import Array
from solver.least_squares import levenberg_marquardt
from solver.objective import Objective
from solver.quasi_newton import lbfgsb
from solver.scaling import Iteration, Method, Report, Scaling, Search

FEW = 30  # unknowns up to which the exact Jacobian pays
MOST_COLUMNS = 2_000  # up to which it is made where curves are to be smoothed, which need it
SPREAD = 1.0  # standard deviation of further starts, in sizes or in the logarithm, without bounds


def automatic(objective: Objective, start: Array, max_iterations: int, report: Report) -> Search:
    """Levenberg-Marquardt for few unknowns, L-BFGS-B for many.

    Where Levenberg-Marquardt is stopped by points at which the model has no answer, L-BFGS-B goes
    another way from the same start, and Levenberg-Marquardt finishes what it found.
    """
    if start.size > (MOST_COLUMNS if objective.knots else FEW):
        return lbfgsb(objective, start, max_iterations, report)
    way: list[Iteration] = []

    def numbered(step: Iteration) -> None:
        way.append(replace(step, number=len(way)))
        report(way[-1])

    first = levenberg_marquardt(objective, start, max_iterations, numbered)
    if first.status != "stalled":
        return first
    detour = lbfgsb(objective, start, max_iterations, numbered)
    last = levenberg_marquardt(objective, detour.theta, max_iterations, numbered)
    best = min((last, first), key=lambda search: search.history[-1].objective)
    methods = f"{first.method}, {detour.method}, {last.method}"
    return replace(best, method=methods, history=tuple(way))


def further_starts(objective: Objective, count: int) -> list[Array]:
    """`count` more points to start from, the same in every run.

    Drawn evenly between finite bounds, else about the start values; in the logarithm where the
    search runs in it. A curve is moved as a whole.
    """
    rng, p, scaling = np.random.default_rng(count), objective.parameters, Scaling(objective)
    z, lower, upper = scaling.to_z(p.start), scaling.lower, scaling.upper
    within = np.isfinite(lower) & np.isfinite(upper) & p.scalar
    points = []
    for _ in range(count):
        share, shift = rng.uniform(size=z.size), SPREAD * rng.standard_normal(z.size)
        for where in p.where.values():
            shift[where] = shift[where.start]
        with np.errstate(invalid="ignore"):
            moved = np.where(within, lower + share * (upper - lower), z + shift)
        points.append(scaling.to_theta(np.clip(moved, lower, upper)))
    return points


def search(objective: Objective, start: Array, report: Report) -> Search:
    """The best of the searches that `fit` asks for, the first of them from `start`."""
    fit = objective.study.fit
    method = METHODS[fit.method]
    found = [method(objective, start, fit.max_iterations, report)]
    for point in further_starts(objective, fit.starts - 1):
        try:
            found.append(method(objective, point, fit.max_iterations, report))
        except TrialError:  # this start has no answer; others may
            continue
    return min(found, key=lambda end: (end.status != "converged", end.history[-1].objective))


METHODS: dict[str, Method] = {
    "auto": automatic,
    "levenberg-marquardt": levenberg_marquardt,
    "l-bfgs-b": lbfgsb,
}


def require_method(name: str) -> None:
    """Raise InvalidExperiment where `name` is no method of `METHODS`."""
    if name not in METHODS:
        detail = f"{ascii(name)[:66]} is not one of {', '.join(METHODS)}"
        raise InvalidExperiment(Problem(("fit", "method"), "not_available", detail))
