"""The network law against loops over its units, and its derivatives by complex step."""

from __future__ import annotations

import cmath
import math
import operator
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from solver.curves import Unknown, resolve, slots
from solver.network import Network, count, initial_weights, unknown_network
from tests.verification import complex_step, relative_gap

TOLERANCE = 1e-12
WRONG = 1.001
RANGE, LEVEL = (0.3, 2.3), 4.5
S = np.linspace(0.1, 2.5, 23)  # beyond the range too
WIDTHS = [(), (1,), (3, 5), (20, 20, 20)]
every_widths = pytest.mark.parametrize("widths", WIDTHS, ids=str)


def network(widths: tuple[int, ...], size: float = 0.6, seed: int = 1) -> Network:
    weights = size * np.random.default_rng(seed).standard_normal(count(widths))
    return Network(weights, widths, "x", RANGE, LEVEL)


def by_loops(law: Network, s: complex) -> complex:
    """The law unit by unit, with the scalar functions of the standard library."""
    figures = iter(law.weights.tolist())
    a, b = law.range
    signals = [(s - (a + b) / 2) / ((b - a) / 2)]
    for layer, to in enumerate([*law.widths, 1]):
        rows = [[next(figures) for _ in signals] for _ in range(to)]
        biases = [next(figures) for _ in range(to)]
        sums = [sum(map(operator.mul, row, signals)) for row in rows]
        signals = [total + bias for total, bias in zip(sums, biases, strict=True)]
        if layer < len(law.widths):
            signals = [cmath.tanh(signal) for signal in signals]
    assert not list(figures)
    return law.level * cmath.log(1 + cmath.exp(signals[0])) / math.log(2)


def matrix(law: Network) -> np.ndarray:
    return law.partials(S)["weights"]


def by_complex_step(law: Network) -> np.ndarray:
    return complex_step(lambda weights: replace(law, weights=weights).value(S), law.weights)


# --- values --------------------------------------------------------------------------------------


@every_widths
def test_values_in_other_words(widths: tuple[int, ...]) -> None:
    law = network(widths)
    expected = np.array([by_loops(law, s) for s in S.tolist()]).real
    assert relative_gap(law.value(S), expected) <= 1e-14
    for k in range(0, count(widths), 7):  # each weight counts
        moved = replace(law, weights=law.weights + 0.01 * (np.arange(count(widths)) == k))
        assert relative_gap(moved.value(S), expected) > 1e-9
    assert law.value(S[:22].reshape(2, 11)).shape == (2, 11)


def test_values_of_complex_weights_and_places() -> None:
    law = network((3, 5))
    law = replace(law, weights=law.weights * (1.0 + 0.2j))
    s = S + 0.1j
    expected = np.array([by_loops(law, z) for z in s.tolist()])
    assert relative_gap(law.value(s), expected) <= 1e-13
    assert relative_gap(law.value(s.conj()), expected) > 0.01


@pytest.mark.parametrize("z", [0.0, 30.0, -30.0, -600.0, 1e5, 1e300])
def test_softplus_is_stable(z: float) -> None:
    law = Network([0.0, z], (), range=RANGE, level=math.log(2.0))
    expected = z if z > 40.0 else math.log1p(math.exp(z))
    np.testing.assert_allclose(law.value(S), expected, rtol=1e-14)
    slopes = matrix(law)[:, 1]
    logistic = 1.0 if z > 40.0 else math.exp(z) / (1.0 + math.exp(z))
    np.testing.assert_allclose(slopes, logistic, rtol=1e-14)
    there = replace(law, weights=np.array([0.0, z + 1e-8j])).value(S)
    np.testing.assert_allclose(there.real, expected, rtol=1e-14)
    np.testing.assert_allclose(there.imag / 1e-8, logistic, rtol=1e-13)


def test_far_below_zero_it_underflows_without_a_warning() -> None:
    law = Network([0.0, -1e5], (), range=RANGE, level=LEVEL)
    for quiet in (law.value(S), matrix(law), law.pull(S, np.ones_like(S)), by_complex_step(law)):
        np.testing.assert_array_equal(quiet, np.zeros_like(quiet))


