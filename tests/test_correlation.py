"""Honest standard errors: white noise is left alone, a memory widens, a broken sensor is named."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from scipy.signal import lfilter
from scipy.special import stdtrit

from solver import Objective, Sensor, Time
from solver.correlation import Linearisation, faulty_sensor, widen
from tests.experiments import Array, course

Noise = Callable[[np.random.Generator, int], Array]  # one sensor's


def white(rng: np.random.Generator, size: int) -> Array:
    return rng.standard_normal(size)


def memory(rho: float) -> Noise:
    """Autoregressive noise of unit variance."""

    def noise(rng: np.random.Generator, size: int) -> Array:
        shocks = rng.standard_normal(size) * np.sqrt(1.0 - rho**2)
        shocks[0] /= np.sqrt(1.0 - rho**2)
        return np.asarray(lfilter([1.0], [1.0, -rho], shocks))

    return noise


def offset(rng: np.random.Generator, size: int) -> Array:
    """White noise, and the sensor's own constant error of three times its size."""
    return 3.0 * rng.standard_normal() + rng.standard_normal(size)


@cache
def bar(sensors: int, readings: int) -> tuple[Array, tuple[slice, ...]]:
    """R (M, 2) of the lecture's bar kappa = a + b x, and the sensors' rows."""
    times = np.linspace(0.0, 1.0, readings)
    at = tuple(Sensor(x, times, np.zeros(readings)) for x in (0.0, 0.3, 0.6)[:sensors])
    objective = Objective(course(start=(2.0, 1.5), time=Time(1.0, readings - 1), sensors=at))
    R = objective.residuals_and_jacobian(objective.parameters.start)[1]
    return R, tuple(objective.sensor_rows)


def linearise(residuals: Array, R: Array, slices: tuple[slice, ...]) -> Linearisation:
    lengths = np.linalg.norm(R, axis=0)
    basis, values, vectors = np.linalg.svd(R / lengths, full_matrices=False)
    freedom = float(R.shape[0] - R.shape[1])
    variance = float(residuals @ residuals) / max(freedom, 1.0)
    root = vectors.T / values / lengths[:, None]
    return Linearisation(residuals, basis, root, slices, variance, freedom)


def twin(
    R: Array, slices: tuple[slice, ...], noise: Noise, seed: int
) -> tuple[Linearisation, Array]:
    """The fit of a linear twin, and by how much it misses the truth (p,)."""
    rng = np.random.default_rng(seed)
    e = np.concatenate([noise(rng, s.stop - s.start) for s in slices])
    off = -np.linalg.lstsq(R, e, rcond=None)[0]
    return linearise(e + R @ off, R, slices), off


def covered(fit: Linearisation, off: Array) -> tuple[bool, bool]:
    """Whether the formal and the widened 95 % intervals hold the truth, for the last parameter."""
    widening = widen(fit)
    formal = stdtrit(fit.freedom, 0.975) * np.sqrt(fit.variance * np.sum(fit.root**2, axis=1))
    honest = stdtrit(widening.degrees_of_freedom, 0.975) * np.sqrt(np.diag(widening.covariance))
    return bool(abs(off[-1]) <= formal[-1]), bool(abs(off[-1]) <= honest[-1])


def coverage(sensors: int, readings: int, noise: Noise, seeds: int = 100) -> Array:
    R, slices = bar(sensors, readings)
    return np.sum([covered(*twin(R, slices, noise, seed)) for seed in range(seeds)], axis=0)


SETTINGS = [(1, 51), (1, 500), (3, 500)]


@pytest.mark.parametrize(("sensors", "readings"), SETTINGS)
def test_white_noise_leaves_the_formal_answer(sensors: int, readings: int) -> None:
    R, slices = bar(sensors, readings)
    found = [widen(twin(R, slices, white, seed)[0]) for seed in range(100)]
    assert sum(bool((w.inflation == 1.0).all()) for w in found) >= 99
    assert sum(bool(w.dominated.any()) for w in found) <= 1
    formal, honest = coverage(sensors, readings, white)
    assert 88 <= formal <= honest <= 99
    fit, _ = twin(R, slices, white, seed=0)
    np.testing.assert_allclose(
        widen(fit).covariance, fit.variance * np.linalg.inv(R.T @ R), rtol=1e-7
    )
    assert (widen(fit).degrees_of_freedom == fit.freedom).all()
    assert (widen(twin(R, slices, memory(0.9), seed=0)[0]).inflation > 1.5).all()


