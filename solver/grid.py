"""The grid: nodes and the volumes around them, steps and the stages within them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from solver.integrators import Tableau
from solver.kept import fixed
from solver.kernels import Array

ON_STEP = 1e-9  # a time or place this close to a grid point, in steps or cells, is on it
SMALL = 2**12  # cells, and steps, up to which preparing a march takes longer than marching
TOWARDS = ("left", "right", "both")


@dataclass(frozen=True)
class Grading:
    """Cells refined towards an end: each wider than the one before by the same factor.

    towards: left, right, or both. ratio: of the widest cell to the narrowest, above 1; where there
    are few cells, a little less comes of it.
    """

    towards: str
    ratio: float


@dataclass(frozen=True)
class Grid:
    """Nodes of `cells` cells on [0, length] and `steps` equal steps on [0, end]."""

    length: float
    cells: int
    end: float
    steps: int
    tableau: Tableau
    grading: Grading | None = None

    @property
    def small(self) -> bool:
        """Whether what is prepared for a march is worth keeping, and takes little room."""
        return max(self.cells, self.steps) <= SMALL

    @property
    def dt(self) -> float:
        """Time step in s."""
        return self.end / self.steps

    @cached_property
    def x(self) -> Array:
        """Nodes, shape (cells + 1,); those of twice the cells contain them."""
        even = np.linspace(0.0, 1.0, self.cells + 1)
        if self.grading is None:
            return fixed(self.length * even)
        nodes = self.length * _graded(even, self.grading)
        nodes[0], nodes[-1] = 0.0, self.length
        return fixed(nodes)

    @cached_property
    def dx(self) -> Array:
        """Widths of the cells, (cells,); all the very same where the grid is not graded."""
        if self.grading is None:
            return fixed(np.full(self.cells, self.length / self.cells))
        return fixed(np.diff(self.x))

    @cached_property
    def volumes(self) -> Array:
        """Length of bar that belongs to each node, (cells + 1,): half a cell on either side."""
        halves = 0.5 * self.dx
        return fixed(np.append(halves, 0.0) + np.append(0.0, halves))

    @cached_property
    def faces(self) -> Array:
        """The volumes' borders, (cells + 2,)."""
        middles = 0.5 * (self.x[1:] + self.x[:-1])
        return fixed(np.concatenate([[0.0], middles, [self.length]]))

    @cached_property
    def t(self) -> Array:
        """Steps, shape (steps + 1,)."""
        return fixed(np.linspace(0.0, self.end, self.steps + 1))

    @cached_property
    def stage_times(self) -> Array:
        """t = 0 and then every stage of every step, shape (1 + steps stages,)."""
        stages = np.arange(self.steps)[:, None] + self.tableau.stage_offsets(self.steps)
        return fixed(np.concatenate([[0.0], (stages * self.dt).ravel()]))


def _graded(even: Array, grading: Grading) -> Array:
    """Even places on [0, 1] moved so that the cells there grow by a factor from one to the next."""
    match grading.towards:
        case "left":
            return np.asarray(np.expm1(even * np.log(grading.ratio)) / (grading.ratio - 1.0))
        case "right":
            return 1.0 - _graded(1.0 - even, replace(grading, towards="left"))
        case _:
            half = _graded(1.0 - np.abs(1.0 - 2.0 * even), replace(grading, towards="left"))
            return np.where(even <= 0.5, 0.5 * half, 1.0 - 0.5 * half)
