r"""The march of matter that changes with temperature over all steps: block by block.

As `solver.march`, for `solver.kernels.newton`: the adjoint needs the stage values of every step,
which are kept within a memory budget; beyond it a block's are computed again.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from solver.checkpoints import MEMORY, Plan, plan
from solver.kernels import Array, Criteria, Way, newton, newton_tangent
from solver.kernels.prediction import DIFFERENCES, REMEMBERED
from solver.layout import alone_or_in_pieces, plain
from solver.march import TANGENTS, Pulse
from solver.newton_workspace import (
    NewtonCoefficients,
    NewtonCotangents,
    NewtonDirections,
    NewtonWorkspace,
)
from solver.steps import Slice, Steps

TOLERANCE = 1e-13  # of the largest temperature, by which the next Newton step may change it
ITERATIONS = 60
SECONDS_PER_NODE = 4e-8  # a generous price of one node of one stage, with its iterations


class StageError(Exception):
    """A stage without an answer: a code of `solver.kernels.newton`, where, and what was met.

    `temperature` is that of the node, less the reference; `figure` the last relative change where
    the iteration did not settle, else 0.
    """

    def __init__(
        self, code: int, time: float, node: int, temperature: float, iterations: int, figure: float
    ) -> None:
        self.code, self.time, self.node = code, time, node
        self.temperature, self.iterations, self.figure = temperature, iterations, figure
        super().__init__(f"stage at t = {time:g} s: code {code}")


class NewtonMarch:
    """One bar's march by Newton: the same steps and read nodes for every set of coefficients.

    Holds its buffers, so one object serves one thread at a time. `differences`: how many a guess at
    a stage may add. `residual` is the largest relative change that the last march's iterations left
    undone; `lowest` and `highest` are the temperatures that it met, less the reference.
    """

    def __init__(
        self,
        steps: Steps,
        probes: Array,
        *,
        memory: int = MEMORY,
        pulse: Pulse = lambda: None,
        tolerance: float = TOLERANCE,
    ) -> None:
        self.steps = steps
        self.probes = probes
        self.pulse = pulse
        self.tolerance, self.differences = tolerance, DIFFERENCES
        self.residual, self.iterations = 0.0, 0
        self.lowest, self.highest = np.inf, -np.inf
        self._memory = memory
        self._work: NewtonWorkspace | None = None
        self.plan: Plan | None = None  # of the last march there and back

    def forward(self, c: NewtonCoefficients, *, keep: bool = False) -> Array:
        """March and read: u at the probes at every step, (steps + 1, Q). Raises StageError.

        With `keep`, what `adjoint` needs is kept until the next call.
        """
        work = self._workspace(c)
        plan = self._plan(work)
        self.plan = plan if keep else self.plan
        work.states.reserve(*((plan.length * self.steps.stages, plan.snapshots) if keep else (1,)))
        work.fill(c)
        readings = self._first_reading(c)

        def advance(first: int, last: int, kept: bool) -> None:
            self._advance(work, first, last, kept, readings)

        self._start_over()
        if keep:
            work.states.follow(plan.forward, plan, advance, _nowhere)
        else:
            advance(0, self.steps.count, False)
        return readings.reshape(self.steps.count + 1, -1)

    def adjoint(
        self, c: NewtonCoefficients, readings_bar: Array, wanted: dict[str, bool]
    ) -> NewtonDirections:
        """The cotangents of all coefficients, after ``forward(c, keep=True)``.

        Those that are not `wanted` come back empty.
        """
        work = self._workspace(c)
        plan = self._plan(work)
        bar = NewtonCotangents(work, c, wanted)
        readings_bar = plain(readings_bar, c.dtype).reshape(-1)
        ignored = np.empty_like(readings_bar)

        def advance(first: int, last: int, kept: bool) -> None:
            self._advance(work, first, last, kept, ignored)

        def sweep(first: int, last: int) -> None:
            for a, b, _ in reversed(self._slices(work, first, last)):
                self.pulse()
                bar.sweep(work, self._way(work, a), a, b, first, readings_bar)

        work.states.follow(plan.backward, plan, advance, sweep)
        return bar.unpacked(work, c)

    def stage_values(self) -> Array:
        """The stage values (steps stages, N) of the block that is kept, after a forward march."""
        assert self._work is not None, "forward comes first"
        return self._work.states.in_order()

    @property
    def held(self) -> int:
        """Bytes of states that are held."""
        return 0 if self._work is None else self._work.states.held

    def tangent(self, c: NewtonCoefficients, d: NewtonDirections) -> tuple[Array, Array]:
        """Readings (steps + 1, Q) and their derivatives (q, steps + 1, Q). Raises StageError."""
        work, q, count = self._workspace(c), d.initial.shape[0], self.steps.count
        slices = self._slices(work, 0, count, 1 + q, TANGENTS)
        work.states.reserve(max(b - a for a, b, _ in slices) * self.steps.stages)
        work.fill(c)
        readings = self._first_reading(c)
        readings_dot = np.empty(q * (count + 1) * self.probes.size)
        directions, u_dot = work.packed(d)
        self._start_over()
        for a, b, _ in slices:
            self._advance(work, a, b, True, readings)
            arguments: tuple[Any, ...] = (
                *(work.books, work.joint, self._way(work, a), a, b, *directions),
                *(work.states.values, u_dot, work.probes, readings_dot),
            )
            newton_tangent.tangent(*arguments)
        readings_dot = readings_dot.reshape(q, count + 1, -1)
        readings_dot[:, 0] = d.initial[:, self.probes]
        return readings.reshape(count + 1, -1), readings_dot

    def _advance(
        self, work: NewtonWorkspace, first: int, last: int, keep: bool, readings: Array
    ) -> None:
        """March from where u stands; the stage values of steps first..last are kept, or not."""
        work.states.rewind()
        report = np.zeros(newton.REPORT)
        report[[newton.LOWEST, newton.HIGHEST]] = self.lowest, self.highest
        code, past = newton.SETTLED, work.past._replace(most=self.differences)
        criteria = Criteria(self.tolerance, ITERATIONS, work.smooth)
        for a, b, _ in self._slices(work, first, last):
            self.pulse()
            code = newton.forward(
                work.books,
                work.joint,
                self._way(work, a),
                criteria,
                past,
                a == 0 or self.steps.phase(a) != self.steps.phase(a - 1),
                a,
                b,
                first,
                work.states.values,
                keep,
                work.probes,
                readings,
                report,
            )
            if code != newton.SETTLED:
                break
        work.states.now = (last - first if keep else 1) * self.steps.stages
        self.residual = max(self.residual, float(report[newton.WORST]))
        self.iterations += int(report[newton.TOTAL])
        self.lowest, self.highest = float(report[newton.LOWEST]), float(report[newton.HIGHEST])
        if code != newton.SETTLED:
            raise self._error(work, code, report)

    def _way(self, work: NewtonWorkspace, step: int) -> Way:
        """What drives the steps from `step` on, as far as they have the same tableau."""
        A = self.steps.A[self.steps.phase(step)]
        return Way(A, self.steps.dt, work.G, work.histories, work.pinned)

    def _start_over(self) -> None:
        self.residual, self.iterations = 0.0, 0
        self.lowest, self.highest = np.inf, -np.inf

    def _error(self, work: NewtonWorkspace, code: int, report: Array) -> StageError:
        step, stage, at = (int(report[i]) for i in (newton.STEP, newton.STAGE, newton.NODE))
        A = self.steps.A[self.steps.phase(max(step, 0))]
        time = 0.0 if step < 0 else (step + float(A[stage].sum())) * self.steps.dt
        iterations, figure = int(report[newton.MOST]), float(report[newton.FIGURE])
        node, temperature = work.layout.node(at), float(report[newton.TEMPERATURE])
        return StageError(code, time, node, temperature, iterations, figure)

    def _slices(
        self,
        work: NewtonWorkspace,
        first: int,
        last: int,
        vectors: int = 1,
        memory: int = sys.maxsize,
    ) -> list[Slice]:
        rows = work.layout.nodes * vectors
        return self.steps.slices(first, last, rows, SECONDS_PER_NODE, memory)

    def _first_reading(self, c: NewtonCoefficients) -> Array:
        """Room for the readings, the first of which are u at t = 0."""
        readings = np.empty((self.steps.count + 1) * self.probes.size, c.dtype)
        readings[: self.probes.size] = c.initial[self.probes]
        return readings

    def _plan(self, work: NewtonWorkspace) -> Plan:
        steps, stages, size = self.steps.count, self.steps.stages, work.layout.bytes
        past = REMEMBERED * stages
        return plan(steps, stages, size, self._memory, whole=self._memory, past=past)

    def _workspace(self, c: NewtonCoefficients) -> NewtonWorkspace:
        work = self._work
        if work is None or not work.fits(c):
            layout = alone_or_in_pieces(c.initial.size, c.dtype)
            self._work = work = NewtonWorkspace(layout, c, self.steps, self.probes)
        return work


def _nowhere(first: int, last: int) -> None:
    """No sweep stands in the way forward."""