@pytest.mark.parametrize(("sensors", "readings"), SETTINGS)
@pytest.mark.parametrize("rho", [0.9, 0.99])
def test_a_memory_is_allowed_for(sensors: int, readings: int, rho: float) -> None:
    formal, honest = coverage(sensors, readings, memory(rho))
    assert formal <= 55
    assert honest >= 85


def test_offsets_are_fully_correlated() -> None:
    """Three draws, however many readings; centred residuals would not know of them."""
    R, slices = bar(3, 500)
    hits = []
    for seed in range(100):
        fit, off = twin(R, slices, offset, seed)
        centred = fit.residuals.copy()
        for s in slices:
            centred[s] -= centred[s].mean()
        hits.append((*covered(fit, off), covered(replace(fit, residuals=centred), off)[1]))
    formal, honest, blind = np.sum(hits, axis=0)
    assert formal <= 25
    assert honest >= 85
    assert blind <= 40


def cosines(size: int) -> Array:
    """The orthonormal cosine basis (size, size), coefficient by row."""
    j, k = np.meshgrid(np.arange(size), np.arange(size), indexing="ij")
    scale = np.where(j == 0, np.sqrt(1.0 / size), np.sqrt(2.0 / size))
    return np.asarray(scale * np.cos(np.pi * j * (2 * k + 1) / (2 * size)))


def naive(fit: Linearisation, R: Array) -> tuple[Array, Array]:
    """The sandwich and Satterthwaite's degrees of freedom with dense matrices, all sensors slow."""
    A = np.linalg.inv(R.T @ R)
    B, slow = np.zeros_like(A), []
    for s in fit.slices:
        F = cosines(s.stop - s.start)
        C, squares = F @ R[s], (F @ fit.residuals[s]) ** 2
        left = 1.0 - np.diag(C @ A @ C.T)
        edges = [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024]
        bands = [np.arange(a, min(b, left.size)) for a, b in pairwise(edges)]
        bands = [band for band in bands if band.size]
        up_to = range(len(bands))
        spectrum = [
            min(
                max(
                    sum(squares[b].sum() for b in bands[i : k + 1])
                    / sum(left[b].sum() for b in bands[i : k + 1])
                    for k in up_to
                    if k >= j
                )
                for i in up_to
                if i <= j
            )
            for j in up_to
        ]
        S = np.concatenate([np.full(b.size, v) for b, v in zip(bands, spectrum, strict=True)])
        raised = np.maximum(S, fit.variance)
        B += C.T @ np.diag(raised) @ C
        q = (A @ C.T) ** 2
        slow += [
            (v * q[:, v == S].sum(axis=1), max(left[v == S].sum(), 1.0))
            for v in np.unique(S[S > fit.variance])
        ]
    cov = A @ B @ A
    rest = np.diag(cov) - sum(v for v, _ in slow)
    inverse = rest**2 / fit.freedom + sum(v**2 / nu for v, nu in slow)
    return cov, np.diag(cov) ** 2 / inverse


@pytest.mark.parametrize("noise", [memory(0.9), memory(0.99), offset])
@pytest.mark.parametrize(("sensors", "readings"), [(3, 500), (3, 51), (2, 100)])
def test_against_the_definitions(sensors: int, readings: int, noise: Noise) -> None:
    R, slices = bar(sensors, readings)
    fit, _ = twin(R, slices, noise, seed=4)
    found = widen(fit)
    assert found.correlated.all()
    cov, freedom = naive(fit, R)
    np.testing.assert_allclose(found.covariance, cov, rtol=1e-6)
    np.testing.assert_allclose(found.degrees_of_freedom, freedom, rtol=1e-6)
    formal = fit.variance * np.linalg.inv(R.T @ R)
    np.testing.assert_allclose(found.inflation**2, np.diag(cov) / np.diag(formal), rtol=1e-6)
    assert np.linalg.eigvalsh(found.covariance - formal).min() > -1e-9 * np.trace(formal)
    backwards, _ = naive(replace(fit, residuals=np.sort(fit.residuals)), R)
    assert not np.allclose(found.covariance, backwards, rtol=0.1)


def test_effective_sample_sizes() -> None:
    """M for white noise, M (1 - rho) / (1 + rho) for a memory, 1 for an offset: each to its own."""
    size = 20_000
    rng = np.random.default_rng(0)
    parts = [white(rng, size), memory(0.9)(rng, size), 5.0 + white(rng, size)]
    R = np.sin(np.arange(3.0 * size))[:, None]
    slices = tuple(slice(k * size, (k + 1) * size) for k in range(3))
    found = widen(linearise(np.concatenate(parts), R, slices))
    np.testing.assert_array_equal(found.correlated, [False, True, True])
    assert found.effective_sample_sizes[0] == size
    assert found.effective_sample_sizes[1] == pytest.approx(size / 19, rel=0.4)
    assert found.effective_sample_sizes[2] == pytest.approx(26 / 25, rel=0.02)


