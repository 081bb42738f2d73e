"""The compiled floor against dense algebra, in real and complex arithmetic."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest

from solver import kernels
from solver.kernels import sweeps
from solver.layout import Alone, Experiments, Pieces
from tests import dense_bar
from tests.experiments import METHODS
from tests.marches import (
    DIRECTIONS,
    Problem,
    column,
    eight,
    figures,
    inner,
    problem,
    random_bands,
    random_direction,
)
from tests.verification import complex_step, relative_gap

SIZES = (1, 2, 3, 7, 9, 16, 17, 60)
METHOD = pytest.mark.parametrize("method", sorted(METHODS))
LAYOUTS = {
    "alone": Alone,
    "complex": lambda n, _: Alone(n, np.complex128),
    "pieces": lambda n, _: Pieces(n),
    "experiments": lambda n, _: Experiments(n),
}
LAYOUT = pytest.mark.parametrize("layout", LAYOUTS)
REAL = pytest.mark.parametrize("layout", [name for name in LAYOUTS if name != "complex"])


class Matrix:
    """One K in the rows of a layout, with the factors of I - K / 10 and of its transpose."""

    def __init__(self, bands: np.ndarray, name: str) -> None:
        self.layout, self.many = LAYOUTS[name](bands.shape[1], bands.dtype), name == "experiments"
        self.rows = self.layout.rows
        self.K, self.K_T = self.packed(bands), self.layout.room(3)
        self.f, self.joint = self.layout.room(kernels.PARTS), self.layout.joint(1)
        self.f_T, self.joint_T = self.layout.room(kernels.PARTS), self.layout.joint(1)
        kernels.factor(self.K, self.rows, 0.1, None, self.f, self.joint, 0)
        kernels.factor_transposed(
            self.K, self.rows, 0.1, self.f, self.joint, self.f_T, self.joint_T, 0
        )
        kernels.transpose(self.K, self.rows, self.joint, self.K_T)

    def packed(self, x: np.ndarray) -> np.ndarray:
        return self.layout.pack(eight(x) if self.many else x)

    def unpacked(self, packed: np.ndarray, vectors: int = 1) -> np.ndarray:
        out = self.layout.unpack(packed, vectors)
        out = out[3] if self.many else out
        return out[0] if vectors == 1 else out

    def transposed(self) -> np.ndarray:
        return self.unpacked(self.K_T, 3)

    def solved(
        self, rhs: np.ndarray, *, transposed: bool = False, apart: bool = True
    ) -> np.ndarray:
        f, joint = (self.f_T, self.joint_T) if transposed else (self.f, self.joint)
        b = self.packed(rhs)
        x = self.layout.room(1) if apart else b
        sweeps.sweep(f, joint, 0, self.rows, b, 0, None, None, x, 0)
        sweeps.sweep_back(f, joint, 0, self.rows, x, 0)
        return self.unpacked(x)

    def product(self, x: np.ndarray, *, transposed: bool = False) -> np.ndarray:
        K, out = self.K_T if transposed else self.K, self.layout.zeros(1)
        sweeps.add_product(K, self.joint, self.rows, self.packed(x), 0, out, 0)
        return self.unpacked(out)

    def outer(self, phi: np.ndarray, x: np.ndarray) -> np.ndarray:
        K_bar = self.layout.zeros(3)
        phi, x = self.packed(phi), self.packed(x)
        sweeps.add_outer(phi, 0, 1.0, self.joint, self.rows, x, 0, K_bar)
        return self.unpacked(K_bar, 3)


def dtype_of(layout: str) -> type:
    return np.complex128 if layout == "complex" else np.float64


@LAYOUT
@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("seed", range(5))
def test_solve_and_transposed_solve_against_dense(seed: int, n: int, layout: str) -> None:
    rng = np.random.default_rng([seed, n])
    bands, rhs = (figures(rng, shape, dtype_of(layout)) for shape in ((3, n), (n,)))
    bands = random_bands(rng, n, dtype_of(layout))
    M, matrix = np.eye(n) - 0.1 * dense_bar.dense(bands), Matrix(bands, layout)
    for transposed, dense in ((False, M), (True, M.T)):
        u = matrix.solved(rhs, transposed=transposed)
        assert relative_gap(u, np.linalg.solve(dense, rhs)) <= 1e-13
        assert n == 1 or relative_gap(u, np.linalg.solve(dense.T, rhs)) > 1e-3


@LAYOUT
@pytest.mark.parametrize("n", SIZES)
def test_solve_in_place(n: int, layout: str) -> None:
    rng = np.random.default_rng(n)
    bands = random_bands(rng, n, dtype_of(layout))
    rhs, matrix = figures(rng, (n,), dtype_of(layout)), Matrix(bands, layout)
    np.testing.assert_array_equal(matrix.solved(rhs, apart=False), matrix.solved(rhs))


@REAL
@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("seed", range(5))
def test_dot_products_with_the_transpose(seed: int, n: int, layout: str) -> None:
    """<K x, y> = <x, K^T y>, and the same for the inverse of I - K / 10."""
    rng = np.random.default_rng([seed, n])
    bands, x, y = random_bands(rng, n), figures(rng, (n,)), figures(rng, (n,))
    matrix = Matrix(bands, layout)
    dense = dense_bar.dense(matrix.transposed())
    np.testing.assert_allclose(dense, dense_bar.dense(bands).T, atol=1e-14)
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
    matrix = Matrix(bands, layout)
    assert relative_gap(matrix.product(x), dense_bar.dense(bands) @ x) <= 1e-14
    bands_bar, direction = matrix.outer(y, x), random_bands(rng, n)
    slope, swapped = (a @ dense_bar.dense(direction) @ b for a, b in ((y, x), (x, y)))
    assert np.sum(bands_bar * direction) == pytest.approx(slope, rel=1e-12)
    assert n == 1 or swapped != pytest.approx(slope, rel=1e-3)


@REAL
@pytest.mark.parametrize("n", SIZES)
def test_conduction_feels_differences_alone(n: int, layout: str) -> None:
    """A uniform temperature conducts nothing, to the last bit, however hot."""
    bands = random_bands(np.random.default_rng(n), n)
    bands[1] = 0.0
    matrix, hot = Matrix(bands, layout), np.full(n, 1234.567)
    assert not matrix.product(hot).any()
    bands_bar = matrix.outer(np.ones(n), hot)
    bands_bar[0, 0] = bands_bar[2, -1] = 0.0  # they stand beside nothing
    assert not bands_bar[[0, 2]].any()


@REAL
@pytest.mark.parametrize("n", [2, 16, 17, 200])
@pytest.mark.parametrize("step", [1.0, 1e6, 1e12, 1e18])
def test_long_steps_keep_the_heat(n: int, step: float, layout: str) -> None:
    """Of an insulated bar, whatever its lanes: (I - step K)^-1 1 = 1, to round-off."""
    rng = np.random.default_rng(n)
    bands = np.zeros((3, n))
    bands[0, 1:], bands[2, :-1] = rng.random((2, n - 1)) + 0.1
    matrix = Matrix(bands * step * 10.0, layout)
    assert relative_gap(matrix.solved(np.ones(n)), np.ones(n)) <= 1e-12
    leaking = bands * step * 10.0
    leaking[1, 0] = -1e-3 * 10.0  # a part in a thousand of what a node holds
    assert relative_gap(Matrix(leaking, layout).solved(np.ones(n)), np.ones(n)) > 1e-7


@pytest.mark.parametrize("n", [1, 9, 60])
def test_neighbours_in_the_lanes_do_not_matter(n: int) -> None:
    rng = np.random.default_rng(n)
    bands, rhs = random_bands(rng, n), figures(rng, (n,))
    first, second = Matrix(bands, "experiments"), Matrix(bands, "experiments")
    second.packed = lambda x: second.layout.pack(with_nonsense(x))  # type: ignore[method-assign]
    np.testing.assert_array_equal(second.solved(rhs), first.solved(rhs))
    assert np.isfinite(first.solved(rhs)).all()


def with_nonsense(one: np.ndarray) -> np.ndarray:
    """The array in lane 3, among others that are not finite."""
    out = np.full((8, *one.shape), np.nan)
    out[5:], out[3] = np.inf, one
    return out


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
