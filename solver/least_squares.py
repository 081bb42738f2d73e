r"""Levenberg-Marquardt with the exact Jacobian.

Each step solves ``min |r + R dz|^2 + damping |D dz|^2`` with Moré's scaling D (the largest column
norms met so far), by orthogonal factorisation of the stacked matrix, never through R^T R. Variables
that press against a bound are left out of the step; a step beyond a bound ends on it. The damping
follows the ratio of actual to predicted reduction. A trial point at which the model has no finite
answer is stepped back from.

References: Moré, The Levenberg-Marquardt algorithm, LNM 630 (1978) 105-116 (scaling);
Nielsen, Damping parameter in Marquardt's method, IMM-REP-1999-05 (damping update).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.linalg import lstsq

from solver.errors import TrialError
from solver.kernels import Array
from solver.objective import Objective
from solver.scaling import Iteration, Report, Scaling, Search, drifting, gained_lately

ITERATIONS = 200  # where the user does not say
STEP_TOLERANCE = 1e-12  # relative length of a step that no longer moves the estimate
COSINE_TOLERANCE = 1e-10  # of the angle between residuals and the model's tangent space
ARRIVED = 1e-6  # relative length of an undamped step, or cosine, at which a search has arrived
REDUCTION_TOLERANCE = 1e-15  # relative reduction of J that is no longer one
FIRST_DAMPING = 1e-4
LONGEST = float(np.log(10.0))  # step in a logarithm
RESTING = 1e-4  # of one reading's share of J, gained lately: less than noise will ever tell
MAX_REJECTIONS = 60


def levenberg_marquardt(
    objective: Objective, start: Array, max_iterations: int | None, report: Report
) -> Search:
    """Least squares; see the module's text."""
    scaling, most = Scaling(objective), max_iterations or ITERATIONS

    def linearise(z: Array) -> _Linearisation:
        theta = scaling.to_theta(z)
        r, R = objective.residuals_and_jacobian(theta)
        return _Linearisation(z, r, R * scaling.slope(theta))

    here = linearise(scaling.to_z(start))
    D, damping = _column_norms(here.R), FIRST_DAMPING
    status, history = "max_iterations", [here.iteration(0, scaling)]
    report(history[0])
    while len(history) <= most:
        free = _free(here, scaling)
        if _stationary(here, free, COSINE_TOLERANCE):
            status = "converged"
            break
        trial = _lower_point(linearise, here, D, damping, free, scaling)
        there, damping = trial.there, trial.damping
        if there is None or not there.J < here.J:
            status = _verdict(here, D, free) if trial.small else "stalled"
            break
        predicted = here.J - float(np.sum((here.r + here.R @ (there.z - here.z)) ** 2))
        reduced = here.J - there.J
        ratio = 2.0 if reduced >= 2.0 * predicted else reduced / predicted
        damping *= max(0.1, 1.0 - (2.0 * ratio - 1.0) ** 3)
        settled = max(reduced, predicted) <= REDUCTION_TOLERANCE * here.J
        here, D = there, np.maximum(D, _column_norms(there.R))
        history.append(here.iteration(len(history), scaling))
        report(history[-1])
        if drifted := drifting(history, scaling, "levenberg-marquardt", here.r.size):
            return drifted
        gained, share = gained_lately(history), here.J / here.r.size  # of one reading
        if gained <= RESTING * share and _promised(here, _free(here, scaling)) <= share:
            status = "converged"  # at a kink of the model, where residuals are not stationary
            break
        if trial.small or settled:
            status = _verdict(here, D, _free(here, scaling))
            break
    return Search(scaling.to_theta(here.z), status, "levenberg-marquardt", tuple(history))


@dataclass(frozen=True)
class _Linearisation:
    """Residuals r and their Jacobian R at internal variables z."""

    z: Array
    r: Array
    R: Array

    @cached_property
    def J(self) -> float:
        return float(self.r @ self.r)

    def iteration(self, number: int, scaling: Scaling) -> Iteration:
        norm = float(np.linalg.norm(2.0 * self.R.T @ self.r))
        return Iteration(number, self.J, norm, scaling.to_theta(self.z))


