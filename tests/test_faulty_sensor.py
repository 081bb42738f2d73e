"""The sensor that the others contradict, and the words for it and for discrepancy."""

from __future__ import annotations

import numpy as np
import pytest

from solver.correlation import Fault, Linearisation, describe, faulty_sensor, widen
from tests.test_correlation import Noise, bar, linearise, offset, twin, white


def broken(noise: Noise, times: float, seed: int, sensors: int = 3) -> Linearisation:
    """The last sensor drifts away to some `times` the noise of the others."""
    R, slices = bar(sensors, 500)
    rng = np.random.default_rng(seed)
    e = np.concatenate([noise(rng, 500) for _ in slices])
    e[slices[-1]] += times * np.linspace(0.0, np.sqrt(3.0), 500)
    return linearise(e - R @ np.linalg.lstsq(R, e, rcond=None)[0], R, slices)


def test_a_broken_sensor_is_named() -> None:
    for seed in range(10):
        found = faulty_sensor(broken(white, 30.0, seed))
        assert found is not None
        assert found.sensor == 2
        assert found.ratio > 7.65  # F(1, 2) at 0.05 / 3
        assert found.p_value < 0.05
    assert all(faulty_sensor(broken(white, 3.0, seed)) is None for seed in range(10))
    assert faulty_sensor(broken(white, 30.0, seed=0, sensors=2)) is None


def test_sensors_that_are_alike_are_not_called_broken() -> None:
    """White noise never; offsets, drawn alike, as seldom as the level says (5 % of the fits)."""
    R, slices = bar(3, 500)
    assert all(faulty_sensor(twin(R, slices, white, seed)[0]) is None for seed in range(100))
    named = [faulty_sensor(twin(R, slices, offset, seed)[0]) for seed in range(100)]
    assert sum(fault is not None for fault in named) <= 10


@pytest.mark.parametrize("glimpse", [0.0, 1e-3])
def test_a_sensor_that_alone_sees_an_unknown_is_not_judged(glimpse: float) -> None:
    """What the others know of that unknown, nothing or little, is no prediction of its readings."""
    fit = broken(white, 100.0, seed=0)
    assert faulty_sensor(fit) is not None
    mostly = np.full((1500, 1), glimpse)
    mostly[fit.slices[-1], 0] = np.linspace(1.0, 2.0, 500)
    R = np.hstack([bar(3, 500)[0], mostly])
    r = fit.residuals - R @ np.linalg.lstsq(R, fit.residuals, rcond=None)[0]
    assert faulty_sensor(linearise(r, R, fit.slices)) is None
    assert all(faulty_sensor(twin(R, fit.slices, white, seed)[0]) is None for seed in range(10))


def test_words() -> None:
    R, slices = bar(3, 500)
    names, sensors = ["a", "b"], ["left", "middle", "right"]
    calm = widen(twin(R, slices, white, seed=0)[0])
    assert describe(calm, None, names, sensors) == ()
    follow, dominates = describe(widen(broken(offset, 9.0, seed=0)), None, names, sensors)
    assert "follow one another" in follow
    assert "left 1" in follow
    assert "Model discrepancy" in dominates
    assert "a, b" in dominates
    (fault,) = describe(calm, Fault(1, 12.5, 0.02), names, sensors)
    assert "Sensor middle reads apart" in fault
    assert "12" in fault
