"""How the weight of the smoothing prior is chosen, and what is told of it."""

from __future__ import annotations

import numpy as np
import pytest

from solver import smoothing
from solver.smoothing import choose_weight, difference_rows
from tests.experiments import Array
from tests.pulses import (
    FIRST,
    GIVEN,
    KNOTS,
    NOISE,
    PULSE,
    PULSES,
    chosen,
    error,
    fit,
    noisy,
    response,
)


def dense_smoother(R: Array, L: Array, weight: float) -> Array:
    """A (M, M), from its definition."""
    return np.asarray(R @ np.linalg.solve(R.T @ R + weight * L.T @ L, R.T))


# --- the choice -----------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [1, 2])
@PULSE
def test_the_discrepancy_holds_in_the_norm_of_the_smoother(name: str, order: int) -> None:
    d, sigma = noisy(name, 100, seed=11)
    R, L = response(100) / sigma, difference_rows(KNOTS, order, 1.0).toarray()
    choice = choose_weight(-d / sigma, R, L, np.zeros(L.shape[0]), sigma_given=True)
    assert (choice.criterion, choice.remark) == ("discrepancy", "")

    def discrepancy(weight: float) -> float:
        A = dense_smoother(R, L, weight)
        r = A @ d / sigma - d / sigma
        return float(r @ A @ r / np.trace(A - A @ A))

    assert discrepancy(choice.weight) == pytest.approx(smoothing.GAMMA, rel=1e-3)
    assert discrepancy(2.0 * choice.weight) > 1.02 * smoothing.GAMMA
    A = dense_smoother(R, L, choice.weight)
    assert choice.effective_parameters == pytest.approx(np.trace(A), rel=1e-6)
    expected = np.sum((A @ d - d) ** 2) / sigma**2
    assert choice.residual_sum == pytest.approx(expected, rel=1e-6)


@PULSE
def test_cross_validation_is_at_its_least(name: str) -> None:
    d, sigma = noisy(name, 100, seed=12)
    R = response(100)
    choice = chosen(d, sigma, R, given=False)
    assert (choice.criterion, choice.remark) == ("generalised cross-validation", "")

    def criterion(weight: float) -> float:
        A = dense_smoother(R, FIRST, weight)
        freedom = 99.0 - smoothing.GAMMA * (np.trace(A) - 1.0)
        return float(np.sum((A @ d - d) ** 2) / freedom**2) if freedom > 0.0 else np.inf

    least = criterion(choice.weight)
    others = choice.weight * np.logspace(-5.0, 5.0, 41)
    assert least <= min(map(criterion, others)) * (1.0 + 1e-9)
    assert criterion(1.5 * choice.weight) > least * (1.0 + 1e-4)


@GIVEN
def test_neither_the_point_of_linearisation_nor_the_units_matter(given: bool) -> None:
    d, sigma = noisy("triangle", 100, seed=13)
    unit = sigma if given else 1.0
    R = response(100) / unit
    here = chosen(d, sigma, response(100), given=given)
    theta = 1.0 + np.random.default_rng(14).standard_normal(100)
    r = R @ theta - d / unit
    there = choose_weight(r, R, FIRST, FIRST @ theta, sigma_given=given)
    assert there.weight == pytest.approx(here.weight, rel=1e-6)
    L = difference_rows(3600.0 * KNOTS, 1, 1e6)  # theta in MW, knots in seconds
    there = choose_weight(r, R / 1e6, L, L @ (1e6 * theta), sigma_given=given)
    assert there.weight == pytest.approx(here.weight, rel=1e-6)
    amiss = choose_weight(r, R, FIRST, 0.0 * (FIRST @ theta), sigma_given=given)
    assert amiss.weight != pytest.approx(here.weight, rel=0.1)


