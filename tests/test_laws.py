"""Laws and tables: their values in other words, and their derivatives by complex step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any, get_type_hints

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.interpolate import CubicSpline, PchipInterpolator
from scipy.sparse import issparse

from solver import LAWS, Constant, Exponential, Expression, Layers, Linear, Polynomial, Table
from solver.curves import INTERPOLATIONS, Number, Numbers, Variable
from solver.kernels import Array
from tests.experiments import two_hundred
from tests.random_curves import LEVEL, RANGE, WIDTHS, Axis, Curves
from tests.verification import complex_step, relative_gap

TOLERANCE = 1e-13
WRONG = 1.001
AXIS = Axis("x", 2.0)
S = np.linspace(0.0, 2.0, 41)  # among them the points and edges below


def figures(law: Any) -> dict[str, np.ndarray]:
    """The numbers of a law that has no unknowns, by field."""
    kinds = get_type_hints(type(law))
    return {
        f.name: np.asarray(getattr(law, f.name), float)
        for f in fields(law)
        if kinds[f.name] in (Number, Numbers)
    }


def moved(law: Any, name: str, figure: np.ndarray) -> Any:
    return replace(law, **{name: figure if np.ndim(getattr(law, name)) else figure[0]})


def dense(partial: Any) -> np.ndarray:
    return partial.toarray() if issparse(partial) else partial


def check_partials(law: Any, value: Callable[[Any], np.ndarray], partials: dict[str, Any]) -> None:
    """Each partial is the complex step of the value by that field."""
    assert sorted(partials) == sorted(figures(law))
    for name, figure in figures(law).items():
        expected = complex_step(
            lambda m, name=name: value(moved(law, name, m)), np.atleast_1d(figure)
        )
        found = dense(partials[name]).reshape(expected.shape)
        assert relative_gap(found, expected) <= TOLERANCE
        assert relative_gap(WRONG * found, expected) > TOLERANCE


@st.composite
def laws(draw: st.DrawFn) -> Any:
    """Any registered law, with figures only, on [0, 2]."""
    name = draw(st.sampled_from(sorted(LAWS)))
    curves = Curves(draw)
    return LAWS[name](**curves.figures(LAWS[name], curves.decades(-3, 3), AXIS))


@two_hundred
@given(laws())
def test_partials_of_every_law_are_its_complex_step(law: Any) -> None:
    check_partials(law, lambda moved: moved.value(S), law.partials(S))
    assert np.all(law.value(S) > 0.0)


@two_hundred
@given(laws())
def test_a_law_at_some_points_is_the_same_at_each(law: Any) -> None:
    """What is asked for together does not depend on one another."""
    apart = np.concatenate([law.value(S[k : k + 1]) for k in range(S.size)])
    np.testing.assert_allclose(law.value(S), apart, rtol=1e-14)  # products of matrices round
    assert relative_gap(law.value(S[::-1]), apart) > 1e-14 or np.ptp(apart) == 0.0
    for partial in law.partials(S).values():
        assert partial.shape[0] == S.size


@pytest.mark.parametrize(
    ("law", "formula"),
    [
        (Constant(0.7), lambda s: 0.7),
        (Linear(0.7, -0.2), lambda s: 0.7 - 0.2 * s),
        (Polynomial([0.7]), lambda s: 0.7),
        (
            Polynomial([0.7, -0.2, 0.3, 0.05]),
            lambda s: 0.7 - 0.2 * s + 0.3 * s * s + s * s * s / 20,
        ),
        (Exponential(0.7, -1.3), lambda s: 0.7 * np.exp(-1.3 * s)),
        (
            Layers([0.5, 1.1], [3.0, 5.0, 4.0]),
            lambda s: 3.0 if s < 0.5 else 5.0 if s < 1.1 else 4.0,
        ),
        (Table([0.0, 0.4, 2.0], [1.0, 3.0, 2.0]), lambda s: min(1 + 5 * s, 3 - (s - 0.4) / 1.6)),
        (Expression("0.7+sin(x)"), lambda s: 0.7 + np.sin(s)),
    ],
)
def test_values_in_other_words(law: Any, formula: Callable[[float], float]) -> None:
    expected = np.array([formula(s) for s in S])
    np.testing.assert_allclose(law.value(S), expected, rtol=1e-14)


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_a_table_goes_through_its_points_and_stays_beyond_them(interpolation: str) -> None:
    points, values = np.array([0.2, 0.5, 0.6, 1.4]), np.array([1.0, 3.0, 2.0, 2.5])
    table = Table(points, values, interpolation)
    np.testing.assert_allclose(table.value(points), values, rtol=1e-15)
    np.testing.assert_array_equal(table.value(np.array([-1.0, 0.0, 2.0])), [1.0, 1.0, 2.5])
    two = Table([0.0, 2.0], [1.0, 3.0], interpolation)
    np.testing.assert_allclose(two.value(S), 1.0 + S, rtol=1e-14)


@st.composite
def points_and_values(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """From 2 to 9 points, rising, falling and level stretches."""
    rng = np.random.default_rng(draw(st.integers(0, 2**31), label="seed"))
    count = draw(st.integers(2, 9))
    steps = rng.standard_normal(count) * rng.choice([0.0, 1.0, 30.0], count, p=[0.2, 0.6, 0.2])
    return np.cumsum(10.0 ** rng.uniform(-2, 1, count)), 5.0 + np.cumsum(steps)


@two_hundred
@given(points_and_values())
def test_the_monotone_cubic_is_fritsch_and_butlands(case: tuple[np.ndarray, np.ndarray]) -> None:
    points, values = case
    s = np.ravel(points[:-1, None] + np.diff(points)[:, None] * [0.0, 0.2, 0.7])
    found, expected = Table(points, values, "monotone-cubic").value(s), PchipInterpolator(*case)(s)
    assert np.abs(found - expected).max() <= 1e-13 * np.abs(values).max()


def test_the_monotone_cubic_is_told_from_straight_lines_and_other_slopes() -> None:
    points, values = np.array([0.0, 1.0, 3.0, 4.0]), np.array([1.0, 2.0, 2.5, 5.0])
    s = np.array([0.5, 2.0, 3.3])
    found = Table(points, values, "monotone-cubic").value(s)
    assert relative_gap(Table(points, values).value(s), found) > 1e-3
    assert relative_gap(CubicSpline(points, values)(s), found) > 1e-3


@two_hundred
@given(points_and_values())
def test_the_monotone_cubic_is_monotone_between_its_points(
    case: tuple[np.ndarray, np.ndarray],
) -> None:
    points, values = case
    table = Table(points, values, "monotone-cubic")
    for k in range(points.size - 1):
        between = table.value(np.linspace(points[k], points[k + 1], 21))
        steps = np.diff(between) * np.sign(values[k + 1] - values[k])
        assert steps.min() >= -1e-14 * np.abs(values).max()


def test_where_neighbours_are_equal_the_monotone_cubic_has_a_kink_and_takes_level_slopes() -> None:
    """Its derivative there is that of the steps ``p^2 (3 - 2 p)`` from one value to the next."""
    points, s = np.array([0.0, 1.0, 3.0, 4.0]), np.array([0.3, 2.2, 3.9])
    found = dense(Table(points, np.full(4, 0.7), "monotone-cubic").partials(s)["values"])
    p = np.array([0.3, 0.6, 0.9])
    rise = p**2 * (3.0 - 2.0 * p)
    expected = np.diag(1.0 - rise, 0)[:, [0, 1, 2, 2]] * [1.0, 1.0, 1.0, 0.0]
    expected = expected + np.eye(3, 4, 1) * rise[:, None]
    np.testing.assert_allclose(found, expected, atol=1e-15)


# --- layers --------------------------------------------------------------------------------------


@st.composite
def layers_and_borders(draw: st.DrawFn) -> tuple[Layers, np.ndarray]:
    """Layers on [0, 2] thinner and thicker than the intervals that are asked for, edges on some."""
    curves = Curves(draw)
    law = Layers(**curves.figures(Layers, curves.decades(-3, 3), AXIS))
    inside = curves.rng.uniform(0.0, 2.0, draw(st.integers(0, 6)))
    on_edges = law.inner[: draw(st.integers(0, 2))]
    return law, np.unique(np.concatenate([[0.0], inside, on_edges, [2.0]]))


def along(law: Layers, a: float, b: float, of: Callable[[np.ndarray], np.ndarray]) -> float:
    """The mean of ``of(law)`` on [a, b], piece by piece between the edges."""
    cuts = np.unique(np.concatenate([[a, b], law.inner[(a < law.inner) & (law.inner < b)]]))
    middles = 0.5 * (cuts[1:] + cuts[:-1])
    return float(np.diff(cuts) @ of(law.value(middles)) / (b - a))


@two_hundred
@given(layers_and_borders())
def test_means_of_layers_are_integrals(case: tuple[Layers, np.ndarray]) -> None:
    law, borders = case
    cells = [1.0 / along(law, a, b, lambda k: 1.0 / k) for a, b in _pairs(borders)]
    volumes = [along(law, a, b, lambda C: C) for a, b in _pairs(borders)]
    np.testing.assert_allclose(law.cell_means(borders), cells, rtol=1e-12)
    np.testing.assert_allclose(law.volume_means(borders), volumes, rtol=1e-12)
    check_partials(law, lambda moved: moved.cell_means(borders), law.cell_partials(borders))
    check_partials(law, lambda moved: moved.volume_means(borders), law.volume_partials(borders))


def _pairs(borders: np.ndarray) -> list[tuple[float, float]]:
    return list(zip(borders[:-1].tolist(), borders[1:].tolist(), strict=True))


def test_the_bars_ends_may_be_left_out_of_the_edges() -> None:
    inner, all_of_them = Layers([0.5, 1.1], [3.0, 5.0, 4.0]), Layers([0, 0.5, 1.1, 2], [3, 5, 4])
    for ask in (Layers.value, Layers.cell_means, Layers.volume_means):
        np.testing.assert_array_equal(ask(inner, S), ask(all_of_them, S))
    assert inner.count == all_of_them.count == 3
    np.testing.assert_array_equal(Layers([], [2.0]).value(S), np.full(S.size, 2.0))


def test_a_node_on_an_edge_belongs_to_the_layer_on_its_right() -> None:
    law = Layers([0.5], [3.0, 5.0])
    beside = np.array([np.nextafter(0.5, 0.0), 0.5, np.nextafter(0.5, 1.0)])
    np.testing.assert_array_equal(law.value(beside), [3.0, 5.0, 5.0])


def test_every_kind_of_field_is_known_here() -> None:
    kinds = {kind for law in LAWS.values() for kind in get_type_hints(law).values()}
    assert kinds <= {Number, Numbers, Array, Variable, str, WIDTHS, RANGE, LEVEL}
