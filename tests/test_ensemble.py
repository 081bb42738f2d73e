"""Ensembles: each item is what it is alone, to the last bit, whatever stands or runs beside it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given

from solver import (
    TABLEAUX,
    Bar,
    Cancelled,
    Convection,
    Ensemble,
    Fit,
    InvalidExperiment,
    Joint,
    Linear,
    Material,
    Objective,
    Prior,
    Temperature,
    Time,
    TrialError,
    Unknown,
)
from solver.ensemble import IN_LANES, marches_in_lanes, threads_for
from solver.experiment import Study
from tests.experiments import Array, course, fifty, studies, with_curve
from tests.verification import relative_gap

U = Unknown
CLOSE = 1e-12  # a partitioned sweep rounds differently
COUNT = 19  # two groups in the lanes, and three over


def ends(**changes: object) -> Study:
    """Unknowns in both ends, in the initial state, and in what is pinned."""
    return course(
        bar=Bar(1.0, 12, U("initial", 0.3)),
        left=Convection(U("rate", 2.0), U("air", 1.0)),
        right=Temperature(U("cold", -0.4)),
        **changes,
    )


def of_temperature() -> Study:
    law = Linear(U("a", 1.0), U("b", 1.0), of="u")
    return course(bar=Bar(1.0, 10), time=Time(1.0, 12), material=Material(law, "divergence"))


def large() -> Study:
    return course(bar=Bar(1.0, 600), time=Time(1.0, 300))


STUDIES: dict[str, Callable[[], Study]] = {
    "course": course,
    "a curve": with_curve,
    "ends": ends,
    "of temperature": of_temperature,
    "large": large,
    "joint": lambda: Joint((course(), replace(ends(), time=Time(1.0, 9, "tr-bdf2")))),
    "joint, one of temperature": lambda: Joint((course(), of_temperature())),
    "nothing read": lambda: Joint((course(), ends(sensors=()))),
    "prior and huber": lambda: course(
        sigma=0.01, fit=Fit(loss="huber", threshold=1.0, prior={"a": Prior(4.0, 0.5)})
    ),
    **{method: lambda method=method: ends(time=Time(1.0, 20, method)) for method in TABLEAUX},
}
STUDY = pytest.mark.parametrize("name", STUDIES)


def items(study: Study, count: int = COUNT) -> tuple[Array, Array]:
    """Parameter vectors about the start values, and data sets about the study's."""
    objective, rng = Objective(study), np.random.default_rng(count)
    start = objective.parameters.start
    thetas = start * (1.0 + 0.2 * rng.random((count, start.size)))
    data = objective.data + 0.05 * rng.standard_normal((count, objective.data.size))
    return thetas, data


def everything(ensemble: Ensemble, thetas: Array, data: Array | None = None) -> list[Array]:
    """All that an ensemble gives, an item in each row."""
    return [
        ensemble.predict(thetas),
        *ensemble.value_and_gradient(thetas, data),
        *ensemble.residuals_and_jacobian(thetas, data),
    ]


def assert_same(found: list[Array], expected: list[Array]) -> None:
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, b)


@STUDY
def test_an_item_is_the_same_whatever_is_beside_it(name: str) -> None:
    study = STUDIES[name]()
    thetas, data = items(study)
    expected = everything(Ensemble(study, threads=1), thetas, data)
    assert all(np.isfinite(part).all() for part in expected)
    order = np.random.default_rng(1).permutation(COUNT)
    for threads in (1, 2, 3):
        ensemble = Ensemble(study, threads=threads)
        assert_same(everything(ensemble, thetas, data), expected)
        found = everything(ensemble, thetas[order], data[order])
        assert_same(found, [part[order] for part in expected])
        few = slice(7, 9)
        assert_same(everything(ensemble, thetas[few], data[few]), [part[few] for part in expected])
    assert ensemble.errors == {}
    moved = everything(ensemble, np.nextafter(thetas, np.inf), data)  # a last bit shows
    assert all((a != b).any() for a, b in zip(moved, expected, strict=True))


