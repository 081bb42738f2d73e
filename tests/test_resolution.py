"""The grid that is chosen is fine enough, and the error that any grid leaves is known."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from solver import (
    Bar,
    Cancelled,
    Convection,
    Experiment,
    Grading,
    Joint,
    Layers,
    Linear,
    Material,
    Objective,
    Sensor,
    Table,
    Temperature,
    Time,
    Unknown,
    calibrate,
    resolution,
    simulate,
    simulate_field,
)
from solver.model import Model
from solver.resolution import MOST_CELL_STEPS, grid_error, on_grid, with_grid
from tests.experiments import COURSE_TIMES, Array, course, twin_readings

TIMES = np.linspace(0.05, 1.0, 20)
SIGMA = 1e-4


def bar(**changes: object) -> Experiment:
    """A pulse against a cold end, with no grid."""
    base = Experiment(
        bar=Bar(1.0, initial=0.0),
        time=Time(1.0),
        material=Material(Linear(Unknown("a", 0.3), Unknown("b", 0.2)), "divergence"),
        left=Convection(2.0, Table([0.0, 0.2, 1.0], [0.0, 1.0, 0.3])),
        right=Temperature(0.0),
        sensors=(Sensor(0.0, TIMES, 0.0 * TIMES, SIGMA), Sensor(0.37, TIMES, 0.0 * TIMES, SIGMA)),
    )
    return replace(base, **changes)


def readings(experiment: Experiment) -> Array:
    return np.concatenate(simulate(experiment))


def rms(values: Array) -> float:
    return float(np.sqrt(np.mean(values**2)))


TRUTH = readings(on_grid(bar(), 1600, 6400))


@pytest.mark.parametrize(
    ("method", "sigma"),
    [(None, 1e-4), ("crank-nicolson", 1e-4), ("sdirk2", 1e-4), ("backward-euler", 1e-3)],
)
def test_the_chosen_grid_is_below_a_tenth_of_the_noise(method: str | None, sigma: float) -> None:
    sensors = tuple(replace(s, sigma=sigma) for s in bar().sensors)
    free = bar(time=Time(1.0, None, method), sensors=sensors)
    settled = with_grid(free, np.array([0.3, 0.2]))
    assert rms(readings(settled) - TRUTH) / sigma <= 0.1
    coarse = on_grid(free, settled.grid.cells // 4, settled.grid.steps // 4)
    assert rms(readings(coarse) - TRUTH) / sigma > 0.1  # it is not that fine for nothing
    assert settled.time.scheme == (method or "tr-bdf2")


def test_more_noise_needs_less_grid() -> None:
    grids = []
    for sigma in (1e-5, 1e-4, 1e-3):
        sensors = tuple(replace(s, sigma=sigma) for s in bar().sensors)
        grid = with_grid(bar(sensors=sensors), np.array([0.3, 0.2])).grid
        grids.append(grid.cells * grid.steps)
    assert grids[0] > grids[1] > grids[2]


@pytest.mark.parametrize("grading", [None, Grading("left", 10.0)])
def test_richardson_tells_the_error(grading: Grading | None) -> None:
    experiment = on_grid(bar(bar=Bar(1.0, initial=0.0, grading=grading)), 40, 80)
    said = grid_error(experiment, np.array([0.3, 0.2]))
    seen = TRUTH - readings(experiment)
    at_node = slice(0, 20)  # between nodes the error has no one order
    assert rms((said.total - seen)[at_node]) <= 0.05 * rms(seen[at_node])
    assert rms(said.total - seen) <= 0.5 * rms(seen)
    assert rms(said.cells) > 0.0
    assert rms(said.steps) > 0.0
    assert rms(2.0 * said.total - seen) > 0.5 * rms(seen)


def test_what_is_given_is_kept() -> None:
    for cells, steps in ((30, None), (None, 500)):
        settled = with_grid(bar(bar=Bar(1.0, cells), time=Time(1.0, steps)), np.array([0.3, 0.2]))
        assert cells is None or settled.grid.cells == cells
        assert steps is None or settled.grid.steps == steps
    given = on_grid(bar(), 30, 40)
    assert with_grid(given, np.array([0.3, 0.2])) is given


def test_a_simulation_without_readings_has_a_grid_too() -> None:
    without = bar(sensors=())
    field = simulate_field(without)
    fine = simulate_field(on_grid(without, 400, 1600))
    assert field.temperatures[-1, 0] == pytest.approx(fine.temperatures[-1, 0], rel=1e-3)
    listed = bar(sensors=(Sensor(0.37, TIMES),))
    np.testing.assert_allclose(simulate(listed)[0], TRUTH[20:], atol=1e-3 * np.ptp(TRUTH))


def test_no_grid_is_endless() -> None:
    """Noise that no grid can meet ends at the bound, and the answer says so."""
    sensors = tuple(replace(s, sigma=1e-12) for s in bar().sensors)
    settled = with_grid(bar(sensors=sensors), np.array([0.3, 0.2]))
    assert settled.grid.cells * settled.grid.steps <= MOST_CELL_STEPS


@pytest.mark.parametrize("sigma", [SIGMA, None])
def test_a_fit_without_grid_finds_the_equations_own_parameters(sigma: float | None) -> None:
    """Data of a far finer grid, with noise: the grid's error is beside the noise's, and smaller."""
    noise = SIGMA * np.random.default_rng(5).standard_normal(TRUTH.size)
    data = np.split(TRUTH + noise, 2)
    sensors = tuple(
        replace(s, temperatures=d, sigma=sigma) for s, d in zip(bar().sensors, data, strict=True)
    )
    material = Material(Linear(Unknown("a", 1.0), Unknown("b", 0.05)), "divergence")
    found = calibrate(bar(sensors=sensors, material=material))
    errors = found.uncertainty.standard_errors
    assert found.discretisation.chosen
    assert found.discretisation.relative_to_noise <= 0.1
    assert np.all(found.discretisation.estimates <= 0.2 * errors)
    assert np.all(np.abs(found.theta - [0.3, 0.2]) <= 3.0 * errors)
    coarse = calibrate(on_grid(bar(sensors=sensors, material=material), 6, 8))
    shift = np.abs(coarse.theta - found.theta)
    assert np.all(coarse.discretisation.estimates > errors)  # said to be off, and it is
    np.testing.assert_allclose(coarse.discretisation.estimates, shift, rtol=0.5)
    assert any("grid leaves an error" in said for said in coarse.warnings)


def test_every_experiment_of_a_joint_fit_has_its_own_grid() -> None:
    layered = bar(material=Material(Layers([0.5], [Unknown("a", 0.3), 0.1]), "divergence"))
    joint = Joint((bar(), replace(layered, time=Time(1.0, 77))))
    settled = with_grid(joint, np.array([0.3, 0.2]))
    first, second = (experiment.grid for experiment in settled.experiments)
    assert second.steps == 77
    assert first.cells != second.cells or first.steps != second.steps
    assert grid_error(settled, np.array([0.3, 0.2])).total.size == 80


def test_a_grid_that_was_given_is_judged_too() -> None:
    """The course's 50 steps of backward Euler leave more than a hundredth of a percent."""
    found = calibrate(course())
    assert not found.discretisation.chosen
    error = grid_error(course(), found.theta)
    assert rms(error.steps) == pytest.approx(found.discretisation.steps)
    assert rms(error.steps) > 100 * rms(error.cells)
    assert Objective(course()).data.size == error.total.size


def test_models_of_an_equal_bar_are_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Experiment] = []

    def counted(experiment: Experiment, *arguments: Any, **named: Any) -> Model:
        made.append(experiment)
        return Model(experiment, *arguments, **named)

    monkeypatch.setattr(resolution, "Model", counted)
    theta, y = np.array([4.0, 3.0]), np.zeros(51)
    first = grid_error(course(), theta, y)
    grid_error(course(), 1.1 * theta, y)
    again = grid_error(course(2.0 * twin_readings()), theta, y)
    assert len(made) == 2
    assert np.array_equal(again.total, first.total)
    moved = Sensor(0.1, COURSE_TIMES, twin_readings())
    assert not np.array_equal(grid_error(course(sensors=(moved,)), theta, y).total, first.total)
    assert len(made) == 4


def test_who_was_cancelled_leaves_nobody_else_cancelled() -> None:
    def cancelled() -> None:
        raise Cancelled

    theta = np.array([4.0, 3.0])
    with suppress(Cancelled):
        grid_error(course(), theta, pulse=cancelled)
    assert np.isfinite(grid_error(course(), theta).total).all()
