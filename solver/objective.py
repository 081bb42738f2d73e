r"""The misfit J(theta), its gradient and Jacobian products: where the chain is composed.

    theta -> curves -> coefficients -> field at the read nodes -> readings y -> r = (y - d) / sigma

    J = r^T r,    dJ/dtheta = 2 (dy/dtheta)^T (r / sigma)

Every link has its tangent and its transpose next to it in its own module; here they are called in
order, and in reverse order. All derivatives are exact for the discrete scheme.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from solver.assemble import Assembly
from solver.curves import Unknown
from solver.errors import TrialError
from solver.experiment import Experiment
from solver.integrators import TABLEAUX
from solver.kernels import Array
from solver.march import DIRECTIONS, MEMORY, Coefficients, LinearMarch, Pulse
from solver.observe import Observation, observe
from solver.validation import validate


def no_pulse() -> None:
    """The pulse of a march that nobody watches."""


@dataclass(frozen=True)
class Parameters:
    """The unknowns of an experiment in the order of theta."""

    unknowns: tuple[Unknown, ...]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(u.name for u in self.unknowns)

    @cached_property
    def start(self) -> Array:
        """Where the search starts, (p,)."""
        return np.array([u.start for u in self.unknowns], dtype=np.float64)

    @cached_property
    def lower(self) -> Array:
        """Lower bounds, (p,)."""
        return np.array([u.lower for u in self.unknowns], dtype=np.float64)

    @cached_property
    def upper(self) -> Array:
        """Upper bounds, (p,)."""
        return np.array([u.upper for u in self.unknowns], dtype=np.float64)

    @cached_property
    def magnitudes(self) -> Array:
        """Typical sizes, (p,): |start|, else the width of the bounds, else 1."""
        width = self.upper - self.lower
        return np.where(
            self.start != 0.0, np.abs(self.start), np.where(np.isfinite(width), width, 1.0)
        )

    def sizes(self, theta: Array) -> Array:
        """What a relative change is relative to, (p,): max(|theta|, |start|), never zero."""
        sizes = np.maximum(np.abs(theta), np.abs(self.start))
        return np.where(sizes > 0.0, sizes, self.magnitudes)

    @cached_property
    def logarithmic(self) -> Array:
        """Which are searched for in the logarithm, (p,) bool."""
        return np.array([u.scale == "log" for u in self.unknowns], dtype=bool)


class Objective:
    """One experiment's model and misfit, evaluated at parameter vectors theta (p,).

    Raises InvalidExperiment when the experiment makes no sense, and from every evaluation
    TrialError where the model has no finite answer. `pulse` runs at least every 0.2 s of marching
    and may raise to stop it. Holds buffers: one object serves one thread at a time.
    """

    def __init__(
        self,
        experiment: Experiment,
        *,
        observation: Observation | None = None,
        pulse: Pulse = no_pulse,
        memory: int = MEMORY,
    ) -> None:
        validate(experiment)
        self.experiment = experiment
        self.pulse = pulse
        named = {u.name: u for _, u in reversed(experiment.unknowns)}
        self.assembly = Assembly(experiment)
        self.parameters = Parameters(tuple(named[name] for name in self.assembly.names))
        self.observation = observation or observe(experiment)
        self.data, self.weights = _data(experiment)
        grid, states = experiment.grid, self.assembly.states
        nodes = self.observation.nodes
        self._marched = (nodes >= states.start) & (nodes < states.stop)
        self._all_marched = bool(self._marched.all())
        self._march = LinearMarch(
            TABLEAUX[experiment.time.method],
            grid.dt,
            grid.steps,
            nodes[self._marched] - states.start,
            memory=memory,
            pulse=pulse,
        )

    def predict(self, theta: Array) -> Array:
        """The readings y (M,); a complex theta passes through the same code (complex step)."""
        values = self.assembly.values(theta)
        readings = self._march.forward(self.assembly.coefficients(values))
        return self._finite(self.observation.apply(self._field(values, readings)))

    def residuals(self, theta: Array) -> Array:
        """r = (y - d) / sigma, (M,); sigma is 1 where none is given."""
        return (self.predict(theta) - self.data) * self.weights

    def residuals_and_jacobian(self, theta: Array) -> tuple[Array, Array]:
        """r (M,) and R = dr/dtheta (M, p), by one tangent march for up to `DIRECTIONS` unknowns."""
        y, jacobian = self._push_forward_in_chunks(theta, np.eye(theta.size))
        return (y - self.data) * self.weights, jacobian * self.weights[:, None]

    def value(self, theta: Array) -> float:
        """J = r^T r."""
        return self._sum_of_squares(self.residuals(theta))

    def value_and_gradient(self, theta: Array) -> tuple[float, Array]:
        """J and dJ/dtheta (p,), by one forward and one adjoint march."""
        values = self.assembly.values(theta)
        coefficients = self.assembly.coefficients(values)
        readings = self._march.forward(coefficients, keep=True)
        y = self._finite(self.observation.apply(self._field(values, readings)))
        r = (y - self.data) * self.weights
        J = self._sum_of_squares(r)
        return J, self._pull_back(theta, coefficients, 2.0 * r * self.weights)

    def jvp(self, theta: Array, directions: Array) -> Array:
        """dy/dtheta times `directions`: (p,) gives (M,), (p, q) gives (M, q). Tangent marches."""
        rows = directions.reshape(theta.size, -1).T
        y_dot = self._push_forward_in_chunks(theta, rows)[1]
        return y_dot.reshape(-1, *directions.shape[1:])

    def vjp(self, theta: Array, readings_bar: Array) -> Array:
        """(dy/dtheta)^T times `readings_bar` (M,), shape (p,). One adjoint march."""
        coefficients = self.assembly.coefficients(self.assembly.values(theta))
        self._march.forward(coefficients, keep=True)
        return self._pull_back(theta, coefficients, readings_bar)

    def jacobian(self, theta: Array) -> Array:
        """dy/dtheta (M, p), by tangent marches."""
        return self.jvp(theta, np.eye(theta.size))

    def _push_forward_in_chunks(self, theta: Array, directions: Array) -> tuple[Array, Array]:
        """Readings y (M,) and their derivatives (M, q) along `directions` (q, p)."""
        starts = range(0, directions.shape[0], DIRECTIONS)
        parts = [self._push_forward(theta, directions[j : j + DIRECTIONS]) for j in starts]
        if not parts:
            return self.predict(theta), np.zeros((self.data.size, 0))
        return parts[0][0], np.hstack([y_dot for _, y_dot in parts])

    def _push_forward(self, theta: Array, directions: Array) -> tuple[Array, Array]:
        values = self.assembly.values(theta)
        values_dot = self.assembly.values_dot(theta, directions)
        q = directions.shape[0]
        marched, marched_dot = self._march.tangent(
            self.assembly.coefficients(values), self.assembly.coefficients_dot(values_dot, q)
        )
        field, field_dot = self._field(values, marched), marched_dot
        if not self._all_marched:
            field_dot = np.zeros((q, *field.shape))
            field_dot[:, :, self._marched] = marched_dot
            self.assembly.set_pinned(values_dot, field_dot, self.observation.nodes)
        y, y_dot = self.observation.apply(field), self.observation.apply(field_dot)
        return self._finite(y), self._finite(y_dot)

    def _pull_back(self, theta: Array, coefficients: Coefficients, readings_bar: Array) -> Array:
        field_bar = self.observation.transpose(readings_bar)
        bar = self._march.adjoint(
            coefficients,
            np.ascontiguousarray(field_bar[:, self._marched]),
            profiles=self.assembly.wants_profiles,
            histories=self.assembly.wants_histories,
        )
        values_bar = self.assembly.values_bar(bar)
        if not self._all_marched:
            self.assembly.pinned_bar(values_bar, field_bar, self.observation.nodes)
        return self._finite(self.assembly.theta_bar(theta, values_bar))

    def _field(self, values: dict[tuple[str | int, ...], Array], readings: Array) -> Array:
        """The field at the read nodes (m + 1, Q): marched ones and pinned ones."""
        readings = readings + self.assembly.reference
        if self._all_marched:
            return readings
        dtype = np.result_type(readings, *values.values())
        field = np.zeros((readings.shape[0], self.observation.nodes.size), dtype)
        field[:, self._marched] = readings
        self.assembly.set_pinned(values, field, self.observation.nodes)
        return field

    def _sum_of_squares(self, r: Array) -> float:
        with np.errstate(over="ignore"):
            return float(self._finite(r @ r))

    def _finite(self, array: Array) -> Array:
        if not np.isfinite(array).all():
            detail = "computed temperatures, their misfit or a derivative are not finite numbers"
            raise TrialError((), "not_finite", detail)
        return array


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
