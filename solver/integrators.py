"""Time methods as tables of numbers.

A method is the lower triangular matrix A of a stiffly accurate diagonally implicit Runge-Kutta
scheme: stage i stands at ``c_i = sum_j A_ij`` and the last stage is the new state. The march, its
tangent and its adjoint are written once for all of them. To add a method, add its row to
`TABLEAUX`; the order test then covers it.
"""

from __future__ import annotations

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


TABLEAUX: dict[str, Tableau] = {
    "backward-euler": Tableau(order=1, rows=((1.0,),)),
}
