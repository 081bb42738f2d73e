"""A heated bar with sensors on it, as frozen values; the same tree as the JSON document.

An `Experiment` holds what was set up and what was measured; whatever Number in it is an `Unknown`
is to be found. Field names and nesting are those of the document, so that a `Problem` raised here
points at the right place of either.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields, is_dataclass
from functools import cached_property
from typing import Any

import numpy as np

from solver.boundary import Boundary, Flux
from solver.curves import Curve, Profile, Unknown, as_curve
from solver.errors import Place
from solver.integrators import TABLEAUX
from solver.kernels import Array
from solver.laws import Law
from solver.source import Source

ON_STEP = 1e-9  # a time or place this close to a grid point, in steps or cells, is on it


@dataclass(frozen=True)
class Bar:
    """The rod: length in m, number of cells, temperature at t = 0."""

    length: float
    cells: int
    initial: Profile = 0.0


@dataclass(frozen=True)
class Time:
    """The run: from 0 to `end` seconds in `steps` equal steps of a method of `TABLEAUX`."""

    end: float
    steps: int
    method: str = "backward-euler"


@dataclass(frozen=True)
class Material:
    """``u_t = diffusivity(x) u_xx + f``: the diffusivity in m^2/s, and the form of the equation."""

    diffusivity: Law
    form: str = "nondivergence"


def _floats(values: Any) -> Array:
    return np.array(values, dtype=np.float64)


@dataclass(frozen=True, eq=False)
class Sensor:
    """Readings at one place: `x` in m, `times` in s, `temperatures` in K with NaN where missing.

    `sigma` is the standard deviation of a reading: a number, one per reading, or None when it is
    to be estimated from the residuals. Without `times` a simulation reads every step.
    """

    x: float
    times: Array | None = None
    temperatures: Array | None = None
    sigma: float | Array | None = None
    name: str = ""

    def __post_init__(self) -> None:
        for attribute in ("times", "temperatures"):
            if (values := getattr(self, attribute)) is not None:
                object.__setattr__(self, attribute, _floats(values))
        if self.sigma is not None and np.ndim(self.sigma) > 0:
            object.__setattr__(self, "sigma", _floats(self.sigma))

    @property
    def present(self) -> Array:
        """Which readings are there, (readings,) bool."""
        return np.zeros(0, bool) if self.temperatures is None else ~np.isnan(self.temperatures)


@dataclass(frozen=True)
class Fit:
    """How to search: `loss` squared; `method` auto, levenberg-marquardt or l-bfgs-b."""

    loss: str = "squared"
    method: str = "auto"
    max_iterations: int = 200


@dataclass(frozen=True)
class Grid:
    """Nodes x_i = i dx and times: ``steps`` of ``dt``, stages within each step at ``c``."""

    length: float
    cells: int
    end: float
    steps: int
    c: tuple[float, ...]

    @property
    def dx(self) -> float:
        """Node spacing in m."""
        return self.length / self.cells

    @property
    def dt(self) -> float:
        """Time step in s."""
        return self.end / self.steps

    @cached_property
    def x(self) -> Array:
        """Nodes, shape (cells + 1,)."""
        return np.linspace(0.0, self.length, self.cells + 1)

    @cached_property
    def t(self) -> Array:
        """Steps, shape (steps + 1,)."""
        return np.linspace(0.0, self.end, self.steps + 1)

    @cached_property
    def stage_times(self) -> Array:
        """t = 0 and then every stage of every step, shape (1 + steps stages,)."""
        stages = (np.arange(self.steps)[:, None] + np.array(self.c)) * self.dt
        return np.concatenate([[0.0], stages.ravel()])


@dataclass(frozen=True)
class Experiment:
    """Everything about one run of one bar."""

    bar: Bar
    time: Time
    material: Material
    source: tuple[Source, ...] = ()
    left: Boundary = field(default_factory=Flux)
    right: Boundary = field(default_factory=Flux)
    sensors: tuple[Sensor, ...] = ()
    fit: Fit = field(default_factory=Fit)

    def __post_init__(self) -> None:
        object.__setattr__(self, "source", tuple(self.source))
        object.__setattr__(self, "sensors", tuple(self.sensors))

    @cached_property
    def grid(self) -> Grid:
        """The nodes and times it is solved on."""
        c = tuple(float(c) for c in TABLEAUX[self.time.method].c)
        return Grid(self.bar.length, self.bar.cells, self.time.end, self.time.steps, c)

    @cached_property
    def unknowns(self) -> tuple[tuple[Place, Unknown], ...]:
        """Every unknown with its place, in the order of the fields."""
        return tuple(_unknowns(self, ()))


def _unknowns(part: Any, place: Place) -> Iterator[tuple[Place, Unknown]]:
    if isinstance(part, Unknown):
        yield place, part
    elif isinstance(part, tuple):
        for index, item in enumerate(part):
            yield from _unknowns(item, (*place, index))
    elif is_dataclass(part):
        for f in fields(part):
            yield from _unknowns(getattr(part, f.name), (*place, f.name))


def curves_of(experiment: Experiment) -> Iterator[tuple[Place, Curve, Array]]:
    """Every curve of an experiment: its place, itself, and where it will be evaluated."""
    x, t = experiment.grid.x, experiment.grid.stage_times
    yield ("bar", "initial"), as_curve(experiment.bar.initial), x
    yield ("material", "diffusivity"), as_curve(experiment.material.diffusivity), x
    for index, source in enumerate(experiment.source):
        yield ("source", index, "profile"), as_curve(source.profile), x
        yield ("source", index, "history"), as_curve(source.history), t
    yield ("left", "value"), as_curve(experiment.left.value), t
    yield ("right", "value"), as_curve(experiment.right.value), t
