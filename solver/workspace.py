"""What a linear march works in: the matrix, its factors, what drives it, and what is kept of u."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from solver import kernels
from solver.checkpoints import plan
from solver.kernels import PARTS, Array
from solver.layout import Layout
from solver.steps import Steps

Factors = tuple[tuple[Array, Array | None], ...]  # per phase: all stages' factors, and the joints


@dataclass(frozen=True, eq=False)
class Coefficients:
    """The semi-discrete bar ``u' = K u + profiles^T histories``, as arrays.

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
        return np.result_type(self.bands, self.profiles, self.histories, self.initial, np.float64)


class Workspace:
    """The arrays of one march in the rows of a layout.

    states: u at the start of a block, and the stage values behind it; `now` is where u stands among
    them, in vectors.
    """

    def __init__(
        self, layout: Layout, loads: int, steps: Steps, probes: Array, memory: int
    ) -> None:
        self.layout, self.loads = layout, loads
        self.plan = plan(steps.count, steps.stages, layout.bytes, memory)
        self.probes = layout.probes(probes)
        self.K, self.G = layout.room(3), layout.room(loads + steps.stages - 1)
        self.K_T = layout.room(3)
        self.factors = self._room_for_factors(steps)
        self._transposed = self._room_for_factors(steps)
        self.states, self._snapshots = layout.room(1 + steps.stages), layout.room(0)
        self.now = 0

    def fill(self, c: Coefficients, steps: Steps) -> None:
        """Take these coefficients, and u at t = 0."""
        layout = self.layout
        layout.pack(c.bands, self.K)
        layout.pack(c.profiles, self.G)
        self.histories = layout.numbers(c.histories)
        for (f, joint), A in zip(self.factors, steps.A, strict=True):
            for stage, a in enumerate(A.diagonal()):
                kernels.factor(self.K, layout.rows, steps.dt * a, None, f, joint, stage)
        layout.pack(c.initial, self.states)
        self.now = 0

    def factors_transposed(self, steps: Steps) -> Factors:
        """Those of the transposed matrix, which is made too."""
        rows = self.layout.rows
        kernels.transpose(self.K, rows, self.factors[0][1], self.K_T)
        for (f, joint), (f_T, joint_T), A in zip(
            self.factors, self._transposed, steps.A, strict=True
        ):
            for stage, a in enumerate(A.diagonal()):
                kernels.factor_transposed(self.K, rows, steps.dt * a, f, joint, f_T, joint_T, stage)
        return self._transposed

    # --- u --------------------------------------------------------------------------------------

    def reserve(self, vectors: int, snapshots: int = 0) -> None:
        """Room for so many stage values behind u, and for so many states apart."""
        rows = self.layout.rows
        if self.states.shape[0] < (1 + vectors) * rows:
            self.states = self.layout.room(1 + vectors)
        if self._snapshots.shape[0] < snapshots * rows:
            self._snapshots = self.layout.room(snapshots)

    def rewind(self) -> None:
        """Put u at the front of the states."""
        if self.now > 0:
            self._front[...] = self._vector(self.states, self.now)
        self.now = 0

    def save(self, slot: int) -> None:
        """Keep u apart."""
        self._vector(self._snapshots, slot)[...] = self._vector(self.states, self.now)

    def restore(self, slot: int) -> None:
        """Go back to the u of a slot."""
        self._front[...] = self._vector(self._snapshots, slot)
        self.now = 0

    def stage_values(self) -> Array:
        """All that are kept, in the order of the nodes."""
        return self.layout.unpack(self.states[self.layout.rows :], self.now)

    @property
    def held(self) -> int:
        """Bytes of states and snapshots."""
        return int(self.states.nbytes + self._snapshots.nbytes)

    @property
    def _front(self) -> Array:
        return self._vector(self.states, 0)

    def _vector(self, array: Array, index: int) -> Array:
        rows = self.layout.rows
        return array[index * rows : (index + 1) * rows]

    def _room_for_factors(self, steps: Steps) -> Factors:
        layout, stages = self.layout, steps.stages
        return tuple((layout.room(PARTS * stages), layout.joint(stages)) for _ in steps.A)
