r"""The coefficients of a linear march where they are affine in theta: one product for all of them.

Where every curve with unknowns is affine in them (`solver.curves`) and no two of them meet in a
product, so is every array c of the coefficients that `solver.assemble` makes of them,

    c(theta) = c_0 + C^T theta,    c_dot = C^T theta_dot,    theta_bar = sum_c C c_bar.

C is made once, by the tangent of that map. It is dense; where it would be large, going from curve
to curve is the shorter way.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from solver import kernels
from solver.assemble import LinearAssembly, Point
from solver.kernels import Array
from solver.layout import plain
from solver.parameters import Parameters
from solver.sampling import HEAT_CAPACITY, AtPoints
from solver.values import POSITIVE, CurveValues, Values
from solver.workspace import COMPLEX, REAL, Coefficients

LARGEST = 2**15  # numbers in all of C


class AffineAssembly:
    """The map of a `LinearAssembly`, for which `is_affine` holds, with its derivatives.

    What theta moves stands in one row: the laws at the nodes, which must be positive, and behind
    them those of the coefficients' arrays that do not stay as they are, each in its place.
    """

    def __init__(self, assembly: LinearAssembly, parameters: Parameters) -> None:
        self._assembly = assembly
        zero, unit = np.zeros(parameters.size), np.eye(parameters.size)
        laws = _laws_at_nodes(assembly, parameters)
        at_zero, along_unit = laws.unchecked(zero), laws.dot(zero, unit)
        row = [(array, along_unit[place]) for place, array in at_zero.items()]
        self._laws = end = sum(law.size for law in at_zero.values())
        self._fixed = list(assembly.coefficients(assembly.curves.unchecked(zero)))
        self._places: list[tuple[int, slice]] = []
        moves = assembly.dot(zero, unit)[1]
        for index, (array, moved) in enumerate(zip(self._fixed, moves, strict=True)):
            if moved.any():
                row.append((array, moved))
                self._places.append((index, slice(end, end + array.size)))
                end += array.size
        self._c_0, self._C = np.zeros(end), np.zeros((parameters.size, end))
        if row:
            np.concatenate([array.ravel() for array, _ in row], out=self._c_0)
            np.concatenate([m.reshape(len(unit), -1) for _, m in row], axis=1, out=self._C)

    def at(self, theta: Array) -> Point:
        """The semi-discrete bar; raises TrialError where a law is not positive."""
        c = np.empty(self._c_0.size, COMPLEX if theta.dtype.kind == "c" else REAL)
        if not kernels.affine(self._c_0, self._C, plain(theta, c.dtype), self._laws, c):
            return self._assembly.at(theta)  # which says why
        arrays = self._fixed.copy()
        for index, where in self._places:
            arrays[index] = c[where].reshape(arrays[index].shape)
        return Point(theta, self._assembly.curves.known, Coefficients(*arrays))

    def dot(self, theta: Array, directions: Array) -> tuple[Values, Coefficients]:
        """The curves that the field itself shows, of which none moves, and the coefficients."""
        q = len(directions)
        arrays = [np.zeros((0, *array.shape)) for array in self._fixed[:-1]]
        arrays.append(np.zeros((q, *self._fixed[-1].shape)))
        for index, where in self._places:
            arrays[index] = (directions @ self._C[:, where]).reshape(q, *self._fixed[index].shape)
        return {}, Coefficients(*arrays)

    def bar(self, point: Point, bar: Coefficients, field_bar: Array, nodes: Array) -> Array:
        """The transpose: the cotangent of theta (p,)."""
        theta_bar = np.zeros(point.theta.size, bar.initial.dtype)
        for index, where in self._places:
            kernels.add_affine_bar(self._C, where.start, bar[index].reshape(-1), theta_bar)
        return theta_bar


def _laws_at_nodes(assembly: LinearAssembly, parameters: Parameters) -> CurveValues:
    """The laws with unknowns, at the nodes wherever else they are asked."""
    laws = [sample for sample in assembly.curves.open_samples if sample.place in POSITIVE]
    at_nodes = [replace(law, sampling=AtPoints(law.sampling.points)) for law in laws]
    return CurveValues(at_nodes, parameters)


def is_affine(assembly: LinearAssembly, parameters: Parameters) -> bool:
    """Whether the coefficients are affine in theta, and C is of a size that pays."""
    curves, heat = assembly.curves, assembly.heat
    size = (4 + len(heat.driven)) * heat.grid.x.size
    if assembly.wants_histories:
        size += len(heat.driven) * heat.grid.stage_times.size
    return (
        curves.affine
        and not curves.unknown(HEAT_CAPACITY)
        and not any(curves.unknown(end.history) for end in heat.pinned)
        and size * parameters.size <= LARGEST
    )
