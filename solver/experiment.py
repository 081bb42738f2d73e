"""A heated bar with sensors on it, as frozen values; the same tree as the JSON document.

An `Experiment` holds what was set up and what was measured; whatever Number in it is an `Unknown`
is to be found. A `Joint` is several experiments with one set of unknowns. Field names and nesting
are those of the document, so that a `Problem` raised here points at the right place of either.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from functools import cache, cached_property
from types import MappingProxyType
from typing import Any

import numpy as np

from solver.boundary import Boundary, Flux
from solver.curves import Profile, Unknown
from solver.errors import Place
from solver.grid import SMALL, Grading, Grid
from solver.integrators import TABLEAUX
from solver.kept import shared
from solver.kernels import Array
from solver.laws import Law
from solver.scales import with_networks_filled
from solver.source import Exchange, Source


@dataclass(frozen=True)
class Bar:
    """The rod: length in m, number of cells (None: chosen), temperature at t = 0, refinement."""

    length: float
    cells: int | None = None
    initial: Profile = 0.0
    grading: Grading | None = None


@dataclass(frozen=True)
class Time:
    """The run: from 0 to `end` seconds in `steps` equal steps (None: chosen) of a time method.

    A method left out is backward Euler where the steps are given, TR-BDF2 where they are chosen.
    """

    end: float
    steps: int | None = None
    method: str | None = None

    @property
    def scheme(self) -> str:
        """The method's key in `TABLEAUX`."""
        return self.method or ("tr-bdf2" if self.steps is None else "backward-euler")


@dataclass(frozen=True)
class Material:
    """What the bar is made of: a diffusivity, or a conductivity with a heat capacity.

    ``u_t = diffusivity u_xx + f`` (form "nondivergence", the default with a diffusivity),
    ``u_t = (diffusivity u_x)_x + f`` (form "divergence"), or
    ``heat_capacity u_t = (conductivity u_x)_x + f`` (always divergence); each less
    ``exchange.rate (u - exchange.ambient)``. m2/s; W/m/K and J/m3/K.
    """

    diffusivity: Law | None = None
    form: str | None = None
    conductivity: Law | None = None
    heat_capacity: Law | None = None
    exchange: Exchange | None = None

    @property
    def divergence(self) -> bool:
        """Whether the equation is in divergence form."""
        return self.conductivity is not None or self.form == "divergence"


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

    @cached_property
    def present(self) -> Array:
        """Which readings are there, (readings,) bool."""
        return np.zeros(0, bool) if self.temperatures is None else ~np.isnan(self.temperatures)


@dataclass(frozen=True)
class Prior:
    """What is known of an unknown beforehand: Gaussian, with this mean and standard deviation."""

    mean: float
    sd: float


@dataclass(frozen=True)
class Smoothing:
    """How an unknown curve is held smooth: the order of the differences and their weight.

    A weight of None is chosen from the data, see `solver.smoothing`.
    """

    weight: float | None = None
    order: int = 1


@dataclass(frozen=True)
class Fit:
    """How to search and what to hold against the data.

    loss: a key of `LOSSES`; threshold: where Huber's loss turns linear, in units of sigma (K where
    sigma is None). method: a key of `METHODS`. prior and smoothing: by the unknowns' names.
    starts: from how many points to search, the first being the start values. max_iterations: None
    for what the method usually takes. memory: bytes of temperatures that a march may keep for its
    way back; None for `checkpoints.MEMORY`. Less costs time, not digits.
    """

    loss: str = "squared"
    method: str = "auto"
    max_iterations: int | None = None
    prior: Mapping[str, Prior] = field(default_factory=lambda: MappingProxyType({}))
    smoothing: Mapping[str, Smoothing] = field(default_factory=lambda: MappingProxyType({}))
    starts: int = 1
    threshold: float | None = None
    memory: int | None = None


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

    @property
    def ends(self) -> dict[str, Boundary]:
        """The conditions at both ends."""
        return {"left": self.left, "right": self.right}

    @cached_property
    def grid(self) -> Grid:
        """The nodes and times it is solved on; cells and steps must have been chosen."""
        if self.sensors:
            return self.set_up.grid
        bar, time = self.bar, self.time
        assert bar.cells is not None
        assert time.steps is not None
        tableau = TABLEAUX[time.scheme]
        return Grid(bar.length, bar.cells, time.end, time.steps, tableau, bar.grading)

    @cached_property
    def set_up(self) -> Experiment:
        """The same without what was measured, and what for; of small bars the same for equals."""
        bare = replace(self, sensors=(), fit=Fit())
        large = max(self.bar.cells or 0, self.time.steps or 0) > SMALL
        return bare if large else shared(bare)

    @property
    def experiments(self) -> tuple[Experiment, ...]:
        """Itself: a joint fit of one."""
        return (self,)

    def place(self, index: int) -> Place:
        """Where experiment `index` stands."""
        return ()

    @cached_property
    def unknowns(self) -> tuple[tuple[Place, Unknown], ...]:
        """Every unknown with its place, in the order of the fields."""
        return self.set_up.unknowns if self.sensors else tuple(_unknowns(self, ()))


@dataclass(frozen=True)
class Joint:
    """Several experiments with one set of unknowns; J is summed, `fit` is that of all."""

    experiments: tuple[Experiment, ...]
    fit: Fit = field(default_factory=Fit)

    def __post_init__(self) -> None:
        object.__setattr__(self, "experiments", with_networks_filled(tuple(self.experiments)))

    def place(self, index: int) -> Place:
        """Where experiment `index` stands."""
        return ("experiments", index)

    @cached_property
    def unknowns(self) -> tuple[tuple[Place, Unknown], ...]:
        """Every unknown with its place, experiment after experiment."""
        return tuple(
            ((*self.place(i), *place), unknown)
            for i, experiment in enumerate(self.experiments)
            for place, unknown in experiment.unknowns
        )


Study = Experiment | Joint


def sigma_given(study: Study) -> bool:
    """Whether the readings have a standard deviation; all have one, or none."""
    read = (s for e in study.experiments for s in e.sensors if s.present.any())
    return any(sensor.sigma is not None for sensor in read)


def _unknowns(part: Any, place: Place) -> Iterator[tuple[Place, Unknown]]:
    if isinstance(part, Unknown):
        yield place, part
    elif isinstance(part, tuple):
        for index, item in enumerate(part):
            yield from _unknowns(item, (*place, index))
    else:
        kind: Any = type(part)
        for name in _parts(kind):
            yield from _unknowns(getattr(part, name), (*place, name))


@cache
def _parts(kind: Any) -> tuple[str, ...]:
    return tuple(f.name for f in fields(kind)) if is_dataclass(kind) else ()
