r"""An unknown defined by an equation: y(x) such that F(x, y) = 0, and its exact derivative.

Where F_y is regular, y is as smooth a function of x as F is, and with both partial Jacobians taken
at the root

    tangent   y_dot = -F_y^-1 F_x x_dot
    adjoint   x_bar = -F_x^T F_y^-T y_bar

however the root was found: no iteration is differentiated.

References: Krantz & Parks, The Implicit Function Theorem (Birkhäuser 2002); Griewank & Walther,
Evaluating Derivatives (SIAM 2008), ch. 15; Deuflhard, Newton Methods for Nonlinear Problems
(Springer 2011), ch. 3 (damping); Martins et al., ACM TOMS 29 (2003) 245-262 (complex step).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import lu_factor, lu_solve
from scipy.optimize import brentq

from solver.errors import SolverError
from solver.kernels import Array

EPSILON = float(np.finfo(np.float64).eps)
COMPLEX_STEP = 1e-40  # no cancellation, so it may be as small as it likes
HALVINGS = 60
HALF_THE_DIGITS = EPSILON**0.5
WORST_CONDITION = 1e12  # of F_y in any units: four digits of dy/dx are left
TURN = 0.25  # change of F_y, relative, within the root's own uncertainty; 1/2 at a double root
JUMP = 1e-6  # of F at the ends of a bracket: more of it left where the sign changes is no root

Function = Callable[[Any, Any], ArrayLike]


class InvalidEquation(SolverError):
    """F, a partial of it or an argument cannot be meant as it stands."""


class NoDerivative(SolverError):
    """F_y is singular at the root, or nearly: the equation does not define y(x) around it."""


class NoRoot(SolverError):
    """The search ended at no root: after `iteration` steps max |F| was `residual`."""

    def __init__(self, why: str, iteration: int, residual: float) -> None:
        self.iteration, self.residual = iteration, residual
        super().__init__(f"no root: {why} (iteration {iteration}, max |F| = {residual:.2e})")


@dataclass(frozen=True)
class Implicit:
    """The equation ``F(x, y) = 0``, x of shape () or (p,), F and y of shape () or (n,).

    The partials `F_x`, shape y.shape + x.shape, and `F_y`, shape y.shape + y.shape, are used as
    given. One that is not given comes from the complex step of F, which must then be analytic:
    made of NumPy's arithmetic and functions, without `abs`, `real`, `maximum` or conditions.

    >>> root = Implicit(lambda x, y: x**3 - (y**3 + y)).solve(1.0, start=1.0)
    >>> root.y, root.pull(1.0)  # y(1), and dy/dx = 3 x^2 / (3 y^2 + 1)

    Wrong shapes, and an F that is not analytic where it must be, raise InvalidEquation.
    """

    F: Function
    F_x: Function | None = None
    F_y: Function | None = None

    @np.errstate(all="ignore")  # a trial point that F cannot take is stepped back from
    def solve(
        self, x: ArrayLike, start: ArrayLike, *, tolerance: float = 1e-13, most: int = 100
    ) -> Root:
        """The root that Newton's method finds from `start` in `most` steps; raises NoRoot.

        A step is halved until F, its rows weighed by those of F_y, falls. At the root every row has
        ``|F_i| <= tolerance sum_j |F_y,ij y_j|``, or is at round-off and falls no further. An x
        that carries a complex step gets one step more, for the imaginary part of y lags behind.
        """
        x, y = _vector(x, "x"), _vector(start, "start", real=True)
        self._demand_analytic(x.real, y)
        y = y.astype(np.result_type(x, y))
        F, residuals = self._value(x, y), list[float]()
        for taken in count():
            residuals.append(float(np.max(np.abs(F))))
            F_y = self._by_y(x.real, y.real)
            if np.all(np.abs(F) <= tolerance * (np.abs(F_y) @ np.abs(y).ravel())):
                break
            if taken == most:
                raise NoRoot("not found in so many steps", taken, residuals[-1])
            lower = self._lower(x, y, F, F_y)
            if lower is None:
                if np.all(np.abs(F) <= self._round_off(x.real, y.real)):
                    break
                raise NoRoot("no step lowers F, or F_y is singular", taken, residuals[-1])
            y, F = lower
        if np.iscomplexobj(x):
            y = y + _newton_step(F_y, F).reshape(y.shape)
            residuals.append(float(np.max(np.abs(self._value(x, y)))))
        return Root(self, x[()], y[()], len(residuals) - 1, np.array(residuals))

    def bracket(self, x: ArrayLike, low: float, high: float) -> Root:
        """The root of a scalar y between `low` and `high`, by Brent's method; x is real.

        Raises NoRoot where F has the same sign at both ends, or jumps over zero.
        """
        x, residuals = _vector(x, "x", real=True), list[float]()
        if not -np.inf < low < high < np.inf:
            raise InvalidEquation(f"a bracket has two ends in order, not {low} and {high}")

        def F(y: float) -> float:
            value = float(self._value(x, np.array(y))[0])
            residuals.append(abs(value))
            return value

        ends = F(low), F(high)
        if not np.prod(np.sign(ends)) <= 0.0:
            why = f"no change of sign, F({low:g}) = {ends[0]:.3g} and F({high:g}) = {ends[1]:.3g}"
            raise NoRoot(why, 0, min(residuals))
        xtol = EPSILON * max(abs(low), abs(high))
        y, found = brentq(F, low, high, xtol=xtol, rtol=4 * EPSILON, maxiter=999, full_output=True)
        if not abs(F(y)) <= JUMP * max(residuals[:2]):
            raise NoRoot(f"F jumps over zero at y = {y:.6g}", found.iterations, residuals[-1])
        return Root(self, x[()], np.array(y)[()], found.iterations, np.array(residuals))

    @np.errstate(all="ignore")
    def _value(self, x: Array, y: Array) -> Array:
        """F as a vector."""
        F = _shaped(self.F(x[()], y[()]), y.shape, "F").ravel()
        if np.iscomplexobj(F) != np.iscomplexobj(y):
            kinds = ("complex", "real") if np.iscomplexobj(y) else ("real", "complex")
            raise InvalidEquation("F of {} x and y is {}: it is not analytic".format(*kinds))
        return F

    def _by_x(self, x: Array, y: Array) -> Array:
        """F_x as a matrix."""
        if self.F_x is None:
            return _complex_step(lambda moved: self._value(moved, y + 0j), x)
        return _shaped(self.F_x(x[()], y[()]), y.shape + x.shape, "F_x").reshape(y.size, x.size)

    def _by_y(self, x: Array, y: Array) -> Array:
        """F_y as a matrix."""
        if self.F_y is None:
            return _complex_step(lambda moved: self._value(x + 0j, moved), y)
        return _shaped(self.F_y(x[()], y[()]), y.shape + y.shape, "F_y").reshape(y.size, y.size)

    @np.errstate(all="ignore")
    def _demand_analytic(self, x: Array, y: Array) -> None:
        """The complex step along one direction against differences, which show what it drops.

        Only differences that agree with each other accuse.
        """
        if self.F_x is not None and self.F_y is not None:
            return
        at = np.concatenate([x.ravel(), y.ravel()])
        v = np.where(at == 0.0, 1.0, at) * np.cos(1.0 + np.arange(at.size))  # no ray of roots

        def along(h: complex) -> Array:
            moved_x, moved_y = np.split(at + h * v, [x.size])
            return self._value(moved_x.reshape(x.shape), moved_y.reshape(y.shape))

        claimed = along(1j * COMPLEX_STEP).imag / COMPLEX_STEP
        coarse, fine = ((along(h) - along(-h)) / (2.0 * h) for h in (1e-4, 1e-5))
        noise = 1e7 * EPSILON * np.abs(along(0.0))
        doubt = 10.0 * np.abs(coarse - fine) + 1e-5 * np.abs(fine) + noise
        if np.any(np.abs(claimed - fine) > doubt):
            raise InvalidEquation("F drops imaginary parts: make it analytic, or give F_x and F_y")

    def _lower(self, x: Array, y: Array, F: Array, F_y: Array) -> tuple[Array, Array] | None:
        """The first of ``y + step / 2^k`` with a lower F, and F there; None when there is none."""
        step = _newton_step(F_y, F).reshape(y.shape)
        if not np.isfinite(step).all():
            return None
        weights = 1.0 / np.linalg.norm(F_y, axis=1)  # so that the units of the rows do not matter
        for k in range(HALVINGS):
            F_there = self._value(x, y + step / 2.0**k)
            if np.linalg.norm(weights * F_there) < np.linalg.norm(weights * F):
                return y + step / 2.0**k, F_there
        return None

    def _round_off(self, x: Array, y: Array) -> Array:
        """The level of F's round-off: what is not linear in changes of half the digits."""
        F, F_x, F_y = self._value(x, y), self._by_x(x, y), self._by_y(x, y)
        rng, beyond = np.random.default_rng(0), []
        for _ in range(8):
            dx, dy = (HALF_THE_DIGITS * v * rng.uniform(-1.0, 1.0, v.shape) for v in (x, y))
            linear = F + F_x @ np.ravel(dx) + F_y @ np.ravel(dy)
            beyond.append(np.abs(self._value(x + dx, y + dy) - linear))
        return np.asarray(np.max(beyond, axis=0))


