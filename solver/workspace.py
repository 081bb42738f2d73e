"""What a linear march works in: the matrix, its factors, what drives it, and what is kept of u."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from solver import kernels
from solver.checkpoints import plan
from solver.kernels import PARTS, Array
from solver.layout import Layout
from solver.states import States
from solver.steps import Steps

REAL, COMPLEX = np.dtype(np.float64), np.dtype(np.complex128)

Factors = tuple[tuple[Array, Array | None], ...]  # per phase: all stages' factors, and the joints


class Coefficients(NamedTuple):
    """The semi-discrete bar ``u' = K u + profiles^T histories``, as arrays that stay as they are.

    bands (3, N): K. profiles (P, N) and histories (steps, stages, P): what drives it.
    initial (N,): u at t = 0. A set of q directions carries the same arrays with an axis q in front;
    a cotangent the same arrays. Parts of both that are nothing may have no rows.
    """

    bands: Array
    profiles: Array
    histories: Array
    initial: Array

    @property
    def dtype(self) -> np.dtype[Any]:
        """The common dtype: complex128 when any array is complex."""
        bands, profiles, histories, initial = self
        if bands.dtype is profiles.dtype is histories.dtype is initial.dtype is REAL:
            return REAL
        return np.result_type(*self, REAL)


class Workspace:
    """The arrays of one march in the rows of a layout."""

    def __init__(
        self, layout: Layout, loads: int, steps: Steps, probes: Array, memory: int
    ) -> None:
        self.layout, self.loads = layout, loads
        self.plan = plan(steps.count, steps.stages, layout.bytes, memory)
        self.probes = layout.probes(probes)
        self.K, self.scale = layout.room(3), layout.room(3)
        self.G, self._profiles = layout.room(loads + steps.stages - 1), layout.room(loads)
        stages = steps.stages
        self.factors: Factors = tuple(
            (layout.room(PARTS * stages), layout.joint(stages)) for _ in steps.A
        )
        self.bars = layout.room(0)
        self.states = States(layout, steps.stages)
        self._taken: Coefficients | None = None
        self._moved: Coefficients | None = None
        self._u_dot = layout.room(0)

    def fill(self, c: Coefficients, steps: Steps, *, both: bool = False) -> None:
        """Take these coefficients and u at t = 0; with `both`, make room for the way back too.

        What was taken last time stands there still.
        """
        layout, last = self.layout, self._taken
        if both and not self.bars.size:
            self._make_room_for_the_way_back(steps)
        if last is None or c.profiles is not last.profiles:
            layout.pack(c.profiles, self._profiles)
        if last is None or c.histories is not last.histories:
            self.histories = layout.numbers(c.histories)
        if last is None or c.initial is not last.initial:
            self._initial = layout.vectors(c.initial)
        bands = layout.vectors(c.bands)
        for phase, A in enumerate(steps.A):
            kernels.prepare(
                bands,
                self._initial,
                self._profiles,
                layout.rows,
                A,
                steps.dt,
                self.K,
                self.scale,
                *self.factors[phase],
                self.states.values,
                self.G,
            )
        self.states.now = 0
        self._taken = c

    def directions(self, d: Coefficients) -> tuple[Array, Array, Array, Array]:
        """Directions of the matrix, of the profiles, of the histories and of u at t = 0."""
        layout, last = self.layout, self._moved
        if last is None or any(a is not b for a, b in zip(d[:3], last[:3], strict=True)):
            self._dots = layout.pack(d.bands), layout.pack(d.profiles), layout.numbers(d.histories)
            self._moved = d
        q = d.initial.shape[-2]
        if self._u_dot.shape[0] != q * layout.rows:
            self._u_dot = layout.room(q)
        return *self._dots, layout.pack(d.initial, self._u_dot)

    def _make_room_for_the_way_back(self, steps: Steps) -> None:
        """For the cotangents of K, u and the profiles, one behind the other in `bars`."""
        layout, rows = self.layout, self.layout.rows
        self.states.reserve(self.plan.length * steps.stages, self.plan.snapshots)
        self.bars = layout.room(4 + self.loads)
        self.K_bar, self.u_bar = self.bars[: 3 * rows], self.bars[3 * rows : 4 * rows]
        self.G_bar = self.bars[4 * rows :]
