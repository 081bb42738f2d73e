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

LAW_NAMES = (NUMBER, *sorted(LAWS))
MATTER = [
    *((form, (law,)) for form in (None, "nondivergence", "divergence") for law in LAW_NAMES),
    *(
        ("conductivity", (law, LAW_NAMES[(i + shift) % len(LAW_NAMES)]))
        for i, law in enumerate(LAW_NAMES)
        for shift in range(3)
    ),
]


class Studies:
    """Draws one study. What its experiments have in common stands here: units, and the matter."""

    def __init__(self, draw: st.DrawFn, method: str | None = None, most: int = 40) -> None:
        self.draw = draw
        self.form, self.laws = draw(st.sampled_from(MATTER))
        self.curves = Curves(draw)
        self.rng = self.curves.rng
        self.method = method
        self.most = most  # cells, and steps
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
            return Material(
                conductivity=self.curves.law(self.laws[0], kappa * C, self.length),
                heat_capacity=self.curves.law(self.laws[1], C, self.length),
                exchange=exchange,
            )
        law = self.curves.law(self.laws[0], kappa, self.length)
        return Material(law, self.form, exchange=exchange)

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
            table.values.name: Smoothing(order=self.draw(st.sampled_from([1, 2])))
            for table in oracles.unknown_tables(experiments)
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
