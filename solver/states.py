"""The states of a march: u at the start of a block, the stage values behind it, and snapshots."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from solver.checkpoints import Action, Advance, Plan, Restore
from solver.kernels import Array
from solver.layout import Layout


def _nowhere(first: int, last: int) -> None:
    """The sweep of a way there."""


class States:
    """`values` holds u at the start of a block and the stage values behind it, in a layout's rows.

    `now` is where u stands among them, in vectors. What a march remembers of its past goes with u
    into a snapshot: vectors, and figures.
    """

    def __init__(
        self, layout: Layout, stages: int, past: Array | None = None, figures: Array | None = None
    ) -> None:
        self._layout = layout
        self.values, self._snapshots = layout.room(1 + stages), layout.room(0)
        self._past = layout.room(0) if past is None else past
        self._figures = np.empty(0) if figures is None else figures
        self._figures_then: dict[int, Array] = {}
        self.now = 0

    def reserve(self, vectors: int, snapshots: int = 0) -> None:
        """Room for so many stage values behind u, and for so many states apart."""
        rows = self._layout.rows
        if self.values.shape[0] < (1 + vectors) * rows:
            self.values = self._layout.room(1 + vectors)
        if self._snapshots.shape[0] < snapshots * self._rows_of_snapshot:
            self._snapshots = self._layout.room(snapshots * self._rows_of_snapshot // rows)

    def start(self, u: Array) -> None:
        """Begin with u."""
        self._layout.pack(u, self.values)
        self.now = 0

    def rewind(self) -> None:
        """Put u at the front."""
        if self.now > 0:
            self._vector(self.values, 0)[...] = self._vector(self.values, self.now)
        self.now = 0

    def follow(
        self,
        actions: Iterable[Action],
        plan: Plan,
        advance: Callable[[int, int, bool], None],
        sweep: Callable[[int, int], None] = _nowhere,
    ) -> None:
        """Carry out a part of a plan: march steps first..last forward, sweep back over others."""
        for action in actions:
            if isinstance(action, Restore):
                self._restore(action.slot)
            elif isinstance(action, Advance):
                if action.slot is not None:
                    self._save(action.slot)
                first, last = plan.blocks[action.first][0], plan.blocks[action.last - 1][1]
                advance(first, last, action.keep)
            else:
                sweep(*plan.blocks[action.block])

    def in_order(self) -> Array:
        """The stage values that are kept, in the order of the nodes."""
        return self._layout.unpack(self.values[self._layout.rows :], self.now)

    @property
    def held(self) -> int:
        """Bytes of states and snapshots."""
        return int(self.values.nbytes + self._snapshots.nbytes)

    @property
    def _rows_of_snapshot(self) -> int:
        return self._layout.rows + int(self._past.shape[0])

    def _save(self, slot: int) -> None:
        saved, rows = self._snapshot(slot), self._layout.rows
        saved[:rows], saved[rows:] = self._vector(self.values, self.now), self._past
        self._figures_then[slot] = self._figures.copy()

    def _restore(self, slot: int) -> None:
        saved, rows = self._snapshot(slot), self._layout.rows
        self._vector(self.values, 0)[...], self._past[...] = saved[:rows], saved[rows:]
        self._figures[...] = self._figures_then[slot]
        self.now = 0

    def _snapshot(self, slot: int) -> Array:
        rows = self._rows_of_snapshot
        return self._snapshots[slot * rows : (slot + 1) * rows]

    def _vector(self, array: Array, index: int) -> Array:
        rows = self._layout.rows
        return array[index * rows : (index + 1) * rows]
