r"""Newton's method in a trust region, with the exact Hessian.

About a point z, J is taken for its second-order model along a step s,

    m(s) = J + g.s + s.H s / 2,    |D s| <= radius,

with the exact Hessian H: products ``H v`` are complex steps of the adjoint gradient
(`Objective.hessian_vector`), so that, unlike Gauss-Newton's, the convergence is quadratic whatever
the residuals, and no Jacobian is needed. By the internal variables, theta = theta(z),

    g = S dJ/dtheta,    H = S (d2J/dtheta2) S + diag(dJ/dtheta d2theta/dz2),    S = dtheta/dz,

where d2theta/dz2 is theta in the logarithm, else 0. The model is descended by conjugate gradients
from s = 0 (Steihaug, Toint), along a direction of negative curvature to the edge of the region. As
their iterates only get longer, a smaller region cuts the same path short. Of few unknowns H is made
whole, and D^2 is the largest diagonal met so far (Moré); of many D is 1, and the descent stops at a
residual that falls with the gradient.

Variables that press against a bound are left out; a step beyond a bound ends on it. Where the model
has no answer, or J is no lower, the region shrinks.

References: Steihaug, SIAM J. Numer. Anal. 20 (1983) 626-637; Nocedal & Wright, Numerical
Optimization (2006), ch. 4 and 7; Conn, Gould & Toint, Trust-Region Methods (2000), ch. 7.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from solver.errors import TrialError
from solver.kernels import Array
from solver.objective import Objective
from solver.scaling import Iteration, Report, Scaling, Search, drifting, gained_lately, goes_far

NAME = "trust-region"
ITERATIONS = 200  # where the user does not say
FEW = 30  # unknowns up to which the Hessian is made whole
MOST_PRODUCTS = 200  # of one descent
FAR = 1e60  # where a descent of negative curvature ends
FORCING, EXACTLY = 0.1, 1e-13  # residual of a descent over the slope: at most, and where H is whole
FLAT = 1e-14  # curvature over the largest one met that is round-off
POOR, GOOD = 0.25, 0.75  # actual over predicted reduction
LONGEST = float(np.log(10.0))  # step in a logarithm
STEP_TOLERANCE = 1e-12  # relative length of a step that no longer moves the estimate
COSINE_TOLERANCE = 1e-10  # root of the share of J that Newton's step promises to take off
ARRIVED = 1e-6  # the same, or the relative length of that step, at which a search has arrived
REDUCTION_TOLERANCE = 1e-15  # relative reduction of J that is no longer one
RESTING = 1e-4  # of one reading's share of J, gained lately: less than noise will ever tell
MAX_REJECTIONS = 60


def trust_region(
    objective: Objective, start: Array, max_iterations: int | None, report: Report
) -> Search:
    """Newton's method; see the module's text."""
    scaling, most = Scaling(objective), max_iterations or ITERATIONS
    here = _Point.at(objective, scaling, scaling.to_z(start))
    model = _Model(here, np.zeros(start.size), 0.0)
    radius, history, status = float(np.linalg.norm(model.D)), [here.iteration(0)], "converged"
    report(history[0])
    while not model.stationary(radius):
        if len(history) > most:
            return Search(here.theta, "max_iterations", NAME, tuple(history))
        trial = _lower_point(model, radius)
        if trial.there is None:
            status = model.verdict() if trial.small else "stalled"
            break
        reduced = max(here.J - trial.there.J, trial.predicted)
        here, radius = trial.there, trial.radius
        model = _Model(here, model.D, model.steepest)
        history.append(here.iteration(len(history)))
        report(history[-1])
        if drifted := drifting(history, scaling, NAME, objective.data.size):
            return drifted
        share = here.J / objective.data.size  # of one reading
        rests = gained_lately(history) <= RESTING * share and not goes_far(history, scaling)
        if rests and model.newton.promised <= share:
            break  # at a kink of the model, where J is not stationary
        if trial.small or reduced <= REDUCTION_TOLERANCE * here.J:
            status = model.verdict()
            break
    return Search(here.theta, status, NAME, tuple(history))


@dataclass(frozen=True, eq=False)
class _Point:
    """J, and its gradient (p,) by the internal variables z; bend: dJ/dtheta d2theta/dz2."""

    objective: Objective
    scaling: Scaling
    z: Array
    theta: Array
    J: float
    gradient: Array
    bend: Array

    @classmethod
    def at(cls, objective: Objective, scaling: Scaling, z: Array) -> _Point:
        """J and its derivatives at z."""
        theta = scaling.to_theta(z)
        J, gradient = objective.value_and_gradient(theta)
        bend = np.where(scaling.logarithmic, gradient * theta, 0.0)
        return cls(objective, scaling, z, theta, J, gradient * scaling.slope(theta), bend)

    def curvature(self, v: Array) -> Array:
        """The Hessian by z times v (p,)."""
        size = float(np.max(np.abs(v), initial=0.0)) or 1.0  # the complex step is as long as v
        S, v = self.scaling.slope(self.theta), v / size
        return size * (S * self.objective.hessian_vector(self.theta, S * v) + self.bend * v)

    def free(self) -> Array:
        """Which variables do not press against a bound."""
        low, high = self.z <= self.scaling.lower, self.z >= self.scaling.upper
        return np.asarray(~((low & (self.gradient > 0)) | (high & (self.gradient < 0))))

    def after(self, step: Array) -> Array:
        """Where a step ends, within the bounds and without a leap in a logarithm."""
        longest = np.where(self.scaling.logarithmic, LONGEST, np.inf)
        z = self.z + np.clip(step, -longest, longest)
        return self.scaling.within(z)

    def iteration(self, number: int) -> Iteration:
        """The point as the history has it."""
        return Iteration(number, self.J, float(np.linalg.norm(self.gradient)), self.theta)


class _Model:
    """The second-order model about a point, by w = D s, of the variables that are free.

    D (p,) and `steepest`, the length of the longest gradient, are those of the points before. The
    descent is kept as far as it was asked for.
    """

    def __init__(self, point: _Point, D: Array, steepest: float) -> None:
        self.point, self.free, self.D = point, point.free(), np.ones(D.size)
        self._whole: Array | None = None
        if D.size <= FEW:
            H = np.stack([point.curvature(e) for e in np.eye(D.size)], axis=1)
            D = np.maximum(D, np.sqrt(np.abs(np.diagonal(H))))
            self._whole, self.D = H, np.where(D > 0.0, D, np.max(D) or 1.0)
        self.slope = np.where(self.free, point.gradient / self.D, 0.0)
        self.steepest = max(steepest, float(np.linalg.norm(self.D * self.slope)))
        self._path, self._descent = [np.zeros(D.size)], self._descend()

    def promised(self, w: Array) -> float:
        """By how much the model falls from the point to w."""
        return -float(self.slope @ w + 0.5 * w @ self._product(w))

    def lowest(self, radius: float) -> Array:
        """The end of the descent, or where it leaves the region."""
        for inside, beyond in pairwise(self._kept()):
            if np.linalg.norm(beyond) > radius:
                return _on_the_edge(inside, beyond, radius)
        return self._path[-1]

    @cached_property
    def newton(self) -> _Newton:
        """The model's minimum."""
        w = self.lowest(np.inf)
        if np.linalg.norm(w) > 0.5 * FAR:
            return _Newton(np.inf, np.inf)
        return _Newton(self.promised(w), float(np.linalg.norm(w)))

    def stationary(self, radius: float) -> bool:
        """Whether the model has its minimum in the region, and next to nothing to promise."""
        w = self.lowest(radius)
        inside = np.linalg.norm(w) < 0.999 * radius
        return bool(inside and self.promised(w) <= COSINE_TOLERANCE**2 * self.point.J)

    def verdict(self) -> str:
        """Whether a search that moves no more has arrived, or is only held up.

        It has arrived where Newton's step is short, or has next to nothing to promise.
        """
        newton, size = self.newton, np.linalg.norm(self.D * self.point.z)
        short = newton.length <= ARRIVED * size
        flat = newton.promised <= ARRIVED**2 * self.point.J
        return "converged" if short or flat else "stalled"

    def _kept(self) -> Iterator[Array]:
        """The descent from 0, walked only once."""
        yield from self._path
        for w in self._descent:
            self._path.append(w)
            yield w

    def _product(self, w: Array) -> Array:
        """The Hessian by w times w."""
        v = w / self.D
        Hv = self.point.curvature(v) if self._whole is None else self._whole @ v
        return np.asarray(np.where(self.free, Hv / self.D, 0.0))

    def _descend(self) -> Iterator[Array]:
        """The iterates w of the conjugate gradients after 0, the last of negative curvature `FAR`.

        They end where the residual is small enough, or what is left is flat.
        """
        w, r, d, stiffest = np.zeros_like(self.slope), self.slope, -self.slope, 0.0
        forcing = float(np.linalg.norm(self.D * r)) / (self.steepest or 1.0)
        enough = min(FORCING, forcing) if self._whole is None else EXACTLY
        enough *= float(np.linalg.norm(r))
        for _ in range(MOST_PRODUCTS if r.any() else 0):
            Hd, square = self._product(d), float(d @ d)
            curvature, flat = float(d @ Hd) / square, FLAT * stiffest
            if curvature <= flat:
                if curvature < -flat or stiffest == 0.0:
                    yield w + FAR / np.sqrt(square) * d
                return
            stiffest = max(stiffest, curvature)
            step = float(r @ r) / (curvature * square)
            w, last, r = w + step * d, r, r + step * Hd
            yield w
            if np.linalg.norm(r) <= enough:
                return
            d = float(r @ r) / float(last @ last) * d - r


