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

import math
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy.linalg.lapack import dgelsy, dgelsy_lwork

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
EPSILON = float(np.finfo(np.float64).eps)
EXACT = 16.0 * EPSILON  # of the readings, below which what is left of them is the march's round-off


def levenberg_marquardt(
    objective: Objective, start: Array, max_iterations: int | None, report: Report
) -> Search:
    """Least squares; see the module's text."""
    scaling, most = Scaling(objective), max_iterations or ITERATIONS

    def linearise(z: Array) -> _Linearisation:
        theta = scaling.to_theta(z)
        r, R = objective.residuals_and_jacobian(theta)
        return _Linearisation.at(z, theta, r, R * scaling.slope(theta))

    here = linearise(scaling.to_z(start))
    exact = (EXACT * _length(objective.weights * objective.data)) ** 2
    D, damping = here.lengths, FIRST_DAMPING
    status, history = "max_iterations", [here.iteration(0)]
    report(history[0])
    free = _free(here, scaling)
    while len(history) <= most:
        if here.J <= exact or _stationary(here, free, COSINE_TOLERANCE):
            status = "converged"
            break
        trial = _lower_point(linearise, here, D, damping, free, scaling)
        there, damping = trial.there, trial.damping
        if there is None or not there.J < here.J:
            status = _verdict(here, D, free) if trial.small else "stalled"
            break
        predicted = here.J - _square(here.r + here.R @ (there.z - here.z))
        reduced = here.J - there.J
        ratio = 2.0 if reduced >= 2.0 * predicted else reduced / predicted
        damping *= max(0.1, 1.0 - (2.0 * ratio - 1.0) ** 3)
        settled = max(reduced, predicted) <= REDUCTION_TOLERANCE * here.J
        here, D, free = there, np.maximum(D, there.lengths), _free(there, scaling)
        history.append(here.iteration(len(history)))
        report(history[-1])
        if drifted := drifting(history, scaling, "levenberg-marquardt", here.r.size):
            return drifted
        gained, share = gained_lately(history), here.J / here.r.size  # of one reading
        if gained <= RESTING * share and _promised(here, free) <= share:
            status = "converged"  # at a kink of the model, where residuals are not stationary
            break
        if trial.small or settled:
            status = _verdict(here, D, free)
            break
    return Search(here.theta, status, "levenberg-marquardt", tuple(history))


class _Linearisation(NamedTuple):
    """Residuals r and their Jacobian R by internal variables z, at z and theta.

    J = r^T r; slope: R^T r, half of J's gradient; norms: the lengths of R's columns.
    """

    z: Array
    theta: Array
    r: Array
    R: Array
    J: float
    slope: Array
    norms: Array

    @classmethod
    def at(cls, z: Array, theta: Array, r: Array, R: Array) -> _Linearisation:
        norms = np.sqrt(np.einsum("ij,ij->j", R, R))
        return cls(z, theta, r, R, _square(r), np.dot(R.T, r), norms)

    @property
    def lengths(self) -> Array:
        """The norms, 1 for a column of zeros."""
        return np.where(self.norms > 0.0, self.norms, 1.0)

    def iteration(self, number: int) -> Iteration:
        return Iteration(number, self.J, 2.0 * _length(self.slope), self.theta)


class _Trial(NamedTuple):
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
        z = scaling.within(here.z + step)
        small = _length(D * (z - here.z)) <= STEP_TOLERANCE * _length(D * here.z)
        trial = _Trial(_try(linearise, z), damping, small)
        if (trial.there is not None and trial.there.J < here.J) or small:
            break
        damping, growth = damping * growth, 2.0 * growth
    return trial


def _promised(here: _Linearisation, free: Array) -> float:
    """By how much the linear model could still reduce J."""
    step = np.zeros(here.z.shape)
    step[free] = _solve(here.R[:, free], -here.r)
    return here.J - _square(here.r + here.R @ step)


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
    if not scaling.any_logarithmic:
        return step
    leaps = scaling.logarithmic & (np.abs(step) > LONGEST)
    if not leaps.any():
        return step
    held = np.where(leaps, np.clip(step, -LONGEST, LONGEST), 0.0)
    there = here._replace(r=here.r + here.R @ held)
    rest = _damped_step(there, D, damping, free & ~leaps)
    return held + np.where(scaling.logarithmic, np.clip(rest, -LONGEST, LONGEST), rest)


def _damped_step(here: _Linearisation, D: Array, damping: float, free: Array) -> Array:
    step, D_free = np.zeros(D.size), D[free]
    rows, count = here.r.size, D_free.size
    stacked, rhs = np.zeros((rows + count, count), order="F"), np.zeros(rows + count)
    np.divide(here.R[:, free], D_free, out=stacked[:rows])
    stacked[rows:].flat[:: count + 1] = math.sqrt(damping)
    np.negative(here.r, out=rhs[:rows])
    step[free] = _solve(stacked, rhs) / D_free
    return step


def _solve(A: Array, b: Array) -> Array:
    """The x of least length that makes ``|A x - b|`` least."""
    rows, columns = A.shape
    if columns == 0:
        return np.zeros(0)
    solution = np.zeros(max(rows, columns))  # LAPACK puts it in the place of b
    solution[:rows] = b
    room = _room_to_solve(rows, columns)
    pivots = np.zeros((columns, 1), np.int32)
    solution = dgelsy(A, solution, pivots, EPSILON, room)[1]
    return np.asarray(solution[:columns])


@lru_cache(256)
def _room_to_solve(rows: int, columns: int) -> int:
    return int(dgelsy_lwork(rows, columns, 1, EPSILON)[0])


def _free(here: _Linearisation, scaling: Scaling) -> Array:
    """Which variables do not press against a bound."""
    if not scaling.bounded:
        return np.ones(here.z.size, bool)
    low, high = here.z <= scaling.lower, here.z >= scaling.upper
    return np.asarray(~(low & (here.slope > 0) | high & (here.slope < 0)))


def _stationary(here: _Linearisation, free: Array, tolerance: float) -> bool:
    """Whether the residuals are orthogonal to every free column."""
    reach = here.norms * (tolerance * math.sqrt(here.J))
    return bool((np.abs(here.slope) <= reach)[free].all())


def _verdict(here: _Linearisation, D: Array, free: Array) -> str:
    """Whether a search that moves no more has arrived, or is only held up.

    It has arrived where the residuals are stationary, or an undamped step would be short too. It
    is held up next to points at which the model has no answer.
    """
    undamped = D * _damped_step(here, D, 0.0, free)
    short = _length(undamped) <= ARRIVED * _length(D * here.z)
    return "converged" if short or _stationary(here, free, ARRIVED) else "stalled"


def _square(r: Array) -> float:
    return float(np.dot(r, r))


def _length(r: Array) -> float:
    return math.sqrt(np.dot(r, r))