def test_who_dominates() -> None:
    """A faint memory is no discrepancy, a drift is; noise that R does not feel is neither."""
    R, slices = bar(3, 500)
    faint = widen(twin(R, slices, memory(0.2), seed=1)[0])
    assert faint.correlated.any()
    assert not faint.dominated.any()
    drift = widen(twin(R, slices, lambda rng, n: rng.normal() * np.linspace(0, 9, n), seed=1)[0])
    assert drift.dominated.all()
    quick = np.tile([1.0, -1.0], R.shape[0] // 2)[:, None]
    unfelt = widen(twin(quick, slices, offset, seed=1)[0])
    assert unfelt.correlated.any()
    assert (unfelt.inflation < 1.01).all()


def test_units_do_not_matter() -> None:
    R, slices = bar(3, 51)
    fit, _ = twin(R, slices, memory(0.9), seed=2)
    scale = np.array([1e-6, 1e3])
    here, there = widen(fit), widen(linearise(1e-4 * fit.residuals, R / scale, slices))
    np.testing.assert_allclose(there.covariance, 1e-8 * here.covariance * np.outer(scale, scale))
    np.testing.assert_allclose(there.inflation, here.inflation)
    np.testing.assert_allclose(there.degrees_of_freedom, here.degrees_of_freedom)


def test_given_sigma_is_the_least_variance() -> None:
    """With sigma given the white part is 1 and sure: Student's t turns normal."""
    R, slices = bar(3, 500)
    noisy = replace(twin(R, slices, memory(0.9), seed=3)[0], variance=1.0, freedom=np.inf)
    assert (1.0 < widen(noisy).degrees_of_freedom).all()
    assert np.isfinite(widen(noisy).degrees_of_freedom).all()
    assert (widen(noisy).inflation > 2.0).all()
    calm = replace(twin(R, slices, white, seed=3)[0], variance=1.0, freedom=np.inf)
    assert np.isinf(widen(calm).degrees_of_freedom).all()
    below = widen(replace(noisy, residuals=1e-3 * noisy.residuals))
    np.testing.assert_array_equal(below.inflation, [1.0, 1.0])


def test_odd_shapes() -> None:
    """A prior's rows, a sensor without readings or with one, fewer readings than unknowns."""
    R, slices = bar(3, 51)
    rows = (*slices, slice(153, 153), slice(153, 154))
    R = np.vstack([R, R[:1] + 1.0, 3.0 * np.eye(2)])
    rng = np.random.default_rng(5)
    found = widen(linearise(np.concatenate([rng.standard_normal(154), [9.0, 9.0]]), R, rows))
    np.testing.assert_array_equal(found.effective_sample_sizes, [51, 51, 51, 0, 1])
    assert (found.inflation == 1.0).all()
    nothing = widen(linearise(np.zeros(156), R, rows))
    assert (nothing.covariance == 0.0).all()
    assert not nothing.correlated.any()
    assert faulty_sensor(linearise(np.zeros(156), R, rows)) is None
    unknown = replace(linearise(np.ones(2), R[10:12], (slice(0, 1), slice(1, 2))), variance=np.nan)
    assert np.isnan(widen(unknown).covariance).all()


def test_many_readings_take_no_time() -> None:
    size = 100_000
    R = np.random.default_rng(6).standard_normal((size, 5)).cumsum(axis=0)
    fit, _ = twin(R, (slice(0, size),), memory(0.99), seed=6)
    began = time.perf_counter()
    widen(fit)
    assert time.perf_counter() - began < 2.0


def test_what_no_sensor_shows_all_may_show_together() -> None:
    """Thirty sensors of five readings: too few each to refute white noise, enough in all."""
    R = np.abs(np.sin(np.arange(150.0)))[:, None]
    slices = tuple(slice(5 * k, 5 * k + 5) for k in range(30))
    found = [widen(twin(R, slices, offset, seed)[0]) for seed in range(20)]
    assert sum(bool(w.correlated.all()) for w in found) >= 18
    assert sum(bool(w.dominated.all()) for w in found) >= 18
    calm = [widen(twin(R, slices, white, seed)[0]) for seed in range(100)]
    assert sum(bool(w.correlated.any()) for w in calm) <= 3
