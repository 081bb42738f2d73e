r"""Searching for the least squares: Levenberg-Marquardt and L-BFGS-B.

Both see internal variables z: ``log theta`` where the user asked for a log scale, else theta over
its typical size, so that a document converges as it stands, whatever its units. Both keep within
the bounds, and step back from a trial point at which the model has no finite answer.

Levenberg-Marquardt, for few unknowns: each step solves ``min |r + R dz|^2 + damping |D dz|^2``
with the exact Jacobian R and Moré's scaling D (the largest column norms met so far), by orthogonal
factorisation of the stacked matrix, never through R^T R. Variables that press against a bound are
left out of the step; a step beyond a bound ends on it. The damping follows the ratio of actual to
predicted reduction.

References: Moré, The Levenberg-Marquardt algorithm, LNM 630 (1978) 105-116 (scaling);
Nielsen, Damping parameter in Marquardt's method, IMM-REP-1999-05 (damping update);
Byrd, Lu, Nocedal & Zhu, SIAM J. Sci. Comput. 16 (1995) 1190-1208 (L-BFGS-B).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.optimize import minimize

from solver.errors import InvalidExperiment, Problem, TrialError
from solver.kernels import Array
from solver.objective import Objective

FEW = 30  # unknowns up to which the exact Jacobian pays
STEP_TOLERANCE = 1e-12  # relative length of a step that no longer moves the estimate
COSINE_TOLERANCE = 1e-10  # of the angle between residuals and the model's tangent space
ARRIVED = 1e-6  # relative length of an undamped step, or cosine, at which a search has arrived
REDUCTION_TOLERANCE = 1e-15  # relative reduction of J that is no longer one
FIRST_DAMPING = 1e-4
MAX_REJECTIONS = 60

STATUSES = {
    "converged": "",
    "max_iterations": (
        "The search stopped at its limit of iterations: raise fit.max_iterations, or start nearer."
    ),
    "stalled": (
        "No further reduction was found although the gradient is not zero: try other start values "
        "or bounds, and look at the identifiability verdict."
    ),
}


@dataclass(frozen=True)
class Iteration:
    """One accepted point of a search: its number, J, the norm of J's gradient by z, and theta."""

    number: int
    objective: float
    gradient_norm: float
    theta: Array


@dataclass(frozen=True)
class Search:
    """Where a search ended, why (a key of `STATUSES`), and the way there."""

    theta: Array
    status: str
    method: str
    history: tuple[Iteration, ...]


Report = Callable[[Iteration], None]
Method = Callable[[Objective, Array, int, Report], Search]  # from a start theta, in so many steps


class Scaling:
    """The map between the user's theta and the internal z, and its slope."""

    def __init__(self, objective: Objective) -> None:
        p = objective.parameters
        self._log = p.logarithmic
        self._size = p.magnitudes
        self._bounds = p.lower, p.upper
        self.lower, self.upper = self.to_z(p.lower), self.to_z(p.upper)

    def to_z(self, theta: Array) -> Array:
        """Internal variables; a lower bound at or below 0 is minus infinity in the logarithm."""
        positive = np.where(self._log, np.maximum(theta, 0.0), 1.0)
        with np.errstate(divide="ignore"):
            return np.where(self._log, np.log(positive), theta / self._size)

    def to_theta(self, z: Array) -> Array:
        """The user's parameters."""
        theta = z * self._size
        with np.errstate(over="ignore"):
            theta[self._log] = np.exp(z[self._log])
        # A bound met in z is met in theta, to the last bit.
        theta = np.where(z <= self.lower, self._bounds[0], theta)
        return np.where(z >= self.upper, self._bounds[1], theta)

    def slope(self, theta: Array) -> Array:
        """d theta / d z."""
        return np.where(self._log, theta, self._size)


def automatic(objective: Objective, start: Array, max_iterations: int, report: Report) -> Search:
    """Levenberg-Marquardt for few unknowns, L-BFGS-B for many.

    Where Levenberg-Marquardt is stopped by points at which the model has no answer, L-BFGS-B goes
    another way from the same start, and Levenberg-Marquardt finishes what it found.
    """
    if start.size > FEW:
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


