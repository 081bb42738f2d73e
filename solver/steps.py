r"""The steps of a march: which matrix each takes, and how they are strung together in kernel calls.

A tableau may have other rows for its first steps. Kernel calls never cross from those to the rest,
so each gets one matrix A.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from solver.integrators import Tableau
from solver.kernels import Array

SLICE_SECONDS = 0.05  # of marching between two looks at the pulse

Slice = tuple[int, int, int]  # from step to step, in a phase


@dataclass(frozen=True, eq=False)
class Steps:
    """`count` steps of `dt` seconds by a tableau."""

    tableau: Tableau
    dt: float
    count: int
    _cut: dict[tuple[float, ...], list[Slice]] = field(default_factory=dict, init=False)

    @cached_property
    def stages(self) -> int:
        """Stages of a step."""
        return self.tableau.stages

    @cached_property
    def A(self) -> tuple[Array, ...]:
        """The matrix (stages, stages) of every phase."""
        return (self.tableau.A, self.tableau.A_start)[: 2 if self._start else 1]

    def phase(self, step: int) -> int:
        """1 in the first steps where they have their own rows, else 0."""
        return int(step < self._start)

    def slices(
        self, first: int, last: int, rows: int, seconds_per_row: float, memory: int = sys.maxsize
    ) -> list[Slice]:
        """Runs of steps short enough for one kernel call, their stage values within `memory`."""
        key = first, last, rows, seconds_per_row, memory
        if key not in self._cut:
            self._cut[key] = list(self._slices(*key))
        return self._cut[key]

    def _slices(
        self, first: int, last: int, rows: int, seconds_per_row: float, memory: int
    ) -> Iterator[Slice]:
        rows_a_step = rows * self.stages
        in_time = int(SLICE_SECONDS / (seconds_per_row * rows_a_step))
        length = max(1, min(in_time, memory // (8 * rows_a_step)))
        change = min(max(first, self._start), last)
        for start, end in ((first, change), (change, last)):
            for a in range(start, end, length):
                yield a, min(a + length, end), self.phase(a)

    @cached_property
    def _start(self) -> int:
        return min(self.tableau.start_steps, self.count)
