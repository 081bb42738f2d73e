"""Errors from the exact Hessian: the formal ones where the model is straight, others where not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from solver import (
    Calibration,
    Experiment,
    Fit,
    Linear,
    Material,
    Objective,
    Prior,
    Sensor,
    TrialError,
    Unknown,
    calibrate,
    simulate,
)
from solver import curvature as module
from solver.curvature import ALIKE, MOST, bent
from solver.remarks import _curvature
from solver.uncertainty import quantify
from tests import oracles
from tests.experiments import COURSE_ANSWER, COURSE_TIMES, course, twin_readings, with_noise
from tests.test_identifiability import TWIN_SOURCES
from tests.test_search import many_sources
from tests.verification import relative_gap

TRUTH = np.array([5.0, 2.0])
REMARK = "The model bends noticeably"


def few(seed: int = 2, sigma: float | None = None, **changes: object) -> Experiment:
    """Six readings of 15 % noise: the intervals are wide, and the model is not straight in them."""
    kept = np.linspace(1, 50, 6).astype(int)
    noise = 1.0 + 0.15 * np.random.default_rng(seed).standard_normal(6)
    sensor = Sensor(0.0, COURSE_TIMES[kept], twin_readings()[kept] * noise, sigma)
    return course(sensors=(sensor,), **changes)


@pytest.fixture(scope="module")
def wide() -> Calibration:
    return calibrate(few())


def remarks_of(found: Calibration) -> list[str]:
    return [words for words in found.warnings if words.startswith(REMARK)]


# --- where they are the same ---------------------------------------------------------------------


def test_without_residuals_they_are_the_formal_errors() -> None:
    data = simulate(course(), COURSE_ANSWER)[0]
    exact = quantify(Objective(course(data, sigma=1e-4)), TRUTH)
    np.testing.assert_allclose(exact.observed_errors, exact.formal_errors, rtol=1e-9)
    assert relative_gap(1.001 * exact.observed_errors, exact.formal_errors) > 1e-9
    noisy = data + 1e-4 * np.random.default_rng(1).standard_normal(51)
    other = calibrate(course(noisy, sigma=1e-4)).uncertainty
    assert relative_gap(other.observed_errors, other.formal_errors) > 1e-4


def test_exact_data_tell_no_nonsense() -> None:
    data = simulate(course(), COURSE_ANSWER)[0]
    nothing = quantify(Objective(course(data)), TRUTH)
    assert nothing.observed_errors.tolist() == [0.0, 0.0]
    found = calibrate(course(data))
    assert (found.uncertainty.observed_errors <= 1e-10).all()  # as round-off is the only noise
    assert remarks_of(found) == []


def test_precise_data_leave_the_intervals_as_they_are() -> None:
    found = calibrate(with_noise(0.01, seed=1))
    u = found.uncertainty
    np.testing.assert_allclose(u.observed_errors, u.standard_errors, rtol=1e-3)
    assert remarks_of(found) == []


# --- where they are not --------------------------------------------------------------------------


def hessian_of_the_dense_bar(found: Calibration) -> np.ndarray:
    """Central differences of the dense bar's complex-step gradient."""
    names, columns = list(found.estimates), []

    def gradient(theta: np.ndarray) -> np.ndarray:
        values = dict(zip(names, theta, strict=True))
        return oracles.misfit_gradient(found.study, values, {})

    for e in np.eye(found.theta.size):
        h = 1e-4
        columns.append((gradient(found.theta + h * e) - gradient(found.theta - h * e)) / (2 * h))
    return np.stack(columns, axis=1)


def test_they_are_the_dense_bars(wide: Calibration) -> None:
    u = wide.uncertainty
    H = hessian_of_the_dense_bar(wide)
    expected = u.inflation * u.sigma * np.sqrt(2.0 * np.diagonal(np.linalg.inv(H)))
    assert relative_gap(u.observed_errors, expected) <= 1e-6
    assert relative_gap(1.001 * u.observed_errors, expected) > 1e-6
    assert relative_gap(u.standard_errors, expected) > 0.2  # Gauss-Newton's are not


