"""A bar whose matter does not change with temperature: theta to the field at the read nodes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from solver.assemble import LinearAssembly
from solver.experiment import Experiment
from solver.kernels import Array
from solver.march import LinearMarch, Pulse
from solver.parameters import Parameters
from solver.steps import Steps
from solver.values import Values
from solver.workspace import Coefficients


@dataclass(frozen=True, eq=False)
class LinearTrace:
    """What the way back needs of the way forward."""

    theta: Array
    values: Values
    coefficients: Coefficients


class LinearBar:
    """One experiment's temperatures (steps + 1, Q) at the distinct, ascending `nodes` (Q,)."""

    newton_residual = None  # there is no iteration
    met = None  # no law asks for the temperatures

    def __init__(
        self,
        experiment: Experiment,
        parameters: Parameters,
        nodes: Array,
        *,
        memory: int,
        pulse: Pulse,
    ) -> None:
        self.assembly = LinearAssembly(experiment, parameters)
        self.heat, self.felt = self.assembly.heat, self.assembly.curves.felt
        self._nodes = nodes
        grid, states = experiment.grid, self.assembly.states
        self.marched = (nodes >= states.start) & (nodes < states.stop)
        self._all_marched = bool(self.marched.all())
        steps = Steps(grid.tableau, grid.dt, grid.steps)
        probes = nodes[self.marched] - states.start
        self.march = LinearMarch(steps, probes, memory=memory, pulse=pulse)

    def forward(self, theta: Array, *, keep: bool = False) -> tuple[Array, LinearTrace]:
        """The field, and with `keep` what `pull_back` needs, good until the next call."""
        values = self.assembly.curves.at(theta)
        coefficients = self.assembly.coefficients(values)
        readings = self.march.forward(coefficients, keep=keep)
        return self._field(values, readings), LinearTrace(theta, values, coefficients)

    def pull_back(self, trace: LinearTrace, field_bar: Array) -> Array:
        """The cotangent (p,) of theta from the field's. One adjoint march."""
        bar = self.march.adjoint(
            trace.coefficients,
            field_bar[:, self.marched],
            profiles=self.assembly.wants_profiles,
            histories=self.assembly.wants_histories,
        )
        values_bar = self.assembly.values_bar(trace.values, bar)
        if not self._all_marched:
            self.assembly.pinned_bar(values_bar, field_bar, self._nodes)
        return self.assembly.curves.bar(trace.theta, values_bar)

    def push_forward(self, theta: Array, directions: Array) -> tuple[Array, Array]:
        """The field and its derivatives (q, steps + 1, Q) along `directions` (q, p)."""
        values = self.assembly.curves.at(theta)
        values_dot = self.assembly.curves.dot(theta, directions)
        q = directions.shape[0]
        marched, marched_dot = self.march.tangent(
            self.assembly.coefficients(values),
            self.assembly.coefficients_dot(values, values_dot, q),
        )
        field = self._field(values, marched)
        if self._all_marched:
            return field, marched_dot
        field_dot = np.zeros((q, *field.shape))
        field_dot[:, :, self.marched] = marched_dot
        self.assembly.set_pinned(values_dot, field_dot, self._nodes)
        return field, field_dot

    def _field(self, values: Values, readings: Array) -> Array:
        """The field (steps + 1, Q): marched nodes and pinned ones."""
        readings = readings + self.assembly.reference
        if self._all_marched:
            return readings
        dtype = np.result_type(readings, *values.values())
        field = np.zeros((readings.shape[0], self._nodes.size), dtype)
        field[:, self.marched] = readings
        self.assembly.set_pinned(values, field, self._nodes)
        return field
