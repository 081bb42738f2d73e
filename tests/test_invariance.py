"""What must not change when a bar is turned round, warmed, taken apart or given in other units.

Each of these catches mistakes of indexing and of units that derivative tests pass over, because
there the model and its derivative are wrong together.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from solver import (
    Experiment,
    Expression,
    Grading,
    Layers,
    Objective,
    Source,
    Table,
    Unknown,
    simulate,
    starts,
    value_and_gradient,
)
from tests.dense_bar import curve, of_temperature, scaled
from tests.experiments import experiments, fifty, known, two_hundred
from tests.verification import relative_gap


def readings(experiment: Experiment) -> np.ndarray:
    return np.concatenate(simulate(experiment))


# --- the bar turned round ------------------------------------------------------------------------


def known_inside(e: Experiment) -> Experiment:
    """Unknowns at the ends, in histories and in the exchange stay; profiles and laws are given."""
    return replace(
        e,
        bar=known(e.bar),
        material=replace(known(e.material), exchange=e.material.exchange),
        source=tuple(Source(known(s.profile), s.history) for s in e.source),
    )


def mirrored(e: Experiment) -> Experiment:
    """The bar turned round, whose inside is known. Laws of the temperature stay as they are."""
    L, matter, grading = e.bar.length, e.material, e.bar.grading
    if grading is not None:
        other = {"left": "right", "right": "left", "both": "both"}[grading.towards]
        grading = Grading(other, grading.ratio)
    x = replace(e, bar=replace(e.bar, grading=grading)).grid.x

    def turned(profile: Any) -> Any:
        if isinstance(profile, Layers) and matter.divergence:
            return Layers(L - profile.inner[::-1], profile.values[::-1])
        if profile is None or of_temperature(profile):
            return profile
        return Table(x, curve(profile, {}, e.grid.x)[::-1])

    laws = ("diffusivity", "conductivity", "heat_capacity")
    return replace(
        e,
        bar=replace(e.bar, initial=turned(e.bar.initial), grading=grading),
        material=replace(matter, **{name: turned(getattr(matter, name)) for name in laws}),
        source=tuple(replace(s, profile=turned(s.profile)) for s in e.source),
        left=e.right,
        right=e.left,
        sensors=tuple(replace(s, x=min(max(L - s.x, 0.0), L)) for s in e.sensors),
    )


@two_hundred
@given(experiments())
def test_mirrored_bar(experiment: Experiment) -> None:
    here = known_inside(scaled(experiment))
    there = mirrored(here)
    assert relative_gap(readings(there), readings(here)) <= 1e-11
    half = replace(there, left=here.left, right=here.right)
    if not isinstance(here.left, type(here.right)):
        assert relative_gap(readings(half), readings(here)) > 1e-11


@fifty
@given(experiments())
def test_mirrored_gradient(experiment: Experiment) -> None:
    here = known_inside(scaled(experiment))
    (J, gradient), (other, turned) = (value_and_gradient(e) for e in (here, mirrored(here)))
    assert other == pytest.approx(J, rel=1e-11)
    start = starts(here)
    found, expected = (
        np.concatenate([np.multiply(g[name], start[name]).ravel() for name in start])
        for g in (turned, gradient)
    )
    assert relative_gap(found, expected) <= 1e-10
    assert relative_gap(1.001 * found, expected) > 1e-10


# --- sensors -------------------------------------------------------------------------------------


@fifty
@given(experiments())
def test_reordered_sensors(experiment: Experiment) -> None:
    back = replace(experiment, sensors=experiment.sensors[::-1])
    here, there = Objective(experiment), Objective(back)
    m = here.parameters.start
    for s, other in zip(here.sensor_rows, there.sensor_rows[::-1], strict=True):
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


# --- superposition, and a warmer zero ------------------------------------------------------------


def alone(experiment: Experiment, cause: str) -> Experiment:
    """The experiment with one cause of temperatures left, of those that `causes` names."""
    e, matter = experiment, experiment.material
    exchange = matter.exchange
    if exchange is not None and cause != "ambient":
        exchange = replace(exchange, ambient=0.0)
    sources = (s for i, s in enumerate(e.source) if cause == f"source {i}")
    ends = {
        side: end if cause == side else replace(end, **{end.drive: 0.0})
        for side, end in e.ends.items()
    }
    return replace(
        e,
        bar=e.bar if cause == "initial" else replace(e.bar, initial=0.0),
        material=replace(matter, exchange=exchange),
        source=tuple(sources),
        **ends,
    )


@two_hundred
@given(experiments(of="x"))
def test_superposition(experiment: Experiment) -> None:
    """Initial state, sources, ends and surroundings act independently of one another."""
    e = known(experiment)
    causes = ["initial", "left", "right", "ambient", *(f"source {i}" for i in range(len(e.source)))]
    parts = [readings(alone(e, cause)) for cause in causes]
    reach = sum(float(np.linalg.norm(part)) for part in parts)
    whole = readings(e)
    assert np.linalg.norm(sum(parts) - whole) <= 1e-13 * reach
    assert np.abs(readings(alone(e, "nothing"))).max() == 0.0
    assert np.linalg.norm(sum(parts[:-1]) - whole) > 1e-13 * reach  # without the last source


def warmer(temperature: Any, by: float) -> Any:
    """A temperature, known or not, with a constant added."""
    if isinstance(temperature, Unknown):
        start = np.asarray(temperature.start) + by
        return replace(temperature, start=tuple(start) if temperature.listed else float(start))
    if isinstance(temperature, Expression):
        return Expression(f"({temperature.text})+{by!r}", temperature.variable)
    if isinstance(temperature, Table):
        values = temperature.values
        listed = isinstance(values, tuple)
        moved = tuple(warmer(v, by) for v in values) if listed else warmer(values, by)
        return replace(temperature, values=moved)
    return temperature + by


@two_hundred
@given(experiments(of="x"))
def test_a_warmer_zero(experiment: Experiment) -> None:
    """A constant added to all temperatures given is added to all that are read, and that is all."""
    e, matter = experiment, experiment.material
    by = 10.0 * float(np.nanmax(np.abs(e.sensors[0].temperatures)))

    def shifted(end: Any) -> Any:
        if not (end.pinned or end.exchanges):
            return end
        return replace(end, **{end.drive: warmer(getattr(end, end.drive), by)})

    exchange = matter.exchange
    if exchange is not None:
        exchange = replace(exchange, ambient=warmer(exchange.ambient, by))
    above = replace(
        e,
        bar=replace(e.bar, initial=warmer(e.bar.initial, by)),
        material=replace(matter, exchange=exchange),
        left=shifted(e.left),
        right=shifted(e.right),
        sensors=tuple(replace(s, temperatures=s.temperatures + by) for s in e.sensors),
    )
    here, there = Objective(e), Objective(above)
    assert here.parameters.names == there.parameters.names
    scale = np.where(here.parameters.start == 0.0, 1.0, here.parameters.start)
    y, moved = here.predict(here.parameters.start), there.predict(there.parameters.start)
    assert np.abs(moved - by - y).max() <= 1e-13 * (by + np.abs(y).max())
    _, gradient = here.value_and_gradient(here.parameters.start)
    _, other = there.value_and_gradient(there.parameters.start)
    assert relative_gap(other * scale, gradient * scale) <= 1e-11
    assert relative_gap(1.001 * other * scale, gradient * scale) > 1e-11