def test_they_are_the_profiles(wide: Calibration) -> None:
    """b held beside its estimate, a free: J rises by s^2 (db / error)^2, seen close enough."""
    u, (a, b) = wide.uncertainty, wide.theta
    step = 0.02 * u.observed_errors[1]
    rises = []
    for held in (b - step, b + step):
        material = Material(Linear(Unknown("a", float(a)), float(held)))
        rises.append(calibrate(few(material=material)).objective - wide.objective)
    error = u.inflation[1] * u.sigma * step / np.sqrt(np.mean(rises))
    assert u.observed_errors[1] == pytest.approx(error, rel=0.01)
    assert u.standard_errors[1] != pytest.approx(error, rel=0.2)


def test_the_remark_names_them_with_their_ratio(wide: Calibration) -> None:
    (said,) = remarks_of(wide)
    ratio = wide.uncertainty.observed_errors / wide.uncertainty.standard_errors
    assert (ratio > ALIKE[1]).all()
    assert "approximate for a, b:" in said
    assert f"{ratio[0]:.2g}, {ratio[1]:.2g} times as large" in said


@pytest.mark.parametrize(("ratio", "told"), [(0.79, True), (0.81, False), (1.24, False)])
def test_what_is_alike(ratio: float, told: bool) -> None:
    found = bent(np.array([ratio, np.nan, 0.0, 1.3]), np.array([1.0, 1.0, 0.0, 1.0]))
    assert found.tolist() == [ratio if told else 1.0, 1.0, 1.0, 1.3]


def test_the_widening_by_correlation_is_in_them() -> None:
    found = calibrate(with_noise(0.01, seed=0))
    u = found.uncertainty
    assert (u.inflation > 1.5).all()
    H = hessian_of_the_dense_bar(found)
    plain = np.sqrt(2.0 * np.diagonal(np.linalg.inv(H)))
    np.testing.assert_allclose(u.observed_errors, u.inflation * plain, rtol=1e-5)


def test_a_prior_is_in_them() -> None:
    held = calibrate(few(fit=Fit(prior={"b": Prior(2.0, 0.01)}), sigma=5e-3)).uncertainty
    assert held.observed_errors[1] == pytest.approx(0.01 * held.inflation[1], rel=0.01)
    free = calibrate(few(sigma=5e-3)).uncertainty
    assert free.observed_errors[1] > 10.0 * held.observed_errors[1]


# --- where there are none ------------------------------------------------------------------------


def test_none_where_the_curvature_is_not_positive() -> None:
    """At the start J bends downwards along one direction; the formal errors do not see it."""
    objective = Objective(course(sigma=1e-4))
    start = np.array([1.0, 1.0])
    assert np.linalg.eigvalsh(objective.hessian(start))[0] < 0.0
    u = quantify(objective, start)
    assert np.isnan(u.observed_errors).all()
    assert np.isfinite(u.standard_errors).all()
    assert np.isfinite(quantify(objective, TRUTH).observed_errors).all()


def test_none_beside_the_minimum() -> None:
    """The errors tell of the minimum, so an end half an error away from it has none."""
    study = few(sigma=5e-3)
    found, objective = calibrate(study), Objective(study)
    errors = found.uncertainty.observed_errors
    near, apart = (found.theta + share * errors * [1.0, 0.0] for share in (1e-3, 0.5))
    assert np.isfinite(quantify(objective, near).observed_errors).all()
    assert np.isnan(quantify(objective, apart).observed_errors).all()


def test_none_where_a_direction_moves_no_reading() -> None:
    found = calibrate(TWIN_SOURCES)
    assert np.isnan(found.uncertainty.observed_errors).all()
    assert remarks_of(found) == []


