"""L-BFGS-B with the adjoint gradient, for many unknowns (SciPy's).

Reference: Byrd, Lu, Nocedal & Zhu, SIAM J. Sci. Comput. 16 (1995) 1190-1208.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.optimize import minimize

from solver.errors import TrialError
from solver.kernels import Array
from solver.objective import Objective
from solver.scaling import Iteration, Report, Scaling, Search

ITERATIONS = 2000  # where the user does not say
WORTH = 0.5  # of J that a round leaves at most, for another one to begin
ROUNDS = 20
ROUND_OFF = 1e-15  # of J at the start: where data are met to round-off, there is no more to find
EXACT = 1e-10  # of J at the start: where the end of a line search is round-off's
LATELY, RESTING = 30, 0.1  # iterations, and of one reading's share of J, gained in these


def lbfgsb(
    objective: Objective, start: Array, max_iterations: int | None, report: Report
) -> Search:
    """Quasi-Newton, in rounds: SciPy stops by the size that J had at the start of a round."""
    way, most = _Way(objective, start, report), max_iterations or ITERATIONS
    status = _round(way, most)
    for _ in range(ROUNDS):
        left, before = most - len(way.history) + 1, way.J
        if left < 1 or way.rests() or way.J <= ROUND_OFF * way.first:
            break
        again = _round(way, left)
        if status == "stalled" and way.J < before:  # a new round forgets what misled the last one
            status = again
        elif way.J > WORTH * before:  # what has converged stays so, better or not
            break
    return Search(way.scaling.to_theta(way.z), status, "l-bfgs-b", tuple(way.history))


def _round(way: _Way, iterations: int) -> str:
    way.unit = way.J or 1.0
    scaling = way.scaling
    result = minimize(  # type: ignore[call-overload]  # the stubs do not take jac=True in 1.17
        way.value_and_gradient,
        way.z,
        jac=True,
        method="L-BFGS-B",
        bounds=list(zip(scaling.lower, scaling.upper, strict=True)),
        callback=way.accepted,
        options={"maxiter": iterations, "maxfun": 20 * iterations, "maxcor": 30}
        | {"ftol": 1e-16, "gtol": 1e-13, "maxls": 40},
    )
    if way.rests():
        return "converged"
    if result.status == 1:
        return "max_iterations"
    steepest = way.z - np.clip(way.z - way.gradient / way.unit, scaling.lower, scaling.upper)
    flat = np.abs(steepest).max() <= 1e-6 * max(way.J / way.unit, 1e-12)
    flat = flat or way.J <= EXACT * way.first
    # An abnormal end of the line search is convergence only where it is flat.
    return "stalled" if result.status == 2 and not flat else "converged"


@dataclass
class _Way:
    """The best point so far, with J and its gradient by z, and the way there."""

    objective: Objective
    start: Array
    report: Report
    history: list[Iteration] = field(default_factory=list)
    unit: float = 1.0

    def __post_init__(self) -> None:
        self.scaling = Scaling(self.objective)
        self.J, self.z = np.inf, self.scaling.to_z(self.start)
        self.gradient = np.zeros_like(self.z)
        J, gradient = self.objective.value_and_gradient(self.start)
        self.first = J
        self._take(self.z, J, gradient * self.scaling.slope(self.start))
        self.accepted(self.z)

    def value_and_gradient(self, z: Array) -> tuple[float, Array]:
        """J and its gradient by z, in units of a round's first J.

        Where the model has no answer the line search is given a parabola that rises from the best
        point, so that it interpolates back towards it.
        """
        theta = self.scaling.to_theta(z)
        try:
            J, gradient = self.objective.value_and_gradient(theta)
        except TrialError:
            away = z - self.z
            best = self.J / self.unit
            steepness = (1.0 + abs(best)) / max(float(away @ away), 1e-300)
            return best + steepness * float(away @ away), 2.0 * steepness * away
        gradient = gradient * self.scaling.slope(theta)
        if self.J > J:
            self._take(z, J, gradient)
        return J / self.unit, gradient / self.unit

    def accepted(self, _: Any) -> None:
        """Note the best point as an iteration."""
        norm = float(np.linalg.norm(self.gradient))
        theta = self.scaling.to_theta(self.z)
        self.history.append(Iteration(len(self.history), self.J, norm, theta))
        self.report(self.history[-1])
        if self.rests():
            raise StopIteration

    def rests(self) -> bool:
        """Whether a network's curve has come to rest, as far as noise will ever tell.

        Its weights go on for ever along directions that move no reading.
        """
        if not self.objective.parameters.networks or len(self.history) <= LATELY:
            return False
        gained = self.history[-1 - LATELY].objective - self.J
        return bool(gained <= RESTING * self.J / self.objective.data.size)

    def _take(self, z: Array, J: float, gradient: Array) -> None:
        self.J, self.z, self.gradient = J, z.copy(), gradient
