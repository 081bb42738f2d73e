"""A law of the temperature in pieces, against the law itself, quadrature, and dot products."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from scipy.integrate import quad

from solver import LAWS, Exponential, Linear, Polynomial, Table
from solver.kernels import Pieces
from solver.kernels.pieces import add_powers, add_values, evaluate
from solver.network import Network, initial_weights
from solver.pieces import COUNT, EDGE, FINER, constant, identity, layout
from tests.parts import called
from tests.verification import relative_gap

Array = np.ndarray
LOW, HIGH = -1.3, 4.1
INSIDE = np.linspace(LOW, HIGH, 400)
POINTS = np.array([LOW, -0.4, 0.9, 1.0, 2.7, HIGH])
VALUES = np.array([1.0, 3.0, 2.0, 2.5, 0.7, 1.1])
WRONG = 1.001
POLYNOMIALS = {
    "linear": Linear(2.0, 0.3, of="u"),
    "polynomial": Polynomial([2.0, 0.3, -0.2, 0.1], of="u"),
    "quintic": Polynomial([2.0, 0.3, 0.2, 0.1, 0.05, 0.01], of="u"),
    "table": Table(POINTS, VALUES, of="u"),
    "monotone": Table(POINTS, VALUES, "monotone-cubic", of="u"),
}
OTHERS = {
    "exponential": Exponential(0.7, -0.5, of="u"),
    "network": Network(2 * np.array(initial_weights((3, 4), 1)), (3, 4), "u", (LOW, HIGH), 1.4),
}
EVERY = POLYNOMIALS | OTHERS
of_every_law = pytest.mark.parametrize("name", EVERY)


def pieces(law: Any, shift: float = 0.0) -> Pieces:
    laid = layout(law, LOW, HIGH)
    return laid.laid(laid.coefficients(law.value(laid.points)), shift)


def stored(law: Any) -> Pieces:
    laid = layout(law, LOW, HIGH)
    return laid.laid(laid.integral(law.value(laid.points)), 0.0)


def at(law: Pieces, u: Array, where: int = 0, beyond: float = 1.0) -> tuple[Array, Array]:
    """The values and slopes, whatever the pieces that are looked at first."""
    xi, value, slope = np.empty_like(u), np.empty_like(u), np.empty_like(u)
    coefficients = law.coefficients.astype(u.dtype)
    there = np.full(u.size, where)
    called(evaluate)(law._replace(coefficients=coefficients), beyond, u, there, xi, value, slope)
    return value, slope


def test_every_law_of_the_temperature_is_here() -> None:
    kinds = {name for name, law in LAWS.items() if hasattr(law, "of")}
    assert kinds == {name for name in LAWS if LAWS[name] in {type(law) for law in EVERY.values()}}


# --- values --------------------------------------------------------------------------------------


@of_every_law
def test_pieces_are_the_law(name: str) -> None:
    law = EVERY[name]
    u = np.concatenate([INSIDE, POINTS])
    tolerance = 1e-14 if name in POLYNOMIALS else 1e-12
    for shift in (0.0, 0.8):
        for where in (0, pieces(law).centers.size - 1):
            value, _ = at(pieces(law, shift), u - shift, where)
            assert np.abs(value / law.value(u) - 1.0).max() <= tolerance
            assert np.abs(value / law.value(u + 1e-9) - 1.0).max() > tolerance


@of_every_law
def test_slopes_are_those_of_the_law(name: str) -> None:
    law, h = EVERY[name], 1e-6
    u = INSIDE[np.abs(INSIDE[:, None] - POINTS).min(axis=1) > h]  # away from kinks
    value, slope = at(pieces(law), u)
    differences = (law.value(u + h) - law.value(u - h)) / (2 * h)
    assert relative_gap(slope, differences) <= 1e-8
    assert relative_gap(WRONG * slope, differences) > 1e-8
    moved, _ = at(pieces(law), u + 1e-40j)
    np.testing.assert_allclose(moved.real, value, rtol=1e-15)
    np.testing.assert_allclose(moved.imag / 1e-40, slope, rtol=1e-12, atol=1e-14)


def test_laws_that_say_so_are_met_exactly_by_few_pieces() -> None:
    counts = {name: pieces(law).coefficients.shape for name, law in EVERY.items()}
    assert counts == {
        "linear": (1, 2),
        "polynomial": (1, 4),
        "quintic": (1, 6),
        "table": (5, 2),
        "monotone": (5, 4),
        "exponential": (COUNT, 8),
        "network": (COUNT, 8),
    }


# --- what is stored ------------------------------------------------------------------------------


@of_every_law
def test_what_is_stored_is_the_integral(name: str) -> None:
    law, h = EVERY[name], stored(EVERY[name])
    u = np.array([LOW, -0.7, 0.3, 0.95, 1.9, 3.3, HIGH])
    value, slope = at(h, u)
    np.testing.assert_allclose(slope, law.value(u), rtol=1e-12)
    for (a, b), heat in zip(pairwise(u), np.diff(value), strict=True):
        kinks = POINTS[(a < POINTS) & (POINTS < b)] if isinstance(law, Table) else None
        exact, _ = quad(lambda s: law.value(np.array([s]))[0], a, b, points=kinks, epsabs=1e-13)
        assert abs(heat - exact) <= 1e-13 * abs(exact) + 1e-14
        assert abs(WRONG * heat - exact) > 1e-6
    middle = h.breaks[(h.breaks.size - 1) // 2 : (h.breaks.size - 1) // 2 + 1]
    assert abs(at(h, middle)[0][0]) <= 1e-14


def test_a_constant_and_the_temperature_itself() -> None:
    u = np.array([-1e9, -2.0, 0.0, 0.3, 1e9])
    np.testing.assert_array_equal(at(constant(1.7), u), [np.full(5, 1.7), np.zeros(5)])
    np.testing.assert_array_equal(at(identity(), u), [u, np.ones(5)])


# --- beyond the limits ---------------------------------------------------------------------------


@of_every_law
def test_beyond_its_limits_a_law_goes_on_straight(name: str) -> None:
    law = pieces(EVERY[name])
    if name in ("linear", "polynomial"):  # one cubic is good wherever the temperatures go
        far = np.array([-50.0, 80.0])
        assert np.all(np.isinf(law.limits))
        np.testing.assert_allclose(at(law, far)[0], EVERY[name].value(far), rtol=1e-12)
        return
    slack = EDGE * (HIGH - LOW) if name in ("table", "monotone") else 0.0
    np.testing.assert_allclose(law.limits, [LOW - slack, HIGH + slack], rtol=1e-15)
    for limit, way in zip(law.limits, (-1.0, 1.0), strict=True):
        value, slope = at(law, np.array([limit]))
        far = limit + way * np.array([0.1, 3.0])
        straight = value + slope * (far - limit)
        np.testing.assert_allclose(at(law, far)[0], straight, rtol=1e-12, atol=1e-12)
        np.testing.assert_array_equal(at(law, far)[1], np.full(2, slope[0]))


def test_which_limits_are_the_laws_own() -> None:
    firm = {name: layout(law, LOW, HIGH).firm for name, law in EVERY.items()}
    assert {name for name in firm if firm[name]} == {"table", "monotone"}


# --- transposes ----------------------------------------------------------------------------------


@of_every_law
def test_transposes_by_dot_products(name: str) -> None:
    laid, rng = layout(EVERY[name], LOW, HIGH), np.random.default_rng(1)
    v = rng.standard_normal((3, laid.points.size))
    for there, back, degree in (
        (laid.coefficients, laid.coefficients_bar, laid.degree),
        (laid.integral, laid.integral_bar, laid.degree + 1),
    ):
        w = rng.standard_normal((laid.breaks.size - 1, degree + 1))
        moved, pulled = there(v), back(w)
        assert moved.shape == (3, *w.shape)
        np.testing.assert_array_equal(there(v[1]), moved[1])
        reach = np.linalg.norm(moved[0]) * np.linalg.norm(w)
        assert abs(np.sum(moved[0] * w) - v[0] @ pulled) <= 1e-13 * reach
        assert abs(np.sum(moved[0] * w) - v[0] @ pulled[::-1]) > 1e-6 * reach


@of_every_law
def test_values_are_linear_in_the_coefficients(name: str) -> None:
    law, rng = pieces(EVERY[name]), np.random.default_rng(2)
    u, other = rng.uniform(LOW, HIGH, 50), rng.standard_normal(law.coefficients.shape)
    where, xi, value, slope = np.zeros(50, int), np.empty(50), np.empty(50), np.empty(50)
    called(evaluate)(law, 1.0, u, where, xi, value, slope)
    out = np.full(50, 7.0)
    called(add_values)(other, where, xi, out)
    expected, _ = at(law._replace(coefficients=other), u)
    np.testing.assert_allclose(out - 7.0, expected, rtol=1e-12, atol=1e-13)
    w, bar = rng.standard_normal(50), np.full(other.shape, 7.0)
    called(add_powers)(where, xi, w, bar)
    pulled, reach = np.sum((bar - 7.0) * other), np.linalg.norm(w) * np.linalg.norm(expected)
    assert abs(pulled - w @ expected) <= 1e-13 * reach
    assert abs(WRONG * pulled - w @ expected) > 1e-6 * reach


# --- laws that are no polynomials ----------------------------------------------------------------


class Peak:
    """``1 + 1 / (1 + (u / d)^2)``, singular at +-i d."""

    def __init__(self, d: float) -> None:
        self.d = d

    def value(self, u: Array) -> Array:
        return 1.0 + 1.0 / (1.0 + (u / self.d) ** 2)


def error(d: float, refinement: int = 0) -> float:
    laid = layout(Peak(d), -10.0, 10.0, refinement)
    u = np.linspace(-3.0, 3.0, 9001)
    value, _ = at(laid.laid(laid.coefficients(Peak(d).value(laid.points)), 0.0), u)
    return float(np.abs(value - Peak(d).value(u)).max())


def test_the_error_of_a_law_that_is_no_polynomial() -> None:
    """A share of about ``(h / 2 d)^8``, and 4^8 less with pieces four times as many."""
    width = 20.0 / COUNT
    for d in (0.5, 1.0, 2.0):
        assert 1e-3 <= error(d) / (width / (2.0 * d)) ** 8 <= 1.0
    assert 7.0 <= np.log2(error(0.5) / error(1.0)) <= 9.0
    assert 6.5 <= np.log(error(0.25) / error(0.25, 1)) / np.log(FINER) <= 9.0


def test_whether_pieces_follow_a_law_shows_in_their_middles() -> None:
    for d, refinement, follows in ((2.0, 0, True), (0.25, 0, False), (0.25, 2, True)):
        law, laid = Peak(d), layout(Peak(d), -10.0, 10.0, refinement)
        values = law.value(laid.points)
        assert laid.follows(law, values, -3.0, 3.0) == follows
        assert laid.follows(law, values, 8.0, 9.0)  # far from the peak
    for law in POLYNOMIALS.values():
        assert layout(law, LOW, HIGH).exact