@GIVEN
def test_unknowns_without_a_penalty_take_part(given: bool) -> None:
    """A sensor's offset and drift, in outlandish units, and one that no reading depends on."""
    d, sigma = noisy("triangle", 100, seed=15)
    unit, t = sigma if given else 1.0, np.linspace(0.0, 1.0, 100)
    others = np.column_stack([1e8 * np.ones(100), 1e-9 * t, np.zeros(100)])
    R = np.hstack([response(100), others]) / unit
    L = np.hstack([FIRST, np.zeros((99, 3))])
    r = -(d + 0.2 - 0.5 * t) / unit
    choice = choose_weight(r, R, L, np.zeros(99), sigma_given=given)
    A = dense_smoother(R[:, :102] / np.append(np.ones(100), [1e8, 1e-9]), L[:, :102], choice.weight)
    assert choice.effective_parameters == pytest.approx(np.trace(A), rel=1e-5)
    scale = np.linalg.norm(R, axis=0) + 1e-300
    theta = fit(r, R / scale, L / scale, np.zeros(99), choice.weight) / scale
    # With its offset and drift free, a sensor tells a constant flux from them less well.
    assert error(theta[:100] - theta[:100].mean() + 0.3, "triangle") < 0.06
    blind = choose_weight(r, R[:, :100], FIRST, np.zeros(99), sigma_given=given)
    curve = fit(r, R[:, :100], FIRST, np.zeros(99), blind.weight)
    assert error(curve - curve.mean() + 0.3, "triangle") > 0.2


@GIVEN
def test_a_nonlinear_model_is_linearised_until_the_weight_stays(given: bool) -> None:
    """The flux's logarithm is the curve."""
    count, truth = 100, 0.1 + PULSES["triangle"]
    clean = response(count) @ truth
    sigma = NOISE * clean.max()
    d = clean + sigma * np.random.default_rng(16).standard_normal(count)
    R = response(count) / (sigma if given else 1.0)

    def settle(v: Array, weight: float | None) -> tuple[Array, float]:
        for _ in range(12):
            r = R @ np.exp(v) - d / (sigma if given else 1.0)
            held = (
                weight
                or choose_weight(r, R * np.exp(v), FIRST, FIRST @ v, sigma_given=given).weight
            )
            step = fit(r, R * np.exp(v), FIRST, FIRST @ v, held)
            v = v + step / max(1.0, np.abs(step).max())
        return v, held

    v, weight = settle(np.zeros(KNOTS.size), None)
    again, same = settle(v, None)
    assert same == pytest.approx(weight, rel=1e-6)
    np.testing.assert_allclose(again, v, atol=1e-6)
    tried = [settle(v, weight * factor)[0] for factor in np.logspace(-1.0, 1.0, 5)]
    best = min(np.sqrt(np.mean((w - np.log(truth)) ** 2)) for w in tried)
    assert np.sqrt(np.mean((v - np.log(truth)) ** 2)) <= 1.5 * best
    rough = settle(v, 1e-4 * weight)[0]
    assert np.sqrt(np.mean((rough - np.log(truth)) ** 2)) > 1.5 * best


# --- what is told of data that choose badly -------------------------------------------------------


@GIVEN
def test_a_constant_flux_asks_for_the_largest_weight(given: bool) -> None:
    R = response(100)
    y = R.sum(axis=1)
    sigma = NOISE * y.max()
    exact = chosen(y, sigma, R, given=given)
    assert exact.remark == smoothing.LARGEST
    assert exact.effective_parameters == pytest.approx(1.0, abs=0.01)
    rng = np.random.default_rng(17)
    noisy_ones = [y + sigma * rng.standard_normal(100) for _ in range(40)]
    choices = [chosen(d, sigma, R, given=given) for d in noisy_ones]
    assert sum(choice.remark == smoothing.LARGEST for choice in choices) >= 26  # some noise bends
    assert np.median([choice.effective_parameters for choice in choices]) < 1.01
    assert max(choice.effective_parameters for choice in choices) < 6.0
    d, sigma = noisy("step", 100, seed=17)
    assert chosen(d, sigma, R, given=given).remark == ""


@GIVEN
def test_readings_without_noise_are_followed(given: bool) -> None:
    R = response(200)
    d = R @ PULSES["step"]
    choice = chosen(d, 1e-9, R, given=given)
    curve = fit(-d / 1e-9, R / 1e-9, FIRST, np.zeros(99), choice.weight / (1 if given else 1e-18))
    assert error(curve, "step") < 1e-3
    assert choice.effective_parameters > 95.0
    d, sigma = noisy("step", 200, seed=18)
    assert chosen(d, sigma, R, given=given).effective_parameters < 25.0


