"""Honest uncertainties: intervals that cover, and none where the data determine nothing."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
import pytest
from scipy.stats import norm, t

from solver import (
    Calibration,
    Experiment,
    Linear,
    Material,
    Objective,
    Sensor,
    Unknown,
    calibrate,
    simulate,
)
from solver.uncertainty import Uncertainty, quantify
from tests import oracles
from tests.experiments import COURSE_ANSWER, COURSE_TIMES, course, twin_readings, with_noise
from tests.verification import complex_step, relative_gap

TRUTH = np.array([5.0, 2.0])
RUNS = 100


@dataclass(frozen=True)
class Replicates:
    """What came out of a hundred noisy data sets."""

    found: list[Calibration]

    def covered(self, widen: float = 1.0) -> np.ndarray:
        """In how many runs each interval, made `widen` times as wide, holds the truth."""
        intervals = np.array([c.uncertainty.intervals for c in self.found])
        centre, half = intervals.mean(axis=2), np.ptp(intervals, axis=2) / 2
        return (np.abs(centre - TRUTH) <= widen * half).sum(axis=0)


@pytest.fixture(scope="module", params=[0.01, 0.1])
def replicates(request: pytest.FixtureRequest) -> tuple[float, Replicates]:
    found = [calibrate(with_noise(request.param, seed)) for seed in range(RUNS)]
    return request.param, Replicates(found)


def test_intervals_cover_the_truth(replicates: tuple[float, Replicates]) -> None:
    fraction, runs = replicates
    low, high = {0.01: (88, 99), 0.1: (83, 99)}[fraction]
    assert all(low <= count <= high for count in runs.covered())
    assert all(count < low for count in runs.covered(widen=0.6))
    assert all(count > high for count in runs.covered(widen=3.0))


def test_estimates_are_as_correlated_as_said(replicates: tuple[float, Replicates]) -> None:
    _, runs = replicates
    said = np.array([c.uncertainty.correlation[0, 1] for c in runs.found])
    seen = np.corrcoef(np.array([c.theta for c in runs.found]).T)[0, 1]
    assert abs(said.mean() + 0.99) <= 0.01
    assert abs(seen + 0.99) <= 0.01
    assert all(c.status == "converged" and c.certificate.passed for c in runs.found)


def test_verdicts_and_advice(replicates: tuple[float, Replicates]) -> None:
    fraction, runs = replicates
    said = [c.uncertainty.identifiability for c in runs.found]
    verdicts = Counter(i.verdict for i in said)
    if fraction == 0.01:
        assert verdicts == {"determined": RUNS}
        return
    assert verdicts["weak"] > RUNS / 2
    for i in said:
        if i.verdict != "determined":
            assert "a and b trade off against each other" in i.advice
            assert "sensor further along the bar would help" in i.advice
            assert abs(i.weakest_direction["b"]) > abs(i.weakest_direction["a"])


# --- figures -------------------------------------------------------------------------------------


def at_truth(**changes: object) -> Uncertainty:
    return quantify(Objective(course(**changes)), TRUTH)


def jacobian(experiment: Experiment, values: dict[str, float]) -> np.ndarray:
    """The dense bar's, by complex step."""

    def readings(m: np.ndarray) -> np.ndarray:
        return oracles.readings(experiment, dict(zip(values, m, strict=True)))

    return complex_step(readings, np.array(list(values.values())))


def test_figures_published_with_the_course_data() -> None:
    """SOURCE.md: corr(a, b) = -0.9975, cond(J'J) = 1.3e3, standard deviations at 1 and 10 %."""
    even = at_truth(sigma=1e-4)
    assert f"{even.correlation[0, 1]:.4f}" == "-0.9975"
    assert f"{np.linalg.cond(even.covariance):.1e}" == "1.3e+03"
    data = twin_readings()
    data[0] = np.nan
    for fraction, printed in ((0.01, ["0.066", "0.134"]), (0.1, ["0.66", "1.34"])):
        sigma = np.where(np.isnan(data), 1.0, fraction * data)
        errors = at_truth(temperatures=data, sigma=sigma).standard_errors
        digits = len(printed[0]) - 2
        assert [f"{e:.{digits}f}" for e in errors] == printed