@dataclass(frozen=True)
class _Trial:
    """Where a step led (None: nowhere with an answer), its damping, and whether it was tiny."""

    there: _Linearisation | None
    damping: float
    small: bool


def _lower_point(
    linearise: Callable[[Array], _Linearisation],
    here: _Linearisation,
    D: Array,
    damping: float,
    free: Array,
    scaling: Scaling,
) -> _Trial:
    """The first trial point with a lower J, the damping raised until there is one."""
    growth, trial = 2.0, _Trial(None, damping, False)
    for _ in range(MAX_REJECTIONS):
        step = _step(here, D, damping, free, scaling)
        z = np.clip(here.z + step, scaling.lower, scaling.upper)
        small = bool(
            np.linalg.norm(D * (z - here.z)) <= STEP_TOLERANCE * np.linalg.norm(D * here.z)
        )
        trial = _Trial(_try(linearise, z), damping, small)
        if (trial.there is not None and trial.there.J < here.J) or small:
            break
        damping, growth = damping * growth, 2.0 * growth
    return trial


def _promised(here: _Linearisation, free: Array) -> float:
    """By how much the linear model could still reduce J."""
    step = np.zeros(here.z.shape)
    step[free] = lstsq(here.R[:, free], -here.r, lapack_driver="gelsy", check_finite=False)[0]
    return here.J - float(np.sum((here.r + here.R @ step) ** 2))


def _try(linearise: Callable[[Array], _Linearisation], z: Array) -> _Linearisation | None:
    try:
        return linearise(z)
    except TrialError:
        return None


def _step(here: _Linearisation, D: Array, damping: float, free: Array, scaling: Scaling) -> Array:
    """The damped step, its logarithms held to `LONGEST` and the others in answer to that.

    What the data do not determine would otherwise leap to where nothing is a number, and take along
    what they do.
    """
    step = _damped_step(here, D, damping, free)
    leaps = scaling.logarithmic & (np.abs(step) > LONGEST)
    if not leaps.any():
        return step
    held = np.where(leaps, np.clip(step, -LONGEST, LONGEST), 0.0)
    there = replace(here, r=here.r + here.R @ held)
    rest = _damped_step(there, D, damping, free & ~leaps)
    return held + np.where(scaling.logarithmic, np.clip(rest, -LONGEST, LONGEST), rest)


def _damped_step(here: _Linearisation, D: Array, damping: float, free: Array) -> Array:
    step = np.zeros(D.shape)
    scaled = here.R[:, free] / D[free]
    stacked = np.vstack([scaled, np.sqrt(damping) * np.eye(scaled.shape[1])])
    rhs = np.concatenate([-here.r, np.zeros(scaled.shape[1])])
    solution = lstsq(stacked, rhs, lapack_driver="gelsy", check_finite=False)[0]
    step[free] = solution / D[free]
    return step


def _free(here: _Linearisation, scaling: Scaling) -> Array:
    """Which variables do not press against a bound."""
    slope = here.R.T @ here.r
    low, high = here.z <= scaling.lower, here.z >= scaling.upper
    return np.asarray(~((low & (slope > 0)) | (high & (slope < 0))))


def _stationary(here: _Linearisation, free: Array, tolerance: float) -> bool:
    """Whether the residuals are orthogonal to every free column."""
    R = here.R[:, free]
    reach = np.linalg.norm(R, axis=0) * np.linalg.norm(here.r)
    return bool(np.all(np.abs(R.T @ here.r) <= tolerance * reach))


def _verdict(here: _Linearisation, D: Array, free: Array) -> str:
    """Whether a search that moves no more has arrived, or is only held up.

    It has arrived where the residuals are stationary, or an undamped step would be short too. It
    is held up next to points at which the model has no answer.
    """
    undamped = D * _damped_step(here, D, 0.0, free)
    short = np.linalg.norm(undamped) <= ARRIVED * np.linalg.norm(D * here.z)
    return "converged" if short or _stationary(here, free, ARRIVED) else "stalled"


def _column_norms(R: Array) -> Array:
    norms = np.linalg.norm(R, axis=0)
    return np.where(norms > 0.0, norms, 1.0)
