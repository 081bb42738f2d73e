"""Graded grids: how wide their cells are, what belongs to a node, and where it all ends."""

from __future__ import annotations

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
    ratio = float(10.0 ** rng.uniform(0.0, 4.0))
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
    ratio, dx = grid.grading.ratio, grid.dx
    widest, narrowest = dx.max(), dx.min()
    if grid.grading.towards == "right":
        dx = dx[::-1]
    if grid.grading.towards == "both":
        np.testing.assert_allclose(dx, dx[::-1], rtol=1e-9)
        dx = dx[: (grid.cells + 1) // 2]
    if grid.grading.towards != "both" or grid.cells > 2:
        assert widest / narrowest == pytest.approx(ratio, rel=1e-9)
    assert dx[0] == pytest.approx(narrowest, rel=1e-9)
    factors = dx[1:] / dx[:-1]
    np.testing.assert_allclose(factors, factors[:1].repeat(factors.size), rtol=1e-8)


@pytest.mark.parametrize("towards", TOWARDS)
def test_a_ratio_of_one_is_an_even_grid(towards: str) -> None:
    even, graded = (
        Grid(2.0, 7, 1.0, 3, TABLEAUX["sdirk2"], g) for g in (None, Grading(towards, 1))
    )
    np.testing.assert_allclose(graded.x, even.x, rtol=1e-15)
    assert graded.volumes[0] == pytest.approx(1.0 / 7, rel=1e-15)
