"""Losses: a change of the residual whose square is what counts, with the slopes it claims."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from solver import LOSSES, Fit, Objective
from solver.losses import HUBER
from tests import oracles
from tests.experiments import course, twin_readings
from tests.verification import complex_step, relative_gap

R = np.array([-50.0, -3.0, -2.001, -1.999, -0.4, -1e-9, 1e-9, 0.7, 1.999, 2.001, 2.5, 1e6])
C = 2.0
LOSS = pytest.mark.parametrize("loss", sorted(LOSSES))


def rho(loss: str) -> np.ndarray:
    return np.array([oracles.RHO[loss](r, C) for r in R])


@LOSS
def test_the_square_of_s_is_the_loss_with_the_sign_of_the_residual(loss: str) -> None:
    s = LOSSES[loss](R, C).s
    np.testing.assert_allclose(s**2, rho(loss), rtol=1e-14)
    np.testing.assert_array_equal(np.sign(s), np.sign(R))


@LOSS
def test_slopes_and_influence_are_derivatives(loss: str) -> None:
    shaped = LOSSES[loss](R, C)

    def moved(part: str) -> np.ndarray:
        return np.diagonal(complex_step(lambda r: getattr(LOSSES[loss](r, C), part), R))

    assert relative_gap(shaped.slope, moved("s")) <= 1e-14
    assert relative_gap(shaped.psi_slope, moved("psi")) <= 1e-14
    half = np.array(
        [
            complex_step(lambda r: oracles.RHO[loss](r[0], C), R[k : k + 1])[0] / 2
            for k in range(R.size)
        ]
    )
    assert relative_gap(shaped.psi, half) <= 1e-14
    assert relative_gap(1.001 * shaped.psi, half) > 1e-14
    np.testing.assert_allclose(shaped.s * shaped.slope, shaped.psi, rtol=1e-13)


def test_hubers_loss_joins_its_two_parts_smoothly() -> None:
    below, above = (LOSSES["huber"](np.array([C * (1 + e)]), C) for e in (-1e-9, 1e-9))
    np.testing.assert_allclose(above.s, below.s, rtol=1e-8)
    np.testing.assert_allclose(above.slope, below.slope, rtol=1e-8)
    assert below.psi_slope[0] == 1.0
    assert above.psi_slope[0] == 0.0


def test_hubers_loss_is_the_square_where_no_residual_is_large() -> None:
    theta = np.array([4.9, 2.1])
    plain = course(sigma=1e-3)
    for threshold, alike in ((1e3, True), (1e-3, False)):
        robust = replace(plain, fit=Fit(loss="huber", threshold=threshold))
        (J, gradient), (expected, slope) = (
            Objective(e).value_and_gradient(theta) for e in (robust, plain)
        )
        assert (J == expected) == alike
        assert np.array_equal(gradient, slope) == alike


def test_one_wild_reading_counts_by_its_distance_and_not_by_its_square() -> None:
    """Left out, the threshold is 1.345 sigma."""
    data, answer = twin_readings(), np.array([5.0, 2.0])
    for wild in (1.0, 2.0):
        experiment = course(data + np.where(np.arange(51) == 30, wild, 0.0), sigma=0.1)
        robust = replace(experiment, fit=Fit(loss="huber"))
        expected = 2.0 * HUBER * wild / 0.1 - HUBER**2
        assert Objective(robust).value(answer) == pytest.approx(expected, rel=1e-9)
        assert Objective(experiment).value(answer) == pytest.approx((wild / 0.1) ** 2, rel=1e-9)