def test_given_sigma_takes_the_normal_distribution() -> None:
    sigma = np.random.default_rng(2).uniform(1e-5, 1e-4, 51)
    data = twin_readings() + sigma * np.random.default_rng(1).standard_normal(51)
    found = calibrate(course(data, sigma=sigma))
    R = jacobian(found.study, found.estimates) / sigma[:, None]
    covariance = np.linalg.inv(R.T @ R)
    u = found.uncertainty
    assert relative_gap(u.covariance, covariance) <= 1e-8
    assert relative_gap(1.001 * u.covariance, covariance) > 1e-8
    np.testing.assert_allclose(u.standard_errors, np.sqrt(np.diagonal(covariance)), rtol=1e-8)
    half = norm.ppf(0.975) * u.standard_errors
    np.testing.assert_allclose(u.intervals, found.theta[:, None] + np.outer(half, [-1, 1]))
    assert u.sigma is None
    assert u.degrees_of_freedom == 49


@pytest.mark.parametrize("readings", [4, 9, 50])
def test_estimated_sigma_takes_students_t(readings: int) -> None:
    kept = np.linspace(1, 50, readings).astype(int)
    data = twin_readings()[kept] + 1e-4 * np.random.default_rng(3).standard_normal(readings)
    found = calibrate(course(sensors=(Sensor(0.0, COURSE_TIMES[kept], data),)))
    u, freedom = found.uncertainty, readings - 2
    s = np.sqrt(found.objective / freedom)
    R = jacobian(found.study, found.estimates)
    assert u.sigma == pytest.approx(s, rel=1e-9)
    assert u.degrees_of_freedom == freedom
    assert relative_gap(u.covariance, s**2 * np.linalg.inv(R.T @ R)) <= 1e-7
    half = np.ptp(u.intervals, axis=1) / 2
    np.testing.assert_allclose(half, t.ppf(0.975, freedom) * u.standard_errors, rtol=1e-9)
    assert np.all(half > 1.02 * norm.ppf(0.975) * u.standard_errors)


def test_a_log_scale_has_a_positive_interval() -> None:
    a, b = Unknown("a", 1.0), Unknown("b", 1.0, scale="log")
    noisy = with_noise(0.1, seed=0)
    found = calibrate(replace(noisy, material=Material(Linear(a, b))))
    u = found.uncertainty
    (lower, upper), error = u.formal_intervals[1], u.formal_errors[1]
    value = found.theta[1]
    assert 0.0 < lower < value < upper
    assert upper / value == pytest.approx(value / lower, rel=1e-12)
    assert np.log(upper / value) == pytest.approx(norm.ppf(0.975) * error / value, rel=1e-12)
    wide, factor = u.intervals[1], u.quantile[1] * u.standard_errors[1] / value
    np.testing.assert_allclose(np.log(wide / value), [-factor, factor], rtol=1e-12)
    linear = calibrate(noisy)
    np.testing.assert_allclose(linear.theta, found.theta, rtol=1e-5)
    assert linear.uncertainty.intervals[1].sum() == pytest.approx(2 * linear.theta[1], rel=1e-12)


def test_an_exact_fit_has_no_error_but_a_correlation() -> None:
    """Data that the model meets to the last bit: sigma is estimated to be 0."""
    data = simulate(course(), COURSE_ANSWER)[0]
    found = quantify(Objective(course(data)), TRUTH)
    assert found.standard_errors.tolist() == [0.0, 0.0]
    assert found.correlation[0, 1] == pytest.approx(-0.9975, abs=1e-4)
    assert found.identifiability.verdict == "determined"


def test_as_many_unknowns_as_readings() -> None:
    sensor = Sensor(0.0, COURSE_TIMES[[10, 40]], twin_readings()[[10, 40]])
    without = calibrate(course(sensors=(sensor,))).uncertainty
    assert without.degrees_of_freedom == 0
    assert without.sigma is None
    assert all("sigma" in reason for reason in without.reasons)
    assert np.isnan(without.intervals).all()
    given = calibrate(course(sensors=(replace(sensor, sigma=1e-5),))).uncertainty
    assert given.reasons == (None, None)
    assert np.isfinite(given.intervals).all()
