"""What must hold of every bar, whatever its figures: conservation, extremes, and symmetries.

Each of these catches mistakes of indexing and of units that derivative tests pass over, because
there the model and its derivative are wrong together.
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
    Experiment,
    Expression,
    Flux,
    Linear,
    Material,
    Objective,
    Sensor,
    Source,
    Table,
    Temperature,
    Time,
    Unknown,
    simulate,
    simulate_field,
    value_and_gradient,
)
from tests import oracles
from tests.experiments import METHODS, course, experiments, fifty, two_hundred
from tests.verification import relative_gap

ROUND_OFF = 1e-12


def free_bar(law: Any, initial: Any, cells: int, steps: int, number: float) -> Experiment:
    """Insulated at both ends, with ``dt / dx^2 = number``."""
    return Experiment(
        bar=Bar(1.0, cells, initial),
        time=Time(number / cells**2 * steps, steps),
        material=Material(law),
    )


# --- conservation --------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [1.0, 100.0, 1000.0])
@pytest.mark.parametrize("law", [1.0, Linear(1.0, 0.5)])
def test_an_insulated_bar_keeps_its_heat_over_ten_thousand_steps(law: Any, number: float) -> None:
    """``u_t = kappa u_xx`` keeps the integral of u / kappa."""
    found = simulate_field(free_bar(law, Expression("1+x**2"), 20, 10_000, number))
    weights = _trapezoid(found.x) / oracles.curve(law, {}, found.x)
    heat = found.temperatures @ weights
    assert np.abs(heat / heat[0] - 1.0).max() <= ROUND_OFF
    assert np.ptp(found.temperatures.mean(axis=1)) > 1e-3  # the plain mean is not kept


def test_heat_that_flows_in_is_all_there() -> None:
    law, steps = Linear(2.0, 1.5), 60
    experiment = replace(
        free_bar(law, Expression("x*(1-x)"), 40, steps, 30.0),
        left=Flux(0.7),
        right=Flux(Expression("-0.2*t", "t")),
        source=(Source(Expression("exp(-9*(x-0.3)**2)"), Expression("cos(t)", "t")),),
    )
    found = simulate_field(experiment)
    x, t = found.x, found.t[1:]
    weights = _trapezoid(x) / (2.0 + 1.5 * x)
    rate = 0.7 / 2.0 - 0.2 * t / 3.5 + np.cos(t) * (weights @ np.exp(-9 * (x - 0.3) ** 2))
    heat = found.temperatures @ weights
    expected = heat[0] + np.cumsum(rate) * found.t[1]
    assert np.abs(heat[1:] - expected).max() <= ROUND_OFF * heat.max()
    swapped = expected - np.cumsum(0.7 / 2.0 - 0.7 / 3.5 + 0 * t) * found.t[1]
    assert np.abs(heat[1:] - swapped).max() > 1e-3


def _trapezoid(x: np.ndarray) -> np.ndarray:
    weights = np.full(x.size, x[1])
    weights[[0, -1]] /= 2.0
    return weights


# --- the discrete maximum principle --------------------------------------------------------------


@st.composite
def sourceless(draw: st.DrawFn, method: str = "backward-euler") -> Experiment:
    """No source, kappa over twelve decades from node to node, steps over fourteen."""
    rng = np.random.default_rng(draw(st.integers(0, 2**31), label="seed"))
    cells, steps = draw(st.integers(2, 60)), draw(st.integers(1, 20))
    x, end = np.linspace(0.0, 1.0, cells + 1), steps * 10.0 ** rng.uniform(-8, 6)
    kappa = 10.0 ** rng.uniform(-6, 6, 1 if draw(st.booleans(), label="even") else cells + 1)
    span = draw(st.sampled_from([0.0, 1e-9, 1.0]), label="spread of the temperatures")

    def temperatures(size: int) -> np.ndarray:
        return 1.0 + span * rng.uniform(-1.0, 1.0, size)

    def end_of_bar() -> Any:
        free = draw(st.booleans(), label="insulated")
        return Flux(0.0) if free else Temperature(Table(t, temperatures(t.size)))

    t = np.linspace(0.0, end, steps + 1)
    return Experiment(
        bar=Bar(1.0, cells, Table(x, temperatures(x.size))),
        time=Time(end, steps, method),
        material=Material(Table(x, np.broadcast_to(kappa, x.shape))),
        left=end_of_bar(),
        right=end_of_bar(),
    )


def overshoot(experiment: Experiment) -> float:
    """How far temperatures leave the range of the initial ones and of those held at the ends."""
    given_ = [experiment.bar.initial.values]
    given_ += [e.value.values for e in (experiment.left, experiment.right) if e.pinned]
    allowed, found = np.concatenate(given_), simulate_field(experiment).temperatures
    return float(max(found.max() - allowed.max(), allowed.min() - found.min()))


@two_hundred
@given(sourceless())
def test_temperatures_never_leave_the_range_of_what_was_given(experiment: Experiment) -> None:
    assert overshoot(experiment) <= ROUND_OFF


def test_a_method_that_is_not_monotone_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Crank-Nicolson undershoots after a spike: it is not monotone, and the check sees that."""
    x = np.linspace(0.0, 1.0, 21)
    spike = Experiment(
        bar=Bar(1.0, 20, Table(x, np.where(x == 0.5, 1.0, 0.0))),
        time=Time(1.0, 10),
        material=Material(1.0),
    )
    assert overshoot(spike) <= ROUND_OFF
    monkeypatch.setitem(TABLEAUX, "crank-nicolson", METHODS["crank-nicolson"])
    assert overshoot(replace(spike, time=Time(1.0, 10, "crank-nicolson"))) > 0.1


