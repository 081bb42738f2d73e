r"""Finding the unknowns: the search, the weight that smooths a curve, and the grid.

Three choices hang together, and each is made where the others stand:

* the search, for given weights on a given grid (`solver.search`);
* the weight of the smoothing prior of each unknown curve whose weight is not given: chosen on the
  problem linearised at the point at hand, then the search goes on from there, until both agree;
* the grid, where it was left out: chosen at the start values, looked at again at the estimate with
  the noise that the residuals show, and the fit goes on from there where it was too coarse.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from solver.errors import TrialError
from solver.experiment import Study, sigma_given
from solver.kernels import Array
from solver.march import Pulse
from solver.objective import Objective
from solver.parameters import Parameters
from solver.penalties import smoothing_of
from solver.resolution import GUESSED, LEAST, is_chosen, with_grid
from solver.scaling import Iteration, Report, Search
from solver.search import search
from solver.smoothing import Choice, choose_weight
from solver.tabulate import tabulated

GRID_ROUNDS = 3
WEIGHT_ROUNDS = 8
AGREED = 0.1  # of the logarithm of a weight


@dataclass(frozen=True, eq=False)
class Found:
    """Where a fit ended: the study on its grid, its objective, the search, the chosen weights."""

    study: Study
    objective: Objective
    search: Search
    choices: dict[str, Choice]


def find(study: Study, *, pulse: Pulse, report: Report) -> Found:
    """Search for the unknowns of a valid study; TrialError without an answer at the start."""
    way: list[Iteration] = []

    def numbered(step: Iteration) -> None:
        way.append(step._replace(number=len(way)))
        report(way[-1])

    theta = Parameters.of(study).start
    settled = with_grid(study, theta, least=GUESSED, pulse=pulse)
    for _ in range(GRID_ROUNDS):
        objective = Objective(settled, valid=True, pulse=pulse)
        found, choices = _smoothed(objective, theta, numbered)
        theta = found.theta
        finer = _finer(study, settled, objective, theta, pulse)
        if finer is None:
            break
        settled = finer
    return Found(objective.study, objective, replace(found, history=tuple(way)), choices)


def noise_of(objective: Objective, theta: Array) -> float:
    """The standard deviation of a reading, in units of sigma where one is given."""
    r = objective.weighted(objective.predict(theta))
    freedom = max(r.size - int(objective.parameters.scalar.sum()), 1)
    return float(np.sqrt(r @ r / freedom))


def _finer(
    free: Study, settled: Study, objective: Objective, theta: Array, pulse: Pulse
) -> Study | None:
    """The study on a finer grid where the estimate and its noise ask for one, and it marches."""
    if is_chosen(free):
        return None
    noise = noise_of(objective, theta)
    try:
        asked = with_grid(free, theta, noise=noise, least=LEAST, pulse=pulse)
    except TrialError:
        return None
    pairs = list(zip(asked.experiments, settled.experiments, strict=True))
    finer = [a.grid.cells > s.grid.cells or a.grid.steps > s.grid.steps for a, s in pairs]
    return asked if any(finer) else None


def _smoothed(
    objective: Objective, theta: Array, report: Report
) -> tuple[Search, dict[str, Choice]]:
    """The search, with the weights of the smoothing priors that are not given chosen on the way.

    Curves without a given weight share one: their differences are dimensionless.
    """
    given = {
        name: smoothing.weight
        for name, smoothing in objective.study.fit.smoothing.items()
        if smoothing.weight is not None
    }
    free = [name for name in objective.knots if name not in given]
    if not free:
        objective.smooth(given)
        return search(objective, theta, report), {}
    choice = _choose(objective, theta, given, free)
    for _ in range(WEIGHT_ROUNDS):
        objective.smooth(given | dict.fromkeys(free, choice.weight))
        found = search(objective, theta, report, starts=1)
        theta, before = found.theta, choice
        choice = _choose(objective, theta, given, free)
        if abs(np.log(choice.weight / before.weight)) <= AGREED:
            break
    objective.smooth(given | dict.fromkeys(free, before.weight))
    if objective.study.fit.starts > 1:
        found = search(objective, theta, report)
    return found, dict.fromkeys(
        free,
        replace(choice, weight=before.weight, band_weight=min(before.weight, choice.band_weight)),
    )


def _choose(objective: Objective, theta: Array, given: dict[str, float], free: list[str]) -> Choice:
    """The weight for the problem linearised at theta, its networks as tables of their values.

    What is given counts as data.
    """
    objective.smooth(given)
    objective, theta = tabulated(objective, theta)
    r, R = objective.residuals_and_jacobian(theta)
    unit = smoothing_of(
        objective.curves, dict.fromkeys(free, 1.0), objective.study, objective.parameters
    )
    return choose_weight(
        r,
        R,
        unit.jacobian(theta),
        unit.residuals(theta),
        sigma_given=sigma_given(objective.study),
    )