def levenberg_marquardt(
    objective: Objective, start: Array, max_iterations: int, report: Report
) -> Search:
    """Least squares with the exact Jacobian; see the module's text."""
    scaling = Scaling(objective)

    def linearise(z: Array) -> _Linearisation:
        theta = scaling.to_theta(z)
        r, R = objective.residuals_and_jacobian(theta)
        return _Linearisation(z, r, R * scaling.slope(theta))

    here = linearise(scaling.to_z(start))
    D = _column_norms(here.R)
    damping, status, history = FIRST_DAMPING, "max_iterations", [here.iteration(0, scaling)]
    report(history[0])
    while len(history) <= max_iterations:
        free = _free(here, scaling)
        if _stationary(here, free, COSINE_TOLERANCE):
            status = "converged"
            break
        growth = 2.0
        for _ in range(MAX_REJECTIONS):
            step = _damped_step(here, D, damping, free)
            trial = np.clip(here.z + step, scaling.lower, scaling.upper)
            moved = np.linalg.norm(D * (trial - here.z))
            small = bool(moved <= STEP_TOLERANCE * np.linalg.norm(D * here.z))
            there = _try(linearise, trial)
            if (there is not None and there.J < here.J) or small:
                break
            damping, growth = damping * growth, 2.0 * growth
        if there is None or not there.J < here.J:
            status = _verdict(here, D, free) if small else "stalled"
            break
        predicted = here.J - float(np.sum((here.r + here.R @ (trial - here.z)) ** 2))
        reduced = here.J - there.J
        ratio = 2.0 if reduced >= 2.0 * predicted else reduced / predicted
        damping *= max(0.1, 1.0 - (2.0 * ratio - 1.0) ** 3)
        settled = max(reduced, predicted) <= REDUCTION_TOLERANCE * here.J
        here, D = there, np.maximum(D, _column_norms(there.R))
        history.append(here.iteration(len(history), scaling))
        report(history[-1])
        if small or settled:
            status = _verdict(here, D, _free(here, scaling))
            break
    return Search(scaling.to_theta(here.z), status, "levenberg-marquardt", tuple(history))


def lbfgsb(objective: Objective, start: Array, max_iterations: int, report: Report) -> Search:
    """Quasi-Newton with the adjoint gradient, for many unknowns (SciPy's L-BFGS-B).

    Where the model has no answer the line search is given a parabola that rises from the best point
    so far, so that it interpolates back towards it.
    """
    scaling = Scaling(objective)
    z = scaling.to_z(start)
    unit = objective.value(scaling.to_theta(z)) or 1.0
    best = _Best(np.inf, z, np.zeros_like(z))
    history: list[Iteration] = []

    def value_and_gradient(z: Array) -> tuple[float, Array]:
        theta = scaling.to_theta(z)
        try:
            J, gradient = objective.value_and_gradient(theta)
        except TrialError:
            away = z - best.z
            steepness = (1.0 + abs(best.value)) / max(float(away @ away), 1e-300)
            return best.value + steepness * float(away @ away), 2.0 * steepness * away
        J, gradient = J / unit, gradient * scaling.slope(theta) / unit
        if J < best.value:
            best.value, best.z, best.gradient = J, z.copy(), gradient
        return J, gradient

    def accepted(_: Array) -> None:
        norm = float(np.linalg.norm(best.gradient)) * unit
        theta = scaling.to_theta(best.z)
        history.append(Iteration(len(history), best.value * unit, norm, theta))
        report(history[-1])

    value_and_gradient(z)
    accepted(z)
    result = minimize(  # type: ignore[call-overload]  # the stubs do not take jac=True in 1.17
        value_and_gradient,
        z,
        jac=True,
        method="L-BFGS-B",
        bounds=list(zip(scaling.lower, scaling.upper, strict=True)),
        callback=accepted,
        options={"maxiter": max_iterations, "maxfun": 20 * max_iterations, "maxcor": 30}
        | {"ftol": 1e-16, "gtol": 1e-13, "maxls": 40},
    )
    status = "max_iterations" if result.status == 1 else "converged"
    projected = best.z - np.clip(best.z - best.gradient, scaling.lower, scaling.upper)
    if result.status == 2 and np.abs(projected).max() > 1e-6 * max(best.value, 1e-12):
        status = (
            "stalled"  # an abnormal end of the line search is convergence only where it is flat
        )
    return Search(scaling.to_theta(best.z), status, "l-bfgs-b", tuple(history))


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


@dataclass
class _Best:
    value: float
    z: Array
    gradient: Array


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


def _try(linearise: Callable[[Array], _Linearisation], z: Array) -> _Linearisation | None:
    try:
        return linearise(z)
    except TrialError:
        return None


def _damped_step(here: _Linearisation, D: Array, damping: float, free: Array) -> Array:
    step = np.zeros(D.shape)
    scaled = here.R[:, free] / D[free]
    stacked = np.vstack([scaled, np.sqrt(damping) * np.eye(scaled.shape[1])])
    rhs = np.concatenate([-here.r, np.zeros(scaled.shape[1])])
    step[free] = np.linalg.lstsq(stacked, rhs)[0] / D[free]
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