@dataclass(frozen=True, eq=False)
class Root:
    """``F(x, y) = 0`` solved; `residuals` holds max |F| of every step, from the start to the root.

    `push`, `pull` and `jacobian` raise NoDerivative where F_y is singular or nearly so.
    """

    equation: Implicit
    x: Array
    y: Array
    iterations: int
    residuals: Array

    @property
    def residual(self) -> float:
        """What max |F| is at the root."""
        return float(self.residuals[-1])

    def push(self, x_dot: ArrayLike) -> Array:
        """The tangent ``y_dot = -F_y^-1 F_x x_dot``: x_dot of x's shape, y_dot of y's (JVP)."""
        F_x, factors = self._linearised
        F_dot = F_x @ _shaped(x_dot, self.x.shape, "x_dot").ravel()
        return np.asarray(-lu_solve(factors, F_dot)).reshape(self.y.shape)[()]

    def pull(self, y_bar: ArrayLike) -> Array:
        """The adjoint ``x_bar = -F_x^T F_y^-T y_bar``: y_bar of y's shape, x_bar of x's (VJP)."""
        F_x, factors = self._linearised
        F_bar = -lu_solve(factors, _shaped(y_bar, self.y.shape, "y_bar").ravel(), trans=1)
        return np.asarray(F_x.T @ F_bar).reshape(self.x.shape)[()]

    def jacobian(self) -> Array:
        """dy/dx, shape y.shape + x.shape."""
        F_x, factors = self._linearised
        return np.asarray(-lu_solve(factors, F_x)).reshape(self.y.shape + self.x.shape)[()]

    @cached_property
    def _linearised(self) -> tuple[Array, tuple[Array, Array]]:
        """F_x, and the factors of F_y, at the real parts of the root."""
        equation, x, y = self.equation, self.x.real, self.y.real
        equation._demand_analytic(x, y)
        F_y = equation._by_y(x, y)
        if not (condition := _condition(F_y)) < WORST_CONDITION:
            raise NoDerivative(f"F_y is singular at the root: condition number {condition:.1e}")
        factors = lu_factor(F_y)
        step = -lu_solve(factors, equation._value(x, y)).reshape(y.shape)
        # A double root is found no better than to the root of round-off, and F_y neither.
        unsure = step + np.copysign(HALF_THE_DIGITS * np.abs(y), step)
        nearby = equation._by_y(x, y + unsure)
        turned = np.linalg.eigvals(lu_solve(factors, nearby)) if np.isfinite(nearby).all() else 0.0
        if not np.max(np.abs(turned - 1.0)) < TURN:
            raise NoDerivative("F_y is singular next to the root, or the root is not solved for")
        return equation._by_x(x, y), factors


