"""A bar whose matter does not change with temperature: theta to the field at the read nodes."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from solver.affine import AffineAssembly
from solver.assemble import LinearAssembly, Point
from solver.experiment import Experiment
from solver.kept import kept
from solver.kernels import Array
from solver.march import LinearMarch, Pulse
from solver.parameters import Parameters
from solver.steps import Steps
from solver.values import Values
from solver.workspace import Coefficients


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
        once: bool,
        memory: int,
        pulse: Pulse,
    ) -> None:
        self.assembly, self._chain = _assembled(experiment.set_up, parameters, once)
        self.heat, self.felt = self.assembly.heat, self.assembly.curves.felt
        self._directions: Array | None = None
        self._nodes = nodes
        grid, states = experiment.grid, self.assembly.states
        self.marched = (nodes >= states.start) & (nodes < states.stop)
        self._all_marched = bool(self.marched.all())
        steps = Steps(grid.tableau, grid.dt, grid.steps)
        probes = nodes[self.marched] - states.start
        self.march = LinearMarch(steps, probes, memory=memory, pulse=pulse)

    def forward(self, theta: Array, *, keep: bool = False) -> tuple[Array, Point]:
        """The field, and with `keep` what `pull_back` needs, good until the next call."""
        point = self._chain.at(theta)
        return self.field(point, self.march.forward(point.coefficients, keep=keep)), point

    def pull_back(self, point: Point, field_bar: Array) -> Array:
        """The cotangent (p,) of theta from the field's. One adjoint march."""
        marched_bar = field_bar if self._all_marched else field_bar[:, self.marched]
        bar = self.march.adjoint(point.coefficients, marched_bar, **self.wanted)
        return self.theta_bar(point, bar, field_bar)

    def push_forward(self, theta: Array, directions: Array) -> tuple[Array, Array]:
        """The field and its derivatives (q, steps + 1, Q) along `directions` (q, p)."""
        point = self.at(theta)
        values_dot, coefficients_dot = self.dot(theta, directions)
        marched, marched_dot = self.march.tangent(point.coefficients, coefficients_dot)
        return self.field(point, marched), self.field_dot(values_dot, marched_dot)

    # --- before and after a march ---------------------------------------------------------------

    def at(self, theta: Array) -> Point:
        """What is marched."""
        return self._chain.at(theta)

    def dot(self, theta: Array, directions: Array) -> tuple[Values, Coefficients]:
        """Its derivatives along `directions` (q, p), and those of the curves that are pinned.

        Of directions that cannot be written to they are the very same arrays, where theta does not
        matter.
        """
        if directions.flags.writeable or self._chain is self.assembly:
            return self._chain.dot(theta, directions)
        if directions is not self._directions:
            self._directions, self._dots = directions, self._chain.dot(theta, directions)
        return self._dots

    def theta_bar(self, point: Point, bar: Coefficients, field_bar: Array) -> Array:
        """The cotangent (p,) of theta from those of what was marched, and of pinned nodes."""
        return self._chain.bar(point, bar, field_bar, self._nodes)

    @cached_property
    def wanted(self) -> dict[str, bool]:
        """Which cotangents an unknown asks for."""
        assembly = self.assembly
        return {"profiles": assembly.wants_profiles, "histories": assembly.wants_histories}

    def field(self, point: Point, readings: Array) -> Array:
        """The field (steps + 1, Q): marched nodes, in the place of `readings`, and pinned ones."""
        if self.assembly.reference != 0.0:
            readings += self.assembly.reference
        if self._all_marched:
            return readings
        dtype = np.result_type(readings, *point.values.values())
        field = np.zeros((readings.shape[0], self._nodes.size), dtype)
        field[:, self.marched] = readings
        self.assembly.set_pinned(point.values, field, self._nodes)
        return field

    def field_dot(self, values_dot: Values, marched_dot: Array) -> Array:
        """Derivatives (q, steps + 1, Q) of the field."""
        if self._all_marched:
            return marched_dot
        field_dot = np.zeros((*marched_dot.shape[:2], self._nodes.size))
        field_dot[:, :, self.marched] = marched_dot
        self.assembly.set_pinned(values_dot, field_dot, self._nodes)
        return field_dot


@kept(lambda experiment, *_: experiment.grid.small)
def _assembled(
    experiment: Experiment, parameters: Parameters, once: bool
) -> tuple[LinearAssembly, LinearAssembly | AffineAssembly]:
    """The map from theta to the coefficients, and the shortest way to go it."""
    assembly = LinearAssembly(experiment, parameters)
    short = None if once else AffineAssembly.of(assembly, parameters)
    return assembly, short or assembly
