"""Tridiagonal matrices in rows of lanes against dense algebra, in real and complex arithmetic."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from solver.kernels import products, sweeps, symmetric, tridiagonal
from tests import dense_bar
from tests.marches import (
    LAYOUT,
    LAYOUTS,
    REAL,
    SIZES,
    dtype_of,
    eight,
    figures,
    random_bands,
    random_matrix,
)
from tests.parts import called
from tests.verification import relative_gap


class Rows:
    """Vectors over n nodes in the rows of a layout; of eight bars, that in lane 3."""

    def __init__(self, n: int, dtype: type, name: str) -> None:
        self.layout, self.many = LAYOUTS[name](n, dtype), name == "experiments"
        self.rows, self.joint = self.layout.rows, self.layout.joint(1)

    def packed(self, x: np.ndarray) -> np.ndarray:
        return self.layout.pack(eight(x) if self.many else x)

    def unpacked(self, packed: np.ndarray, vectors: int = 1) -> np.ndarray:
        out = self.layout.unpack(packed, vectors)
        out = out[3] if self.many else out
        return out[0] if vectors == 1 else out


class Matrix(Rows):
    """One K, and the factors of I - K / 10."""

    def __init__(self, bands: np.ndarray, name: str) -> None:
        super().__init__(bands.shape[1], bands.dtype, name)
        self.K, self.f = self.packed(bands), self.layout.room(tridiagonal.PARTS)
        one = self.packed(np.ones(bands.shape[1], bands.dtype))
        one[...] = 1.0
        tridiagonal.factor(self.K, self.rows, 0.1, one, self.f, self.joint)

    def solved(self, rhs: np.ndarray) -> np.ndarray:
        x = self.packed(rhs)
        called(sweeps.sweep)(self.f, self.joint, self.rows, x, 0)
        called(sweeps.sweep_back)(self.f, self.joint, self.rows, x, 0)
        return self.unpacked(x)

    def transposed(self) -> np.ndarray:
        K_T = self.layout.room(3)
        tridiagonal.transpose(self.K, self.rows, self.joint, K_T)
        return self.unpacked(K_T, 3)

    def product(self, x: np.ndarray) -> np.ndarray:
        out = self.layout.zeros(1)
        called(products.add_product)(self.K, None, self.joint, self.rows, self.packed(x), 0, out, 0)
        return self.unpacked(out)


class Symmetric(Rows):
    """The same made symmetric: what it does to u, by way of v."""

    def __init__(self, bands: np.ndarray, name: str) -> None:
        super().__init__(bands.shape[1], bands.dtype, name)
        self.K, self.f = self.packed(bands), self.layout.room(symmetric.PARTS)
        self.scale = self.layout.room(3)
        symmetric.set_scale(self.K, self.rows, self.joint, self.scale)
        symmetric.factor(self.K, self.scale, self.rows, 0.1, self.f, self.joint, 0)

    @property
    def of_nodes(self) -> np.ndarray:
        return self.unpacked(self.scale[: self.rows])

    def solved(
        self, rhs: np.ndarray, *, transposed: bool = False, apart: bool = True
    ) -> np.ndarray:
        scale = self.of_nodes
        b = self.packed(rhs * scale if transposed else rhs / scale)
        x = self.layout.room(1) if apart else b
        called(symmetric.sweep)(self.f, self.joint, 0, self.rows, b, 0, None, None, x, 0)
        called(symmetric.sweep_back)(self.f, self.joint, 0, self.rows, x, 0)
        return self.unpacked(x) / scale if transposed else self.unpacked(x) * scale

    def product(self, x: np.ndarray, *, transposed: bool = False) -> np.ndarray:
        out, scale = self.layout.zeros(1), self.of_nodes
        v = self.packed(x * scale if transposed else x / scale)
        called(products.add_product)(self.K, self.scale, self.joint, self.rows, v, 0, out, 0)
        return self.unpacked(out) / scale if transposed else self.unpacked(out) * scale

    def outer(self, phi: np.ndarray, x: np.ndarray) -> np.ndarray:
        K_bar, scale = self.layout.zeros(3), self.of_nodes
        phi, v = self.packed(phi * scale), self.packed(x / scale)
        called(products.add_outer)(phi, 0, 1.0, self.scale, self.joint, self.rows, v, 0, K_bar)
        return self.unpacked(K_bar, 3)


@LAYOUT
@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("seed", range(5))
def test_solve_and_transposed_solve_against_dense(seed: int, n: int, layout: str) -> None:
    """Of any matrix; of one like that of heat, made symmetric, both ways by the same factors."""
    rng = np.random.default_rng([seed, n])
    rhs = figures(rng, (n,), dtype_of(layout))
    bands = random_matrix(rng, n, dtype_of(layout))
    M = np.eye(n) - 0.1 * dense_bar.dense(bands)
    assert relative_gap(Matrix(bands, layout).solved(rhs), np.linalg.solve(M, rhs)) <= 1e-13
    bands = random_bands(rng, n, dtype_of(layout))
    M, matrix = np.eye(n) - 0.1 * dense_bar.dense(bands), Symmetric(bands, layout)
    for transposed, dense in ((False, M), (True, M.T)):
        u = matrix.solved(rhs, transposed=transposed)
        assert relative_gap(u, np.linalg.solve(dense, rhs)) <= 1e-13
        assert n == 1 or relative_gap(u, np.linalg.solve(dense.T, rhs)) > 1e-3


@LAYOUT
@pytest.mark.parametrize("n", SIZES)
def test_solve_in_place(n: int, layout: str) -> None:
    rng = np.random.default_rng(n)
    bands = random_bands(rng, n, dtype_of(layout))
    rhs, matrix = figures(rng, (n,), dtype_of(layout)), Symmetric(bands, layout)
    np.testing.assert_array_equal(matrix.solved(rhs, apart=False), matrix.solved(rhs))


@LAYOUT
@pytest.mark.parametrize("n", SIZES)
def test_scale_makes_the_matrix_symmetric(n: int, layout: str) -> None:
    bands = random_bands(np.random.default_rng(n), n, dtype_of(layout))
    scale, K = Symmetric(bands, layout).of_nodes, dense_bar.dense(bands)
    scaled = K * scale / scale[:, None]
    assert relative_gap(scaled, scaled.T) <= 1e-13
    assert n == 1 or relative_gap(K, K.T) > 1e-3


@REAL
@pytest.mark.parametrize("n", [3, 17, 60])
def test_scale_of_nodes_that_feel_nothing_of_each_other(n: int, layout: str) -> None:
    """As beside matter that does not conduct at all: every part has a scale of its own."""
    bands = random_bands(np.random.default_rng(n), n)
    bands[2, n // 2 - 1] = bands[0, n // 2] = 0.0
    rhs, M = np.arange(1.0, n + 1), np.eye(n) - 0.1 * dense_bar.dense(bands)
    assert relative_gap(Symmetric(bands, layout).solved(rhs), np.linalg.solve(M, rhs)) <= 1e-13


@REAL
@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("seed", range(5))
def test_dot_products_with_the_transpose(seed: int, n: int, layout: str) -> None:
    """<K x, y> = <x, K^T y>, and the same for the inverse of I - K / 10."""
    rng = np.random.default_rng([seed, n])
    bands, x, y = random_bands(rng, n), figures(rng, (n,)), figures(rng, (n,))
    dense = dense_bar.dense(Matrix(bands, layout).transposed())
    np.testing.assert_allclose(dense, dense_bar.dense(bands).T, atol=1e-14)
    matrix = Symmetric(bands, layout)
    for apply in (matrix.product, matrix.solved):
        u, v, forgotten = apply(x), apply(y, transposed=True), apply(y)
        reach = np.linalg.norm(u) * np.linalg.norm(y)
        assert abs(u @ y - x @ v) <= 1e-12 * reach
        assert n == 1 or abs(u @ y - x @ forgotten) > 1e-6 * reach


@REAL
@pytest.mark.parametrize("n", SIZES)
def test_product_and_outer_product_against_dense(n: int, layout: str) -> None:
    rng = np.random.default_rng(n)
    bands, x, y = random_bands(rng, n), figures(rng, (n,)), figures(rng, (n,))
    matrix = Symmetric(bands, layout)
    for product in (matrix.product, Matrix(bands, layout).product):
        assert relative_gap(product(x), dense_bar.dense(bands) @ x) <= 1e-14
    bands_bar, direction = matrix.outer(y, x), random_bands(rng, n)
    slope, swapped = (a @ dense_bar.dense(direction) @ b for a, b in ((y, x), (x, y)))
    assert np.sum(bands_bar * direction) == pytest.approx(slope, rel=1e-12)
    assert n == 1 or swapped != pytest.approx(slope, rel=1e-3)


@REAL
@pytest.mark.parametrize("n", SIZES)
def test_conduction_feels_differences_alone(n: int, layout: str) -> None:
    """A uniform temperature conducts nothing, however hot; where nothing is scaled, to the bit."""
    bands = random_bands(np.random.default_rng(n), n)
    bands[1] = 0.0
    hot = np.full(n, 1234.567)
    assert not Matrix(bands, layout).product(hot).any()
    matrix, most = Symmetric(bands, layout), np.abs(bands).max() * hot[0]
    assert np.abs(matrix.product(hot)).max(initial=0.0) <= 1e-15 * most
    bands_bar = matrix.outer(np.ones(n), hot)
    bands_bar[0, 0] = bands_bar[2, -1] = 0.0  # they stand beside nothing
    assert np.abs(bands_bar[[0, 2]]).max() <= 1e-15 * hot[0]
    warm = np.append(hot[1:], hot[0] * (1.0 + 1e-13))
    assert n == 1 or np.abs(matrix.product(warm)).max() > 1e-14 * hot[0] * np.abs(bands[0, -1])


@REAL
@pytest.mark.parametrize("n", [9, 17, 60])
def test_a_direction_of_the_matrix_and_its_transpose_take_the_same_differences(
    n: int, layout: str
) -> None:
    """Of a hot bar they are round-off of its temperatures, for both the same."""
    rng = np.random.default_rng(n)
    matrix, K_dot = Symmetric(random_bands(rng, n), layout), random_bands(rng, n)
    K_dot[1] = 0.0
    scale, phi, hot = matrix.of_nodes, figures(rng, (n,)), np.full(n, 1234.567)
    rest, v = (matrix.joint, matrix.rows), matrix.packed(hot / scale)
    direction, bar = matrix.packed(K_dot), np.sum(matrix.outer(phi, hot) * K_dot)
    moved, other = matrix.layout.zeros(1), matrix.layout.zeros(1)
    called(products.add_moved)(direction, matrix.scale, *rest, v, 0, moved, 0)
    called(products.add_product)(direction, matrix.scale, *rest, v, 0, other, 0)
    gaps = [abs(phi * scale @ matrix.unpacked(out) - bar) for out in (moved, other)]
    assert gaps[0] <= 1e-25  # round-off of round-off
    assert gaps[1] > 1e-15  # differences of the temperatures themselves are others


@REAL
@pytest.mark.parametrize("n", [2, 16, 17, 200])
@pytest.mark.parametrize("step", [1.0, 1e6, 1e12, 1e18])
@pytest.mark.parametrize("kind", [Matrix, Symmetric])
def test_long_steps_keep_the_heat(kind: Any, n: int, step: float, layout: str) -> None:
    """Of an insulated bar, whatever its lanes: (I - step K)^-1 1 = 1, to round-off."""
    rng = np.random.default_rng(n)
    bands = np.zeros((3, n))
    bands[0, 1:], bands[2, :-1] = rng.random((2, n - 1)) + 0.1
    matrix = kind(bands * step * 10.0, layout)
    assert relative_gap(matrix.solved(np.ones(n)), np.ones(n)) <= 1e-12
    leaking = bands * step * 10.0
    leaking[1, 0] = -1e-3 * 10.0  # a part in a thousand of what a node holds
    assert relative_gap(kind(leaking, layout).solved(np.ones(n)), np.ones(n)) > 1e-7


@pytest.mark.parametrize("n", [1, 9, 60])
def test_neighbours_in_the_lanes_do_not_matter(n: int) -> None:
    rng = np.random.default_rng(n)
    bands, rhs = random_bands(rng, n), figures(rng, (n,))
    first, second = Symmetric(bands, "experiments"), Symmetric(bands, "experiments")
    second.packed = lambda x: second.layout.pack(with_nonsense(x))  # type: ignore[method-assign]
    np.testing.assert_array_equal(second.solved(rhs), first.solved(rhs))
    assert np.isfinite(first.solved(rhs)).all()


def with_nonsense(one: np.ndarray) -> np.ndarray:
    """The array in lane 3, among others that are not finite."""
    out = np.full((8, *one.shape), np.nan)
    out[5:], out[3] = np.inf, one
    return out


def test_a_part_of_kernels_is_no_function_of_python() -> None:
    with pytest.raises(TypeError, match="add_product is a part of kernels"):
        products.add_product(np.zeros(3), None, None, 1, np.zeros(1), 0, np.zeros(1), 0)