def test_a_sigma_that_cannot_be_is_not_believed() -> None:
    d, sigma = noisy("triangle", 200, seed=19)
    R = response(200)
    told = chosen(d, 0.1 * sigma, R, given=True)
    assert (told.criterion, told.remark) == (smoothing.CROSS_VALIDATION, smoothing.CONTRADICTED)
    untold = chosen(d, sigma, R, given=False)
    assert told.weight * (0.1 * sigma) ** 2 == pytest.approx(untold.weight, rel=1e-3)
    assert chosen(d, sigma, R, given=True).criterion == smoothing.DISCREPANCY


def test_a_sigma_that_only_a_fit_to_every_reading_meets_is_doubted() -> None:
    d, sigma = noisy("triangle", 50, seed=20)  # fewer readings than knots can meet any sigma
    R = response(50)
    for factor, remark in [(1.0, ""), (0.1, smoothing.FOLLOWED), (1e-6, smoothing.FOLLOWED)]:
        assert chosen(d, factor * sigma, R, given=True).remark == remark


@GIVEN
def test_readings_that_say_nothing_of_the_curve_choose_nothing(given: bool) -> None:
    r, L = np.ones(5), difference_rows(np.arange(4.0), 1, 1.0)
    for R in (np.zeros((5, 4)), np.ones((5, 4))):
        choice = choose_weight(r, R, L, np.zeros(3), sigma_given=given)
        assert (choice.weight, choice.remark) == (1.0, smoothing.UNSEEN)
    nothing = choose_weight(r[:0], R[:0], L, np.zeros(3), sigma_given=given)
    assert nothing.remark == smoothing.UNSEEN
    seen = choose_weight(r, np.tri(5, 4), L, np.zeros(3), sigma_given=given)
    assert seen.remark != smoothing.UNSEEN


@GIVEN
@pytest.mark.parametrize("count", [2, 3, 8])
def test_fewer_readings_than_knots_choose_a_finite_weight(count: int, given: bool) -> None:
    d, sigma = noisy("triangle", count, seed=21)
    choice = chosen(d, sigma, response(count), given=given)
    assert 0.0 < choice.weight < np.inf
    assert 1.0 <= choice.effective_parameters <= count


def test_many_readings_are_taken_a_block_at_a_time() -> None:
    rng = np.random.default_rng(22)
    R, r = rng.standard_normal((3000, 20)), rng.standard_normal(3000)
    T, t = smoothing._condense(r, R)
    assert T.shape == (21, 20)
    x = rng.standard_normal(20)
    assert np.linalg.norm(T @ x + t) == pytest.approx(np.linalg.norm(R @ x + r), rel=1e-12)
    assert np.linalg.norm(T @ x - t) != pytest.approx(np.linalg.norm(R @ x + r), rel=1e-6)


@GIVEN
def test_bands_have_a_likely_weight(given: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Curves drawn from the prior itself: its weight comes back, from readings whose sigma is 0.5.

    The one that bands take is the least that is about as likely.
    """
    least = likely_weights(given)
    monkeypatch.setattr(smoothing, "AS_LIKELY", 0.0)
    likeliest = likely_weights(given)
    assert abs(np.median(likeliest)) <= 0.3
    assert np.ptp(likeliest) <= 4.0
    assert (least <= likeliest).all()
    assert -1.0 <= np.median(least) < np.median(likeliest)
    assert np.mean(least <= 0.0) >= 0.75  # a standard deviation below, from one side 0.84


def likely_weights(given: bool) -> Array:
    """Decades by which the weight of the bands is off, of 40 seeds."""
    R, true, off = response(100), 0.02, []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        steps = rng.standard_normal(KNOTS.size - 1) / np.sqrt(true)
        v = np.linalg.pinv(FIRST) @ steps
        unit = 0.5 if given else 1.0
        d = (R @ v + 0.5 * rng.standard_normal(100)) / unit
        choice = choose_weight(-d, R / unit, FIRST, np.zeros(FIRST.shape[0]), sigma_given=given)
        assert choice.band_weight <= choice.weight
        off.append(np.log10(choice.band_weight / (true if given else true * 0.25)))
    return np.array(off)