def test_none_at_a_bound_and_the_others_as_if_it_were_known() -> None:
    material = Material(Linear(Unknown("a", 1.0, 0.5, 3.0), Unknown("b", 1.0)))
    bound = calibrate(course(sigma=1e-4, material=material)).uncertainty
    known = calibrate(course(sigma=1e-4, material=Material(Linear(3.0, Unknown("b", 1.0)))))
    assert np.isnan(bound.observed_errors[0])
    expected = known.uncertainty.observed_errors[0] / known.uncertainty.inflation[0]
    assert bound.observed_errors[1] / bound.inflation[1] == pytest.approx(expected, rel=1e-6)


def test_none_where_the_noise_is_not_known_or_the_search_did_not_arrive() -> None:
    sensor = Sensor(0.0, COURSE_TIMES[[10, 40]], twin_readings()[[10, 40]])
    assert np.isnan(calibrate(course(sensors=(sensor,))).uncertainty.observed_errors).all()
    objective = Objective(few(sigma=5e-3))
    theta = calibrate(few(sigma=5e-3)).theta
    assert np.isfinite(quantify(objective, theta).observed_errors).all()
    assert np.isnan(quantify(objective, theta, arrived=False).observed_errors).all()


def test_none_under_hubers_loss_nor_of_many_unknowns_and_no_work_for_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[np.ndarray] = []
    original = Objective.hessian_vector

    def counted(self: Objective, theta: np.ndarray, v: np.ndarray) -> np.ndarray:
        asked.append(v)
        return original(self, theta, v)

    monkeypatch.setattr(Objective, "hessian_vector", counted)
    robust = calibrate(few(sigma=5e-3, fit=Fit(loss="huber"))).uncertainty
    many = calibrate(many_sources(np.linspace(0.5, 2.0, MOST + 1))).uncertainty
    for u in (robust, many):
        assert np.isnan(u.observed_errors).all()
        assert np.isfinite(u.standard_errors).all()
    assert asked == []
    calibrate(few())
    assert len(asked) == 2  # one for each unknown
    calibrate(many_sources(np.linspace(0.5, 2.0, MOST)))
    assert len(asked) == 2 + MOST


def test_none_where_a_complex_march_has_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Objective, theta: np.ndarray, v: np.ndarray) -> np.ndarray:
        raise TrialError((), "not_finite", "no answer")

    monkeypatch.setattr(Objective, "hessian_vector", refuse)
    u = calibrate(few()).uncertainty
    assert np.isnan(u.observed_errors).all()
    assert np.isfinite(u.standard_errors).all()


def test_definite_is_judged_whatever_the_sizes() -> None:
    H = np.array([[2.0, 0.5], [0.5, 1.0]])
    units = np.array([1e-9, 1e7])
    found = module._inverse(H / np.outer(units, units))
    np.testing.assert_allclose(found, np.linalg.inv(H) * np.outer(units, units), rtol=1e-12)
    for wrong in ([[1.0, 1.0], [1.0, 1.0]], [[1.0, 2.0], [2.0, 1.0]], [[0.0, 0.0], [0.0, 1.0]]):
        assert module._inverse(np.array(wrong)) is None


def test_readings_linear_in_the_unknowns_are_never_bent_and_many_names_are_counted() -> None:
    base = many_sources(np.linspace(0.5, 2.0, 6))
    rng = np.random.default_rng(4)
    sensors = tuple(
        replace(s, temperatures=s.temperatures + 0.01 * rng.standard_normal(20))
        for s in base.sensors
    )
    found = calibrate(replace(base, sensors=sensors))
    u = found.uncertainty
    np.testing.assert_allclose(u.observed_errors, u.standard_errors, rtol=1e-9)
    assert remarks_of(found) == []
    bends = np.array([1.0, 1.3, 0.5, 1.4, 3.0, 2.0])
    objective = Objective(found.study)
    (said,) = _curvature(objective, replace(u, observed_errors=bends * u.standard_errors))
    assert "approximate for s4, s2, s5, s3 and 1 more:" in said
    assert "3, 0.5, 2, 1.4 times as large" in said
