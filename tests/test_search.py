"""The search: it finds what is there, keeps its bounds, and says so when it does not get there."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from solver import (
    Bar,
    Experiment,
    Expression,
    Fit,
    Flux,
    InvalidExperiment,
    Iteration,
    Linear,
    Material,
    Objective,
    Sensor,
    Source,
    Table,
    Temperature,
    Time,
    TrialError,
    Unknown,
    calibrate,
    simulate,
)
from solver.least_squares import EXACT
from solver.scaling import STATUSES
from solver.search import METHODS, search
from tests.experiments import COURSE_TIMES, course, course_readings, si_course, twin_readings

ANSWER = [5.0, 2.0]
METHOD = pytest.mark.parametrize("method", sorted(METHODS))
# how near each method comes to the answer on noise-free data
NEAR = dict.fromkeys(METHODS, 1e-8) | {"l-bfgs-b": 1e-6}


def law(a: Unknown, b: Unknown) -> Material:
    return Material(Linear(a, b))


def test_the_course_exercise_from_one_and_one() -> None:
    """As it stands: no factor on the loss, no scaling by the user, no bounds."""
    found = calibrate(course(course_readings()))
    assert found.status == "converged"
    assert found.method == "levenberg-marquardt"
    np.testing.assert_allclose(found.theta, ANSWER, rtol=0, atol=1e-8)
    assert found.objective <= 1e-25
    assert found.certificate.passed
    other = calibrate(course(1.01 * course_readings()))  # other data have another answer
    assert np.abs(other.theta - ANSWER).max() > 1e-3


def test_a_search_ends_where_the_readings_are_met_to_round_off() -> None:
    readings = twin_readings()
    met = (EXACT * np.linalg.norm(readings)) ** 2
    way = [step.objective for step in calibrate(course(readings)).history]
    assert way[-1] <= met < way[-2]


def test_the_course_exercise_by_l_bfgs_b() -> None:
    found = calibrate(course(course_readings(), fit=Fit(method="l-bfgs-b")))
    assert (found.status, found.method) == ("converged", "l-bfgs-b")
    np.testing.assert_allclose(found.theta, ANSWER, rtol=0, atol=1e-6)


@METHOD
@pytest.mark.parametrize(
    "start", [(1.0, 0.0), (0.01, 0.0), (1.0, -0.99), (20.0, 20.0), (1e-3, 1e3)]
)
def test_other_starts(method: str, start: tuple[float, float]) -> None:
    found = calibrate(course(start=start, fit=Fit(method=method)))
    assert found.status == "converged"
    np.testing.assert_allclose(found.theta, ANSWER, rtol=NEAR[method])


@METHOD
@pytest.mark.parametrize("start", [(1.0, 1.0), (1.0, 0.0), (0.1, 0.0)])
def test_si_units_converge_as_they_stand(method: str, start: tuple[float, float]) -> None:
    """kappa of 1e-8 m^2/s, a bar of 1 cm, a run of 10 000 s: no scaling by the user."""
    found = calibrate(si_course(start, fit=Fit(method=method)))
    unit = 1e-2**2 / 1e4
    assert found.status == "converged"
    np.testing.assert_allclose(found.theta, [5 * unit, 2 * unit / 1e-2], rtol=NEAR[method])


@METHOD
def test_a_start_far_away_ends_at_the_answer_or_says_that_it_does_not(method: str) -> None:
    """From (100, 1) the way leads along kappa(1) = 0, beyond which the model has no answer."""
    found = calibrate(course(start=(100.0, 1.0), fit=Fit(method=method)))
    arrived = np.allclose(found.theta, ANSWER, rtol=1e-6)
    assert arrived or found.status in ("stalled", "max_iterations")
    assert bool(found.advice) == (found.status != "converged")
    assert arrived or method != "auto"  # which may go another way


def test_a_way_round_is_reported_as_it_is_kept() -> None:
    seen: list[Iteration] = []
    found = calibrate(course(start=(100.0, 1.0)), report=seen.append)
    assert [point.number for point in seen] == [point.number for point in found.history]
    assert [point.objective for point in seen] == [point.objective for point in found.history]
    np.testing.assert_array_equal(found.history[-1].theta, found.theta)


@METHOD
@pytest.mark.parametrize("start", [(1.0, 1.0), (1e-3, 1e3)])
def test_log_scale(method: str, start: tuple[float, float]) -> None:
    a, b = (Unknown(n, s, scale="log") for n, s in zip("ab", start, strict=True))
    found = calibrate(course(material=law(a, b), fit=Fit(method=method)))
    assert found.status == "converged"
    np.testing.assert_allclose(found.theta, ANSWER, rtol=NEAR[method])
    positive = np.array([point.theta for point in found.history])
    assert (positive > 0.0).all()


@METHOD
def test_log_scale_keeps_what_would_turn_negative_positive(method: str) -> None:
    """Data of b = -0.5: the linear search finds it, the logarithmic one ends near nothing."""
    data = simulate(course(), {"a": 3.0, "b": -0.5})[0]
    a, b = Unknown("a", 1.0), Unknown("b", 1.0)
    free = calibrate(course(data, material=law(a, b), fit=Fit(method=method)))
    np.testing.assert_allclose(free.theta, [3.0, -0.5], rtol=1e-5)
    held = calibrate(course(data, material=law(a, replace(b, scale="log")), fit=Fit(method=method)))
    assert 0.0 < held.theta[1] < 0.01


@METHOD
def test_bounds_are_kept_and_an_active_one_is_flagged(method: str) -> None:
    visited: list[Iteration] = []
    experiment = course(
        material=law(Unknown("a", 1.0, 0.5, 3.0), Unknown("b", 1.0)), fit=Fit(method=method)
    )
    found = calibrate(experiment, report=visited.append)
    assert found.theta[0] == 3.0
    assert all(0.5 <= point.theta[0] <= 3.0 for point in visited)
    assert found.status == "converged"
    reason, free = found.uncertainty.reasons
    assert "upper bound" in reason
    assert free is None
    alone = course(material=law(3.0, Unknown("b", 1.0)), fit=Fit(method=method))  # b's own optimum
    np.testing.assert_allclose(found.theta[1], calibrate(alone).theta[0], rtol=1e-5)
    inside = course(material=law(Unknown("a", 1.0, 0.5, 30.0), Unknown("b", 1.0)))
    assert calibrate(inside).uncertainty.reasons == (None, None)


@METHOD
def test_a_start_on_a_bound_is_left(method: str) -> None:
    a, b = Unknown("a", 1.0, 1.0, 100.0), Unknown("b", 0.0, 0.0, 100.0)
    found = calibrate(course(material=law(a, b), fit=Fit(method=method)))
    np.testing.assert_allclose(found.theta, ANSWER, rtol=NEAR[method])


def test_trial_steps_without_an_answer_are_stepped_back_from(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """kappa(1) = 0.01 at the start: the search runs into kappa <= 0 and comes back."""
    refused = []
    original = Objective.residuals_and_jacobian

    def counted(self: Objective, m: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        try:
            return original(self, m)
        except TrialError:
            refused.append(m)
            raise

    monkeypatch.setattr(Objective, "residuals_and_jacobian", counted)
    found = calibrate(course(start=(100.0, 1.0)))
    assert refused
    assert all(min(a, a + b) <= 0.0 for a, b in refused)
    assert found.objective < found.start_objective
    with pytest.raises(TrialError, match="diffusivity"):
        Objective(course()).value(np.array([1.0, -2.0]))


@METHOD
def test_history_falls_and_is_what_was_reported(method: str) -> None:
    seen: list[Iteration] = []
    found = calibrate(course(fit=Fit(method=method)), report=seen.append)
    assert tuple(seen) == found.history
    values = [point.objective for point in seen]
    assert all(after <= before for before, after in pairwise(values))
    assert values[0] == pytest.approx(found.start_objective, rel=1e-12)
    assert [point.number for point in seen] == list(range(len(seen)))
    first, start = seen[0], found.start_gradient
    assert first.gradient_norm == pytest.approx(np.linalg.norm(start), rel=1e-9)  # sizes are 1


@METHOD
def test_too_few_iterations_are_not_called_convergence(method: str) -> None:
    found = calibrate(course(fit=Fit(method=method, max_iterations=2)))
    assert found.status == "max_iterations"
    assert found.advice == STATUSES["max_iterations"]
    assert "max_iterations" in found.advice
    assert len(found.history) == 3


def test_a_search_that_starts_at_the_answer_stays_there() -> None:
    found = calibrate(course(start=(5.0, 2.0)))
    assert found.status == "converged"
    assert len(found.history) <= 3
    np.testing.assert_allclose(found.theta, ANSWER, rtol=1e-12)


@METHOD
def test_noisy_data_end_where_the_gradient_is_zero(method: str) -> None:
    noise = 1.0 + 0.02 * np.random.default_rng(11).standard_normal(51)
    found = calibrate(course(twin_readings() * noise, fit=Fit(method=method)))
    assert found.status == "converged"
    reduction = np.abs(found.gradient * found.theta).max() / found.objective
    assert reduction <= 1e-5
    assert np.abs(found.start_gradient).max() / found.start_objective > 0.1


def test_both_methods_agree_on_noisy_data() -> None:
    data = twin_readings() * (1.0 + 0.02 * np.random.default_rng(12).standard_normal(51))
    each = [calibrate(course(data, fit=Fit(method=method))) for method in METHODS]
    np.testing.assert_allclose(each[0].theta, each[1].theta, rtol=1e-4)
    assert each[0].objective == pytest.approx(each[1].objective, rel=1e-9)


@pytest.mark.parametrize("values", [(2.0, 1.0), (7.0, -3.0)])
def test_estimates_have_their_names(values: tuple[float, float]) -> None:
    data = simulate(course(), dict(zip("ab", values, strict=True)))[0]
    found = calibrate(course(data))
    assert found.estimates == pytest.approx(dict(zip("ab", values, strict=True)), rel=1e-8)
    assert found.names == ("a", "b")


def many_sources(truth: np.ndarray, method: str = "auto") -> Experiment:
    """A strength to find beside every one of as many sensors."""
    places = (np.arange(truth.size) + 0.5) / truth.size
    sources = tuple(
        Source(Expression(f"exp(-2000*(x-{float(p)!r})**2)"), Unknown(f"s{j}", 1.0))
        for j, p in enumerate(places)
    )
    empty = Experiment(
        bar=Bar(1.0, 100),
        time=Time(0.05, 20),
        material=Material(0.01),
        source=sources,
        right=Flux(0.0),
        sensors=tuple(Sensor(float(p), np.linspace(0.0025, 0.05, 20)) for p in places),
        fit=Fit(method=method),
    )
    data = simulate(empty, {f"s{j}": float(s) for j, s in enumerate(truth)})
    sensors = tuple(replace(s, temperatures=d) for s, d in zip(empty.sensors, data, strict=True))
    return replace(empty, sensors=sensors)


def test_forty_unknown_strengths() -> None:
    """Beyond thirty unknowns the adjoint gradient alone is used, by L-BFGS-B."""
    truth = np.random.default_rng(13).uniform(0.5, 2.0, 40)
    found = calibrate(many_sources(truth))
    assert (found.status, found.method) == ("converged", "l-bfgs-b")
    np.testing.assert_allclose(found.theta, truth, rtol=1e-5)
    assert found.certificate.passed
    few = calibrate(many_sources(truth[:30]))
    assert few.method == "levenberg-marquardt"
    np.testing.assert_allclose(few.theta, truth[:30], rtol=1e-8)


def test_an_unknown_initial_state_flux_and_end() -> None:
    """Any number of the experiment may be the unknown."""
    truth = {"initial": 0.4, "heat": 0.7, "cold": -0.2, "power": 1.3}
    profile = Table(np.array([0.0, 0.5, 1.0]), np.array([1.0, 2.0, 0.5]))
    experiment = Experiment(
        bar=Bar(1.0, 40, Unknown("initial", 0.0)),
        time=Time(0.6, 60),
        material=Material(0.8),
        source=(Source(profile, Unknown("power", 1.0)),),
        left=Flux(Unknown("heat", 0.1)),
        right=Temperature(Unknown("cold", 0.1)),
        sensors=tuple(Sensor(x, COURSE_TIMES[1:31]) for x in (0.0, 0.35, 0.8)),
    )
    data = simulate(experiment, truth)
    sensors = tuple(
        replace(s, temperatures=d) for s, d in zip(experiment.sensors, data, strict=True)
    )
    found = calibrate(replace(experiment, sensors=sensors))
    assert found.estimates == pytest.approx(truth, rel=1e-8)


def test_no_answer_at_the_start_is_an_error_and_no_estimate() -> None:
    with pytest.raises(InvalidExperiment, match="diffusivity"):
        calibrate(course(start=(1.0, -2.0)))


def test_the_same_document_gets_the_same_answer() -> None:
    first, second = calibrate(course()), calibrate(course())
    np.testing.assert_array_equal(first.theta, second.theta)
    assert [p.objective for p in first.history] == [p.objective for p in second.history]


@METHOD
def test_threads_over_starts_do_not_matter(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """To the last bit, the rivals and the reports included; some of these starts have no answer."""
    noise = 1.0 + 0.02 * np.random.default_rng(14).standard_normal(51)
    experiment = course(twin_readings() * noise, fit=Fit(method=method, starts=8))
    ways = []
    for threads in (1, 2, 3):
        monkeypatch.setattr("solver.search.threads_for", lambda study, threads=threads: threads)
        seen: list[Iteration] = []
        objective = Objective(experiment)
        found = search(objective, objective.parameters.start, seen.append)
        assert 0 < len(found.rivals) < 7
        ends = [(end.theta.tolist(), end.status) for end in (found, *found.rivals)]
        ways.append((ends, [(step.objective, *step.theta) for step in seen]))
    assert ways[0] == ways[1] == ways[2]
    assert len({tuple(theta) for theta, _ in ways[0][0]}) > 1  # ends that differ would show