@STUDY
def test_an_item_is_what_the_objective_finds(name: str) -> None:
    study = STUDIES[name]()
    thetas, _ = items(study, 3)
    assert gap(study, Ensemble(study, threads=1), thetas) <= CLOSE
    assert gap(study, Ensemble(study, threads=1), thetas, 1.0 + 1e-10) > CLOSE


def gap(study: Study, ensemble: Ensemble, thetas: Array, off: float = 1.0) -> float:
    """The largest relative gap to the `Objective` at these parameter vectors, times `off`."""
    objective, found = Objective(study), everything(ensemble, thetas)
    expected = [
        (
            objective.predict(theta),
            *objective.value_and_gradient(theta),
            *objective.residuals_and_jacobian(theta),
        )
        for theta in thetas * off
    ]
    gaps = [
        relative_gap(one, np.asarray(other))
        for part, others in zip(found, zip(*expected, strict=True), strict=True)
        for one, other in zip(part, others, strict=True)
    ]
    return max(gaps)


@fifty
@given(studies())
def test_random_studies(study: Study) -> None:
    """Whatever number is unknown; where the objective has no answer, neither has the ensemble."""
    objective, ensemble = Objective(study), Ensemble(study, threads=1)
    start = objective.parameters.start
    thetas = start * np.array([1.0, 0.9, 1.5, -1.0])[:, None]
    J, gradients = ensemble.value_and_gradient(thetas)
    assert (np.isfinite(J) == np.isfinite(gradients).all(axis=1)).all()
    assert 0 not in ensemble.errors
    for i, theta in enumerate(thetas):
        if i in ensemble.errors:
            with pytest.raises(TrialError) as refused:
                objective.value_and_gradient(theta)
            assert refused.value.problem == ensemble.errors[i].problem
    assert gap(study, ensemble, thetas[np.isfinite(J)]) <= CLOSE


@pytest.mark.parametrize("name", ["course", "of temperature", "large", "joint"])
@pytest.mark.parametrize("bad", [-7.0, 1e308, np.nan], ids=["negative", "too large", "no number"])
def test_an_item_without_an_answer_fails_alone(name: str, bad: float) -> None:
    study = STUDIES[name]()
    thetas, data = items(study)
    expected = everything(Ensemble(study, threads=1), thetas, data)
    there = np.delete(np.arange(COUNT), (2, 11))
    thetas[[2, 11]] = bad
    for threads in (1, 2):
        ensemble = Ensemble(study, threads=threads)
        found = everything(ensemble, thetas, data)
        assert_same([part[there] for part in found], [part[there] for part in expected])
        y, J, *rest = (part[[2, 11]] for part in found)
        assert np.isinf(J).all()
        assert all(np.isnan(part).all() for part in (y, *rest))
        assert sorted(ensemble.errors) == [2, 11]
        assert all(isinstance(error, TrialError) for error in ensemble.errors.values())
        J, _ = ensemble.value_and_gradient(thetas[[2, 11]])  # nobody has an answer
        assert np.isinf(J).all()
        assert np.isnan(ensemble.predict(thetas[[2, 11]])).all()
        assert np.isnan(ensemble.residuals_and_jacobian(thetas[[2, 11]])[1]).all()


@pytest.mark.parametrize("name", ["course", "of temperature", "large", "joint"])
def test_readings_of_each_item(name: str) -> None:
    study = STUDIES[name]()
    thetas, data = items(study)
    ensemble = Ensemble(study)
    J, gradients = ensemble.value_and_gradient(thetas, data)
    objective = Objective(study)
    for i in (0, 8, COUNT - 1):
        own = objective.with_data(data[i]).value_and_gradient(thetas[i])
        assert J[i] == pytest.approx(own[0], rel=CLOSE)
        assert relative_gap(gradients[i], own[1]) <= CLOSE
    of_study = [objective.data] * COUNT
    assert_same(everything(ensemble, thetas, of_study), everything(ensemble, thetas))
    assert (ensemble.value_and_gradient(thetas)[0] != J).all()


