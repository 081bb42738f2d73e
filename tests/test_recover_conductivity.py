"""k = k0 (1 + beta u) from a surface and an inner sensor: honest intervals in a hundred noises."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from solver import (
    Bar,
    Experiment,
    Flux,
    Linear,
    Material,
    Sensor,
    Time,
    Unknown,
    calibrate,
    simulate,
)

K0, BETA = 15.0, 8e-4  # W/m/K and 1/K: k rises by 30 % over the 370 K of this run
NOISE = 0.005  # of the largest temperature rise


def bar(k0: float | Unknown, slope: float | Unknown) -> Experiment:
    """A plate of steel, 2 cm, heated by a known flux: temperatures are rises above the start's."""
    t = np.linspace(3.0, 120.0, 40)
    return Experiment(
        bar=Bar(0.02, 16),
        time=Time(120.0, 40, "tr-bdf2"),
        material=Material(conductivity=Linear(k0, slope, of="u"), heat_capacity=4e6),
        left=Flux(2e5),
        sensors=(Sensor(0.0, t, name="surface"), Sensor(0.01, t, name="inside")),
    )


@pytest.mark.parametrize("given", [True, False], ids=["sigma given", "sigma estimated"])
def test_intervals_hold_what_they_promise(given: bool) -> None:
    """Within the 95 % interval in 88 to 100 of 100 seeds; intervals of a third are in far fewer.

    The law is ``a + b u``; beta = b / a has the interval that the covariance of both gives it.
    """
    exact = simulate(bar(K0, K0 * BETA))
    noise = NOISE * max(float(u.max()) for u in exact)
    start = bar(Unknown("a", 10.0), Unknown("b", 0.0))
    off = []  # of k0 and of beta, in half widths
    for seed in range(100):
        rng = np.random.default_rng(seed)
        readings = [u + noise * rng.standard_normal(u.size) for u in exact]
        sensors = tuple(
            replace(sensor, temperatures=u, sigma=noise if given else None)
            for sensor, u in zip(start.sensors, readings, strict=True)
        )
        found = calibrate(replace(start, sensors=sensors))
        assert found.status == "converged"
        (a, b), u = found.theta, found.uncertainty
        slope = np.array([-b / a**2, 1.0 / a])  # of b / a
        half = u.quantile[1] * np.sqrt(slope @ u.covariance @ slope)
        off.append([2.0 * abs(a - K0) / np.ptp(u.intervals[0]), abs(b / a - BETA) / half])
    within = np.sum(np.array(off) <= 1.0, axis=0)
    assert (within >= 88).all()
    shrunk = np.sum(np.array(off) <= 1.0 / 3.0, axis=0)
    assert (shrunk < 70).all()
    assert (within - shrunk >= 25).all()
