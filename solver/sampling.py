r"""Where the curves of an experiment are evaluated on its grid.

Profiles and laws are asked at the nodes, series at the stage times, single Numbers once. Two
properties of matter are means: the conductivity of a cell, between its nodes, and the heat capacity
of the volume around a node. For a law that jumps the law itself gives the mean (`Layers`); for any
other the nodes' arithmetic mean is the cell's conductivity (exact for Kirchhoff's steady profile of
a linear k) and the node's value the volume's capacity.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from solver.curves import Curve, Partials, as_curve
from solver.errors import Place
from solver.experiment import Experiment
from solver.grid import Grid
from solver.kernels import Array

INITIAL: Place = ("bar", "initial")
DIFFUSIVITY: Place = ("material", "diffusivity")
CONDUCTIVITY: Place = ("material", "conductivity")
HEAT_CAPACITY: Place = ("material", "heat_capacity")
RATE: Place = ("material", "exchange", "rate")
AMBIENT: Place = ("material", "exchange", "ambient")


class Sampling(Protocol):
    """How a curve becomes an array."""

    @property
    def points(self) -> Array:
        """Where the curve is asked."""

    @property
    def size(self) -> int:
        """How many values come of it."""

    def value(self, curve: Any) -> Array:
        """The values, (size,)."""

    def partials(self, curve: Any) -> Partials:
        """Their derivatives by the curve's Numbers."""


@dataclass(frozen=True, eq=False)
class AtPoints:
    """The curve at `points`."""

    points: Array

    @property
    def size(self) -> int:
        return self.points.size

    def value(self, curve: Any) -> Array:
        return np.asarray(curve.value(self.points))

    def partials(self, curve: Any) -> Partials:
        partials: Partials = curve.partials(self.points)
        return partials


@dataclass(frozen=True, eq=False)
class OfCells:
    """The curve's mean, for heat that passes, in each cell between the nodes `points`."""

    points: Array

    @property
    def size(self) -> int:
        return self.points.size - 1

    def value(self, curve: Any) -> Array:
        if hasattr(curve, "cell_means"):
            return np.asarray(curve.cell_means(self.points))
        return np.asarray(_neighbours_mean(curve.value(self.points)))

    def partials(self, curve: Any) -> Partials:
        if hasattr(curve, "cell_partials"):
            means: Partials = curve.cell_partials(self.points)
            return means
        return {name: _neighbours_mean(p) for name, p in curve.partials(self.points).items()}


@dataclass(frozen=True, eq=False)
class OfVolumes:
    """The curve's mean, for heat that is stored, around each of the nodes `points`."""

    points: Array
    faces: Array

    @property
    def size(self) -> int:
        return self.points.size

    def value(self, curve: Any) -> Array:
        if hasattr(curve, "volume_means"):
            return np.asarray(curve.volume_means(self.faces))
        return np.asarray(curve.value(self.points))

    def partials(self, curve: Any) -> Partials:
        if hasattr(curve, "volume_partials"):
            means: Partials = curve.volume_partials(self.faces)
            return means
        partials: Partials = curve.partials(self.points)
        return partials


def _neighbours_mean(rows: Any) -> Any:
    return 0.5 * (rows[1:] + rows[:-1])


@dataclass(frozen=True, eq=False)
class Sample:
    """A curve of an experiment: its place there, itself, and how it is evaluated."""

    place: Place
    curve: Curve
    sampling: Sampling


def samples_of(experiment: Experiment) -> Iterator[Sample]:
    """Every curve of an experiment."""
    grid, material = experiment.grid, experiment.material
    nodes, stages = AtPoints(grid.x), AtPoints(grid.stage_times)
    once = AtPoints(np.zeros(1))
    yield Sample(INITIAL, as_curve(experiment.bar.initial), nodes)
    if material.conductivity is not None and material.heat_capacity is not None:
        yield Sample(CONDUCTIVITY, as_curve(material.conductivity), OfCells(grid.x))
        capacity = OfVolumes(grid.x, grid.faces)
        yield Sample(HEAT_CAPACITY, as_curve(material.heat_capacity), capacity)
    elif material.diffusivity is not None:
        yield Sample(DIFFUSIVITY, as_curve(material.diffusivity), _diffusion(experiment, grid))
    if material.exchange is not None:
        yield Sample(RATE, as_curve(material.exchange.rate), once)
        yield Sample(AMBIENT, as_curve(material.exchange.ambient), stages)
    for index, source in enumerate(experiment.source):
        yield Sample(("source", index, "profile"), as_curve(source.profile), nodes)
        yield Sample(("source", index, "history"), as_curve(source.history), stages)
    for side, end in experiment.ends.items():
        yield Sample((side, end.drive), as_curve(getattr(end, end.drive)), stages)
        if end.amount is not None:
            yield Sample((side, end.amount), as_curve(getattr(end, end.amount)), once)


def _diffusion(experiment: Experiment, grid: Grid) -> Sampling:
    """At the nodes in the lecture's form, in the cells in divergence form."""
    return OfCells(grid.x) if experiment.material.divergence else AtPoints(grid.x)
