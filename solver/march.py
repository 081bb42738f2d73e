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
from typing import Any

import numpy as np

from solver import kernels
from solver.checkpoints import MEMORY, Action, Advance, Restore, Sweep
from solver.kernels import Array
from solver.layout import Layout, alone_or_in_pieces
from solver.steps import Steps
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
        self._work: Workspace | None = None
        self._made_for: tuple[int, int, Any] | None = None

    def forward(self, coefficients: Coefficients, *, keep: bool = False) -> Array:
        """March and read: u at the probes at every step, (steps + 1, Q).

        With `keep`, what `adjoint` needs is kept until the next call.
        """
        work = self._workspace(coefficients)
        if keep:
            work.reserve(work.plan.length * self.steps.stages, work.plan.snapshots)
        work.fill(coefficients, self.steps)
        readings = self._first_reading(work, coefficients)
        if keep:
            for action in work.plan.forward:
                self._act(work, action, readings)
        else:
            self._advance(work, 0, self.steps.count, False, readings)
        return work.layout.numbers_of(readings, (self.steps.count + 1, self.probes.size))

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
        layout, loads = work.layout, work.loads
        f_T = work.factors_transposed(steps)
        K_bar, lam = layout.zeros(3), layout.zeros(1)
        G_bar = layout.zeros(loads if profiles else 0)
        h_bar = layout.numbers(np.zeros_like(coefficients.histories))
        h_bar = h_bar if histories else h_bar[:0]
        readings_bar = layout.numbers(readings_bar)
        ignored = np.empty_like(readings_bar)
        for action in work.plan.backward:
            if not isinstance(action, Sweep):
                self._act(work, action, ignored)
                continue
            first, last = work.plan.blocks[action.block]
            for a, b in reversed(self._slices(work, first, last)):
                self.pulse()
                phase = steps.phase(a)
                kernels.adjoint(
                    work.K_T,
                    *f_T[phase],
                    steps.A[phase],
                    steps.dt,
                    work.G,
                    work.histories,
                    a,
                    b,
                    first,
                    work.states,
                    work.probes,
                    readings_bar,
                    lam,
                    K_bar,
                    G_bar,
                    h_bar,
                )
        kernels.add_readings(lam, work.probes, readings_bar)
        bands_bar = layout.unpack(K_bar, 3)
        bands_bar[..., 0, 0] = bands_bar[..., 2, -1] = 0.0  # no node stands there
        return Coefficients(
            bands=bands_bar,
            profiles=layout.unpack(G_bar, loads if profiles else 0),
            histories=layout.numbers_of(h_bar, (-1, *coefficients.histories.shape[-2:])),
            initial=layout.unpack(lam, 1)[..., 0, :],
        )

    def stage_values(self) -> Array:
        """The stage values (steps stages, N) of the block that is kept, after a forward march."""
        assert self._work is not None, "forward comes first"
        return self._work.stage_values()

    @property
    def held(self) -> int:
        """Bytes of states that are held."""
        return 0 if self._work is None else self._work.held

    def tangent(self, coefficients: Coefficients, direction: Coefficients) -> tuple[Array, Array]:
        """Readings (steps + 1, Q) and their derivatives (q, steps + 1, Q) in q directions."""
        d, count = direction, self.steps.count
        work = self._workspace(coefficients)
        layout, q = work.layout, d.initial.shape[-2]
        slices = self._slices(work, 0, count, 1 + q, TANGENTS)
        work.reserve(max(b - a for a, b in slices) * self.steps.stages)
        work.fill(coefficients, self.steps)
        readings = self._first_reading(work, coefficients)
        K_dot, G_dot, u_dot = (layout.pack(v) for v in (d.bands, d.profiles, d.initial))
        histories_dot = layout.numbers(d.histories)
        shape = (count + 1, self.probes.size)
        readings_dot = np.tile(np.empty_like(readings), (q, *(1,) * (readings.ndim - 1)))
        for a, b in slices:
            self._advance(work, a, b, True, readings)
            phase = self.steps.phase(a)
            kernels.tangent(
                work.K,
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
                work.states,
                u_dot,
                work.probes,
                readings_dot,
            )
        out_dot = layout.numbers_of(readings_dot, (q, *shape))
        out_dot[..., 0, :] = d.initial[..., self.probes]
        return layout.numbers_of(readings, shape), out_dot

    def _act(self, work: Workspace, action: Action, readings: Array) -> None:
        """One step of the plan, but for the sweeps."""
        if isinstance(action, Restore):
            work.restore(action.slot)
        elif isinstance(action, Advance):
            if action.slot is not None:
                work.save(action.slot)
            blocks = work.plan.blocks
            first, last = blocks[action.first][0], blocks[action.last - 1][1]
            self._advance(work, first, last, action.keep, readings)

    def _advance(self, work: Workspace, first: int, last: int, keep: bool, readings: Array) -> None:
        """March from where u stands; the stage values of steps first..last are kept, or not."""
        work.rewind()
        for a, b in self._slices(work, first, last):
            self.pulse()
            phase = self.steps.phase(a)
            kernels.forward(
                work.K,
                *work.factors[phase],
                self.steps.A[phase],
                self.steps.dt,
                work.G,
                work.histories,
                a,
                b,
                first,
                work.states,
                keep,
                work.probes,
                readings,
            )
        work.now = (last - first if keep else 1) * self.steps.stages

    def _slices(
        self, work: Workspace, first: int, last: int, vectors: int = 1, memory: int = sys.maxsize
    ) -> list[tuple[int, int]]:
        rows = work.layout.nodes * vectors
        return self.steps.slices(first, last, rows, SECONDS_PER_NODE, memory)

    def _first_reading(self, work: Workspace, c: Coefficients) -> Array:
        """Room for the readings, the first of which are u at t = 0."""
        return work.layout.numbers(
            np.concatenate(
                [
                    c.initial[..., None, self.probes],
                    np.empty((*c.initial.shape[:-1], self.steps.count, self.probes.size)),
                ],
                axis=-2,
            )
        )

    def _workspace(self, coefficients: Coefficients) -> Workspace:
        """Where coefficients of this dtype and size are marched."""
        nodes, loads = coefficients.initial.shape[-1], coefficients.profiles.shape[-2]
        made_for, work = (nodes, loads, coefficients.dtype), self._work
        if work is None or self._made_for != made_for:
            layout = self._layout(nodes, coefficients.dtype)
            self._work = work = Workspace(layout, loads, self.steps, self.probes, self._memory)
            self._made_for = made_for
        return work
