"""Residual diagnostics: white noise is called white, and a memory is seen."""

from __future__ import annotations

import math

import numpy as np
import pytest

from solver import Sensor, calibrate
from solver.residuals import autocorrelation, diagnose
from tests.experiments import COURSE_TIMES, course, twin_readings


def naive_autocorrelation(r: np.ndarray, lag: int) -> float:
    return sum(r[k] * r[k + lag] for k in range(len(r) - lag)) / sum(r * r)


@pytest.mark.parametrize("size", [4, 5, 50, 51])
@pytest.mark.parametrize("memory", [0.0, 0.9, -0.7])
def test_against_the_definitions(size: int, memory: float) -> None:
    r = autoregressive(size, memory, seed=size)
    found = diagnose(r, 3.5)
    assert found.readings == size
    assert found.rms == pytest.approx(math.sqrt(sum(r**2) / size), rel=1e-14)
    assert found.autocorrelation == pytest.approx(naive_autocorrelation(r, 1), rel=1e-11)
    assert found.autocorrelation != pytest.approx(naive_autocorrelation(r, 2), rel=1e-11)
    assert found.effective_sample_size == 3.5
    lags = [naive_autocorrelation(r, k) for k in range(size)]
    np.testing.assert_allclose(autocorrelation(r), lags, rtol=0, atol=1e-13)


def autoregressive(size: int, memory: float, seed: int) -> np.ndarray:
    """``r_k = memory r_{k-1} + noise``, whose lag-one autocorrelation is `memory`."""
    noise = np.random.default_rng(seed).standard_normal(size)
    r = [noise[0]]
    for shock in noise[1:]:
        r.append(memory * r[-1] + math.sqrt(1 - memory**2) * shock)
    return np.array(r)


@pytest.mark.parametrize("memory", [0.0, 0.5, 0.9])
def test_memory_of_a_long_series(memory: float) -> None:
    found = diagnose(autoregressive(20_000, memory, seed=1), 1.0)
    assert found.autocorrelation == pytest.approx(memory, abs=0.02)


def test_an_offset_is_a_memory() -> None:
    """A right model's residuals lie about zero, so their mean is not taken away."""
    assert diagnose(np.full(40, 2.0), 1.0).autocorrelation == pytest.approx(39 / 40)
    assert diagnose(np.tile([1.0, -1.0], 20), 40.0).autocorrelation == pytest.approx(-39 / 40)


@pytest.mark.parametrize("r", [np.zeros(0), np.ones(1), np.array([1.0, 2.0, 3.0]), np.zeros(9)])
def test_nothing_to_say_of_few_or_no_residuals(r: np.ndarray) -> None:
    found = diagnose(r, 2.0)
    assert found.readings == r.size
    assert math.isnan(found.autocorrelation)
    assert math.isnan(found.effective_sample_size)
    assert math.isnan(found.rms) if r.size == 0 else found.rms == np.sqrt(np.mean(r**2))
    assert not math.isnan(diagnose(np.arange(4.0), 2.0).autocorrelation)


def test_units_do_not_matter() -> None:
    r = autoregressive(60, 0.6, seed=2)
    here, there = diagnose(r, 5.0), diagnose(1e-6 * r, 5.0)
    assert there.rms == pytest.approx(1e-6 * here.rms)
    assert there.autocorrelation == pytest.approx(here.autocorrelation)


def test_a_fit_reports_each_sensor_in_kelvin() -> None:
    """Noise on one sensor, a drift that the model does not know on the other."""
    rng, clean = np.random.default_rng(3), twin_readings()
    white = clean + 1e-4 * rng.standard_normal(51)
    drifting = clean + 3e-4 * np.sin(2 * np.pi * COURSE_TIMES)
    sensors = tuple(Sensor(0.0, COURSE_TIMES, d, 1e-4) for d in (white, drifting))
    found = calibrate(course(sensors=sensors))
    noise, drift = found.residuals
    assert noise.rms == pytest.approx(1e-4, rel=0.3)  # of the temperature, not of r / sigma
    assert noise.autocorrelation < 0.5 < 0.9 < drift.autocorrelation
    assert noise.effective_sample_size > 2 * drift.effective_sample_size
    assert found.residuals[1].rms == diagnose(found.fitted[1] - drifting, 1.0).rms