@dataclass(frozen=True)
class _Newton:
    """By how much the model's minimum is lower, and how far it is; infinite where there is none."""

    promised: float
    length: float


def _on_the_edge(inside: Array, beyond: Array, radius: float) -> Array:
    """The point between them whose length is the radius."""
    d = beyond - inside
    a, b, c = float(d @ d), float(inside @ d), radius**2 - float(inside @ inside)
    share = c / (b + np.sqrt(b**2 + a * c))  # without cancellation, as b > 0
    return np.asarray(inside + share * d)


@dataclass(frozen=True, eq=False)
class _Trial:
    """A lower point (None: there is none), the next radius, what was predicted, if it was tiny."""

    there: _Point | None
    radius: float
    predicted: float
    small: bool


def _lower_point(model: _Model, radius: float) -> _Trial:
    """The first trial point that is better, the region shrunk until there is one."""
    here, D = model.point, model.D
    trial = _Trial(None, radius, 0.0, False)
    for _ in range(MAX_REJECTIONS):
        z = here.after(model.lowest(radius) / D)
        w = D * (z - here.z)
        length, predicted = float(np.linalg.norm(w)), model.promised(w)
        there = _try(here, z)
        ratio = -np.inf if there is None else _kept_promise(here, there, predicted)
        small = length <= STEP_TOLERANCE * np.linalg.norm(D * here.z)
        if ratio < POOR:
            radius = POOR * length
        elif ratio > GOOD:
            radius = max(radius, 2.0 * length)
        trial = _Trial(there if ratio > 0.0 else None, radius, predicted, bool(small))
        if trial.there is not None or small:
            break
    return trial


def _kept_promise(here: _Point, there: _Point, predicted: float) -> float:
    """Actual over predicted reduction of J.

    Where both are round-off of J, which then tells nothing, a gradient that is less speaks for the
    step (Conn, Gould & Toint, 17.4).
    """
    reduced, tiny = here.J - there.J, REDUCTION_TOLERANCE * here.J
    if max(abs(reduced), predicted) <= tiny:
        return 1.0 if np.linalg.norm(there.gradient) < np.linalg.norm(here.gradient) else 0.0
    return reduced / max(predicted, 1e-300)


def _try(here: _Point, z: Array) -> _Point | None:
    try:
        return _Point.at(here.objective, here.scaling, z)
    except TrialError:
        return None
