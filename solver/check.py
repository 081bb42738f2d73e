r"""The proof of a gradient, made afresh for the very problem it belongs to.

Three checks, each blind to other mistakes than the next, at points where the gradient is not zero
(at the optimum any multiple of it would pass):

* Taylor: the remainder ``|J(theta + h v) - J(theta) - h g.v|`` falls as h^2. A wrong g leaves a
  term in h, which shows only where h is small enough; so the steps are halved just above
  round-off, whose level is measured.
* Dot product: ``<R v, w> = <v, R^T w>`` between the tangent and the adjoint march, R = dr/dtheta.
* The whole gradient against ``2 R^T r`` from the tangent marches.

References: Farrell et al., SIAM J. Sci. Comput. 35 (2013) C369-C393 (Taylor test);
Hascoët & Pascual, ACM TOMS 39 (2013) 20 (dot product).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from solver.errors import TrialError
from solver.kernels import Array
from solver.march import DIRECTIONS
from solver.objective import Objective

TAYLOR_RATE = (1.95, 2.05)
DOT_PRODUCT_GAP = 1e-11
GRADIENT_ERROR = 1e-9
DISPLACEMENT = 0.05  # of the estimate, so that the gradient is not zero where it is checked
STATIONARY = 1e-3  # cosine between residuals and columns below which a gradient proves little
FIRST_STEPS = (1e-3, 1e-2, 1e-1)  # the longer ones where J is nearly straight
NO_STEPS = (1e-14, -1e-14, 2e-14)  # so small that their remainders are round-off
ABOVE_NOISE = 2e3  # remainder over round-off at the smallest step

ValueAndGradient = Callable[[Array], tuple[float, Array]]


@dataclass(frozen=True)
class PointCheck:
    """The checks at one theta; `taylor_rate` is None where J is flat to round-off along v."""

    theta: Array
    taylor_rate: float | None
    adjoint_tangent_gap: float
    gradient_error: float

    @property
    def passed(self) -> bool:
        """Whether all three checks hold."""
        low, high = TAYLOR_RATE
        return (
            self.taylor_rate is not None
            and low <= self.taylor_rate <= high
            and self.adjoint_tangent_gap <= DOT_PRODUCT_GAP
            and self.gradient_error <= GRADIENT_ERROR
        )


@dataclass(frozen=True)
class Certificate:
    """The checks at all points; the figures are the worst of them.

    newton_residual: the relative change that Newton's iterations left undone, None without them.
    """

    points: tuple[PointCheck, ...]
    newton_residual: float | None = None

    @property
    def passed(self) -> bool:
        """Whether every point passed."""
        return bool(self.points) and all(point.passed for point in self.points)

    @property
    def flat(self) -> bool:
        """Whether J is flat to round-off somewhere, so that no rate can be had there."""
        return any(point.taylor_rate is None for point in self.points)

    @property
    def taylor_rate(self) -> float | None:
        """The rate furthest from 2."""
        rates = [p.taylor_rate for p in self.points if p.taylor_rate is not None]
        return max(rates, key=lambda rate: abs(rate - 2.0)) if rates else None

    @property
    def adjoint_tangent_gap(self) -> float:
        """The largest gap."""
        return max((p.adjoint_tangent_gap for p in self.points), default=np.inf)

    @property
    def gradient_error(self) -> float:
        """The largest error."""
        return max((p.gradient_error for p in self.points), default=np.inf)


@dataclass(frozen=True)
class ErrorCurve:
    """Relative errors of finite differences along one direction, over relative step sizes.

    Against the adjoint's directional derivative; `complex_step` is the error of the complex step,
    which has no cancellation and so no best step.
    """

    steps: Array
    forward: Array
    central: Array
    complex_step: float


def certify(
    objective: Objective, thetas: list[Array], gradient: ValueAndGradient | None = None
) -> Certificate:
    """Check `gradient` (by default the objective's own) at `thetas`."""
    candidate = gradient or objective.value_and_gradient
    points = tuple(check_point(objective, theta, candidate) for theta in thetas)
    return Certificate(points, objective.newton_residual)


def check_point(objective: Objective, theta: Array, gradient: ValueAndGradient) -> PointCheck:
    """The three checks at one theta. Raises TrialError where the model has no answer at theta."""
    J, g = gradient(theta)
    sizes = objective.parameters.sizes(theta)
    direction, rows = _drawn(theta.size, objective.rows)
    v = sizes * direction
    if theta.size <= DIRECTIONS:
        r, R = objective.residuals_and_jacobian(theta)
        reference = 2.0 * R.T @ r
        error = _relative(sizes * (g - reference), sizes * reference)
        v = np.abs(v) * np.where(reference != 0.0, np.sign(reference), np.sign(v))
        tangent = R @ v
    else:
        r = objective.residuals(theta)
        tangent = objective.push(theta, v)
        slope = 2.0 * tangent @ r
        error = _relative(np.array([g @ v - slope]), np.array([slope]))
    gap = abs(tangent @ rows - v @ objective.pull(theta, rows))
    reach = float(np.linalg.norm(tangent) * np.linalg.norm(rows))
    return PointCheck(
        theta,
        taylor_rate=_taylor_rate(objective, theta, v, J, float(g @ v)),
        adjoint_tangent_gap=float(gap / reach) if reach > 0.0 else 0.0,
        gradient_error=error,
    )


@lru_cache(8)
def _drawn(unknowns: int, rows: int) -> tuple[Array, Array]:
    """A direction in theta and one in R, always the same: a document has one certificate."""
    rng = np.random.default_rng(20)
    direction = rng.uniform(0.5, 1.0, unknowns) * rng.choice([-1.0, 1.0], unknowns)
    return direction, rng.standard_normal(rows)


def away_from_optimum(objective: Objective, theta: Array) -> Array:
    """`theta`, or a point 5 % away where J is stationary there, and off the kinks of curves.

    At an optimum any multiple of the gradient would pass, and the right one would be round-off.
    """
    theta = _off_kinks(objective, theta)
    if theta.size > DIRECTIONS:
        return theta
    r, R = objective.residuals_and_jacobian(theta)
    reach = np.linalg.norm(R, axis=0) * np.linalg.norm(r)
    flat = np.all(np.abs(R.T @ r) <= STATIONARY * reach) and np.any(reach > 0.0)
    return displaced(objective, theta) if flat else theta


def _off_kinks(objective: Objective, theta: Array) -> Array:
    """`theta` with a slope in curves that have level parts, where a monotone cubic has a kink."""
    p, moved = objective.parameters, theta.copy()
    for name in p.curves:
        here = p.where[name]
        if np.any(np.diff(theta[here]) == 0.0):
            moved[here] += (
                DISPLACEMENT * p.sizes(theta)[here] * np.linspace(0.0, 1.0, theta[here].size)
            )
    return np.clip(moved, p.lower, p.upper)


def displaced(objective: Objective, theta: Array) -> Array:
    """`theta` moved by 5 %, inside the bounds and where the model has an answer.

    Curves rise by 2.5 % at their beginning to 5 % at their end: all alike would leave one that the
    data hold at a kink of its interpolation, as where an end's slope is limited, just there.

    Raises TrialError when there is no such point.
    """
    p = objective.parameters
    step = DISPLACEMENT * objective.parameters.sizes(theta)
    for name in p.curves:
        step[p.where[name]] *= np.linspace(0.5, 1.0, theta[p.where[name]].size)
    for sign in (1.0, -1.0, 0.1, -0.1):
        moved = theta + sign * step
        moved = np.where((moved < p.lower) | (moved > p.upper), theta - sign * step, moved)
        try:
            objective.value(moved)
        except TrialError:
            continue
        return _off_kinks(objective, np.clip(moved, p.lower, p.upper))
    raise TrialError((), "no_neighbour", "no point near the estimate has an answer")


def error_curve(objective: Objective, theta: Array, gradient: Array) -> ErrorCurve:
    """Finite differences of J along one direction at steps 1e-1 .. 1e-13, against `gradient`."""
    v = objective.parameters.sizes(theta)
    v = np.where(gradient < 0.0, -v, v)
    slope = float(gradient @ v)
    steps = np.logspace(-1, -13, 25)
    ahead = np.array([_value_or_nan(objective, theta + h * v) for h in steps])
    behind = np.array([_value_or_nan(objective, theta - h * v) for h in steps])
    here = objective.value(theta)
    tiny = 1e-40
    r = objective.residuals(theta + 1j * tiny * v)
    scale = abs(slope) if slope != 0.0 else 1.0
    return ErrorCurve(
        steps,
        forward=np.abs((ahead - here) / steps - slope) / scale,
        central=np.abs((ahead - behind) / (2.0 * steps) - slope) / scale,
        complex_step=float(abs(np.sum(r * r).imag / tiny - slope) / scale),
    )


def _taylor_rate(
    objective: Objective, theta: Array, v: Array, J: float, slope: float
) -> float | None:
    """The smaller of the rates of the two pairs of steps just above round-off, along v or -v.

    None where the remainder is round-off at the first step already, or where the model has an
    answer on neither side.
    """
    for sign in (1.0, -1.0):
        try:
            return _rate_along(objective, theta, sign * v, J, sign * slope)
        except TrialError:
            continue
    return None


def _rate_along(
    objective: Objective, theta: Array, v: Array, J: float, slope: float
) -> float | None:
    def remainder(h: float) -> float:
        return abs(objective.value(theta + h * v) - J - h * slope)

    noise = max(4e-16 * J, *map(remainder, NO_STEPS))
    for h in FIRST_STEPS:
        first = remainder(h)
        if first > ABOVE_NOISE * noise:
            break
    else:
        return None
    shrink = np.sqrt(ABOVE_NOISE * noise / first)  # the remainder falls as the square
    smallest = h * min(float(shrink), 0.25)
    remainders = [remainder(smallest * factor) for factor in (4.0, 2.0, 1.0)]
    return float(min(-np.diff(np.log2(remainders)))) if min(remainders) > 0.0 else None


def _relative(difference: Array, reference: Array) -> float:
    scale = float(np.linalg.norm(reference))
    gap = float(np.linalg.norm(difference))
    return gap / scale if scale > 0.0 else (0.0 if gap == 0.0 else np.inf)


def _value_or_nan(objective: Objective, theta: Array) -> float:
    try:
        return objective.value(theta)
    except TrialError:
        return float("nan")
