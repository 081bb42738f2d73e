"""The compiled floor against dense algebra, in real and complex arithmetic."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest

from solver import kernels
from solver.kernels.tridiagonal import add_outer, add_product
from tests import dense_bar
from tests.experiments import METHODS
from tests.marches import (
    DIRECTIONS,
    Problem,
    column,
    figures,
    inner,
    problem,
    random_bands,
    random_direction,
)
from tests.verification import complex_step, relative_gap

SIZES = (1, 2, 3, 7, 60)
DTYPES = (np.float64, np.complex128)
METHOD = pytest.mark.parametrize("method", sorted(METHODS))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("seed", range(5))
def test_solve_and_transposed_solve_against_dense(seed: int, n: int, dtype: type) -> None:
    rng = np.random.default_rng([seed, n])
    bands, rhs = random_bands(rng, n, dtype), figures(rng, (n,), dtype)
    M = np.eye(n) - 0.1 * dense_bar.dense(bands)
    for band, matrix in ((bands, M), (kernels.transpose(bands), M.T)):
        u = np.empty_like(rhs)
        kernels.solve(kernels.factor(band, 0.1), rhs.copy(), u)
        assert relative_gap(u, np.linalg.solve(matrix, rhs)) <= 1e-13
        assert n == 1 or relative_gap(u, np.linalg.solve(matrix.T, rhs)) > 1e-3


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", SIZES)
def test_solve_in_place(n: int, dtype: type) -> None:
    rng = np.random.default_rng(n)
    bands, rhs = random_bands(rng, n, dtype), figures(rng, (n,), dtype)
    factors, apart, together = kernels.factor(bands, 0.1), np.empty_like(rhs), rhs.copy()
    kernels.solve(factors, rhs, apart)
    kernels.solve(factors, together, together)
    np.testing.assert_array_equal(together, apart)


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("seed", range(5))
def test_dot_products_with_the_transpose(seed: int, n: int) -> None:
    """<K x, y> = <x, K^T y>, and the same for the inverse of I - K / 10."""
    rng = np.random.default_rng([seed, n])
    bands, x, y = random_bands(rng, n), figures(rng, (n,)), figures(rng, (n,))
    transposed = kernels.transpose(bands)
    np.testing.assert_allclose(dense_bar.dense(transposed), dense_bar.dense(bands).T, atol=1e-14)
    for apply in (_product, _inverse):
        u, v, forgotten = apply(bands, x), apply(transposed, y), apply(bands, y)
        reach = np.linalg.norm(u) * np.linalg.norm(y)
        assert abs(u @ y - x @ v) <= 1e-12 * reach
        assert n == 1 or abs(u @ y - x @ forgotten) > 1e-6 * reach


@pytest.mark.parametrize("n", SIZES)
def test_product_and_outer_product_against_dense(n: int) -> None:
    rng = np.random.default_rng(n)
    bands, x, y = random_bands(rng, n), figures(rng, (n,)), figures(rng, (n,))
    assert relative_gap(_product(bands, x), dense_bar.dense(bands) @ x) <= 1e-14
    bands_bar = np.zeros((3, n))
    add_outer(y, x, bands_bar)
    direction = random_bands(rng, n)
    slope, swapped = (a @ dense_bar.dense(direction) @ b for a, b in ((y, x), (x, y)))
    assert np.sum(bands_bar * direction) == pytest.approx(slope, rel=1e-12)
    assert n == 1 or swapped != pytest.approx(slope, rel=1e-3)


@pytest.mark.parametrize("n", SIZES)
def test_conduction_feels_differences_alone(n: int) -> None:
    """A uniform temperature conducts nothing, to the last bit, however hot."""
    bands = random_bands(np.random.default_rng(n), n)
    bands[1] = 0.0
    assert not _product(bands, np.full(n, 1234.567)).any()
    bands_bar = np.zeros((3, n))
    add_outer(np.ones(n), np.full(n, 1234.567), bands_bar)
    assert not bands_bar[[0, 2]].any()


def _product(bands: np.ndarray, x: np.ndarray) -> np.ndarray:
    out = np.zeros(x.size)
    add_product(bands, x, out)
    return out


def _inverse(bands: np.ndarray, x: np.ndarray) -> np.ndarray:
    out = np.empty(x.size)
    kernels.solve(kernels.factor(bands, 0.1), x.copy(), out)
    return out


@METHOD
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", SIZES)
def test_forward_march_against_dense(method: str, n: int, dtype: type) -> None:
    p = problem(method, n, dtype=dtype)
    out, states = p.forward()
    assert relative_gap(out, p.dense()) <= 1e-12
    np.testing.assert_array_equal(states[:, -1], out[1:])  # stiffly accurate
    late = replace(p, histories=np.roll(p.histories, 1, axis=0))
    assert relative_gap(out, late.dense()) > 1e-3


@METHOD
def test_forward_march_without_loads_and_with_one_row_of_states(method: str) -> None:
    p = problem(method, loads=0)
    out, _ = p.forward()
    assert relative_gap(out, p.dense()) <= 1e-12
    scratch, readings = np.empty((1, len(p.tableau), 9)), np.empty((p.steps + 1, 1))
    probes, factors, u = np.array([4]), p.factors(p.bands), p.initial.copy()
    rest = (p.profiles, p.histories, 0, p.steps, u, probes, scratch, readings)
    kernels.forward(p.bands, factors, p.tableau, p.dt, *rest)
    np.testing.assert_array_equal(readings[1:, 0], out[1:, 4])


@METHOD
@pytest.mark.parametrize("n", SIZES)
def test_tangent_against_complex_step_of_dense(method: str, n: int) -> None:
    p = problem(method, n)
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
@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("seed", range(3))
def test_adjoint_is_the_transpose_of_the_tangent(method: str, n: int, seed: int) -> None:
    p = problem(method, n, seed=seed)
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
def test_unwanted_cotangents_are_left_out(method: str) -> None:
    p = problem(method)
    field_bar = np.random.default_rng(5).standard_normal((p.steps + 1, 9))
    _, states = p.forward()
    transposed = kernels.transpose(p.bands)
    lam, bands_bar = np.zeros(9), np.zeros((3, 9))
    kernels.adjoint(
        transposed,
        p.factors(transposed),
        p.tableau,
        p.dt,
        p.profiles,
        p.histories,
        0,
        p.steps,
        states,
        np.arange(9),
        field_bar,
        lam,
        bands_bar,
        np.zeros((0, 9)),
        np.zeros((0, len(p.tableau), 3)),
    )
    whole = p.adjoint(field_bar)
    np.testing.assert_array_equal(bands_bar, whole.bands)
    np.testing.assert_array_equal(lam + field_bar[0], whole.initial)


@METHOD
@pytest.mark.parametrize("cuts", [(1,), (6,), (3, 4, 11), tuple(range(1, 12))])
def test_any_split_of_the_steps_is_the_same_bit_for_bit(method: str, cuts: tuple[int, ...]) -> None:
    p = problem(method)
    np.testing.assert_array_equal(p.forward(cuts)[0], p.forward()[0])
    d = random_direction(p, seed=2, columns=2)
    np.testing.assert_array_equal(p.tangent(d, cuts), p.tangent(d))
    field_bar = np.random.default_rng(6).standard_normal((p.steps + 1, 9))
    whole, pieces = p.adjoint(field_bar), p.adjoint(field_bar, cuts)
    for name in DIRECTIONS:
        np.testing.assert_array_equal(getattr(pieces, name), getattr(whole, name))
    longer = replace(p, dt=np.nextafter(p.dt, 1.0))  # a last bit of difference would show
    assert not np.array_equal(longer.forward(cuts)[0], p.forward()[0])


def test_every_field_of_a_problem_that_has_a_direction_is_tested() -> None:
    assert {f.name for f in fields(Problem)} - {"tableau", "dt"} == set(DIRECTIONS)
