"""Nothing gets warmer than the warmest that is given, nor colder than the coldest.

Backward Euler keeps to that whatever the steps, in both forms; a method that does not is caught.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from solver import (
    TABLEAUX,
    Bar,
    Convection,
    Exchange,
    Experiment,
    Exponential,
    Flux,
    Grading,
    Layers,
    Linear,
    Material,
    Table,
    Temperature,
    Time,
    simulate_field,
)
from solver.curves import INTERPOLATIONS
from tests.experiments import METHODS, two_hundred

ROUND_OFF = 1e-12
FORMS = ("nondivergence", "divergence", "conductivity")
INSULATED = Flux(0.0)


# What the laws are of, and how wild the rest is.
STEPS = {"x": (-8, 6), "u": (-5, -2)}  # decades
DECADES = {"x": 6.0, "u": 1.0}
SPANS = {"x": (0.0, 1e-9, 1.0), "u": (0.0, 1e-9, 0.2)}


class Sourceless:
    """No source; matter over twelve decades from node to node, steps over fourteen.

    With of = "u" a law at least is of the temperature, over which it changes by up to a decade; the
    decades are fewer then, for Newton's iteration is not sure to find a way over so many.
    """

    def __init__(self, draw: st.DrawFn, of: str) -> None:
        self.draw, self.of = draw, of
        self.rng = np.random.default_rng(draw(st.integers(0, 2**31), label="seed"))
        self.cells, self.steps = draw(st.integers(2, 60)), draw(st.integers(1, 20))
        self.end = self.steps * 10.0 ** self.rng.uniform(*STEPS[of])
        self.span = draw(st.sampled_from(SPANS[of]), label="spread of the temperatures")
        ratio = float(10.0 ** self.rng.uniform(0.1, 2))
        self.grading = draw(st.sampled_from([None, Grading("left", ratio), Grading("both", ratio)]))

    def build(self) -> Experiment:
        form = self.draw(st.sampled_from(FORMS))
        exchange = None
        if self.draw(st.booleans(), label="exchange"):
            exchange = Exchange(self.size(), self.series())
        laws = [self.law() if self.of == "x" else self.law_of_temperature()]
        if form == "conductivity":
            laws.append(self.law())
            if self.draw(st.booleans(), label="what stores changes"):
                laws.reverse()
            material = Material(conductivity=laws[0], heat_capacity=laws[1], exchange=exchange)
        else:
            material = Material(laws[0], form, exchange=exchange)
        x = np.linspace(0.0, 1.0, self.cells + 1)
        return Experiment(
            bar=Bar(1.0, self.cells, Table(x, self.temperatures(x.size)), self.grading),
            time=Time(self.end, self.steps, "backward-euler"),
            material=material,
            left=self.end_of_bar(),
            right=self.end_of_bar(),
        )

    def size(self, count: int | None = None) -> Any:
        """A figure of matter or of its surroundings, or several."""
        return 10.0 ** self.rng.uniform(-DECADES[self.of], DECADES[self.of], count)

    def law(self) -> Any:
        kind = self.draw(st.sampled_from(["even", "table", "layers"]))
        if kind == "even":
            return self.size()
        x = np.linspace(0.0, 1.0, self.cells + 1)
        if kind == "table":
            return Table(x, self.size(x.size))
        edges = np.sort(self.rng.uniform(0.0, 1.0, self.draw(st.integers(1, 5))))
        return Layers(edges, self.size(edges.size + 1))

    def law_of_temperature(self) -> Any:
        size = self.size()
        if self.draw(st.booleans(), label="smooth"):
            return Exponential(size, self.rng.uniform(-0.7, 0.7), of="u")
        points = np.array([-0.1, 0.63, 0.91, 1.13, 1.41, 2.1])
        values = size * 10.0 ** self.rng.uniform(-0.3, 0.3, points.size)
        return Table(points, values, self.draw(st.sampled_from(INTERPOLATIONS)), of="u")

    def temperatures(self, size: int) -> np.ndarray:
        return 1.0 + self.span * self.rng.uniform(-1.0, 1.0, size)

    def series(self) -> Table:
        t = np.linspace(0.0, self.end, self.steps + 1)
        return Table(t, self.temperatures(t.size))

    def end_of_bar(self) -> Any:
        kind = self.draw(st.sampled_from(["insulated", "pinned", "convective"]))
        if kind == "insulated":
            return INSULATED
        if kind == "pinned":
            return Temperature(self.series())
        return Convection(self.size(), self.series())


@st.composite
def sourceless(draw: st.DrawFn, of: str = "x") -> Experiment:
    return Sourceless(draw, of).build()


def overshoot(experiment: Experiment) -> float:
    """How far temperatures leave the range of the initial ones and of those around the bar."""
    around = [getattr(end, end.drive) for end in (experiment.left, experiment.right)]
    if experiment.material.exchange is not None:
        around.append(experiment.material.exchange.ambient)
    tables = [experiment.bar.initial, *(part for part in around if isinstance(part, Table))]
    given_ = np.concatenate([table.values for table in tables])
    found = simulate_field(experiment).temperatures
    return float(max(found.max() - given_.max(), given_.min() - found.min()))


@two_hundred
@given(sourceless())
def test_temperatures_never_leave_the_range_of_what_was_given(experiment: Experiment) -> None:
    assert overshoot(experiment) <= ROUND_OFF


@two_hundred
@given(sourceless("u"))
def test_nor_where_matter_changes_with_temperature(experiment: Experiment) -> None:
    assert overshoot(experiment) <= ROUND_OFF


@pytest.mark.parametrize("law", [1.0, Exponential(1.0, 0.1, of="u")])
@pytest.mark.parametrize("form", ["nondivergence", "divergence"])
def test_a_method_that_is_not_monotone_is_caught(
    form: str, law: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Crank-Nicolson without its damped start undershoots after a spike; the check sees that."""
    x = np.linspace(0.0, 1.0, 21)
    spike = Experiment(
        bar=Bar(1.0, 20, Table(x, np.where(x == 0.5, 1.0, 0.0))),
        time=Time(1.0, 10, "backward-euler"),
        material=Material(law, form),
    )
    assert overshoot(spike) <= ROUND_OFF
    monkeypatch.setitem(TABLEAUX, "crank-nicolson", METHODS["crank-nicolson"])
    assert overshoot(replace(spike, time=Time(1.0, 10, "crank-nicolson"))) > 0.1