@pytest.mark.parametrize("seed", range(20))
def test_wild_weights_give_a_positive_law(seed: int) -> None:
    size = 10.0 ** np.random.default_rng(seed).uniform(0.0, 1.5)
    law = network((20, 20, 20), size, seed)
    values = law.value(S)
    assert np.all(values > 0.0)
    assert np.isfinite(values).all()
    assert np.isfinite(matrix(law)).all()
    assert relative_gap(matrix(law), by_complex_step(law)) <= TOLERANCE


# --- derivatives ---------------------------------------------------------------------------------


@every_widths
def test_partials_are_the_complex_step(widths: tuple[int, ...]) -> None:
    law = network(widths)
    partials, expected = law.partials(S), by_complex_step(law)
    assert sorted(partials) == ["weights"]
    assert relative_gap(matrix(law), expected) <= TOLERANCE
    assert relative_gap(WRONG * matrix(law), expected) > TOLERANCE
    for k in range(count(widths)):  # none of them is dropped
        without = matrix(law).copy()
        without[:, k] = 0.0
        assert relative_gap(without, expected) > TOLERANCE


@every_widths
def test_partials_at_complex_weights_are_analytic(widths: tuple[int, ...]) -> None:
    """The derivative of the matrix along v, by complex step, is that by differences."""
    law = network(widths)
    v = np.random.default_rng(2).standard_normal(count(widths))

    def moved(step: complex) -> np.ndarray:
        return matrix(replace(law, weights=law.weights + step * v))

    stepped, h = moved(1e-40j).imag / 1e-40, 1e-4
    differences = (8 * (moved(h) - moved(-h)) - moved(2 * h) + moved(-2 * h)) / (12 * h)
    assert relative_gap(stepped, differences) <= 1e-9
    assert relative_gap(WRONG * stepped, differences) > 1e-9


@every_widths
@pytest.mark.parametrize("turn", [1.0, 1.0 + 0.1j], ids=["real", "complex"])
def test_pull_and_push_are_products_with_the_matrix(widths: tuple[int, ...], turn: complex) -> None:
    law = network(widths)
    law = replace(law, weights=law.weights * turn)
    rng = np.random.default_rng(3)
    value_bar, directions = rng.standard_normal(S.size), rng.standard_normal((4, count(widths)))
    pulled, pushed = law.pull(S, value_bar), law.push(S, directions)
    assert pulled.shape == (count(widths),)
    assert relative_gap(pulled, matrix(law).T @ value_bar) <= 1e-14
    assert relative_gap(WRONG * pulled, matrix(law).T @ value_bar) > 1e-14
    assert pushed.shape == (4, S.size)
    assert relative_gap(pushed, directions @ matrix(law).T) <= 1e-14
    assert relative_gap(pushed[::-1], directions @ matrix(law).T) > 1e-14
    np.testing.assert_array_equal(law.push(S, directions[0]), pushed[0])
    assert law.push(S, directions[:0]).shape == (0, S.size)


# --- range and level -----------------------------------------------------------------------------


@every_widths
def test_units_of_s_and_of_the_law_do_not_matter(widths: tuple[int, ...]) -> None:
    law = network(widths)
    there = replace(law, range=tuple(1.8 * a + 32.0 for a in RANGE), level=1e3 * LEVEL)
    s = 1.8 * S + 32.0
    assert relative_gap(there.value(s), 1e3 * law.value(S)) <= 1e-13
    assert relative_gap(there.partials(s)["weights"], 1e3 * matrix(law)) <= 1e-12
    assert relative_gap(replace(there, range=RANGE).value(s), 1e3 * law.value(S)) > 1e-3


def test_the_range_is_mapped_to_minus_one_and_one() -> None:
    law = Network([1.5, 0.2], (), range=RANGE, level=math.log(2.0))
    found = np.log(np.expm1(law.value(np.array([0.3, 0.8, 1.3, 2.3, 4.3]))))
    np.testing.assert_allclose(found, 0.2 + 1.5 * np.array([-1.0, -0.5, 0.0, 1.0, 3.0]), rtol=1e-14)


