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
from scipy.sparse import csr_array

from solver.experiment import Experiment, Sensor
from solver.grid import ON_STEP, Grid
from solver.interpolation import locate
from solver.kernels import Array


@dataclass(frozen=True, eq=False)
class Observation:
    """Which nodes are read, and how readings are made of them.

    nodes (Q,): distinct node numbers, ascending. matrix (readings, (steps + 1) Q): weights on the
    field at these nodes, step by step. slices: the readings of each sensor.
    """

    nodes: Array
    matrix: csr_array
    slices: tuple[slice, ...]

    def apply(self, field: Array) -> Array:
        """Readings (M,) of a field (steps + 1, Q), or (M, q) of q of them (q, steps + 1, Q)."""
        return self.matrix @ field.reshape(*field.shape[:-2], -1).T

    def transpose(self, readings_bar: Array) -> Array:
        """The cotangent (steps + 1, Q) of the field."""
        return (self._transposed @ readings_bar).reshape(-1, self.nodes.size)

    @cached_property
    def _transposed(self) -> csr_array:
        return csr_array(self.matrix.T)


def observe(experiment: Experiment, *, missing: bool = False) -> Observation:
    """The observation of every reading that is there (with `missing`, of every time listed)."""
    grid = experiment.grid
    blocks = [_points(sensor, grid, missing) for sensor in experiment.sensors]
    x = np.concatenate([x for x, _ in blocks]) if blocks else np.zeros(0)
    t = np.concatenate([t for _, t in blocks]) if blocks else np.zeros(0)
    ends = np.cumsum([0, *(x.size for x, _ in blocks)])
    slices = tuple(slice(int(a), int(b)) for a, b in pairwise(ends))
    return interpolation(grid, x, t, slices)


def interpolation(grid: Grid, x: Array, t: Array, slices: tuple[slice, ...]) -> Observation:
    """The observation of the points (x, t)."""
    node, node_weight = _between(grid.x, x)
    step, step_weight = _between(grid.t, t)
    corners = [
        (node + right, step + late, _share(node_weight, right) * _share(step_weight, late))
        for right in (0, 1)
        for late in (0, 1)
    ]
    i, k, w = (np.stack(part, axis=1) for part in zip(*corners, strict=True))  # (M, 4)
    used = w != 0
    nodes = np.unique(i[used]).astype(np.int64)
    columns = k[used] * nodes.size + np.searchsorted(nodes, i[used])
    ends = np.concatenate([[0], np.cumsum(used.sum(axis=1))])
    shape = (x.size, (grid.steps + 1) * nodes.size)
    return Observation(nodes, csr_array((w[used], columns, ends), shape=shape), slices)


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


def _share(weight: Array, upper: int) -> Array:
    return weight if upper else 1.0 - weight
