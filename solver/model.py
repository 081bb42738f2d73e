r"""One experiment's model y(theta): where the chain is composed, forward and backward.

    theta -> curves -> coefficients -> field at the read nodes -> readings y

Every link has its tangent and its transpose next to it in its own module; here they are called in
order, and in reverse order. All derivatives are exact for the discrete scheme.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from solver.assemble import Assembly
from solver.errors import Place, TrialError
from solver.experiment import Experiment
from solver.kernels import Array
from solver.march import DIRECTIONS, MEMORY, Coefficients, LinearMarch, Pulse
from solver.observe import Observation, observe
from solver.parameters import Parameters
from solver.values import Values


def no_pulse() -> None:
    """The pulse of a march that nobody watches."""


@dataclass(frozen=True, eq=False)
class Trace:
    """What the way back needs of the way forward."""

    theta: Array
    values: Values
    coefficients: Coefficients


class Model:
    """The readings of one experiment at parameter vectors theta (p,), and their derivatives.

    Every evaluation raises TrialError where the model has no finite answer; `place` is where the
    experiment stands in its study. Holds buffers: one object serves one thread at a time.
    """

    def __init__(
        self,
        experiment: Experiment,
        parameters: Parameters,
        *,
        observation: Observation | None = None,
        place: Place = (),
        pulse: Pulse = no_pulse,
        memory: int = MEMORY,
    ) -> None:
        self.experiment = experiment
        self.place = place
        self.assembly = Assembly(experiment, parameters)
        self.observation = observation or observe(experiment)
        grid, states, nodes = experiment.grid, self.assembly.states, self.observation.nodes
        self._marched = (nodes >= states.start) & (nodes < states.stop)
        self._all_marched = bool(self._marched.all())
        probes = nodes[self._marched] - states.start
        self._march = LinearMarch(
            grid.tableau, grid.dt, grid.steps, probes, memory=memory, pulse=pulse
        )

    def predict(self, theta: Array) -> Array:
        """The readings y (M,); a complex theta passes through the same code (complex step)."""
        values = self._values(theta)
        readings = self._march.forward(self.assembly.coefficients(values))
        return self.finite(self.observation.apply(self._field(values, readings)))

    def forward(self, theta: Array) -> tuple[Array, Trace]:
        """The readings y (M,), and what `pull_back` needs; good until the next call."""
        values = self._values(theta)
        coefficients = self.assembly.coefficients(values)
        readings = self._march.forward(coefficients, keep=True)
        y = self.finite(self.observation.apply(self._field(values, readings)))
        return y, Trace(theta, values, coefficients)

    def pull_back(self, trace: Trace, readings_bar: Array) -> Array:
        """(dy/dtheta)^T times `readings_bar` (M,), shape (p,). One adjoint march."""
        if not readings_bar.size:
            return np.zeros(trace.theta.size)
        field_bar = self.observation.transpose(readings_bar)
        bar = self._march.adjoint(
            trace.coefficients,
            np.ascontiguousarray(field_bar[:, self._marched]),
            profiles=self.assembly.wants_profiles,
            histories=self.assembly.wants_histories,
        )
        values_bar = self.assembly.values_bar(trace.values, bar)
        if not self._all_marched:
            self.assembly.pinned_bar(values_bar, field_bar, self.observation.nodes)
        return self.finite(self.assembly.curves.bar(trace.theta, values_bar))

    def push_forward(self, theta: Array, directions: Array) -> tuple[Array, Array]:
        """Readings y (M,) and their derivatives (M, q) along `directions` (q, p).

        `DIRECTIONS` of them march together; those that this experiment does not feel do not march.
        """
        y_dot = np.zeros((self.observation.matrix.shape[0], directions.shape[0]))
        felt = np.flatnonzero(directions[:, self.assembly.curves.felt].any(axis=1))
        if felt.size == 0:
            return self.predict(theta), y_dot
        for first in range(0, felt.size, DIRECTIONS):
            rows = felt[first : first + DIRECTIONS]
            y, y_dot[:, rows] = self._push_forward(theta, directions[rows])
        return y, y_dot

    def finite(self, array: Array) -> Array:
        """The array, or TrialError where an entry is not a finite number."""
        if not np.isfinite(array).all():
            detail = "computed temperatures, their misfit or a derivative are not finite numbers"
            raise TrialError(self.place, "not_finite", detail)
        return array

    def _push_forward(self, theta: Array, directions: Array) -> tuple[Array, Array]:
        values = self._values(theta)
        values_dot = self.assembly.curves.dot(theta, directions)
        q = directions.shape[0]
        marched, marched_dot = self._march.tangent(
            self.assembly.coefficients(values),
            self.assembly.coefficients_dot(values, values_dot, q),
        )
        field, field_dot = self._field(values, marched), marched_dot
        if not self._all_marched:
            field_dot = np.zeros((q, *field.shape))
            field_dot[:, :, self._marched] = marched_dot
            self.assembly.set_pinned(values_dot, field_dot, self.observation.nodes)
        y, y_dot = self.observation.apply(field), self.observation.apply(field_dot)
        return self.finite(y), self.finite(y_dot)

    def _values(self, theta: Array) -> dict[Place, Array]:
        try:
            return self.assembly.curves.at(theta)
        except TrialError as error:
            raise error.within(self.place) from None

    def _field(self, values: Values, readings: Array) -> Array:
        """The field at the read nodes (m + 1, Q): marched ones and pinned ones."""
        readings = readings + self.assembly.reference
        if self._all_marched:
            return readings
        dtype = np.result_type(readings, *values.values())
        field = np.zeros((readings.shape[0], self.observation.nodes.size), dtype)
        field[:, self._marched] = readings
        self.assembly.set_pinned(values, field, self.observation.nodes)
        return field