def test_what_is_left_out_is_filled_in_and_what_is_given_stays() -> None:
    given, none = network((3, 5)), replace(network((3, 5)), range=None, level=None)
    np.testing.assert_array_equal(none.filled(RANGE, LEVEL).value(S), given.value(S))
    same = given.filled((0.0, 9.0), 77.0)
    assert (same.range, same.level, same.of) == (RANGE, LEVEL, "x")
    half = replace(given, level=None, of="u").filled((0.0, 9.0), 77.0)
    assert (half.range, half.level, half.of) == (RANGE, 77.0, "u")
    assert (none.range, none.level) == (None, None)


def asked_of(law: Network) -> tuple[Callable[[], Any], ...]:
    return (
        lambda: law.value(S),
        lambda: law.partials(S),
        lambda: law.pull(S, np.ones_like(S)),
        lambda: law.push(S, np.ones(32)),
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"range": None}, "range of a network has not been filled in"),
        ({"level": None}, "level of a network has not been filled in"),
        ({"range": (1.0, 1.0)}, "not from 1 to 1"),
        ({"range": (0.0, math.inf)}, "not from 0 to inf"),
        ({"level": 0.0}, "positive, not 0"),
        ({"level": math.inf}, "positive, not inf"),
        ({"weights": np.zeros(31)}, "32 weights, not the shape .31,."),
        ({"weights": np.zeros((2, 16))}, r"shape \(2, 16\)"),
        ({"weights": Unknown("w", (0.0,) * 32)}, "unknown weights"),
        ({"weights": (Unknown("w", 0.0), *[0.0] * 31)}, "unknown weights"),
        ({"widths": (3, 0)}, "at least one unit"),
    ],
)
def test_a_network_that_makes_no_sense_is_not_evaluated(change: Any, words: str) -> None:
    law = network((3, 5))
    for ask in asked_of(law):
        ask()
    for ask in asked_of(replace(law, **change)):
        with pytest.raises(ValueError, match=words):
            ask()


# --- unknown weights -----------------------------------------------------------------------------


def test_unknown_weights_are_found_and_resolved() -> None:
    law = unknown_network("k", (3, 5), 7, of="u", range=RANGE, level=LEVEL)
    (slot,) = slots(law)
    assert (slot.field, slot.index, slot.unknown.name) == ("weights", None, "k")
    assert slot.unknown.start == initial_weights((3, 5), 7)
    assert (slot.unknown.scale, slot.unknown.size) == ("linear", 32)
    for theta in (np.linspace(-1.0, 1.0, 32), np.linspace(-1.0, 1.0, 32) + 1j):
        resolved = resolve(law, {"k": theta})
        assert (resolved.widths, resolved.range, resolved.of) == ((3, 5), RANGE, "u")
        expected = Network(theta, (3, 5), "u", RANGE, LEVEL)
        np.testing.assert_array_equal(resolved.value(S), expected.value(S))


def test_weights_that_are_given_are_the_start_and_are_kept_as_they_were() -> None:
    weights = np.arange(4)
    law = unknown_network("k", (1,), weights=weights)
    assert law.weights.start == (0.0, 1.0, 2.0, 3.0)
    law = Network(weights, (1,), range=RANGE, level=LEVEL)
    before = law.value(S)
    weights[:] = 9
    np.testing.assert_array_equal(law.value(S), before)
    assert law.weights.dtype == float


@pytest.mark.parametrize(
    ("widths", "number"), [((), 2), ((1,), 4), ((3, 5), 32), ((20, 20, 20), 901)]
)
def test_count(widths: tuple[int, ...], number: int) -> None:
    assert count(widths) == number == len(initial_weights(widths, 0))
    assert count(tuple(np.array(widths, np.int8))) == number


def test_absurd_widths_are_counted_exactly_and_take_no_memory() -> None:
    tracemalloc.start()
    assert count((10**12, 10**12)) == 2 * 10**12 + 10**12 * (10**12 + 1) + 10**12 + 1
    Network(np.zeros(2), (10**12, 10**12))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10**5


@pytest.mark.parametrize("widths", [(0,), (3, 0), (-2, 4)])
def test_a_layer_without_units_is_refused(widths: tuple[int, ...]) -> None:
    for ask in (count, lambda w: initial_weights(w, 0), lambda w: unknown_network("k", w)):
        with pytest.raises(ValueError, match="at least one unit"):
            ask(widths)
    with pytest.raises(TypeError, match="integer"):
        count((2.5,))
