"""Sensors: readings are interpolations, the transpose spreads them, and the grid attracts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given

import solver
from solver import Bar, Experiment, Grading
from solver.observe import observe
from tests import oracles
from tests.experiments import course, experiments, fifty


@fifty
@given(experiments())
def test_sensors_and_their_transpose(experiment: Experiment) -> None:
    observation = observe(experiment)
    rng = np.random.default_rng(5)
    field = rng.standard_normal((experiment.time.steps + 1, observation.nodes.size))
    w = rng.standard_normal(observation.count)
    read, spread = observation.apply(field), observation.transpose(w)
    reach = np.linalg.norm(read) * np.linalg.norm(w)
    assert abs(read @ w - np.sum(field * spread)) <= 1e-14 * reach
    assert abs(1.001 * (read @ w) - np.sum(field * spread)) > 1e-14 * reach


@fifty
@given(experiments())
def test_a_field_that_is_straight_in_space_and_time_is_read_exactly(experiment: Experiment) -> None:
    observation, grid = observe(experiment), experiment.grid

    def straight(x: np.ndarray, t: np.ndarray) -> np.ndarray:
        p, q = x / grid.length, t / grid.end
        return 1.0 + 2.0 * p - 3.0 * q + 4.0 * p * q

    t, x = np.meshgrid(grid.t, grid.x[observation.nodes], indexing="ij")
    read = observation.apply(straight(x, t))
    sensors = experiment.sensors
    where = np.concatenate([np.full(s.present.sum(), s.x) for s in sensors])
    when = np.concatenate([s.times[s.present] for s in sensors])
    np.testing.assert_allclose(read, straight(where, when), rtol=0, atol=1e-13)
    assert np.abs(read - straight(where, 0.999 * when)).max() > 1e-13


@pytest.mark.parametrize("grading", [None, Grading("left", 5.0), Grading("both", 30.0)])
@pytest.mark.parametrize("offset", [0.0, 4e-10, -4e-10])
def test_times_and_places_within_a_billionth_of_the_grid_are_on_it(
    offset: float, grading: Grading | None
) -> None:
    experiment = course(np.zeros(3), bar=Bar(1.0, 50, grading=grading))
    x, dx = experiment.grid.x, experiment.grid.dx
    place = float(x[7] + offset * dx[7 if offset > 0.0 else 6])
    times = np.array([3, 8, 50 + min(offset, 0)]) / 50
    sensor = replace(experiment.sensors[0], x=place, times=times)
    on_grid = replace(sensor, x=float(x[7]), times=np.array([3, 8, 50]) / 50)
    found, expected = (observe(replace(experiment, sensors=(s,))) for s in (sensor, on_grid))
    for part in ("nodes", "ends", "columns", "weights"):
        assert getattr(found, part).tolist() == getattr(expected, part).tolist()
    beside = replace(sensor, x=float(x[7] + 4e-9 * dx[7]))  # four billionths are not
    assert observe(replace(experiment, sensors=(beside,))).nodes.tolist() == [7, 8]


def test_every_time_listed_is_simulated_and_every_reading_there_is_compared() -> None:
    data = np.array([0.1, np.nan, 0.3])
    sensors = (
        solver.Sensor(0.5, np.array([0.1, 0.2, 0.3]), data),
        solver.Sensor(0.0),
        solver.Sensor(1.0, np.array([0.7])),
    )
    experiment = course(sensors=sensors)
    assert [y.size for y in solver.simulate(experiment)] == [3, 51, 1]
    compared = observe(experiment)
    assert [s.stop - s.start for s in compared.slices] == [2, 0, 0]
    at = {"a": 1.0, "b": 1.0}
    expected = oracles.readings(replace(experiment, sensors=sensors[:1]), at)
    np.testing.assert_allclose(solver.simulate(experiment)[0][[0, 2]], expected, rtol=1e-13)


def test_the_field_is_what_sensors_on_every_node_read() -> None:
    experiment = course(bar=solver.Bar(1.0, 7, 0.2), time=solver.Time(1.0, 5))
    field = solver.simulate_field(experiment)
    everywhere = tuple(solver.Sensor(float(x)) for x in field.x)
    readings = solver.simulate(replace(experiment, sensors=everywhere))
    np.testing.assert_array_equal(field.temperatures, np.array(readings).T)
    values = oracles.start_values(experiment)
    np.testing.assert_allclose(field.temperatures, oracles.field(experiment, values), atol=1e-15)
    assert not np.allclose(field.temperatures[:, ::-1], oracles.field(experiment, values))


def test_no_sensors_read_nothing() -> None:
    assert solver.simulate(course(sensors=())) == ()
