"""Experiments to test with: the course's, small ones, and random ones.

The random experiments run over the registries LAWS, BOUNDARIES and TABLEAUX. Hypothesis draws the
structure, which shrinks when a test fails; the figures in it come from a generator whose seed is
drawn, so that no figure is special.
"""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from solver import (
    BOUNDARIES,
    LAWS,
    TABLEAUX,
    Bar,
    Experiment,
    Expression,
    Linear,
    Material,
    Objective,
    Sensor,
    Source,
    Table,
    Temperature,
    Time,
    Unknown,
)
from solver.integrators import Tableau
from tests import oracles

Array = NDArray[np.float64]

DATA = Path(__file__).parents[1] / ".." / "shared" / "data"
COURSE_FILE = DATA / "cme216_heat" / "problem1.txt"
COURSE_ANSWER = {"a": 5.0, "b": 2.0}  # published with the exercise
COURSE_TIMES = np.arange(51) / 50

# Stiffly accurate DIRK methods, in the literature's figures (Hairer & Wanner II, IV.6; Bank et al.,
# IEEE Trans. Electron Devices 32 (1985) 1992-2007): the march is written once for all of them, so
# it is tested with all of them, registered or not.
GAMMA = 1.0 - np.sqrt(0.5)
METHODS = {
    "backward-euler": Tableau(1, ((1.0,),)),
    "crank-nicolson": Tableau(2, ((0.0,), (0.5, 0.5))),
    "sdirk2": Tableau(2, ((GAMMA,), (1.0 - GAMMA, GAMMA))),
    "tr-bdf2": Tableau(2, ((0.0,), (GAMMA, GAMMA), (np.sqrt(0.125), np.sqrt(0.125), GAMMA))),
}

