"""Graded grids: how wide their cells are, what belongs to a node, and where it all ends."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from solver import TABLEAUX, Grading
from solver.grid import TOWARDS, Grid
from tests.experiments import two_hundred


@st.composite
def grids(draw: st.DrawFn) -> Grid:
    rng = np.random.default_rng(draw(st.integers(0, 2**31), label="seed"))
    ratio = float(10.0 ** rng.uniform(0.01, 4.0))
    gradings = [None, *(Grading(towards, ratio) for towards in TOWARDS)]
    return Grid(
        length=float(10.0 ** rng.uniform(-6, 6)),
        cells=draw(st.integers(2, 300)),
        end=float(10.0 ** rng.uniform(-6, 9)),
        steps=draw(st.integers(1, 300)),
        tableau=TABLEAUX[draw(st.sampled_from(sorted(TABLEAUX)))],
        grading=draw(st.sampled_from(gradings)),
    )


@two_hundred
@given(grids())
def test_nodes_volumes_and_steps_fill_the_bar_and_the_run(grid: Grid) -> None:
    x, L = grid.x, grid.length
    assert x[0] == 0.0
    assert x[-1] == L
    assert np.diff(x).min() > 0.0
    np.testing.assert_allclose(grid.dx, np.diff(x), rtol=0, atol=1e-15 * L)
    assert abs(grid.volumes.sum() - L) <= 1e-14 * L
    np.testing.assert_allclose(np.diff(grid.faces), grid.volumes, rtol=0, atol=1e-15 * L)
    assert np.all((grid.faces[:-1] <= x) & (x <= grid.faces[1:]))
    assert grid.t[0] == grid.stage_times[0] == 0.0
    assert grid.t[-1] == grid.end
    assert grid.stage_times.size == 1 + grid.steps * grid.tableau.stages
    last_stages = grid.stage_times[:: grid.tableau.stages]
    np.testing.assert_allclose(last_stages, grid.t, rtol=1e-14)


@two_hundred
@given(grids())
def test_cells_grow_by_one_factor_away_from_the_narrowest(grid: Grid) -> None:
    if grid.grading is None:
        assert np.unique(grid.dx).size == 1
        return
    dx, n = np.diff(grid.x), grid.cells
    if grid.grading.towards == "right":
        dx = dx[::-1]
    if grid.grading.towards == "both":
        np.testing.assert_allclose(dx, dx[::-1], rtol=1e-9)
        n = n / 2  # an odd number of cells has one across the middle
        dx = dx[: grid.cells // 2]
    expected = np.full(max(dx.size - 1, 0), grid.grading.ratio ** (1.0 / n))
    np.testing.assert_allclose(dx[1:] / dx[:-1], expected, rtol=1e-8)


@two_hundred
@given(grids())
def test_twice_the_cells_have_the_same_nodes_among_theirs(grid: Grid) -> None:
    finer = replace(grid, cells=2 * grid.cells, steps=2 * grid.steps)
    np.testing.assert_array_equal(finer.x[::2], grid.x)
    np.testing.assert_allclose(finer.t[::2], grid.t, rtol=1e-15)
    if grid.grading is not None:
        even = np.linspace(0.0, grid.length, finer.x.size)
        assert np.abs(finer.x - even).max() > 1e-6 * grid.length


@pytest.mark.parametrize(("ratio", "cells"), [(10.0, 100), (1e4, 400)])
def test_the_ratio_is_that_of_the_widest_to_the_narrowest(ratio: float, cells: int) -> None:
    for towards, share in (("left", 1.0), ("right", 1.0), ("both", 0.5)):
        grid = Grid(2.0, cells, 1.0, 3, TABLEAUX["sdirk2"], Grading(towards, ratio))
        found = grid.dx.max() / grid.dx.min()
        assert ratio * 0.95 < found < ratio
        narrowest = {"left": [0], "right": [-1], "both": [0, -1]}[towards]
        np.testing.assert_allclose(grid.dx[narrowest], grid.dx.min(), rtol=1e-9)
        assert found == pytest.approx(ratio ** (1.0 - 1.0 / (share * cells)), rel=1e-9)
