"""Many fits at once: each is the fit to its own data, and their spread is what errors say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from solver import Cancelled, InvalidExperiment, bootstrap, calibrate, refit
from solver.experiment import Study
from tests.experiments import course, twin_readings

SETS = 200
NOISE = 2e-4  # K; a tenth of the largest reading at most
SPREAD = 0.2  # of 200 sets: a standard deviation is off by one part in twenty, twice that is rare


def noisy(sigma: float | None = NOISE, seed: int = 5) -> Study:
    noise = NOISE * np.random.default_rng(seed).standard_normal(51)
    return course(twin_readings() + noise, sigma=sigma)


@pytest.mark.parametrize("sigma", [NOISE, None], ids=["sigma given", "sigma estimated"])
def test_the_spread_is_the_standard_errors(sigma: float | None) -> None:
    fit = calibrate(noisy(sigma))
    found = bootstrap(fit, SETS, seed=1)
    assert set(found.statuses) == {"converged"}
    assert found.errors == {}
    expected = fit.uncertainty.standard_errors
    spread = found.estimates.std(axis=0, ddof=1)
    np.testing.assert_allclose(spread, expected, rtol=SPREAD)
    off = found.estimates.mean(axis=0) - fit.theta
    assert (np.abs(off) <= 0.3 * expected).all()


def test_every_refit_is_the_fit_to_its_data() -> None:
    fit = calibrate(noisy())
    data = np.stack([noisy(seed=seed).sensors[0].temperatures for seed in (6, 7, 8)])
    found = refit(fit, data)
    for seed, estimate in zip((6, 7, 8), found.estimates, strict=True):
        np.testing.assert_allclose(estimate, calibrate(noisy(seed=seed)).theta, rtol=1e-7)
    assert np.abs(found.estimates - fit.theta).max() > 1e-3


def test_threads_order_and_neighbours_do_not_matter() -> None:
    fit = calibrate(noisy())
    rng = np.random.default_rng(2)
    data = twin_readings() + NOISE * rng.standard_normal((7, 51))
    data[3, 4] = np.nan
    expected = refit(fit, data, threads=1)
    assert list(expected.errors) == [3]
    assert expected.statuses[3] == ""
    assert np.isnan(expected.estimates[3]).all()
    order = rng.permutation(7)
    for threads in (1, 2, 3):
        found = refit(fit, data[order], threads=threads)
        np.testing.assert_array_equal(found.estimates, expected.estimates[order])
        assert found.statuses == tuple(np.array(expected.statuses)[order])
    moved = refit(fit, np.nextafter(data, np.inf), threads=1)
    assert (moved.estimates != expected.estimates).any()


def test_the_seed_tells_the_data() -> None:
    fit = calibrate(noisy())
    first, same, other = (bootstrap(fit, 3, seed=seed).estimates for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, same)
    assert (first != other).all()


def test_a_pulse_stops_it() -> None:
    def pulse() -> None:
        raise Cancelled("enough")

    with pytest.raises(Cancelled, match="enough"):
        bootstrap(calibrate(noisy()), 20, threads=2, pulse=pulse)


def test_noise_that_nobody_knows() -> None:
    times = slice(10, 12)
    whole = noisy(None)
    few = replace(
        whole.sensors[0],
        times=whole.sensors[0].times[times],
        temperatures=whole.sensors[0].temperatures[times],
    )
    with pytest.raises(InvalidExperiment, match="give sigma"):
        bootstrap(calibrate(replace(whole, sensors=(few,))))
