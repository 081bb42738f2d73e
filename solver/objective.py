r"""The misfit J(theta) of a study, its gradient and its Jacobian products.

With the readings y of every experiment (`solver.model`), weighted residuals r = (y - d) / sigma,
the loss's s(r) and the penalties' p(theta),

    J = s^T s + p^T p,    dJ/dtheta = 2 (dy/dtheta)^T (s' s / sigma) + 2 (dp/dtheta)^T p,

so J is a sum of squares of one stacked residual R(theta) = (s, p), whatever the loss and the prior.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from itertools import pairwise
from typing import Any

import numpy as np

from solver import kernels
from solver.checkpoints import MEMORY
from solver.errors import TrialError
from solver.experiment import Experiment, Study
from solver.kernels import Array
from solver.losses import HUBER, LOSSES, Shaped
from solver.march import Pulse
from solver.model import Model, no_pulse
from solver.parameters import Parameters
from solver.penalties import Penalty, curves_to_smooth, knots_of, prior_of, smoothing_of
from solver.validation import validate

TINY = 1e-20  # of the complex step, in units of theta's sizes


class Objective:
    """All experiments' models and the misfit, evaluated at parameter vectors theta (p,).

    Raises InvalidExperiment when the study makes no sense, and from every evaluation TrialError
    where a model has no finite answer. `pulse` runs at least every 0.2 s of marching and may raise
    to stop it. A study that is known to make sense is `valid`. Holds buffers: one object serves one
    thread at a time.
    """

    def __init__(
        self,
        study: Study,
        *,
        valid: bool = False,
        pulse: Pulse = no_pulse,
        memory: int | None = None,
    ) -> None:
        if not valid:
            validate(study)
        memory = memory or study.fit.memory or MEMORY
        self.study = study
        self.pulse = pulse
        self.parameters = Parameters.of(study)
        self._unit = np.eye(self.parameters.size)
        self._unit.setflags(write=False)
        self.models = tuple(
            Model(e, self.parameters, place=study.place(i), pulse=pulse, memory=memory)
            for i, e in enumerate(study.experiments)
        )
        ends = np.cumsum([0, *(model.observation.count for model in self.models)])
        self.experiment_rows = [slice(int(a), int(b)) for a, b in pairwise(ends)]
        parts = [_data(experiment) for experiment in study.experiments]
        self.data = np.concatenate([d for d, _ in parts])
        self.weights = np.concatenate([w for _, w in parts])
        self._twice_weights = 2.0 * self.weights
        self._loss = LOSSES[study.fit.loss]
        self._threshold = HUBER if study.fit.threshold is None else study.fit.threshold
        self.prior = prior_of(study, self.parameters)
        samples = curves_to_smooth(study, self.parameters)
        self.curves: dict[str, Any] = {name: s.curve for name, s in samples.items()}
        self.variables = {name: s.of for name, s in samples.items()}
        self.knots = {name: knots_of(curve) for name, curve in self.curves.items()}
        self._remembered: dict[Any, Any] | None = None
        self._hold({})

    def smooth(self, weights: dict[str, float]) -> None:
        """Hold the unknown curves smooth from now on, by these weights."""
        if weights != self.smoothing_weights:
            self._hold(weights)

    def _hold(self, weights: dict[str, float]) -> None:
        self.smoothing_weights = weights
        self.smoothing = smoothing_of(self.curves, weights, self.study, self.parameters)
        self._penalties: tuple[Penalty, ...] = tuple(
            penalty for penalty in (self.prior, self.smoothing) if penalty.rows
        )
        if self._remembered is not None:
            self._remembered.clear()

    def with_data(self, data: Array) -> Objective:
        """The same with other readings d (M,). It has the models in common, and so the buffers."""
        other = copy(self)
        other.data, other._remembered = data, None
        return other

    @property
    def rows(self) -> int:
        """The length of the stacked residual R."""
        return self.data.size + sum(penalty.rows for penalty in self._penalties)

    @property
    def sensor_rows(self) -> list[slice]:
        """The readings of each sensor, experiment after experiment."""
        return [
            slice(rows.start + s.start, rows.start + s.stop)
            for rows, model in zip(self.experiment_rows, self.models, strict=True)
            for s in model.observation.slices
        ]

    # --- the readings ---------------------------------------------------------------------------

    def predict(self, theta: Array) -> Array:
        """The readings y (M,); a complex theta passes through the same code (complex step)."""
        return stacked([model.predict(theta) for model in self.models])

    def jvp(self, theta: Array, directions: Array) -> Array:
        """dy/dtheta times `directions`: (p,) gives (M,), (p, q) gives (M, q). Tangent marches."""
        y_dot = self._push_forward(theta, directions.reshape(theta.size, -1).T)[1]
        return np.asarray(y_dot.reshape(-1, *directions.shape[1:]))

    def vjp(self, theta: Array, readings_bar: Array) -> Array:
        """(dy/dtheta)^T times `readings_bar` (M,), shape (p,). One adjoint march."""
        theta_bar = np.zeros(theta.size)
        for model, rows in zip(self.models, self.experiment_rows, strict=True):
            theta_bar += model.pull_back(model.forward(theta)[1], readings_bar[rows])
        return theta_bar

    def jacobian(self, theta: Array) -> Array:
        """dy/dtheta (M, p), by tangent marches."""
        return self.linearise(theta)[1]

    def weighted(self, y: Array) -> Array:
        """r = (y - d) / sigma, (M,); sigma is 1 where none is given."""
        r: Array = (y - self.data) * self.weights
        return r

    def shaped(self, y: Array) -> Shaped:
        """The residuals as the loss counts them."""
        return self._loss(self.weighted(y), self._threshold)

    # --- the misfit -----------------------------------------------------------------------------

    def value(self, theta: Array) -> float:
        """J."""
        return _sum_of_squares(self.residuals(theta))

    def value_and_gradient(self, theta: Array) -> tuple[float, Array]:
        """J and dJ/dtheta (p,), by one forward and one adjoint march of every experiment.

        A complex theta (complex step) gives the real part of J, and the complex gradient.
        """
        if self._remembered is None:
            return self._value_and_gradient(theta)
        found: tuple[float, Array] = self._once(self._value_and_gradient, theta)
        return found

    def _value_and_gradient(self, theta: Array) -> tuple[float, Array]:
        passes = [model.forward(theta) for model in self.models]
        J, y_bar, gradient = self.cotangents(theta, stacked([y for y, _ in passes]))
        for model, (_, trace), rows in zip(self.models, passes, self.experiment_rows, strict=True):
            gradient += model.pull_back(trace, y_bar[rows])
        return J, gradient

    def cotangents(self, theta: Array, y: Array) -> tuple[float, Array, Array]:
        """J, its cotangent of the readings y (M,) at theta, and of theta (p,) by the penalties."""
        shaped, theta_bar = self.shaped(y), np.zeros(theta.size, theta.dtype)
        residuals = [shaped.s]
        for penalty in self._penalties:
            residuals.append(penalty.residuals(theta))
            theta_bar += 2.0 * penalty.pull(theta, residuals[-1])
        J = _sum_of_squares(stacked(residuals))
        return J, shaped.s * shaped.slope * self._twice_weights, theta_bar

    def hessian_vector(self, theta: Array, v: Array) -> Array:
        """The Hessian of J times v (p,): the complex step of the gradient, exact to round-off."""
        _, gradient = self.value_and_gradient(theta + 1j * TINY * v)
        return np.asarray(gradient.imag / TINY)

    def hessian(self, theta: Array) -> Array:
        """The Hessian (p, p) of J, column by column."""
        columns = [self.hessian_vector(theta, e) for e in np.diag(self.parameters.sizes(theta))]
        return np.stack(columns, axis=1) / self.parameters.sizes(theta)

    @property
    def newton_residual(self) -> float | None:
        """The largest relative change that Newton's iterations left undone in the last marches.

        None where no matter changes with temperature.
        """
        left = [model.bar.newton_residual for model in self.models]
        return max((r for r in left if r is not None), default=None)

    def terms(self, theta: Array, y: Array) -> dict[str, float]:
        """What J is made of, y being the readings at theta."""
        return {
            "data": _sum_of_squares(self.shaped(y).s),
            "prior": _sum_of_squares(self.prior.residuals(theta)),
            "smoothing": _sum_of_squares(self.smoothing.residuals(theta)),
        }

    def residuals(self, theta: Array) -> Array:
        """The stacked residual R (M + penalties,); J is the sum of its squares."""
        s = self.shaped(self.predict(theta)).s
        return stacked([s, *[p.residuals(theta) for p in self._penalties]])

    def residuals_and_jacobian(self, theta: Array) -> tuple[Array, Array]:
        """R and dR/dtheta (M + penalties, p), by tangent marches."""
        return self.as_residuals(theta, *self.linearise(theta))

    def as_residuals(self, theta: Array, y: Array, y_dot: Array) -> tuple[Array, Array]:
        """R and dR/dtheta from the readings y (M,) at theta and dy/dtheta (M, p)."""
        shaped = self.shaped(y)
        _sum_of_squares(shaped.s)  # or there is no answer
        jacobian = y_dot * (shaped.slope * self.weights)[:, None]
        return self.with_penalties(theta, shaped.s, jacobian)

    def linearise(self, theta: Array) -> tuple[Array, Array]:
        """The readings y (M,) and dy/dtheta (M, p), by tangent marches."""
        if self._remembered is None:
            return self._linearise(theta)
        found: tuple[Array, Array] = self._once(self._linearise, theta)
        return found

    @contextmanager
    def remembering(self) -> Iterator[None]:
        """Here `linearise` and `value_and_gradient` are evaluated once at every theta."""
        self._remembered = {}
        try:
            yield
        finally:
            self._remembered = None

    def _once(self, evaluate: Callable[[Array], Any], theta: Array) -> Any:
        assert self._remembered is not None
        key = evaluate.__name__, theta.dtype, theta.tobytes()
        if key not in self._remembered:
            self._remembered[key] = evaluate(theta)
        return self._remembered[key]

    def _linearise(self, theta: Array) -> tuple[Array, Array]:
        return self._push_forward(theta, self._unit)

    def with_penalties(self, theta: Array, s: Array, jacobian: Array) -> tuple[Array, Array]:
        """The penalties' rows below those of the readings."""
        if not self._penalties:
            return s, jacobian
        residuals = [p.residuals(theta) for p in self._penalties]
        rows = [p.jacobian(theta).toarray() for p in self._penalties]
        return stacked([s, *residuals]), stacked([jacobian, *rows])

    def push(self, theta: Array, direction: Array) -> Array:
        """dR/dtheta times `direction` (p,)."""
        y, y_dot = self._push_forward(theta, direction[None, :])
        s_dot = self.shaped(y).slope * self.weights * y_dot[:, 0]
        rows = [p.jacobian(theta) @ direction for p in self._penalties]
        return stacked([s_dot, *rows])

    def pull(self, theta: Array, residuals_bar: Array) -> Array:
        """(dR/dtheta)^T times `residuals_bar` (M + penalties,)."""
        theta_bar, rest = np.zeros(theta.size), residuals_bar[self.data.size :]
        for model, rows in zip(self.models, self.experiment_rows, strict=True):
            y, trace = model.forward(theta)
            weights = self.weights[rows]
            slope = self._loss((y - self.data[rows]) * weights, self._threshold).slope
            theta_bar += model.pull_back(trace, residuals_bar[rows] * slope * weights)
        for penalty in self._penalties:
            here, rest = rest[: penalty.rows], rest[penalty.rows :]
            theta_bar += penalty.pull(theta, here)
        return theta_bar

    def _push_forward(self, theta: Array, directions: Array) -> tuple[Array, Array]:
        parts = [model.push_forward(theta, directions) for model in self.models]
        return stacked([y for y, _ in parts]), stacked([y_dot for _, y_dot in parts])


def stacked(parts: Sequence[Array]) -> Array:
    """One below the other."""
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _sum_of_squares(r: Array) -> float:
    J: float = kernels.sum_of_squares(r)
    if not math.isfinite(J):
        raise TrialError((), "not_finite", "the misfit is not a finite number")
    return J


def _data(experiment: Experiment) -> tuple[Array, Array]:
    """All readings d (M,) and their weights 1/sigma (M,), sensor after sensor."""
    d, weights = [np.zeros(0)], [np.zeros(0)]
    for sensor in experiment.sensors:
        if sensor.temperatures is not None:
            sigma = np.broadcast_to(
                1.0 if sensor.sigma is None else sensor.sigma, sensor.present.shape
            )
            d.append(sensor.temperatures[sensor.present])
            weights.append(1.0 / sigma[sensor.present])
    return np.concatenate(d), np.concatenate(weights)
