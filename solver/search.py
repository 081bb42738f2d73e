"""Searching for the least squares: which method, and from how many starts.

Searches keep within the bounds, and step back from a trial point at which the model has no finite
answer. To add a method: a function from a start to a `Search`, and a line in `METHODS`.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np

from solver.crew import Crew
from solver.ensemble import threads_for
from solver.errors import InvalidExperiment, Problem, TrialError
from solver.kernels import Array
from solver.least_squares import levenberg_marquardt
from solver.march import Pulse
from solver.network import initial_weights
from solver.objective import Objective
from solver.quasi_newton import lbfgsb
from solver.scaling import Iteration, Method, Report, Scaling, Search
from solver.trust_region import trust_region

FEW = 30  # unknowns up to which the exact Jacobian pays
MOST_COLUMNS = 2_000  # up to which it is made where curves are to be smoothed, which need it
SPREAD = 1.0  # standard deviation of further starts, in sizes or in the logarithm, without bounds


def automatic(
    objective: Objective, start: Array, max_iterations: int | None, report: Report
) -> Search:
    """Levenberg-Marquardt for few unknowns, L-BFGS-B for many and for networks.

    Where Levenberg-Marquardt is stopped by points at which the model has no answer, L-BFGS-B goes
    another way from the same start, and Levenberg-Marquardt finishes what it found.
    """
    few = MOST_COLUMNS if objective.knots else FEW
    if start.size > few or objective.parameters.networks:
        return lbfgsb(objective, start, max_iterations, report)
    way: list[Iteration] = []

    def numbered(step: Iteration) -> None:
        way.append(step._replace(number=len(way)))
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
    search runs in it. A curve is moved as a whole, a network gets new weights.
    """
    if count == 0:
        return []
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
        theta = scaling.to_theta(np.clip(moved, lower, upper))
        for name, widths in p.networks.items():
            theta[p.where[name]] = initial_weights(widths, int(rng.integers(2**31)))
        points.append(theta)
    return points


def search(objective: Objective, start: Array, report: Report, starts: int | None = None) -> Search:
    """The best of the searches from as many `starts` as `fit` asks for, the first from `start`.

    The others run beside it in threads, and report when they are done, in the order of their
    starts; so the outcome does not depend on the number of threads.
    """
    # They do not wait for each other to have their models evaluated together, in the lanes of an
    # ensemble: at 50 cells and steps, waiting costs more time than lanes save (18 ms for 14).
    fit = objective.study.fit
    further = further_starts(objective, (starts or fit.starts) - 1)

    def from_point(own: Objective, point: Array) -> Search | None:
        tell = report if point is start else lambda step: None
        try:
            return METHODS[fit.method](own, point, fit.max_iterations, tell)
        except TrialError:
            if point is start:
                raise
            return None  # without an answer there, it is no start

    crew = Crew(partial(twin, objective), pulse=objective.pulse, idle=[objective])
    ends = crew.over([start, *further], from_point, threads_for(objective.study))
    found = [end for end in ends if end is not None]
    for end in found[1:]:
        for step in end.history:
            report(step)
    best = min(found, key=lambda end: (end.status != "converged", end.history[-1].objective))
    return replace(best, rivals=tuple(end for end in found if end is not best))


def twin(objective: Objective, pulse: Pulse) -> Objective:
    """The same objective with buffers of its own."""
    own = Objective(objective.study, valid=True, pulse=pulse)
    own.smooth(objective.smoothing_weights)
    return own


METHODS: dict[str, Method] = {
    "auto": automatic,
    "levenberg-marquardt": levenberg_marquardt,
    "l-bfgs-b": lbfgsb,
    "trust-region": trust_region,
}


def require_method(name: str) -> None:
    """Raise InvalidExperiment where `name` is no method of `METHODS`."""
    if name not in METHODS:
        detail = f"{ascii(name)[:66]} is not one of {', '.join(METHODS)}"
        raise InvalidExperiment(Problem(("fit", "method"), "not_available", detail))
