"""Laws learned as networks from twin data: the lecture's second problem, and one of temperature.

Where a reading hears of the law, the network found is it: within 1 % from exact readings, within
its band from noisy ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from solver import (
    Bar,
    Calibration,
    Experiment,
    Expression,
    Joint,
    Material,
    Sensor,
    Source,
    Table,
    Temperature,
    Time,
    calibrate,
    simulate,
)
from solver.network import unknown_network

WIDTHS = (20, 20, 20)
NARROW = 0.05  # of a band, the control: what 0.1 of it covers is a matter of the noise drawn

Array = np.ndarray
Bars = list[Experiment]


def read(bars: Bars, hidden: Any, noise: float, form: str | None) -> Bars:
    """With readings of the hidden law, each with `noise` times its size of noise, and its sigma."""
    rng, read = np.random.default_rng(0), []
    for bar in bars:
        sensors = []
        for sensor, u in zip(bar.sensors, simulate(with_law(bar, hidden, form)), strict=True):
            sigma = noise * np.abs(u) if noise else None
            noisy = u * (1.0 + noise * rng.standard_normal(u.size))
            sensors.append(replace(sensor, temperatures=noisy, sigma=sigma))
        read.append(replace(bar, sensors=tuple(sensors)))
    return read


def with_law(bar: Experiment, law: Any, form: str | None) -> Experiment:
    return replace(bar, material=Material(law, form))


def misses(found: Calibration, hidden: Callable[[Array], Array], low: float, high: float) -> Array:
    """Off the hidden law by how many half widths of the band, from `low` to `high`."""
    band = found.bands[-1]
    here = (band.points >= low) & (band.points <= high)
    half = 0.5 * (band.upper - band.lower)[here]
    return np.abs(band.values[here] - hidden(band.points[here])) / half


def off(found: Calibration, hidden: Callable[[Array], Array], low: float, high: float) -> float:
    """The largest relative difference between the law found and the hidden one."""
    band = found.bands[-1]
    here = (band.points >= low) & (band.points <= high)
    return float(np.max(np.abs(band.values / hidden(band.points) - 1.0)[here]))


# --- of place: the lecture's bar -----------------------------------------------------------------


def kappa(x: Array) -> Array:
    return 2.0 + 0.5 * np.sin(3.0 * x) + x**2


def lecture(noise: float) -> Experiment:
    """25 sensors on the first 25 nodes of the lecture's bar."""
    t = np.linspace(0.0, 1.0, 51)[1:]
    bar = Experiment(
        bar=Bar(1.0, 50),
        time=Time(1.0, 50),
        material=Material(1.0),
        source=(Source(Expression("exp(-50*(x-0.5)**2)")),),
        right=Temperature(0.0),
        sensors=tuple(Sensor(i / 50, t) for i in range(25)),
    )
    (twin,) = read([bar], Expression("2 + 0.5*sin(3*x) + x**2"), noise, None)
    return with_law(twin, unknown_network("kappa", WIDTHS), None)


def test_the_lectures_law_from_exact_readings() -> None:
    found = calibrate(lecture(0.0))
    assert off(found, kappa, 0.0, 0.48) <= 0.01
    assert off(found, lambda x: 1.05 * kappa(x), 0.0, 0.48) > 0.01


@pytest.mark.parametrize("noise", [0.01, 0.1])
def test_the_band_covers_the_lectures_law(noise: float) -> None:
    found = calibrate(lecture(noise))
    assert found.status == "converged"
    z = misses(found, kappa, 0.0, 0.48)
    assert np.mean(z <= 1.0) >= 0.9
    assert np.mean(z <= NARROW) < 0.9


# --- of temperature: two heatings ----------------------------------------------------------------


def k(u: Array) -> Array:
    return 0.5 + 0.4 * np.tanh(3.0 * (u - 0.6)) + 0.3 * u


def heated(noise: float) -> Joint:
    """One bar, heated twice, differently."""
    t = np.linspace(0.0, 1.0, 41)[1:]
    bars = [
        Experiment(
            bar=Bar(1.0, 40),
            time=Time(1.0, 40),
            material=Material(1.0),
            source=(Source(Expression("exp(-20*(x-0.3)**2)"), power),),
            right=Temperature(0.0),
            sensors=tuple(Sensor(x, t) for x in np.linspace(0.0, 0.9, 10)),
        )
        for power in (2.0, 5.0)
    ]
    u = np.linspace(-0.5, 4.0, 400)
    twins = read(bars, Table(u, k(u), "monotone-cubic", of="u"), noise, "divergence")
    law = unknown_network("k", WIDTHS, of="u")
    return Joint(tuple(with_law(twin, law, "divergence") for twin in twins))


def test_a_law_of_temperature_from_exact_readings() -> None:
    found = calibrate(heated(0.0))
    _, high = found.met[1]
    assert off(found, k, 0.05 * high, high) <= 0.01
    assert off(found, lambda u: 1.05 * k(u), 0.05 * high, high) > 0.01


@pytest.mark.parametrize("noise", [0.01, 0.1])
def test_the_band_covers_a_law_of_temperature(noise: float) -> None:
    found = calibrate(heated(noise))
    assert found.status == "converged"
    _, high = found.met[1]
    z = misses(found, k, 0.05 * high, high)
    assert np.mean(z <= 1.0) >= 0.9
    assert np.mean(z <= NARROW) < 0.9