def test_data_without_a_number_fail_alone() -> None:
    thetas, data = items(course())
    data[3, 5] = np.nan
    ensemble = Ensemble(course())
    J, _ = ensemble.value_and_gradient(thetas, data)
    assert np.flatnonzero(~np.isfinite(J)).tolist() == list(ensemble.errors) == [3]


def test_curves_are_held_smooth() -> None:
    study, weights = with_curve(), {"flux": 0.3}
    thetas, _ = items(study, 9)
    ensemble, objective = Ensemble(study, threads=2), Objective(study)
    rough = ensemble.value_and_gradient(thetas)[0]
    ensemble.smooth(weights)
    objective.smooth(weights)
    J, gradients = ensemble.value_and_gradient(thetas)
    R, _ = ensemble.residuals_and_jacobian(thetas)
    for i, theta in enumerate(thetas):
        expected = objective.value_and_gradient(theta)
        assert J[i] == pytest.approx(expected[0], rel=CLOSE)
        assert R[i] @ R[i] == pytest.approx(J[i], rel=CLOSE)
        assert relative_gap(gradients[i], expected[1]) <= CLOSE
    assert (J > rough).all()


@pytest.mark.parametrize("name", ["course", "large", "of temperature"])
def test_little_memory_gives_the_same(name: str) -> None:
    study = STUDIES[name]()
    thetas, _ = items(study, 9)
    little = Ensemble(study, threads=2, memory=200_000)
    assert_same(everything(little, thetas), everything(Ensemble(study), thetas))


def test_the_grid_alone_decides_where_lanes_are_used() -> None:
    """Eight bars' stage values fill `IN_LANES` bytes, or just do not."""
    steps = IN_LANES // (8 * 8 * 64)
    within, beyond = (course(bar=Bar(1.0, n), time=Time(1.0, steps)) for n in (63, 64))
    assert marches_in_lanes(within)
    assert not marches_in_lanes(beyond)
    assert not marches_in_lanes(replace(within, time=Time(1.0, steps, "crank-nicolson")))
    assert not marches_in_lanes(of_temperature())


def test_short_marches_run_in_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("solver.ensemble.cores", lambda: 5)
    assert [threads_for(STUDIES[n]()) for n in ("course", "large", "of temperature")] == [1, 5, 5]


@pytest.mark.parametrize("name", ["course", "large", "of temperature"])
@pytest.mark.parametrize("threads", [1, 2])
def test_the_pulse_runs_in_all_threads_and_stops_them(name: str, threads: int) -> None:
    study, seen, stop = STUDIES[name](), [], False

    def pulse() -> None:
        seen.append(threading.get_ident())
        if stop:
            raise Cancelled("enough")

    ensemble = Ensemble(study, threads=threads, pulse=pulse)
    thetas, _ = items(study, 40)
    expected = ensemble.value_and_gradient(thetas)
    assert 1 <= len(set(seen)) <= threads
    assert len(seen) >= 5  # groups
    stop = True
    seen.clear()
    with pytest.raises(Cancelled, match="enough"):
        ensemble.value_and_gradient(thetas)
    assert len(seen) <= threads  # the others stop, too, without asking again
    stop = False
    assert_same(list(ensemble.value_and_gradient(thetas)), list(expected))


def test_a_pulse_may_raise_what_it_likes() -> None:
    def pulse() -> None:
        raise KeyboardInterrupt

    thetas, _ = items(course())
    with pytest.raises(KeyboardInterrupt):
        Ensemble(course(), threads=3, pulse=pulse).predict(thetas)


def test_no_items_and_no_sense() -> None:
    J, gradients = Ensemble(course()).value_and_gradient(np.zeros((0, 2)))
    assert (J.shape, gradients.shape) == ((0,), (0, 2))
    with pytest.raises(InvalidExperiment):
        Ensemble(course(bar=Bar(-1.0, 50)))
