"""A bar whose matter changes with temperature: theta to the field at the read nodes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from solver.assemble_newton import NewtonAssembly
from solver.errors import TrialError
from solver.experiment import Experiment
from solver.kernels import Array
from solver.march import Pulse
from solver.newton_march import NewtonMarch, StageError
from solver.newton_workspace import NewtonCoefficients
from solver.parameters import Parameters
from solver.steps import Steps
from solver.values import Values

Result = TypeVar("Result")


@dataclass(frozen=True, eq=False)
class NewtonTrace:
    """What the way back needs of the way forward."""

    theta: Array
    values: Values
    coefficients: NewtonCoefficients
    assembly: NewtonAssembly


class NewtonBar:
    """One experiment's temperatures (steps + 1, Q) at the distinct, ascending `nodes` (Q,).

    Laws are laid out for the temperatures that are expected. Where a march leaves that range it is
    begun again with a wider one, and with finer pieces where they were too coarse for the laws at
    the temperatures met. The first layout of all is the one that the start values need: what comes
    of one theta depends on no other that was there before.
    """

    def __init__(
        self,
        experiment: Experiment,
        parameters: Parameters,
        nodes: Array,
        *,
        memory: int,
        pulse: Pulse,
    ) -> None:
        self._experiment, self._parameters = experiment, parameters
        self._assemblies: dict[tuple[int, int], NewtonAssembly] = {}
        self._start = parameters.start
        self._first: tuple[int, int] | None = None  # widening and refinement at the start values
        first = self._assembly(0, 0)
        self.heat, self.felt = first.heat, first.curves.felt
        grid = experiment.grid
        steps = Steps(grid.tableau, grid.dt, grid.steps)
        self.march = NewtonMarch(steps, nodes, memory=memory, pulse=pulse)

    @property
    def newton_residual(self) -> float:
        """The relative change that the last march's iterations left undone."""
        return self.march.residual

    @property
    def met(self) -> tuple[float, float]:
        """The lowest and the highest temperature of all nodes in the last `forward`."""
        reference = self.heat.reference
        return self.march.lowest + reference, self.march.highest + reference

    def forward(self, theta: Array, *, keep: bool = False) -> tuple[Array, NewtonTrace]:
        """The field, and with `keep` what `pull_back` needs, good until the next call."""

        def run(assembly: NewtonAssembly, values: Values) -> tuple[Array, NewtonTrace]:
            coefficients = assembly.coefficients(values)
            field = self.march.forward(coefficients, keep=keep) + assembly.reference
            return field, NewtonTrace(theta, values, coefficients, assembly)

        return self._within_range(theta, run)

    def pull_back(self, trace: NewtonTrace, field_bar: Array) -> Array:
        """The cotangent (p,) of theta from the field's. One adjoint march."""
        assembly = trace.assembly
        bar = self.march.adjoint(trace.coefficients, field_bar, assembly.wanted)
        return assembly.curves.bar(trace.theta, assembly.values_bar(trace.values, bar))

    def push_forward(self, theta: Array, directions: Array) -> tuple[Array, Array]:
        """The field and its derivatives (q, steps + 1, Q) along `directions` (q, p)."""

        def run(assembly: NewtonAssembly, values: Values) -> tuple[Array, Array]:
            values_dot = assembly.curves.dot(theta, directions)
            field, field_dot = self.march.tangent(
                assembly.coefficients(values),
                assembly.coefficients_dot(values, values_dot, directions.shape[0]),
            )
            return field + assembly.reference, field_dot

        return self._within_range(theta, run)

    def _within_range(
        self, theta: Array, run: Callable[[NewtonAssembly, Values], Result]
    ) -> Result:
        if self._first is None and not np.array_equal(theta, self._start):
            self._look_at_start()
        widening, refinement = self._first or (0, 0)
        while True:
            assembly = self._assembly(widening, refinement)
            values, stopped = assembly.curves.at(theta), None
            try:
                found = run(assembly, values)
            except StageError as error:
                stopped = error
            if stopped is not None and assembly.too_narrow(stopped):
                widening += 1
            elif assembly.too_coarse(values, theta, *self.met):
                refinement += 1
            elif stopped is not None:
                raise assembly.explain(stopped, theta) from None
            else:
                self._first = self._first or (widening, refinement)
                return found

    def _look_at_start(self) -> None:
        try:
            self.forward(self._start)
        except TrialError:
            self._first = 0, 0

    def _assembly(self, widening: int, refinement: int) -> NewtonAssembly:
        key = widening, refinement
        if key not in self._assemblies:
            self._assemblies[key] = NewtonAssembly(self._experiment, self._parameters, *key)
        return self._assemblies[key]
