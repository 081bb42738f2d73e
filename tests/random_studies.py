"""Random experiments and joint fits, over all that is registered.

Whatever number the document knows may be unknown here; forms, ends, methods, losses, grids, priors
and sensors are drawn.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import strategies as st

from solver import (
    BOUNDARIES,
    LAWS,
    LOSSES,
    TABLEAUX,
    Bar,
    Exchange,
    Experiment,
    Fit,
    Grading,
    Joint,
    Material,
    Prior,
    Sensor,
    Smoothing,
    Source,
    Time,
)
from solver.experiment import Study
from solver.grid import TOWARDS, Grid
from tests import oracles
from tests.random_curves import NUMBER, Axis, Curves

Kind = tuple[str, str]  # a law's name, and what it is of

OF_PLACE: tuple[Kind, ...] = ((NUMBER, "x"), *((name, "x") for name in sorted(LAWS)))
OF_TEMPERATURE: tuple[Kind, ...] = tuple(
    (name, "u") for name, law in sorted(LAWS.items()) if hasattr(law, "of")
)
DIFFUSIVITIES = (None, "nondivergence", "divergence")  # their forms
HOTTEST = 25.0  # in units of `Studies.kelvin`: no temperature is further from 0
MOST = {"x": 40, "u": 5}  # cells, and steps; the dense Newton is slow


def alone(kinds: tuple[Kind, ...]) -> list[tuple[str | None, tuple[Kind, ...]]]:
    """Matter of one law, in all forms."""
    return [(form, (kind,)) for form in DIFFUSIVITIES for kind in kinds]


def pairs(
    some: tuple[Kind, ...], others: tuple[Kind, ...], shifts: range
) -> list[tuple[str, tuple[Kind, Kind]]]:
    """Each of some with as many of the others as there are shifts: what conducts, what stores."""
    return [
        ("conductivity", (kind, others[(i + shift) % len(others)]))
        for i, kind in enumerate(some)
        for shift in shifts
    ]


# What matter may be, where nothing in it is of the temperature, and where something is.
MATTER = {
    "x": alone(OF_PLACE) + pairs(OF_PLACE, OF_PLACE, range(3)),
    "u": alone(OF_TEMPERATURE)
    + pairs(OF_TEMPERATURE, OF_TEMPERATURE, range(2))
    + pairs(OF_TEMPERATURE, OF_PLACE, range(2))
    + pairs(OF_PLACE, OF_TEMPERATURE, range(1)),
}


class Studies:
    """Draws one study. What its experiments have in common stands here: units, and the matter.

    of: whether any of its laws is of the temperature, "u", or all of them are of place, "x"; as
    often the one as the other where it is left out.
    """

    def __init__(self, draw: st.DrawFn, method: str | None = None, of: str | None = None) -> None:
        self.draw = draw
        of = of or draw(st.sampled_from(sorted(MATTER)))
        self.form, self.laws = draw(st.sampled_from(MATTER[of]))
        self.curves = Curves(draw)
        self.rng = self.curves.rng
        self.method = method
        self.most = MOST[of]
        self.length = self.curves.decades(-3, 3)
        self.kelvin = self.curves.decades(-2, 3)
        self.end = self.curves.decades(-2, 6)
        self.kappa = self.curves.decades(-2, 1) * self.length**2 / self.end
        self.noise = draw(st.sampled_from(["none", "number", "list"]))
        self.capacity = self.curves.decades(-1, 7) if self.form == "conductivity" else 1.0
        self.material = self.matter()

    def study(self) -> Study:
        """One experiment, or several with the matter and other unknowns in common."""
        experiments = tuple(self.experiment() for _ in range(self.draw(st.integers(1, 2))))
        fit = self.fit(experiments)
        if len(experiments) == 1:
            return replace(experiments[0], fit=fit)
        return Joint(experiments, fit)

    def experiment(self) -> Experiment:
        cells, steps = self.draw(st.integers(2, self.most)), self.draw(st.integers(1, self.most))
        x, t = Axis("x", self.length), Axis("t", self.end)
        method = self.method or self.draw(st.sampled_from([None, *sorted(TABLEAUX)]))
        grading = None
        if self.curves.yes("graded"):
            towards = self.draw(st.sampled_from(TOWARDS))
            grading = Grading(towards, self.curves.decades(0.1, 1.3))
        rate = self.capacity * self.kelvin / self.end
        source = tuple(
            Source(self.curves.curve(x, rate), self.curves.curve(t, 1.0))
            for _ in range(self.draw(st.integers(0, 2)))
        )
        # one source that heats unevenly, so that all of the matter shows in the readings
        power = self.curves.number(1.0, unknown=True)
        source += (Source(self.curves.formula(x, rate), power),)
        experiment = Experiment(
            bar=Bar(self.length, cells, self.curves.curve(x, self.kelvin), grading),
            time=Time(self.end, steps, method),
            material=self.material,
            source=source,
            left=self.boundary(),
            right=self.boundary(),
        )
        return replace(experiment, sensors=self.sensors(experiment.grid))

    def matter(self) -> Material:
        kappa, C = self.kappa, self.capacity
        exchange = None
        if self.curves.yes("exchange with the surroundings"):
            rate = self.curves.number(C / self.end, positive=True)
            exchange = Exchange(rate, self.curves.curve(Axis("t", self.end), self.kelvin))
        if self.form == "conductivity":
            k, store = self.law(self.laws[0], kappa * C), self.law(self.laws[1], C)
            if getattr(store, "level", C) is None:
                store = replace(store, level=C)  # what heats the bar was drawn for this C
            return Material(conductivity=k, heat_capacity=store, exchange=exchange)
        return Material(self.law(self.laws[0], kappa), self.form, exchange=exchange)

    def law(self, kind: Kind, size: float) -> Any:
        name, variable = kind
        hottest = HOTTEST * self.kelvin
        of = Axis("x", self.length) if variable == "x" else Axis("u", hottest, -hottest)
        return self.curves.law(name, size, of)

    def boundary(self) -> Any:
        kind = BOUNDARIES[self.draw(st.sampled_from(sorted(BOUNDARIES)))]
        speed = self.capacity * self.length / self.end
        is_temperature = kind.pinned or kind.exchanges
        drive = self.kelvin if is_temperature else self.kelvin * speed
        parts = {kind.drive: self.curves.curve(Axis("t", self.end), drive)}
        if kind.amount is not None:
            size = speed if kind.exchanges else 1.0
            parts[kind.amount] = self.curves.number(size, positive=True)
        return kind(**parts)

    def fit(self, experiments: tuple[Experiment, ...]) -> Fit:
        loss = self.draw(st.sampled_from(sorted(LOSSES)))
        sigma = [s.sigma for e in experiments for s in e.sensors if s.sigma is not None]
        usual = float(np.median(np.concatenate([np.ravel(s) for s in sigma]))) if sigma else 1.0
        threshold = None
        if self.noise == "none" or self.curves.yes("a threshold"):
            threshold = self.kelvin / usual * self.curves.decades(-0.7, 0.5)
        prior = {
            unknown.name: Prior(*self.rng.uniform([-1.0, 0.1], [1.0, 1.0]) * size)
            for unknown in oracles.unknowns(experiments)
            if (size := float(np.max(np.abs(unknown.start)))) > 0.0 and self.curves.yes("a prior")
        }
        smoothing = {
            name: Smoothing(order=self.draw(st.sampled_from([1, 2])))
            for name, _ in oracles.unknown_curves(experiments)
            if self.curves.yes("smoothed otherwise than by default")
        }
        return Fit(loss=loss, threshold=threshold, prior=prior, smoothing=smoothing)

    def sensors(self, grid: Grid) -> tuple[Sensor, ...]:
        # one sensor inside the bar, read at the end of the run, so that the source shows in it
        out = [self.sensor(grid, self.length * float(self.rng.uniform(0.05, 0.95)))]
        count = self.draw(st.integers(0, 3))
        out += [self.sensor(grid, self.place(grid)) for _ in range(count)]
        if self.curves.yes("coincident sensor"):
            out.append(self.sensor(grid, out[0].x))
        return tuple(out)

    def place(self, grid: Grid) -> float:
        kind = self.draw(st.sampled_from(["between", "node", "left", "right"]))
        return {
            "node": float(grid.x[self.draw(st.integers(0, grid.cells))]),
            "between": float(self.rng.uniform(0.0, self.length)),
            "left": 0.0,
            "right": self.length,
        }[kind]

    def sensor(self, grid: Grid, x: float) -> Sensor:
        between = self.rng.uniform(0.0, self.end, self.draw(st.integers(0, 6)))
        on_steps = self.rng.choice(grid.t, self.draw(st.integers(1, 6)))
        times = np.unique(np.concatenate([between, on_steps, [self.end]]))
        temperatures = self.kelvin * (1.0 + self.rng.standard_normal(times.size))
        if self.curves.yes("missing samples"):
            temperatures[-2::-2] = np.nan  # the last one stays
        sigma = {
            "none": None,
            "number": self.kelvin * self.rng.uniform(0.01, 1.0),
            "list": self.kelvin * self.rng.uniform(0.01, 1.0, times.size),
        }[self.noise]
        return Sensor(x, times, temperatures, sigma)