def _vector(value: ArrayLike, name: str, *, real: bool = False) -> Array:
    array = np.asarray(value)
    if array.ndim > 1 or array.size == 0 or (real and np.iscomplexobj(array)):
        kind = "real number or vector" if real else "number or vector"
        raise InvalidEquation(f"{name} must be a {kind}, not {array.dtype} of shape {array.shape}")
    return array.astype(np.complex128 if np.iscomplexobj(array) else np.float64)


def _shaped(value: ArrayLike, shape: tuple[int, ...], name: str) -> Array:
    if (array := np.asarray(value)).shape != shape:
        raise InvalidEquation(f"{name} must have the shape {shape}, not {array.shape}")
    return array


def _complex_step(function: Callable[[Array], Array], at: Array) -> Array:
    moves = 1j * COMPLEX_STEP * np.eye(at.size).reshape(-1, *at.shape)
    return np.stack([function(at + move).imag / COMPLEX_STEP for move in moves], axis=-1)


def _newton_step(F_y: Array, F: Array) -> Array:
    """``-F_y^-1 F``; NaN where F_y is singular."""
    try:
        return np.asarray(np.linalg.solve(F_y, -F))
    except np.linalg.LinAlgError:
        return np.full_like(F, np.nan)


@np.errstate(all="ignore")
def _condition(F_y: Array) -> float:
    """The condition number of F_y, its rows and columns scaled to size 1."""
    scaled = F_y / np.max(np.abs(F_y), axis=1, keepdims=True)
    scaled = scaled / np.max(np.abs(scaled), axis=0)
    return float(np.linalg.cond(scaled)) if np.isfinite(scaled).all() else np.inf
