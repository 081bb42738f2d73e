"""What all searches have in common: the variables they see, their report and their end.

Searches see internal variables z: ``log theta`` where the user asked for a log scale, else theta
over its typical size, so that a document converges as it stands, whatever its units.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from solver.kernels import Array
from solver.objective import Objective

STATUSES = {
    "converged": "",
    "max_iterations": (
        "The search stopped at its limit of iterations: raise fit.max_iterations, or start nearer."
    ),
    "drifting": (
        "An unknown runs away and the fit is none the better for it: the data do not determine it "
        "(see identifiability). Fix it, bound it, or give it a prior."
    ),
    "stalled": (
        "No further reduction was found although the gradient is not zero: try other start values "
        "or bounds, and look at the identifiability verdict."
    ),
}


class Iteration(NamedTuple):
    """One accepted point of a search: its number, J, the norm of J's gradient by z, and theta."""

    number: int
    objective: float
    gradient_norm: float
    theta: Array


@dataclass(frozen=True)
class Search:
    """Where a search ended, why (a key of `STATUSES`), and the way there.

    rivals: the ends of searches from other starts, of which this is the best.
    """

    theta: Array
    status: str
    method: str
    history: tuple[Iteration, ...]
    rivals: tuple[Search, ...] = ()


ARRIVED = ("converged", "drifting")  # at the end of which the readings are fitted
LATELY = 5  # accepted steps
DRIFT, DRIFT_GAIN = 2.0, 1e-6  # moved so far lately for so little of J

Report = Callable[[Iteration], None]
Method = Callable[[Objective, Array, int | None, Report], Search]  # from theta, in so many steps


class Scaling:
    """The map between the user's theta and the internal z, and its slope."""

    def __init__(self, objective: Objective) -> None:
        p = objective.parameters
        self.logarithmic = p.logarithmic
        self.any_logarithmic = bool(p.logarithmic.any())
        self._size = p.magnitudes
        self._bounds = p.lower, p.upper
        self.lower, self.upper = self.to_z(p.lower), self.to_z(p.upper)
        self.bounded = bool(np.isfinite([self.lower, self.upper]).any())

    def to_z(self, theta: Array) -> Array:
        """Internal variables; a lower bound at or below 0 is minus infinity in the logarithm."""
        positive = np.where(self.logarithmic, np.maximum(theta, 0.0), 1.0)
        with np.errstate(divide="ignore"):
            return np.where(self.logarithmic, np.log(positive), theta / self._size)

    def within(self, z: Array) -> Array:
        """The point within the bounds that is nearest."""
        return np.minimum(np.maximum(z, self.lower), self.upper) if self.bounded else z

    def to_theta(self, z: Array) -> Array:
        """The user's parameters."""
        theta = z * self._size
        if self.any_logarithmic:
            with np.errstate(over="ignore"):
                theta[self.logarithmic] = np.exp(z[self.logarithmic])
        if not self.bounded:
            return theta
        # A bound met in z is met in theta, to the last bit.
        theta = np.where(z <= self.lower, self._bounds[0], theta)
        return np.where(z >= self.upper, self._bounds[1], theta)

    def slope(self, theta: Array) -> Array:
        """d theta / d z."""
        return np.where(self.logarithmic, theta, self._size) if self.any_logarithmic else self._size


def gained_lately(history: Sequence[Iteration]) -> float:
    """By how much the last accepted steps have reduced J."""
    if len(history) <= LATELY:
        return np.inf
    return history[-1 - LATELY].objective - history[-1].objective


def goes_far(history: Sequence[Iteration], scaling: Scaling) -> bool:
    """Whether a variable has gone far in these steps."""
    if len(history) <= LATELY:
        return False
    z, before = scaling.to_z(history[-1].theta), scaling.to_z(history[-1 - LATELY].theta)
    return bool(np.max(np.abs(z - before)) >= DRIFT)


def drifting(
    history: Sequence[Iteration], scaling: Scaling, method: str, readings: int
) -> Search | None:
    """The end of a search that runs away: a variable went far lately, for next to nothing of J.

    It ends at the first point on the way that fits as well as the last, but for one reading's
    noise. None where the search does not run away.
    """
    last = history[-1]
    if gained_lately(history) > DRIFT_GAIN * last.objective or not goes_far(history, scaling):
        return None
    enough = (1.0 + 1.0 / readings) * last.objective
    first = next(k for k, step in enumerate(history) if step.objective <= enough)
    return Search(history[first].theta, "drifting", method, tuple(history[: first + 1]))
