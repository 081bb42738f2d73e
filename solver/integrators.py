"""Time methods as tables of numbers.

A method is the lower triangular matrix A of a stiffly accurate diagonally implicit Runge-Kutta
scheme: stage i stands at ``c_i = sum_j A_ij`` and the last stage is the new state. The march, its
tangent and its adjoint are written once for all of them. To add a method, add its row to
`TABLEAUX`; the order test then covers it.

Crank-Nicolson does not damp what the grid cannot resolve: a jump in the data rings on. Its first
two steps are therefore taken as four half steps of backward Euler, which is a tableau of two stages
too; whether the data jump depends on what is unknown, so this is done always, and the order stays 2
(Rannacher, Numer. Math. 43 (1984) 309-327).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from solver.kernels import Array

Rows = tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Tableau:
    """Coefficients A (rows of a lower triangular matrix) and the order they reach.

    The first `start_steps` steps may have other rows, `start`, of as many stages.
    """

    order: int
    rows: Rows
    start: Rows = ()
    start_steps: int = 0

    @property
    def A(self) -> Array:
        """The square matrix, shape (stages, stages)."""
        return _square(self.rows)

    @property
    def A_start(self) -> Array:
        """That of the first `start_steps` steps."""
        return _square(self.start or self.rows)

    @cached_property
    def stages(self) -> int:
        """Stages of a step."""
        return len(self.rows)

    def stage_offsets(self, steps: int) -> Array:
        """Where the stages stand within each of `steps` steps, in steps, shape (steps, stages)."""
        c = np.array([self.A_start.sum(axis=1), self.A.sum(axis=1)])
        return np.asarray(c[(np.arange(steps) >= self.start_steps).astype(int)])


def _square(rows: Rows) -> Array:
    return np.array([row + (0.0,) * (len(rows) - len(row)) for row in rows])


GAMMA = 1.0 - math.sqrt(0.5)  # the damping parameter of both second-order methods, L-stable
W = math.sqrt(0.125)

TABLEAUX: dict[str, Tableau] = {
    "backward-euler": Tableau(order=1, rows=((1.0,),)),
    "crank-nicolson": Tableau(
        order=2, rows=((0.0,), (0.5, 0.5)), start=((0.5,), (0.5, 0.5)), start_steps=2
    ),
    # Alexander, SIAM J. Numer. Anal. 14 (1977) 1006-1021.
    "sdirk2": Tableau(order=2, rows=((GAMMA,), (1.0 - GAMMA, GAMMA))),
    # Bank et al., IEEE Trans. Electron Devices 32 (1985) 1992-2007; as a DIRK method with explicit
    # first stage: Hosea & Shampine, Appl. Numer. Math. 20 (1996) 21-37.
    "tr-bdf2": Tableau(order=2, rows=((0.0,), (GAMMA, GAMMA), (W, W, GAMMA))),
}