@pytest.mark.parametrize("number", [1.0, 1e4, 1e8, 1e12, 1e16, 1e20])
@pytest.mark.parametrize("law", [1.0, Linear(1.0, 0.5)])
def test_an_even_temperature_stays_however_long_the_steps(law: Any, number: float) -> None:
    """Row sums of I - dt K are 1: what is lost of them in dt K must not be lost in the solution."""
    found = simulate_field(free_bar(law, 1.0, 50, 10, number))
    assert np.abs(found.temperatures - 1.0).max() <= ROUND_OFF


# --- symmetries ----------------------------------------------------------------------------------


def tabulated(experiment: Experiment) -> Experiment:
    """The same experiment with numbers for its unknowns and tables for its profiles."""
    values, x = oracles.start_values(experiment), experiment.grid.x

    def table(profile: Any) -> Table:
        return Table(x, oracles.curve(profile, values, x))

    def known(series: Any) -> Any:
        return values[series.name] if isinstance(series, Unknown) else series

    e = experiment
    return replace(
        e,
        bar=replace(e.bar, initial=table(e.bar.initial)),
        material=Material(table(e.material.diffusivity)),
        source=tuple(Source(table(s.profile), known(s.history)) for s in e.source),
        left=type(e.left)(known(e.left.value)),
        right=type(e.right)(known(e.right.value)),
    )


def mirrored(experiment: Experiment) -> Experiment:
    """The bar turned round; `experiment` is tabulated."""
    e, L = experiment, experiment.bar.length

    def turned(table: Table) -> Table:
        return Table(table.points, table.values[::-1])

    return replace(
        e,
        bar=replace(e.bar, initial=turned(e.bar.initial)),
        material=Material(turned(e.material.diffusivity)),
        source=tuple(replace(s, profile=turned(s.profile)) for s in e.source),
        left=e.right,
        right=e.left,
        sensors=tuple(replace(s, x=min(max(L - s.x, 0.0), L)) for s in e.sensors),
    )


def readings(experiment: Experiment) -> np.ndarray:
    return np.concatenate(simulate(experiment))


@fifty
@given(experiments())
def test_mirrored_bar(experiment: Experiment) -> None:
    here = tabulated(experiment)
    assert relative_gap(readings(mirrored(here)), readings(here)) <= 1e-11
    half = replace(mirrored(here), left=here.left, right=here.right)
    if not isinstance(here.left, type(here.right)):
        assert relative_gap(readings(half), readings(here)) > 1e-11


@fifty
@given(experiments())
def test_reordered_sensors(experiment: Experiment) -> None:
    back = replace(experiment, sensors=experiment.sensors[::-1])
    here, there = Objective(experiment), Objective(back)
    m = here.parameters.start
    for s, other in zip(here.observation.slices, there.observation.slices[::-1], strict=True):
        np.testing.assert_array_equal(here.predict(m)[s], there.predict(m)[other])
    J, gradient = here.value_and_gradient(m)
    assert relative_gap(np.array([there.value(m)]), np.array([J])) <= 1e-13
    assert relative_gap(there.value_and_gradient(m)[1], gradient) <= 1e-10


