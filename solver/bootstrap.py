r"""Many fits of one study: to other data, or to data drawn about a fit (the parametric bootstrap).

The bootstrap draws ``d_k = y(theta) + sigma e_k`` with standard normal e_k. How the estimates from
these spread is what the noise does to them, without the linear model behind standard errors. Priors
and smoothing stay as they are: they draw all estimates the same way, and narrow the spread.

Reference: Efron & Tibshirani, An Introduction to the Bootstrap (1993), section 6.5.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from solver.calibrate import Calibration
from solver.crew import Crew
from solver.ensemble import threads_for
from solver.errors import InvalidExperiment, Problem, TrialError
from solver.experiment import sigma_given
from solver.kernels import Array
from solver.march import Pulse
from solver.model import no_pulse
from solver.objective import Objective
from solver.scaling import Search
from solver.search import METHODS, twin
from solver.uncertainty import UNKNOWN_NOISE


@dataclass(frozen=True, eq=False)
class Refits:
    """The estimates (E, p), and the status of each search; NaN and "" where there is an error."""

    estimates: Array
    statuses: tuple[str, ...]
    errors: dict[int, TrialError]


def bootstrap(
    fit: Calibration,
    sets: int = 200,
    *,
    seed: int = 0,
    threads: int | None = None,
    pulse: Pulse = no_pulse,
) -> Refits:
    """Refits to `sets` data sets drawn about a fit by its sigma, the same for the same `seed`.

    Raises InvalidExperiment where neither the study nor the fit's residuals tell sigma.
    """
    objective, sigma = _objective(fit, pulse), fit.uncertainty.sigma
    if sigma_given(fit.study):
        sigma = 1.0  # the weights hold it
    elif sigma is None:
        raise InvalidExperiment(Problem(("sensors",), "missing_sigma", UNKNOWN_NOISE))
    noise = np.random.default_rng(seed).standard_normal((sets, objective.data.size))
    data = objective.predict(fit.theta) + sigma * noise / objective.weights
    return refit(fit, data, threads=threads, pulse=pulse)


def refit(
    fit: Calibration, data: Array, *, threads: int | None = None, pulse: Pulse = no_pulse
) -> Refits:
    """Fits to the readings `data` (E, M) by the search of a fit, on its grid, from its estimate.

    A data set that allows no search fails alone. `pulse` runs in all `threads` (None: as many as
    pay) and stops them by raising.
    """
    objective = _objective(fit, pulse)
    settings = fit.study.fit

    def to(own: Objective, readings: Array) -> Search | TrialError:
        search = METHODS[settings.method]
        try:
            return search(
                own.with_data(readings), fit.theta, settings.max_iterations, lambda step: None
            )
        except TrialError as error:
            return error

    crew = Crew(partial(twin, objective), pulse=pulse, idle=[objective])
    ends = crew.over(list(data), to, threads or threads_for(fit.study))
    failed = {i: end for i, end in enumerate(ends) if isinstance(end, TrialError)}
    nothing = np.full(fit.theta.size, np.nan)
    return Refits(
        np.array([nothing if isinstance(end, TrialError) else end.theta for end in ends]),
        tuple("" if isinstance(end, TrialError) else end.status for end in ends),
        failed,
    )


def _objective(fit: Calibration, pulse: Pulse) -> Objective:
    """The objective of a fit, its curves held as smooth as they were."""
    objective = Objective(fit.study, valid=True, pulse=pulse)
    given = {name: s.weight for name, s in fit.study.fit.smoothing.items() if s.weight is not None}
    objective.smooth(given | {name: choice.weight for name, choice in fit.smoothing.items()})
    return objective
