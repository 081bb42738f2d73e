"""The march over all steps: its memory, its pulse, and the matrix that it solves with."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given

from solver import (
    TABLEAUX,
    Bar,
    Cancelled,
    Experiment,
    Linear,
    Material,
    Objective,
    Sensor,
    Source,
    Temperature,
    Time,
    Unknown,
    calibrate,
)
from solver.assemble import LinearAssembly
from solver.experiment import Study
from solver.parameters import Parameters
from tests import dense_bar, oracles
from tests.experiments import course, fifty, studies
from tests.verification import relative_gap

LONGEST_SILENCE = 0.2  # s of marching between two pulses
A_ROW = 8 * 50  # bytes of one stage of the course bar's states


@pytest.mark.parametrize("steps_kept", [0, 1, 7, 49])
@pytest.mark.parametrize("method", sorted(TABLEAUX))
def test_recomputed_blocks_change_no_bit_of_the_gradient(method: str, steps_kept: int) -> None:
    m, experiment = np.array([2.0, 1.5]), course(time=Time(1.0, 50, method))
    budget = steps_kept * A_ROW * TABLEAUX[method].stages
    whole = Objective(experiment).value_and_gradient(m)
    blocks = Objective(experiment, memory=budget).value_and_gradient(m)
    assert whole[0] == blocks[0]
    np.testing.assert_array_equal(whole[1], blocks[1])
    nearby = Objective(experiment).value_and_gradient(np.nextafter(m, 3.0))
    assert not np.array_equal(whole[1], nearby[1])  # a last bit of difference would show


@fifty
@given(studies())
def test_recomputed_blocks_on_random_studies(study: Study) -> None:
    m = Objective(study).parameters.start
    for memory in (1, 3 * 8 * study.experiments[0].bar.cells):
        found = Objective(study, memory=memory).value_and_gradient(m)
        expected = Objective(study).value_and_gradient(m)
        assert found[0] == expected[0]
        np.testing.assert_array_equal(found[1], expected[1])


def test_the_memory_budget_is_kept() -> None:
    objective = Objective(course(), memory=7 * A_ROW)
    objective.value_and_gradient(np.array([2.0, 1.5]))
    assert 5 * A_ROW <= objective.models[0].bar.march.held <= 7 * A_ROW


def test_one_objective_serves_many_points() -> None:
    """Its buffers hold nothing over from one evaluation to the next."""
    objective = Objective(course(), memory=7 * A_ROW)
    first = objective.value_and_gradient(np.array([2.0, 1.5]))
    objective.value_and_gradient(np.array([9.0, -3.0]))
    objective.jacobian(np.array([4.0, 0.0]))
    again = objective.value_and_gradient(np.array([2.0, 1.5]))
    assert first[0] == again[0]
    np.testing.assert_array_equal(first[1], again[1])


def long_experiment(steps: int) -> Experiment:
    """A march that takes some ten nanoseconds for each of 20 000 cells and each step."""
    base = course()
    return replace(base, bar=replace(base.bar, cells=20_000), time=replace(base.time, steps=steps))


@pytest.mark.parametrize(
    ("call", "steps"), [("predict", 40_000), ("value_and_gradient", 8_000), ("jacobian", 4_000)]
)
def test_pulse_runs_often_enough_on_a_long_march(call: str, steps: int) -> None:
    getattr(Objective(course()), call)(np.array([1.0, 1.0]))  # compiled beforehand
    beats: list[float] = []
    objective = Objective(long_experiment(steps), pulse=lambda: beats.append(time.perf_counter()))
    beats.append(time.perf_counter())
    getattr(objective, call)(objective.parameters.start)
    beats.append(time.perf_counter())
    assert np.diff(beats).max() <= LONGEST_SILENCE
    assert beats[-1] - beats[0] > LONGEST_SILENCE  # a march without a pulse would fail here


class Impatient:
    """A pulse that stops the march at its n-th beat."""

    def __init__(self, beats: int) -> None:
        self.left = beats

    def __call__(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise Cancelled("stopped")


@pytest.mark.parametrize("beats", [1, 4])
def test_a_pulse_that_raises_stops_the_march_there(beats: int) -> None:
    pulse = Impatient(beats)
    objective = Objective(long_experiment(steps=400), pulse=pulse)
    with pytest.raises(Cancelled):
        objective.value_and_gradient(objective.parameters.start)
    assert pulse.left == 0  # and was not called again


def test_a_pulse_that_raises_stops_the_adjoint_sweep_and_the_fit() -> None:
    counter = Impatient(10**9)
    objective = Objective(long_experiment(steps=400), pulse=counter)
    objective.predict(objective.parameters.start)
    forward = 10**9 - counter.left
    with pytest.raises(Cancelled):  # one beat beyond the forward march is in the adjoint's
        Objective(long_experiment(steps=400), pulse=Impatient(forward + 1)).value_and_gradient(
            objective.parameters.start
        )
    with pytest.raises(Cancelled):
        calibrate(course(), pulse=Impatient(20))


def test_matrix_entries_printed_with_the_course_exercise() -> None:
    """SOURCE.md: A11 = 201, A12 = -200, A21 = -101.5, A33 = 207, A10,10 = 228 at a = 2, b = 1.5."""
    assembly = LinearAssembly(course(), Parameters.of(course()))
    coefficients = assembly.coefficients(assembly.curves.at(np.array([2.0, 1.5])))
    A = np.eye(50) - dense_bar.dense(coefficients.bands) / 50
    found = [A[0, 0], A[0, 1], A[1, 0], A[2, 2], A[9, 9]]
    printed = [201.0, -200.0, -101.5, 207.0, 228.0]
    np.testing.assert_allclose(found, printed, rtol=1e-13)
    assert relative_gap(A.T[[0, 0, 1], [0, 1, 0]], A[[0, 0, 1], [0, 1, 0]]) > 0.1  # not symmetric


def test_a_pinned_end_is_no_state() -> None:
    """Pinned at both ends of two cells, the bar is one equation."""
    experiment = Experiment(
        bar=Bar(1.0, 2, initial=0.5),
        time=Time(1.0, 3),
        material=Material(Linear(1.0, Unknown("b", 0.5))),
        source=(Source(0.3),),
        left=Temperature(0.2),
        right=Temperature(Unknown("right", 0.7)),
        sensors=(Sensor(0.6, np.array([0.0, 0.4, 1.0]), np.array([0.1, 0.2, 0.3])),),
    )
    objective = Objective(experiment)
    m, values = objective.parameters.start, oracles.start_values(experiment)
    assert objective.models[0].bar.march.probes.tolist() == [0]
    np.testing.assert_allclose(
        objective.predict(m), oracles.readings(experiment, values), rtol=1e-14
    )
    _, gradient = objective.value_and_gradient(m)
    assert relative_gap(gradient, oracles.misfit_gradient(experiment, values)) <= 1e-13