@fifty
@given(experiments())
def test_a_reading_twice_is_a_reading_of_twice_the_weight(experiment: Experiment) -> None:
    sensors = tuple(
        replace(s, sigma=1.0 if s.sigma is None else s.sigma) for s in experiment.sensors
    )
    once = replace(experiment, sensors=sensors)
    twice = Objective(replace(once, sensors=(*sensors, sensors[0])))
    sharper = replace(sensors[0], sigma=sensors[0].sigma / np.sqrt(2.0))
    heavier = Objective(replace(once, sensors=(sharper, *sensors[1:])))
    m = twice.parameters.start
    assert heavier.value(m) == pytest.approx(twice.value(m), rel=1e-13)
    assert relative_gap(heavier.value_and_gradient(m)[1], twice.value_and_gradient(m)[1]) <= 1e-10
    assert Objective(once).value(m) != pytest.approx(twice.value(m), rel=1e-13)


BODY = course(
    bar=Bar(1.0, 30, Expression("cos(pi*x/2)")),
    source=(Source(Expression("exp(-20*(x-0.3)**2)"), Expression("cos(3*t)", "t")),),
    left=Flux(Expression("0.4*sin(t)", "t")),
    right=Temperature(Expression("0.3*t", "t")),
    sensors=(Sensor(0.0, np.array([0.01, 0.5, 1.0])), Sensor(0.71, np.array([0.33, 0.9]))),
)


def test_superposition() -> None:
    """Initial state, source and both ends act independently of one another."""
    nothing = replace(BODY, bar=Bar(1.0, 30), source=(), left=Flux(0.0), right=Temperature(0.0))
    causes = ("bar", "source", "left", "right")
    parts = [readings(replace(nothing, **{c: getattr(BODY, c)})) for c in causes]
    assert relative_gap(sum(parts), readings(BODY)) <= 1e-14
    assert np.abs(readings(nothing)).max() == 0.0
    for part in parts:
        assert relative_gap(sum(parts) - part, readings(BODY)) > 1e-3


def test_a_warmer_zero() -> None:
    """Adding a constant to every temperature given adds it to every temperature read."""
    warmer = replace(
        BODY,
        bar=Bar(1.0, 30, Expression("cos(pi*x/2)+273.15")),
        right=Temperature(Expression("0.3*t+273.15", "t")),
    )
    np.testing.assert_allclose(readings(warmer), readings(BODY) + 273.15, rtol=1e-14)
    assert np.abs(readings(replace(warmer, right=BODY.right)) - readings(warmer)).max() > 1.0


def scaled(metre: float, second: float) -> Experiment:
    """One bar in units of which `metre` and `second` make a metre and a second."""
    kappa, speed = metre**2 / second, metre / second
    return Experiment(
        bar=Bar(metre, 20, 0.1),
        time=Time(2.0 * second, 25),
        material=Material(Linear(Unknown("a", 0.5 * kappa), Unknown("b", 0.3 * kappa / metre))),
        source=(Source(Unknown("s", 0.7 / second)),),
        left=Flux(Unknown("q", 0.4 * speed)),
        right=Temperature(Unknown("g", 0.2)),
        sensors=(Sensor(0.3 * metre, np.array([0.5, 1.7]) * second, np.array([1.0, 2.0])),),
    )


def test_units_of_length_and_time() -> None:
    """m -> mm and s -> h: the same misfit, and each derivative per its own unit."""
    mm, h = 1e3, 1 / 3600
    J, gradient = value_and_gradient(scaled(1.0, 1.0))
    other, converted = value_and_gradient(scaled(mm, h))
    units = {"a": mm**2 / h, "b": mm / h, "s": 1 / h, "q": mm / h, "g": 1.0}
    assert other == pytest.approx(J, rel=1e-12)
    for name, unit in units.items():
        assert converted[name] * unit == pytest.approx(gradient[name], rel=1e-11)
    assert gradient["a"] != pytest.approx(converted["a"], rel=1e-11)
