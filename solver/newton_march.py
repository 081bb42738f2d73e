r"""The march of matter that changes with temperature over all steps: block by block.

As `solver.march`, for `solver.kernels.newton`: the adjoint needs the stage values of every step,
which are kept within a memory budget; beyond it a block's are computed again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from solver.kernels import Array, Books, newton, newton_slopes
from solver.march import Pulse
from solver.steps import Steps

CACHE = 2**19  # bytes of stage values that a tangent march reads back while they are in cache
TOLERANCE = 1e-13  # of the largest temperature, by which the next Newton step may change it
ITERATIONS = 60
SECONDS_PER_ROW = 2e-7  # a generous price of one row of one stage, with its iterations


@dataclass(frozen=True, eq=False)
class NewtonCoefficients:
    """What marches.

    The books of heat; loads' profiles (P, N) and histories (steps, stages, P); pinned temperatures
    (steps, stages, H); u at t = 0 (N,); smooth: whether the law that conducts has no kinks.
    """

    books: Books
    profiles: Array
    histories: Array
    pinned: Array
    initial: Array
    smooth: bool

    @property
    def dtype(self) -> np.dtype[Any]:
        """The common dtype: complex128 when any array is complex."""
        return self.initial.dtype


@dataclass(frozen=True, eq=False)
class NewtonDirections:
    """Directions of what marches, with an axis q in front, or its cotangents.

    conduct and store (.., B, degree + 1): of the coefficients of the laws' pieces.
    """

    arms: Array
    capacities: Array
    conduct: Array
    store: Array
    profiles: Array
    histories: Array
    pinned: Array
    initial: Array


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

    Holds the buffer of stage values, so one object serves one thread at a time. `residual` is the
    largest relative change that the last march's Newton iterations left undone; `lowest` and
    `highest` are the temperatures that it met, less the reference.
    """

    def __init__(
        self,
        steps: Steps,
        probes: Array,
        *,
        memory: int,
        pulse: Pulse,
        tolerance: float = TOLERANCE,
    ) -> None:
        self.steps = steps
        self.probes = probes
        self.memory = memory
        self.pulse = pulse
        self.tolerance = tolerance
        self.residual, self.iterations = 0.0, 0
        self.lowest, self.highest = np.inf, -np.inf
        self._states = np.empty((0, 0, 0))
        self._checkpoints = np.empty((0, 0))

    def forward(self, c: NewtonCoefficients, *, keep: bool = False) -> Array:
        """March and read: u at the probes at every step, (steps + 1, Q). Raises StageError.

        With `keep`, what `adjoint` needs is kept until the next call.
        """
        readings = np.empty((self.steps.count + 1, self.probes.size), c.dtype)
        readings[0] = c.initial[self.probes]
        u = c.initial.copy()
        self._start_over()
        if keep:
            self._reserve(u.size, c.dtype)
            for block, (first, last) in enumerate(self.steps.blocks(u.size, self.memory)):
                self._checkpoints[block] = u
                self._advance(c, first, last, u, self._states, readings)
        else:
            scratch = np.empty((1, self.steps.stages, u.size), c.dtype)
            self._advance(c, 0, self.steps.count, u, scratch, readings)
        return readings

    def adjoint(
        self, c: NewtonCoefficients, readings_bar: Array, wanted: dict[str, bool]
    ) -> NewtonDirections:
        """The cotangents of all coefficients, after ``forward(c, keep=True)``.

        Those of conduct, store, profiles and histories that are not `wanted` come back empty.
        """
        bar = _nothing(c, wanted)
        readings_bar = np.ascontiguousarray(readings_bar, c.dtype)
        heat_bar = np.zeros_like(c.initial)
        ignored = np.empty((self.steps.count + 1, self.probes.size), c.dtype)
        blocks = list(self.steps.blocks(c.initial.size, self.memory))
        for block, (first, last) in reversed(list(enumerate(blocks))):
            if last < self.steps.count:
                u = self._checkpoints[block].copy()
                self._advance(c, first, last, u, self._states, ignored)
            slices = self.steps.slices(first, last, c.initial.size, SECONDS_PER_ROW)
            for a, b in reversed(list(slices)):
                self.pulse()
                newton_slopes.adjoint(
                    c.books,
                    self.steps.A[self.steps.phase(a)],
                    self.steps.dt,
                    c.profiles,
                    c.histories,
                    a,
                    b,
                    self._states[a - first :],
                    self.probes,
                    readings_bar,
                    heat_bar,
                    bar.arms,
                    bar.capacities,
                    bar.conduct,
                    bar.store,
                    bar.profiles,
                    bar.histories,
                    bar.pinned,
                )
        bar.initial[:] = newton_slopes.adjoint_of_start(
            c.books, c.initial, heat_bar, bar.capacities, bar.store
        )
        bar.initial[self.probes] += readings_bar[0]  # the probes are distinct
        return bar

    def tangent(self, c: NewtonCoefficients, d: NewtonDirections) -> tuple[Array, Array]:
        """Readings (steps + 1, Q) and their derivatives (q, steps + 1, Q). Raises StageError."""
        directions, n = d.initial.shape
        count = self.steps.count
        readings = np.empty((count + 1, self.probes.size))
        readings_dot = np.empty((directions, count + 1, self.probes.size))
        u, u_dot = c.initial.copy(), d.initial.copy()
        self._start_over()
        readings[0], readings_dot[:, 0] = u[self.probes], u_dot[:, self.probes]
        rows = n * (1 + directions)
        slices = list(self.steps.slices(0, count, rows, SECONDS_PER_ROW, CACHE))
        states = np.empty((max(b - a for a, b in slices), self.steps.stages, n))
        for a, b in slices:
            start = u.copy()
            self._advance(c, a, b, u, states, readings)
            newton_slopes.tangent(
                c.books,
                self.steps.A[self.steps.phase(a)],
                self.steps.dt,
                c.profiles,
                c.histories,
                a,
                b,
                start,
                d.arms,
                d.capacities,
                d.conduct,
                d.store,
                d.profiles,
                d.histories,
                d.pinned,
                states,
                u_dot,
                self.probes,
                readings_dot,
            )
        return readings, readings_dot

    def _advance(
        self, c: NewtonCoefficients, first: int, last: int, u: Array, states: Array, readings: Array
    ) -> None:
        one_row = states.shape[0] == 1
        report = np.zeros(newton.REPORT)
        report[[newton.LOWEST, newton.HIGHEST]] = self.lowest, self.highest
        code = newton.SETTLED
        for a, b in self.steps.slices(first, last, u.size, SECONDS_PER_ROW):
            self.pulse()
            code = newton.forward(
                c.books,
                self.steps.A[self.steps.phase(a)],
                self.steps.dt,
                c.profiles,
                c.histories,
                c.pinned,
                self.tolerance,
                ITERATIONS,
                c.smooth,
                a,
                b,
                u,
                self.probes,
                states if one_row else states[a - first :],
                readings,
                report,
            )
            if code != newton.SETTLED:
                break
        self.residual = max(self.residual, float(report[newton.WORST]))
        self.iterations += int(report[newton.TOTAL])
        self.lowest, self.highest = float(report[newton.LOWEST]), float(report[newton.HIGHEST])
        if code != newton.SETTLED:
            raise self._error(code, report, u)

    def _start_over(self) -> None:
        self.residual, self.iterations = 0.0, 0
        self.lowest, self.highest = np.inf, -np.inf

    def _error(self, code: int, report: Array, u: Array) -> StageError:
        step, stage, node = (int(report[i]) for i in (newton.STEP, newton.STAGE, newton.NODE))
        A = self.steps.A[self.steps.phase(max(step, 0))]
        time = 0.0 if step < 0 else (step + float(A[stage].sum())) * self.steps.dt
        iterations, figure = int(report[newton.MOST]), float(report[newton.FIGURE])
        return StageError(code, time, node, float(u[node].real), iterations, figure)

    def _reserve(self, n: int, dtype: Any) -> None:
        blocks = list(self.steps.blocks(n, self.memory))
        shape = (max(b - a for a, b in blocks), self.steps.stages, n)
        if (self._states.shape, self._states.dtype) != (shape, dtype):
            self._states = np.empty(shape, dtype)
            self._checkpoints = np.empty((len(blocks), n), dtype)


def _nothing(c: NewtonCoefficients, wanted: dict[str, bool]) -> NewtonDirections:
    """Cotangents of zero, empty where they are not wanted."""
    parts = {
        "conduct": c.books.conduct.coefficients,
        "store": c.books.store.coefficients,
        "profiles": c.profiles,
        "histories": c.histories,
    }
    zeros = {
        name: np.zeros(part.shape if wanted[name] else (0, *part.shape[1:]), c.dtype)
        for name, part in parts.items()
    }
    return NewtonDirections(
        arms=np.zeros_like(c.books.arms),
        capacities=np.zeros_like(c.books.capacities),
        pinned=np.zeros_like(c.pinned),
        initial=np.zeros_like(c.initial),
        **zeros,
    )
