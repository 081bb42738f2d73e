r"""Where the curves of an experiment are evaluated.

Profiles and laws of place are asked at the nodes, series at the stage times, single Numbers once;
laws of the temperature all over the range of temperatures that may be met (`solver.pieces`). Two
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
from solver.kernels import Array
from solver.pieces import Layout, layout
from solver.scales import expected_temperatures, filled

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

    def of_points(self, at_points: Array) -> Array:
        """The values (..., size) made of the curve's at `points`, (..., points)."""

    def at_points(self, value_bar: Array) -> Array:
        """The transpose: the cotangent of the curve at `points`, from that of the values."""


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

    def of_points(self, at_points: Array) -> Array:
        return at_points

    def at_points(self, value_bar: Array) -> Array:
        return value_bar


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

    def of_points(self, at_points: Array) -> Array:
        return np.asarray(0.5 * (at_points[..., 1:] + at_points[..., :-1]))

    def at_points(self, value_bar: Array) -> Array:
        return np.asarray(0.5 * (np.append(value_bar, 0.0) + np.append(0.0, value_bar)))


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

    def of_points(self, at_points: Array) -> Array:
        return at_points

    def at_points(self, value_bar: Array) -> Array:
        return value_bar


@dataclass(frozen=True, eq=False)
class OverTemperatures:
    """A law of the temperature, laid out in pieces; expected (low, high): of temperatures."""

    layout: Layout
    expected: tuple[float, float]

    @property
    def points(self) -> Array:
        return self.layout.points

    @property
    def size(self) -> int:
        return self.points.size

    def value(self, curve: Any) -> Array:
        return np.asarray(curve.value(self.points))

    def partials(self, curve: Any) -> Partials:
        partials: Partials = curve.partials(self.points)
        return partials

    def of_points(self, at_points: Array) -> Array:
        return at_points

    def at_points(self, value_bar: Array) -> Array:
        return value_bar


def _neighbours_mean(rows: Any) -> Any:
    return 0.5 * (rows[1:] + rows[:-1])


@dataclass(frozen=True, eq=False)
class Sample:
    """A curve of an experiment: its place there, itself, what it is of, and how it is evaluated."""

    place: Place
    curve: Curve
    of: str  # x, t or u
    sampling: Sampling


def samples_of(experiment: Experiment, widening: int = 0, refinement: int = 0) -> list[Sample]:
    """Every curve of an experiment.

    Laws of the temperature over a range that has been widened, in pieces that have been refined, so
    often.
    """
    plain = plain_samples(experiment)
    return [plain[0], *law_samples(experiment, widening, refinement), *plain[1:]]


def plain_samples(experiment: Experiment) -> list[Sample]:
    """All curves but the laws that conduct and store."""
    grid, material = experiment.grid, experiment.material
    nodes, stages = AtPoints(grid.x), AtPoints(grid.stage_times)
    once = AtPoints(np.zeros(1))
    found = [Sample(INITIAL, as_curve(experiment.bar.initial), "x", nodes)]
    if material.exchange is not None:
        found.append(Sample(RATE, as_curve(material.exchange.rate), "t", once))
        found.append(Sample(AMBIENT, as_curve(material.exchange.ambient), "t", stages))
    for index, source in enumerate(experiment.source):
        found.append(Sample(("source", index, "profile"), as_curve(source.profile), "x", nodes))
        found.append(Sample(("source", index, "history"), as_curve(source.history), "t", stages))
    for side, end in experiment.ends.items():
        found.append(Sample((side, end.drive), as_curve(getattr(end, end.drive)), "t", stages))
        if end.amount is not None:
            found.append(Sample((side, end.amount), as_curve(getattr(end, end.amount)), "t", once))
    return found


def law_samples(experiment: Experiment, widening: int = 0, refinement: int = 0) -> Iterator[Sample]:
    """The laws that conduct and store."""
    grid = experiment.grid
    of_place: dict[Place, Sampling] = {
        CONDUCTIVITY: OfCells(grid.x),
        HEAT_CAPACITY: OfVolumes(grid.x, grid.faces),
        DIFFUSIVITY: OfCells(grid.x) if experiment.material.divergence else AtPoints(grid.x),
    }
    expected = (0.0, 1.0)
    if changes_with_temperature(experiment):
        expected = expected_temperatures([experiment])
    for place, law in laws_of(experiment):
        of, sampling = "x", of_place[place]
        if of_temperature(law):
            laid = layout(law, *wider(*expected, widening), refinement)
            of, sampling = "u", OverTemperatures(laid, expected)
        yield Sample(place, filled(law, str(place[-1]), (experiment,)), of, sampling)


def laws_of(experiment: Experiment) -> Iterator[tuple[Place, Curve]]:
    """The places of the laws, and themselves."""
    material = experiment.material
    if material.conductivity is not None and material.heat_capacity is not None:
        yield CONDUCTIVITY, as_curve(material.conductivity)
        yield HEAT_CAPACITY, as_curve(material.heat_capacity)
    elif material.diffusivity is not None:
        yield DIFFUSIVITY, as_curve(material.diffusivity)


def of_temperature(law: Any) -> bool:
    """Whether a law is of the temperature."""
    return getattr(law, "of", "x") == "u"


def changes_with_temperature(experiment: Experiment) -> bool:
    """Whether any of the matter's laws is."""
    return any(of_temperature(law) for _, law in laws_of(experiment))


def wider(low: float, high: float, widening: int = 0) -> tuple[float, float]:
    """The range with a quarter of it on either side, each widening four times as much."""
    margin = (high - low) * (0.5 * 4.0**widening - 0.25)
    return low - margin, high + margin
