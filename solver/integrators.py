"""Time methods as tables of numbers.

A method is the lower triangular matrix A of a stiffly accurate diagonally implicit Runge-Kutta
scheme: stage i stands at ``c_i = sum_j A_ij`` and the last stage is the new state. The march, its
tangent and its adjoint are written once for all of them. To add a method, add its row to
`TABLEAUX`; the order test then covers it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from solver.kernels import Array


@dataclass(frozen=True)
class Tableau:
    """Coefficients A (rows of a lower triangular matrix) and the order they reach."""

    order: int
    rows: tuple[tuple[float, ...], ...]

    @property
    def A(self) -> Array:
        """The square matrix, shape (stages, stages)."""
        stages = len(self.rows)
        return np.array([row + (0.0,) * (stages - len(row)) for row in self.rows])

    @property
    def c(self) -> Array:
        """Where the stages stand within a step, shape (stages,)."""
        return np.array([sum(row) for row in self.rows])


GAMMA = 1.0 - math.sqrt(0.5)  # the damping parameter of both second-order methods, L-stable
W = math.sqrt(0.125)

TABLEAUX: dict[str, Tableau] = {
    "backward-euler": Tableau(order=1, rows=((1.0,),)),
    # Alexander, SIAM J. Numer. Anal. 14 (1977) 1006-1021.
    "sdirk2": Tableau(order=2, rows=((GAMMA,), (1.0 - GAMMA, GAMMA))),
    # Bank et al., IEEE Trans. Electron Devices 32 (1985) 1992-2007; as a DIRK method with explicit
    # first stage: Hosea & Shampine, Appl. Numer. Math. 20 (1996) 21-37.
    "tr-bdf2": Tableau(order=2, rows=((0.0,), (GAMMA, GAMMA), (W, W, GAMMA))),
}
