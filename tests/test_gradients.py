"""Every derivative, on many random studies, against proofs that share no code with it.

Each proof comes with its negative control: what it lets pass is only worth something if it stops a
gradient that is wrong by a thousandth.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given

from solver import Objective
from solver.experiment import Study
from tests import oracles, verification
from tests.experiments import examples, fifty, sizes, studies, two_hundred
from tests.verification import complex_step, dot_product_gap, relative_gap

READINGS_TOLERANCE = 1e-11
GRADIENT_TOLERANCE = 1e-10
GAP_TOLERANCE = 1e-11
WRONG = 1.001


def smooth(objective: Objective) -> dict[str, float]:
    """Hold every unknown curve smooth from now on, each by a weight of its own."""
    weights = {name: 0.7 + 0.4 * i for i, name in enumerate(objective.knots)}
    objective.smooth(weights)
    return weights


def sum_of_squares(residuals: np.ndarray) -> Any:
    """J without a conjugate, so that a complex step passes through."""
    return residuals @ residuals


@two_hundred
@given(studies())
def test_readings_are_those_of_the_dense_bar(study: Study) -> None:
    objective, values = Objective(study), oracles.start_values(study)
    theta = objective.parameters.start
    assert objective.parameters.names == tuple(values)
    np.testing.assert_array_equal(theta, oracles.flat(values))
    found, expected = objective.predict(theta), oracles.readings(study, values)
    assert relative_gap(found, expected) <= READINGS_TOLERANCE
    assert relative_gap(WRONG * found, expected) > READINGS_TOLERANCE


@examples(100)  # the dense Newton is slow
@given(studies())
def test_adjoint_gradient_is_the_dense_bars(study: Study) -> None:
    objective, scale = Objective(study), sizes(study)
    weights, values = smooth(objective), oracles.start_values(study)
    J, gradient = objective.value_and_gradient(objective.parameters.start)
    assert J == pytest.approx(oracles.misfit(study, values, weights), rel=READINGS_TOLERANCE)
    expected = oracles.misfit_gradient(study, values, weights) * scale
    assert relative_gap(gradient * scale, expected) <= GRADIENT_TOLERANCE
    assert relative_gap(WRONG * gradient * scale, expected) > GRADIENT_TOLERANCE


@two_hundred
@given(studies())
def test_adjoint_gradient_is_the_complex_step_through_the_same_kernels(study: Study) -> None:
    objective, scale = Objective(study), sizes(study)
    smooth(objective)
    theta = objective.parameters.start
    _, gradient = objective.value_and_gradient(theta)
    expected = complex_step(lambda m: sum_of_squares(objective.residuals(m)), theta) * scale
    assert relative_gap(gradient * scale, expected) <= GRADIENT_TOLERANCE
    assert relative_gap(WRONG * gradient * scale, expected) > GRADIENT_TOLERANCE


@examples(100)
@given(studies())
def test_taylor_remainder_is_of_second_order(study: Study) -> None:
    objective, scale = Objective(study), sizes(study)
    smooth(objective)
    theta = objective.parameters.start
    _, gradient = objective.value_and_gradient(theta)
    uphill = np.where(gradient < 0.0, -1.0, 1.0)
    v = scale * uphill * np.random.default_rng(6).uniform(0.5, 1.5, theta.size)
    slope = float(gradient @ v)
    right = verification.taylor(objective.value, theta, v, slope)
    wrong = verification.taylor(objective.value, theta, v, WRONG * slope)
    assert right.straight or 1.95 <= right.r1 <= 2.05  # Huber's loss may be straight
    assert 0.95 <= right.r0 <= 1.05  # the functional is not flat
    assert not wrong.straight
    assert not 1.95 <= wrong.r1 <= 2.05


@two_hundred
@given(studies())
def test_tangent_and_adjoint_are_each_others_transpose(study: Study) -> None:
    objective, scale = Objective(study), sizes(study)
    theta, rng = objective.parameters.start, np.random.default_rng(3)
    w = rng.standard_normal(objective.data.size)
    v = scale * rng.standard_normal(theta.size)
    jvp, vjp = objective.jvp(theta, v), objective.vjp(theta, w)
    assert dot_product_gap(jvp, w, v, vjp) <= GAP_TOLERANCE
    aligned = np.sign(vjp) * scale  # <v, J^T w> is not small by accident
    jvp = objective.jvp(theta, aligned)
    assert dot_product_gap(jvp, w, aligned, WRONG * vjp) > GAP_TOLERANCE


@two_hundred
@given(studies())
def test_push_and_pull_of_the_stacked_residual_are_each_others_transpose(study: Study) -> None:
    """With the loss's slopes, the priors and the curves held smooth among the residuals."""
    objective, scale = Objective(study), sizes(study)
    smooth(objective)
    theta, rng = objective.parameters.start, np.random.default_rng(4)
    R = objective.residuals(theta)
    w, v = rng.standard_normal(R.size), scale * rng.standard_normal(theta.size)
    pushed, pulled = objective.push(theta, v), objective.pull(theta, w)
    assert dot_product_gap(pushed, w, v, pulled) <= GAP_TOLERANCE
    aligned = np.sign(pulled) * scale
    pushed = objective.push(theta, aligned)
    assert dot_product_gap(pushed, w, aligned, WRONG * pulled) > GAP_TOLERANCE
    gradient = objective.value_and_gradient(theta)[1] * scale
    assert relative_gap(2.0 * objective.pull(theta, R) * scale, gradient) <= GAP_TOLERANCE


@fifty
@given(studies())
def test_jacobians_are_the_dense_bars_and_their_products_agree(study: Study) -> None:
    objective, scale = Objective(study), sizes(study)
    smooth(objective)
    theta, rng = objective.parameters.start, np.random.default_rng(5)
    values = oracles.start_values(study)
    jacobian = objective.jacobian(theta)
    expected = complex_step(lambda m: oracles.readings(study, oracles.named(m, values)), theta)
    assert relative_gap(jacobian * scale, expected * scale) <= GRADIENT_TOLERANCE
    v, w = scale * rng.standard_normal((3, theta.size)), rng.standard_normal(objective.data.size)
    assert relative_gap(objective.jvp(theta, v[0]), jacobian @ v[0]) <= 1e-11
    assert relative_gap(objective.jvp(theta, v.T), jacobian @ v.T) <= 1e-11
    vjp = objective.vjp(theta, w) * scale
    assert relative_gap(vjp, jacobian.T @ w * scale) <= 1e-11
    assert relative_gap(WRONG * vjp, jacobian.T @ w * scale) > 1e-11
    residuals, stacked = objective.residuals_and_jacobian(theta)
    np.testing.assert_array_equal(residuals, objective.residuals(theta))
    assert relative_gap(stacked @ v[0], objective.push(theta, v[0])) <= 1e-11
    slopes = complex_step(objective.residuals, theta)
    assert relative_gap(stacked * scale, slopes * scale) <= GRADIENT_TOLERANCE
    assert relative_gap(WRONG * stacked * scale, slopes * scale) > GRADIENT_TOLERANCE


@fifty
@given(studies())
def test_adjoint_gradient_against_finite_differences(study: Study) -> None:
    """The check a newcomer would do; it sees six digits, the complex step sees twelve."""
    objective, scale = Objective(study), sizes(study)
    theta = objective.parameters.start
    _, gradient = objective.value_and_gradient(theta)
    differences = verification.central_differences(objective.value, theta, 1e-5 * scale)
    assert relative_gap(gradient * scale, differences * scale) <= 1e-6
    assert relative_gap(WRONG * gradient * scale, differences * scale) > 1e-6
