r"""The march over all steps: block by block, interruptible, within a memory budget.

The kernels advance a few steps at a time; here those calls are strung together. What the adjoint
finds kept of the stage values, and what is marched again for it, stands in `solver.checkpoints`;
how vectors stand in memory, in `solver.layout`.

Between kernel calls (`solver.steps`), at most 0.05 s apart, `pulse()` runs: it may report progress,
and stops the march by raising.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from math import prod
from typing import Any

import numpy as np

from solver import kernels
from solver.checkpoints import MEMORY
from solver.kernels import Array
from solver.layout import Layout, alone_or_in_pieces
from solver.steps import Slice, Steps
from solver.workspace import Coefficients, Workspace

SECONDS_PER_NODE = 4e-9  # a generous price of one node of one stage in a kernel
DIRECTIONS = 16  # tangents marched together
TANGENTS = 2**19  # bytes of stage values that a tangent march reads back while they are in cache

Pulse = Callable[[], None]


class LinearMarch:
    """One bar's march: the same tableau, steps and read nodes for every set of coefficients.

    Holds its buffers, so one object serves one thread at a time.
    """

    def __init__(
        self,
        steps: Steps,
        probes: Array,
        *,
        memory: int = MEMORY,
        pulse: Pulse = lambda: None,
        layout: Callable[[int, Any], Layout] = alone_or_in_pieces,
    ) -> None:
        self.steps = steps
        self.pulse = pulse
        self.probes, self._memory, self._layout = probes, memory, layout
        self._shape = steps.count + 1, probes.size  # of the readings
        self._readings = prod(self._shape)
        self._work: Workspace | None = None
        self._made_for: tuple[Any, ...] = ()

    def forward(self, coefficients: Coefficients, *, keep: bool = False) -> Array:
        """March and read: u at the probes at every step, (steps + 1, Q).

        With `keep`, what `adjoint` needs is kept until the next call.
        """
        work = self._workspace(coefficients)
        work.fill(coefficients, self.steps, both=keep)
        readings = work.layout.blank(self._readings)
        if keep and work.plan.snapshots:
            advance = partial(self._advance, work, readings)
            work.states.follow(work.plan.forward, work.plan, advance)
        else:
            self._advance(work, readings, 0, self.steps.count, keep)
        return work.layout.numbers_of(readings, self._shape)

    def adjoint(
        self,
        coefficients: Coefficients,
        readings_bar: Array,
        *,
        profiles: bool = True,
        histories: bool = True,
    ) -> Coefficients:
        """The cotangents of all coefficients, after ``forward(coefficients, keep=True)``.

        readings_bar (steps + 1, Q). Cotangents of profiles or histories that nobody wants are
        left out of the sweep and come back empty.
        """
        work, steps = self._work, self.steps
        assert work is not None, "forward comes before adjoint"
        layout, loads = work.layout, work.loads if profiles else 0
        readings_bar = layout.numbers(readings_bar)
        work.bars.fill(0.0)
        h_bar = np.zeros_like(work.histories) if histories else readings_bar[:0]
        G_bar = work.G_bar[: loads * layout.rows]
        if work.plan.snapshots:
            advance = partial(self._advance, work, layout.blank(self._readings))
            sweep = partial(self._sweep, work, readings_bar, G_bar, h_bar)
            work.states.follow(work.plan.backward, work.plan, advance, sweep)
        else:
            self._sweep(work, readings_bar, G_bar, h_bar, 0, steps.count)
        bars = layout.unpack(work.bars, 4 + loads)
        bars[..., 0, 0] = bars[..., 2, -1] = 0.0  # no node stands there
        wanted = coefficients.histories.shape[-3:] if histories else (0, steps.stages, work.loads)
        return Coefficients(
            bands=bars[..., :3, :],
            profiles=bars[..., 4:, :],
            histories=layout.numbers_of(h_bar, wanted),
            initial=bars[..., 3, :],
        )

    def stage_values(self) -> Array:
        """The stage values (steps stages, N) of the block that is kept, after a forward march."""
        assert self._work is not None, "forward comes first"
        return self._work.states.in_order() * self._work.layout.unpack(self._work.scale, 1)

    @property
    def held(self) -> int:
        """Bytes of states that are held."""
        return 0 if self._work is None else self._work.states.held

    def tangent(self, coefficients: Coefficients, direction: Coefficients) -> tuple[Array, Array]:
        """Readings (steps + 1, Q) and their derivatives (q, steps + 1, Q) in q directions."""
        d, count = direction, self.steps.count
        work = self._workspace(coefficients)
        layout, q = work.layout, d.initial.shape[-2]
        slices = self._slices(work, 0, count, 1 + q, TANGENTS)
        work.states.reserve(max(b - a for a, b, _ in slices) * self.steps.stages)
        work.fill(coefficients, self.steps)
        readings = layout.blank(self._readings)
        K_dot, G_dot, histories_dot, u_dot = work.directions(d)
        readings_dot = layout.blank(q * self._readings)
        for a, b, phase in slices:
            self._advance(work, readings, a, b, True)
            kernels.tangent(
                work.K,
                work.scale,
                *work.factors[phase],
                self.steps.A[phase],
                self.steps.dt,
                work.G,
                work.histories,
                a,
                b,
                K_dot,
                G_dot,
                histories_dot,
                work.states.values,
                u_dot,
                work.probes,
                readings_dot,
            )
        y_dot = layout.numbers_of(readings_dot, (q, *self._shape))
        return layout.numbers_of(readings, self._shape), y_dot

    def _advance(self, work: Workspace, readings: Array, first: int, last: int, keep: bool) -> None:
        """March from where u stands; the stage values of steps first..last are kept, or not."""
        work.states.rewind()
        for a, b, phase in self._slices(work, first, last):
            self.pulse()
            kernels.forward(
                work.K,
                work.scale,
                *work.factors[phase],
                self.steps.A[phase],
                self.steps.dt,
                work.G,
                work.histories,
                a,
                b,
                first,
                work.states.values,
                keep,
                work.probes,
                readings,
            )
        work.states.now = (last - first if keep else 1) * self.steps.stages

    def _sweep(
        self,
        work: Workspace,
        readings_bar: Array,
        G_bar: Array,
        histories_bar: Array,
        first: int,
        last: int,
    ) -> None:
        """Sweep back over steps first..last, whose stage values are kept."""
        for a, b, phase in reversed(self._slices(work, first, last)):
            self.pulse()
            kernels.adjoint(
                work.K,
                work.scale,
                *work.factors[phase],
                self.steps.A[phase],
                self.steps.dt,
                work.G,
                work.histories,
                a,
                b,
                first,
                work.states.values,
                work.probes,
                readings_bar,
                work.u_bar,
                work.K_bar,
                G_bar,
                histories_bar,
            )

    def _slices(
        self, work: Workspace, first: int, last: int, vectors: int = 1, memory: int = sys.maxsize
    ) -> list[Slice]:
        rows = work.layout.nodes * vectors
        return self.steps.slices(first, last, rows, SECONDS_PER_NODE, memory)

    def _workspace(self, coefficients: Coefficients) -> Workspace:
        """Where coefficients of this dtype and size are marched."""
        c, work = coefficients, self._work
        made_for = c.dtype, c.initial.shape[-1], c.profiles.shape[-2]
        if work is None or self._made_for != made_for:
            dtype, nodes, loads = self._made_for = made_for
            layout = self._layout(nodes, dtype)
            self._work = work = Workspace(layout, loads, self.steps, self.probes, self._memory)
        return work