# The same 200 experiments in every run, on every machine.
repeatable = settings(
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
two_hundred = settings(repeatable, max_examples=200)
fifty = settings(repeatable, max_examples=50)


def course_readings() -> Array:
    """The readings published with the course exercise, u(0, t_k)."""
    if not COURSE_FILE.exists():
        pytest.skip("the course data stand outside this repository, in ../shared/data/cme216_heat")
    return np.loadtxt(COURSE_FILE)


def course(
    temperatures: Array | None = None,
    start: tuple[float, float] = (1.0, 1.0),
    sigma: float | Array | None = None,
    **changes: Any,
) -> Experiment:
    """The course exercise: kappa = a + b x unknown, insulated left end, cold right end."""
    data = twin_readings() if temperatures is None else temperatures
    experiment = Experiment(
        bar=Bar(length=1.0, cells=50),
        time=Time(end=1.0, steps=50),
        material=Material(Linear(Unknown("a", start[0]), Unknown("b", start[1]))),
        source=(Source(Expression("exp(-50*(x-0.5)**2)")),),
        right=Temperature(0.0),
        sensors=(Sensor(0.0, COURSE_TIMES, data, sigma),),
    )
    return replace(experiment, **changes)


def si_course(start: tuple[float, float] = (1.0, 1.0), **changes: Any) -> Experiment:
    """The course exercise as a small slow bar: 1 cm, 10 000 s, kappa of some 1e-8 m^2/s.

    `start` is in units of the answer's own: a in L^2 / T, b in L / T; the answer is (5, 2) of them.
    """
    length, end = 1e-2, 1e4
    unit = length**2 / end
    law = Linear(Unknown("a", start[0] * unit), Unknown("b", start[1] * unit / length))
    experiment = Experiment(
        bar=Bar(length, 50),
        time=Time(end, 50),
        material=Material(law),
        source=(Source(Expression(f"exp(-50*(x/{length}-0.5)**2)"), 1.0 / end),),
        right=Temperature(0.0),
        sensors=(Sensor(0.0, COURSE_TIMES * end, twin_readings()),),
    )
    return replace(experiment, **changes)


def twin_readings() -> Array:
    """The dense oracle's readings of the course experiment at the published answer."""
    return oracles.readings(course(np.zeros(COURSE_TIMES.size)), COURSE_ANSWER)


def with_noise(fraction: float, seed: int) -> Experiment:
    """Every reading off by a share of itself; the one at t = 0 is 0 and tells nothing."""
    rng = np.random.default_rng(seed)
    data = twin_readings() * (1.0 + fraction * rng.standard_normal(COURSE_TIMES.size))
    data[0] = np.nan
    return course(data, sigma=np.where(np.isnan(data), 1.0, fraction * np.abs(data)))


def start(experiment: Experiment) -> Array:
    """The parameter vector at the start values."""
    return Objective(experiment).parameters.start


def sizes(experiment: Experiment) -> Array:
    """The magnitude of each parameter, to compare gradients free of units."""
    values = np.abs(start(experiment))
    return np.where(values > 0.0, values, 1.0)


@st.composite
def experiments(draw: st.DrawFn, method: str | None = None) -> Experiment:
    """A random experiment with at least one unknown and at least one reading."""
    return _Builder(draw, method).build()


class _Builder:
    """Draws one experiment: structure from hypothesis, figures from a seeded generator."""

    def __init__(self, draw: st.DrawFn, method: str | None) -> None:
        self.draw = draw
        self.rng = np.random.default_rng(draw(st.integers(0, 2**31), label="seed"))
        self.method = method or draw(st.sampled_from(sorted(TABLEAUX)))
        self.cells = draw(st.integers(2, 60))
        self.steps = draw(st.integers(1, 60))
        self.length = self.decades(-3, 3)
        self.end = self.decades(-2, 6)
        self.kelvin = self.decades(-2, 3)
        self.kappa = self.decades(-2, 1) * self.length**2 / self.end
        self.names = 0
        self.shared: Unknown | None = None

    def build(self) -> Experiment:
        rate, flux = self.kelvin / self.end, self.kelvin * self.length / self.end
        law = self.law()
        initial = self.profile(self.kelvin)
        kinds = {"temperature": self.kelvin, "flux": flux}
        left, right = self.boundary(kinds), self.boundary(kinds)
        count = self.draw(st.integers(1, 4))
        source = tuple(Source(self.profile(rate), self.series(1.0)) for _ in range(count))
        # one source that heats unevenly, so that every kappa shows in the readings
        source += (Source(self.formula("x", self.length, rate), self.number(1.0, unknown=True)),)
        return Experiment(
            bar=Bar(self.length, self.cells, initial),
            time=Time(self.end, self.steps, self.method),
            material=Material(law),
            source=source,
            left=left,
            right=right,
            sensors=self.sensors(),
        )

    def decades(self, low: float, high: float) -> float:
        return float(10.0 ** self.rng.uniform(low, high))

    def number(self, size: float, unknown: bool | None = None) -> float | Unknown:
        value = float(size * self.rng.uniform(0.3, 1.5) * self.rng.choice([-1.0, 1.0]))
        return self.maybe_unknown(value, unknown)

    def maybe_unknown(self, value: float, unknown: bool | None = None) -> float | Unknown:
        if self.draw(st.booleans()) if unknown is None else unknown:
            self.names += 1
            return Unknown(f"p{self.names}", value)
        return value

    def law(self) -> Any:
        law = LAWS[self.draw(st.sampled_from(sorted(LAWS)))]
        known = {"a": self.kappa, "b": 0.5 * self.kappa / self.length}
        figures = {
            f.name: known.get(f.name, self.kappa) * float(self.rng.uniform(0.5, 1.5))
            for f in fields(law)
        }
        if "b" in figures and self.draw(st.booleans(), label="kappa falls"):
            figures["b"] *= -0.5
        assume((law(**figures).value(np.linspace(0.0, self.length, 9)) > 0.0).all())
        return law(**{name: self.maybe_unknown(value) for name, value in figures.items()})

    def boundary(self, kinds: dict[str, float]) -> Any:
        kind = self.draw(st.sampled_from(sorted(BOUNDARIES)))
        size = kinds.get(kind, self.kelvin)
        if self.draw(st.booleans(), label="one unknown for both ends"):
            self.shared = self.shared or Unknown("shared", size * float(self.rng.uniform(0.3, 1.5)))
            return BOUNDARIES[kind](self.shared)
        return BOUNDARIES[kind](self.series(size))

    def profile(self, size: float) -> Any:
        return self.curve("x", self.length, size)

    def series(self, size: float) -> Any:
        return self.curve("t", self.end, size)

    def curve(self, variable: str, reach: float, size: float) -> Any:
        kind = self.draw(st.sampled_from(["number", "unknown", "formula", "table", "zero"]))
        if kind == "formula":
            return self.formula(variable, reach, size)
        if kind == "table":
            inside = np.sort(self.rng.uniform(0.0, reach, self.draw(st.integers(0, 5))))
            points = np.unique(np.concatenate([[0.0], inside, [reach]]))
            return Table(points, size * self.rng.standard_normal(points.size))
        return 0.0 if kind == "zero" else self.number(size, unknown=kind == "unknown")

    def formula(self, variable: str, reach: float, size: float) -> Expression:
        c, p, q = map(float, self.rng.uniform(0.3, 1.5, 3) * [size, 1.0, 1.0])
        s = f"{variable}/{reach!r}"
        shapes = (
            f"{c!r}*exp(-{p!r}*({s}-{q!r})**2)",
            f"{c!r}*(1+{p!r}*sin({q!r}*pi*{s}))",
            f"-{c!r}*tanh({p!r}+{s})/({q!r}+abs({s}))",
            f"{c!r}*({p!r}-{s})**3",
        )
        return Expression(self.draw(st.sampled_from(shapes)), variable)

    def sensors(self) -> tuple[Sensor, ...]:
        count = self.draw(st.integers(0, 3))
        noise = self.draw(st.sampled_from(["none", "number", "list"]))
        # one sensor inside the bar, read at the end of the run, so that the source shows in it
        out = [self.sensor(self.length * float(self.rng.uniform(0.05, 0.95)), noise)]
        out += [self.sensor(self.place(), noise) for _ in range(count)]
        if self.draw(st.booleans(), label="coincident sensor"):
            out.append(self.sensor(out[0].x, noise))
        return tuple(out)

    def place(self) -> float:
        node = self.draw(st.integers(0, self.cells))
        kind = self.draw(st.sampled_from(["between", "node", "left", "right"]))
        return {
            "node": float(np.linspace(0.0, self.length, self.cells + 1)[node]),
            "between": float(self.rng.uniform(0.0, self.length)),
            "left": 0.0,
            "right": self.length,
        }[kind]

    def sensor(self, x: float, noise: str) -> Sensor:
        grid = np.linspace(0.0, self.end, self.steps + 1)
        between = self.rng.uniform(0.0, self.end, self.draw(st.integers(0, 6)))
        on_steps = self.rng.choice(grid, self.draw(st.integers(1, 6)))
        times = np.unique(np.concatenate([between, on_steps, [self.end]]))
        temperatures = self.kelvin * (1.0 + self.rng.standard_normal(times.size))
        if self.draw(st.booleans(), label="missing samples"):
            temperatures[-2::-2] = np.nan  # the last one stays
        sigma = {
            "none": None,
            "number": self.kelvin * self.rng.uniform(0.01, 1.0),
            "list": self.kelvin * self.rng.uniform(0.01, 1.0, times.size),
        }[noise]
        return Sensor(x, times, temperatures, sigma)