@pytest.mark.parametrize("number", [1.0, 1e4, 1e8, 1e12, 1e16, 1e20])
@pytest.mark.parametrize("law", [1.0, Linear(1.0, 0.5), Layers([0.37], [1.0, 100.0])])
@pytest.mark.parametrize("form", FORMS)
def test_an_even_temperature_stays_however_long_the_steps(
    form: str, law: Any, number: float
) -> None:
    """Row sums of I - dt K are 1: what is lost of them in dt K must not be lost in the solution."""
    stays_even(form, law, number)


@pytest.mark.parametrize("number", [1.0, 1e4, 1e8, 1e12])
@pytest.mark.parametrize("form", FORMS)
def test_so_it_does_where_matter_would_change(form: str, number: float) -> None:
    stays_even(form, Linear(1.0, 0.5, of="u"), number)


def stays_even(form: str, law: Any, number: float) -> None:
    material = Material(law, form)
    if form == "conductivity":
        material = Material(conductivity=law, heat_capacity=Linear(1.0, 3.0))
    bar, time = Bar(1.0, 50, Linear(1.0, 0.0)), Time(number / 50**2 * 10, 10, "backward-euler")
    found = simulate_field(Experiment(bar, time, material))
    assert np.abs(found.temperatures - 1.0).max() <= ROUND_OFF
