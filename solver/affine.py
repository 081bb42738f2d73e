r"""The coefficients of a linear march where they are affine in theta: one product for all of them.

Where every curve with unknowns is affine in them (`solver.curves`) and no two of them meet in a
product, so is every array c of the coefficients that `solver.assemble` makes of them,

    c(theta) = c_0 + C^T theta,    c_dot = C^T theta_dot,    theta_bar = sum_c C c_bar.

C is made once, by the tangent of that map, and kept without its zeros: a value of a table moves the
few nodes between its neighbours. It is made with them; where that is too many numbers, going from
curve to curve is the shorter way.
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

LARGEST = 2**23  # numbers in all of C, zeros among them
MOST = 2**16  # of those that are no zeros, and four for every span
AT_ONCE = 32  # rows of C that are made together


class AffineAssembly:
    """The map of a `LinearAssembly` with its derivatives; made by `of`.

    What theta moves stands in one row: the laws at the nodes, which must be positive, and behind
    them those of the coefficients' arrays that do not stay as they are, each in its place. C stands
    in spans (`kernels.affine`).
    """

    def __init__(
        self, assembly: LinearAssembly, laws: list[Array], fixed: list[Array], C: _Sparse
    ) -> None:
        self._assembly, self._fixed, self._C = assembly, fixed, C.numbers
        self._laws = sum(law.size for law in laws)
        self._places: list[tuple[int, slice, Array]] = []
        row, placed, end = [np.zeros(0)], [np.zeros((0, 4), np.int64)], 0
        for index, (array, spans) in enumerate(zip([*laws, *fixed], C.spans, strict=True)):
            if index >= len(laws) and not spans.size:
                continue
            row.append(array.ravel())
            placed.append(spans + np.array([0, end, 0, 0]))
            where, end = slice(end, end + array.size), end + array.size
            if index >= len(laws):
                self._places.append((index - len(laws), where, placed[-1]))
        self._c_0, self._spans = np.concatenate(row), np.concatenate(placed)

    @classmethod
    def of(cls, assembly: LinearAssembly, parameters: Parameters) -> AffineAssembly | None:
        """None where the map is not affine, or C so large that the way by the curves is shorter."""
        if not _is_affine(assembly, parameters):
            return None
        zero = np.zeros(parameters.size)
        laws = _laws_at_nodes(assembly, parameters)
        at_zero = list(laws.unchecked(zero).values())
        fixed = list(assembly.coefficients(assembly.curves.unchecked(zero)))
        C = _Sparse(len(at_zero) + len(fixed))
        for first in range(0, parameters.size, AT_ONCE):
            unit = np.eye(min(AT_ONCE, parameters.size - first), parameters.size, first)
            C.take(first, *laws.dot(zero, unit).values(), *assembly.dot(zero, unit)[1])
            if C.size > MOST:
                return None
        return cls(assembly, at_zero, fixed, C)

    def at(self, theta: Array) -> Point:
        """The semi-discrete bar; raises TrialError where a law is not positive."""
        c = np.empty(self._c_0.size, COMPLEX if theta.dtype.kind == "c" else REAL)
        theta_plain = plain(theta, c.dtype)
        if not kernels.affine(self._c_0, self._C, self._spans, theta_plain, self._laws, c):
            return self._assembly.at(theta)  # which says why
        arrays = self._fixed.copy()
        for index, where, _ in self._places:
            arrays[index] = c[where].reshape(arrays[index].shape)
        return Point(theta, self._assembly.curves.known, Coefficients(*arrays))

    def dot(self, theta: Array, directions: Array) -> tuple[Values, Coefficients]:
        """The curves that the field itself shows, of which none moves, and the coefficients."""
        q, directions = len(directions), plain(directions, REAL)
        arrays = [np.zeros((0, *array.shape)) for array in self._fixed[:-1]]
        arrays.append(np.zeros((q, *self._fixed[-1].shape)))
        for index, where, spans in self._places:
            moved = np.zeros((q, where.stop - where.start))
            kernels.add_affine(self._C, spans, where.start, directions, moved)
            arrays[index] = moved.reshape(q, *self._fixed[index].shape)
        return {}, Coefficients(*arrays)

    def bar(self, point: Point, bar: Coefficients, field_bar: Array, nodes: Array) -> Array:
        """The transpose: the cotangent of theta (p,)."""
        theta_bar = np.zeros(point.theta.size, bar.initial.dtype)
        for index, where, spans in self._places:
            c_bar = bar[index].reshape(-1)
            kernels.add_affine_bar(self._C, spans, where.start, c_bar, theta_bar)
        return theta_bar


class _Sparse:
    """C without its zeros, for so many arrays: their spans (S, 4), and the numbers in these."""

    def __init__(self, arrays: int) -> None:
        self.spans = [np.zeros((0, 4), np.int64)] * arrays
        self.numbers = np.zeros(0)

    @property
    def size(self) -> int:
        """All that is kept."""
        return self.numbers.size + sum(spans.size for spans in self.spans)

    def take(self, first: int, *arrays: Array) -> None:
        """Rows from the `first` on, (rows, ...) of every array."""
        for index, array in enumerate(arrays):
            rows = array.reshape(len(array), -1)
            row, column = np.nonzero(rows)
            new_row, jump = np.diff(row, prepend=-1) != 0, np.diff(column, prepend=-1) != 1
            starts = np.flatnonzero(new_row | jump)
            lengths, places = np.diff(starts, append=row.size), self.numbers.size + starts
            found = np.stack([first + row[starts], column[starts], lengths, places], axis=1)
            self.spans[index] = np.concatenate([self.spans[index], found])
            self.numbers = np.concatenate([self.numbers, rows[row, column]])


def _laws_at_nodes(assembly: LinearAssembly, parameters: Parameters) -> CurveValues:
    """The laws with unknowns, at the nodes wherever else they are asked."""
    laws = [sample for sample in assembly.curves.open_samples if sample.place in POSITIVE]
    at_nodes = [replace(law, sampling=AtPoints(law.sampling.points)) for law in laws]
    return CurveValues(at_nodes, parameters)


def _is_affine(assembly: LinearAssembly, parameters: Parameters) -> bool:
    """Whether the coefficients are affine in theta, and C not too large to be made."""
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
