"""The compiled marches against dense algebra, in real and complex arithmetic."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest

from tests.experiments import METHODS
from tests.marches import (
    DIRECTIONS,
    LAYOUT,
    LAYOUTS,
    REAL,
    SIZES,
    Problem,
    column,
    dtype_of,
    inner,
    problem,
    random_direction,
)
from tests.verification import complex_step, relative_gap

METHOD = pytest.mark.parametrize("method", sorted(METHODS))


@METHOD
@LAYOUT
@pytest.mark.parametrize("n", SIZES)
def test_forward_march_against_dense(method: str, n: int, layout: str) -> None:
    p = problem(method, n, dtype=dtype_of(layout), layout=LAYOUTS[layout])
    out = p.forward()
    assert relative_gap(out, p.dense()) <= 1e-12
    np.testing.assert_array_equal(p.forward(keep=False), out)
    late = replace(p, histories=np.roll(p.histories, 1, axis=0))
    assert relative_gap(out, late.dense()) > 1e-3


@METHOD
@LAYOUT
def test_forward_march_without_loads(method: str, layout: str) -> None:
    p = problem(method, loads=0, dtype=dtype_of(layout), layout=LAYOUTS[layout])
    assert relative_gap(p.forward(), p.dense()) <= 1e-12


@METHOD
@REAL
@pytest.mark.parametrize("n", SIZES)
def test_tangent_against_complex_step_of_dense(method: str, n: int, layout: str) -> None:
    p = problem(method, n, layout=LAYOUTS[layout])
    d = random_direction(p, seed=1, columns=3)

    def moved(h: np.ndarray) -> np.ndarray:
        """The dense field at p + d h."""
        parts = {name: getattr(p, name) + getattr(d, name) @ h for name in DIRECTIONS}
        return replace(p, **parts).dense()

    expected = complex_step(moved, np.zeros(3))
    found = p.tangent(d)
    assert relative_gap(found, expected) <= 1e-12
    for name in DIRECTIONS:  # no part of the direction may be missed
        without = replace(d, **{name: np.zeros_like(getattr(d, name))})
        assert relative_gap(p.tangent(without), expected) > 1e-6


@METHOD
@REAL
@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("seed", range(3))
def test_adjoint_is_the_transpose_of_the_tangent(
    method: str, n: int, seed: int, layout: str
) -> None:
    p = problem(method, n, seed=seed, layout=LAYOUTS[layout])
    d = random_direction(p, seed, columns=1)
    out_dot = p.tangent(d)[..., 0]
    field_bar = np.random.default_rng([seed, n]).standard_normal(out_dot.shape)
    bar, single = p.adjoint(field_bar), column(d, 0)
    reach = np.linalg.norm(out_dot) * np.linalg.norm(field_bar)
    assert abs(np.sum(out_dot * field_bar) - inner(bar, single)) <= 1e-12 * reach
    for name in DIRECTIONS:  # dropping one cotangent shows
        dropped = replace(bar, **{name: np.zeros_like(getattr(bar, name))})
        assert abs(np.sum(out_dot * field_bar) - inner(dropped, single)) > 1e-9 * reach
    if n > 1:  # as does one band in the place of another
        swapped = replace(bar, bands=bar.bands[::-1])
        assert abs(np.sum(out_dot * field_bar) - inner(swapped, single)) > 1e-9 * reach


@METHOD
@LAYOUT
@pytest.mark.parametrize("n", [1, 17, 60])
def test_all_layouts_march_the_same(method: str, n: int, layout: str) -> None:
    """The scalar sweep is the oracle of the lanes, forward and backward."""
    twin, p = (problem(method, n, layout=LAYOUTS[name]) for name in ("alone", layout))
    if layout == "complex":
        p = replace(p, **{name: getattr(p, name).astype(complex) for name in DIRECTIONS})
    assert relative_gap(p.forward(), twin.forward()) <= 1e-13
    field_bar = np.random.default_rng(7).standard_normal((p.steps + 1, n))
    bar, expected = p.adjoint(field_bar.astype(p.dtype)), twin.adjoint(field_bar)
    for name in DIRECTIONS:
        assert relative_gap(getattr(bar, name), getattr(expected, name)) <= 1e-12


@METHOD
@LAYOUT
def test_unwanted_cotangents_are_left_out(method: str, layout: str) -> None:
    p = problem(method, dtype=dtype_of(layout), layout=LAYOUTS[layout])
    field_bar = np.random.default_rng(5).standard_normal((p.steps + 1, 9)).astype(p.dtype)
    lean, whole = p.adjoint(field_bar, loads=False), p.adjoint(field_bar)
    np.testing.assert_array_equal(lean.bands, whole.bands)
    np.testing.assert_array_equal(lean.initial, whole.initial)
    assert lean.profiles.size == lean.histories.size == 0


@METHOD
@REAL
@pytest.mark.parametrize("cuts", [(1,), (6,), (3, 4, 11), tuple(range(1, 12))])
def test_any_split_of_the_steps_is_the_same_bit_for_bit(
    method: str, cuts: tuple[int, ...], layout: str
) -> None:
    p = problem(method, layout=LAYOUTS[layout])
    np.testing.assert_array_equal(p.forward(cuts), p.forward())
    np.testing.assert_array_equal(p.forward(cuts, keep=False), p.forward())
    d = random_direction(p, seed=2, columns=2)
    np.testing.assert_array_equal(p.tangent(d, cuts), p.tangent(d))
    field_bar = np.random.default_rng(6).standard_normal((p.steps + 1, 9))
    whole, pieces = p.adjoint(field_bar), p.adjoint(field_bar, cuts)
    for name in DIRECTIONS:
        np.testing.assert_array_equal(getattr(pieces, name), getattr(whole, name))
    longer = replace(p, dt=np.nextafter(p.dt, 1.0))  # a last bit of difference would show
    assert not np.array_equal(longer.forward(cuts), p.forward())


def test_every_field_of_a_problem_that_has_a_direction_is_tested() -> None:
    assert {f.name for f in fields(Problem)} - {"tableau", "dt", "layout"} == set(DIRECTIONS)
