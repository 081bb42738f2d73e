r"""Sensors: from the field to the readings, and back.

A reading at (x, t) is the field interpolated linearly between the two nodes and the two steps
around it; the interpolation is part of the model. All readings together are one sparse matrix H on
the field at the nodes that sensors touch, so predicting is ``y = H vec(field)`` and the cotangent
of the field is ``H^T y_bar``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from solver import kernels
from solver.errors import TrialError
from solver.experiment import Experiment, Sensor
from solver.grid import ON_STEP, SMALL, Grid
from solver.interpolation import locate
from solver.kept import kept
from solver.kernels import Array
from solver.layout import plain

NOT_FINITE = "computed temperatures, their misfit or a derivative are not finite numbers"
RIGHT, LATE = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])  # corners, of a cell and a step


@dataclass(frozen=True, eq=False)
class Observation:
    """Which nodes are read, and how readings are made of them.

    nodes (Q,): distinct node numbers, ascending. Row i of H stands in ends[i]..ends[i + 1] of
    columns and weights; columns count the field (steps + 1, Q), step by step, of `size` numbers in
    all. slices: the readings of each sensor.
    """

    nodes: Array
    ends: Array
    columns: Array
    weights: Array
    size: int
    slices: tuple[slice, ...]

    def apply(self, field: Array) -> Array:
        """Readings (M,) of a field (steps + 1, Q). Raises TrialError where one is not finite."""
        y, x = np.empty((self.count, 1), field.dtype), field.reshape(1, -1)
        if not kernels.multiply(self.ends, self.columns, self.weights, x, y):
            raise TrialError((), "not_finite", NOT_FINITE)
        return y.reshape(-1)

    def apply_each(self, fields: Array) -> Array:
        """Readings (M, q) of q fields (q, steps + 1, Q)."""
        q = len(fields)
        y, x = np.empty((self.count, q), fields.dtype), fields.reshape(q, -1)
        if not kernels.multiply(self.ends, self.columns, self.weights, x, y):
            raise TrialError((), "not_finite", NOT_FINITE)
        return y

    def transpose(self, readings_bar: Array) -> Array:
        """The cotangent (steps + 1, Q) of the field."""
        bar = plain(readings_bar, readings_bar.dtype)
        field_bar = np.zeros(self.size, bar.dtype)
        kernels.add_transposed(self.ends, self.columns, self.weights, bar, field_bar)
        return field_bar.reshape(-1, self.nodes.size)

    @cached_property
    def count(self) -> int:
        """The number M of readings."""
        return self.ends.size - 1


def observe(experiment: Experiment, *, missing: bool = False) -> Observation:
    """The observation of every reading that is there (with `missing`, of every time listed)."""
    return interpolation(experiment.grid, *points_of(experiment, missing=missing))


def points_of(
    experiment: Experiment, *, missing: bool = False
) -> tuple[Array, Array, tuple[slice, ...]]:
    """Where and when these are, x (M,) and t (M,), and the readings of each sensor."""
    blocks = [_points(sensor, experiment.grid, missing) for sensor in experiment.sensors]
    x = np.concatenate([x for x, _ in blocks]) if blocks else np.zeros(0)
    t = np.concatenate([t for _, t in blocks]) if blocks else np.zeros(0)
    ends = np.cumsum([0, *(x.size for x, _ in blocks)])
    return x, t, tuple(slice(int(a), int(b)) for a, b in pairwise(ends))


@kept(lambda grid, x, *_: grid.small and x.size <= SMALL)
def interpolation(grid: Grid, x: Array, t: Array, slices: tuple[slice, ...]) -> Observation:
    """The observation of the points (x, t)."""
    node, in_cell = _between(grid.x, x)
    step, in_step = _between(grid.t, t)
    i, k = node[:, None] + RIGHT, step[:, None] + LATE  # (M, 4), the corners
    w = np.where(RIGHT, in_cell[:, None], 1.0 - in_cell[:, None])
    w *= np.where(LATE, in_step[:, None], 1.0 - in_step[:, None])
    used = w != 0
    nodes, place = np.unique(i[used], return_inverse=True)
    return Observation(
        nodes=nodes.astype(np.int64),
        ends=np.concatenate([[0], np.cumsum(used.sum(axis=1))]).astype(np.int64),
        columns=(k[used] * nodes.size + place).astype(np.int64),
        weights=w[used],
        size=(grid.steps + 1) * nodes.size,
        slices=slices,
    )


def reading_times(sensor: Sensor, grid: Grid) -> Array:
    """The times a sensor lists, or every step."""
    return grid.t if sensor.times is None else sensor.times


def _points(sensor: Sensor, grid: Grid, missing: bool) -> tuple[Array, Array]:
    times = reading_times(sensor, grid)
    if not missing:
        times = times[sensor.present] if sensor.temperatures is not None else times[:0]
    return np.full(times.shape, sensor.x), times


def _between(points: Array, s: Array) -> tuple[Array, Array]:
    """The interval below each of `s`, and how far into it, snapped to grid points."""
    below, into = locate(points, s)
    into = np.where(into <= ON_STEP, 0.0, np.where(into >= 1.0 - ON_STEP, 1.0, into))
    return below, into
