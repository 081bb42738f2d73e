"""Newton in a trust region: the others' estimate, reached quadratically, whatever the start."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from solver import (
    Bar,
    Calibration,
    Convection,
    Experiment,
    Fit,
    Flux,
    Iteration,
    Joint,
    Layers,
    Linear,
    Material,
    Objective,
    Sensor,
    Smoothing,
    Temperature,
    Time,
    TrialError,
    Unknown,
    calibrate,
    simulate,
)
from solver import trust_region as module
from solver.experiment import Study
from solver.scaling import STATUSES, Scaling
from solver.trust_region import trust_region
from tests.experiments import COURSE_TIMES, course, twin_readings, with_curve
from tests.test_search import many_sources
from tests.verification import central_differences, relative_gap

AGREED = 1e-8


def by(method: str, study: Study) -> Calibration:
    return calibrate(replace(study, fit=replace(study.fit, method=method)))


def noisy(experiment: Experiment, at: dict[str, Any], share: float = 1e-3) -> Experiment:
    """Every reading off by a share of its sensor's range."""
    rng = np.random.default_rng(5)
    readings = simulate(experiment, at)
    data = [d + share * np.ptp(d) * rng.standard_normal(d.size) for d in readings]
    pairs = zip(experiment.sensors, data, strict=True)
    return replace(experiment, sensors=tuple(replace(s, temperatures=d) for s, d in pairs))


def hot(**changes: Any) -> Experiment:
    """Matter that conducts the better the warmer it is."""
    experiment = Experiment(
        bar=Bar(1.0, 30, Unknown("cold", 0.1)),
        time=Time(0.5, 40, "tr-bdf2"),
        material=Material(Linear(Unknown("a", 1.0), Unknown("b", 0.5), of="u"), "divergence"),
        left=Flux(2.0),
        right=Temperature(0.0),
        sensors=tuple(Sensor(x, np.linspace(0.05, 0.5, 20)) for x in (0.1, 0.6)),
    )
    return replace(experiment, **changes)


def outliers() -> Experiment:
    rng = np.random.default_rng(1)
    data = twin_readings() * (1.0 + 0.02 * rng.standard_normal(51))
    data[5::7] += 0.02
    return course(data, sigma=5e-4, fit=Fit(loss="huber"))


def matter(a: Unknown, b: Unknown) -> Experiment:
    return noisy(course(material=Material(Linear(a, b))), {"a": 5.0, "b": 2.0})


A, B = Unknown("a", 1.0), Unknown("b", 1.0)
STUDIES: dict[str, Study] = {
    "course": matter(A, B),
    "log": matter(replace(A, scale="log"), replace(B, scale="log")),
    "upper bound": matter(replace(A, upper=3.0), B),
    "lower bound": matter(replace(A, lower=0.1), replace(B, lower=2.5, start=9.0)),
    "log on its bound": matter(replace(A, scale="log"), replace(B, scale="log", upper=1.5)),
    "all on bounds": matter(replace(A, upper=3.0), replace(B, upper=1.5)),
    "huber": outliers(),
    "of the temperature": noisy(hot(), {"a": 0.6, "b": 0.9, "cold": 0.3}),
    "forty": many_sources(np.random.default_rng(13).uniform(0.5, 2.0, 40)),
    "joint": Joint(
        (matter(A, B), noisy(with_curve(), {"a": 5.0, "b": 2.0}, 1e-6)),
        Fit(smoothing={"flux": Smoothing(1e-10)}),
    ),
}


@pytest.mark.parametrize("few", [module.FEW, 0])
@pytest.mark.parametrize("name", STUDIES)
def test_the_estimate_is_levenberg_marquardts(
    name: str, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the Hessian made whole, and by its products alone."""
    monkeypatch.setattr(module, "FEW", few)
    found, expected = by("trust-region", STUDIES[name]), by("levenberg-marquardt", STUDIES[name])
    assert (found.status, found.method) == ("converged", "trust-region")
    size = np.abs(expected.theta).max()
    np.testing.assert_allclose(found.theta, expected.theta, rtol=AGREED, atol=AGREED * size)
    assert found.objective <= expected.objective * (1.0 + 1e-12) + 1e-30
    assert found.uncertainty.reasons == expected.uncertainty.reasons
    start = expected.parameters.start
    assert np.abs(found.theta - start).max() > 0.1 * size  # the start is no answer


# --- how fast -----------------------------------------------------------------------------------

MISFITS = {  # data that no a + b x explains
    "tripled": 3.0 * twin_readings(),
    "wave": twin_readings() + 0.02 * np.sin(12 * COURSE_TIMES),
    "cooling": 0.04 * np.exp(-3 * COURSE_TIMES),
}


def norms(found: Calibration) -> np.ndarray:
    return np.array([point.gradient_norm for point in found.history])


@pytest.mark.parametrize("name", MISFITS)
def test_quadratic_where_gauss_newton_is_only_linear(name: str) -> None:
    """The gradient at step k + 1 goes as its square at step k, until it is round-off."""
    study = course(MISFITS[name])
    found, other = by("trust-region", study), by("levenberg-marquardt", study)
    last = norms(found)[-4:]
    orders = np.log(last[2:] / last[1:-1]) / np.log(last[1:-1] / last[:-2])
    assert orders.max() >= 1.9
    assert last[-1] <= 1e-12 * norms(found)[0]
    shrink = norms(other)[-3:] / norms(other)[-4:-1]
    assert (shrink > 0.3).all()  # Gauss-Newton's digits come a third at a time
    assert norms(other)[-1] > 1e4 * last[-1]
    assert len(found.history) < len(other.history)
    np.testing.assert_allclose(found.theta, other.theta, rtol=1e-3)  # the same minimum


def test_quadratic_by_products_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FEW", 0)
    last = norms(by("trust-region", course(MISFITS["wave"])))[-3:]
    assert last[2] / last[1] ** 1.7 <= last[1] / last[0] ** 1.7


def test_forty_layers_take_fewer_gradients_than_a_quasi_newton_search() -> None:
    """Many unknowns, no Jacobian and no whole Hessian."""
    layers = Layers(np.linspace(0.0, 1.0, 41), Unknown("k", (1.0,) * 40, scale="log"))
    base = course(material=Material(layers, "divergence"))
    sensors = tuple(Sensor(float(x), COURSE_TIMES) for x in np.linspace(0.0, 0.95, 40))
    base = replace(base, bar=replace(base.bar, cells=80), sensors=sensors)
    truth = np.random.default_rng(3).uniform(0.5, 2.0, 40)
    study = noisy(base, {"k": truth.tolist()})
    found = by("trust-region", study)
    assert found.status == "converged"
    assert norms(found)[-1] <= 1e-7 * norms(found)[0]
    other = by("l-bfgs-b", replace(study, fit=Fit(max_iterations=5 * len(found.history))))
    assert other.objective > found.objective


# --- where the model is no bowl ------------------------------------------------------------------


def test_negative_curvature_at_the_start() -> None:
    """J bends downwards along one direction: Newton's plain step makes for a saddle."""
    objective = Objective(course())
    start = objective.parameters.start
    J, gradient = objective.value_and_gradient(start)
    H = objective.hessian(start)
    assert np.linalg.eigvalsh(H)[0] < -0.01
    plain = -np.linalg.solve(H, gradient)
    downwards = np.linalg.eigh(H)[1][:, 0]
    assert (plain @ downwards) * (gradient @ downwards) > 0.0  # uphill along it
    seen: list[Iteration] = []
    trust_region(objective, start, 1, seen.append)
    assert seen[1].objective < 0.5 * J
    taken = seen[1].theta - start
    assert (taken @ downwards) * (gradient @ downwards) < 0.0
    found = by("trust-region", course())
    np.testing.assert_allclose(found.theta, [5.0, 2.0], rtol=1e-8)


def test_the_model_is_js_expansion_by_the_internal_variables() -> None:
    """Gradient and Hessian by z, the logarithm's own curvature among it."""
    a, b = Unknown("a", 1.7, scale="log"), Unknown("b", 0.6)
    objective = Objective(course(material=Material(Linear(a, b))))
    scaling = Scaling(objective)
    z = scaling.to_z(objective.parameters.start)
    point = module._Point.at(objective, scaling, z)
    steps = np.full(2, 1e-6)
    gradient = central_differences(lambda z: objective.value(scaling.to_theta(z)), z, steps)
    assert relative_gap(point.gradient, gradient) <= 1e-8
    for v in np.eye(2):
        ahead, behind = (module._Point.at(objective, scaling, z + h * v) for h in (1e-5, -1e-5))
        expected = (ahead.gradient - behind.gradient) / 2e-5
        assert relative_gap(point.curvature(v), expected) <= 1e-8
        assert relative_gap(1.001 * point.curvature(v), expected) > 1e-8
        assert relative_gap(point.curvature(1e9 * v), 1e9 * point.curvature(v)) <= 1e-13
    without = point.curvature(np.eye(2)[0]) - point.bend * np.eye(2)[0]
    assert relative_gap(without, point.curvature(np.eye(2)[0])) > 0.1


# --- where it has no answer ----------------------------------------------------------------------


def test_points_without_an_answer_are_stepped_back_from(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = []
    original = Objective.value_and_gradient

    def counted(self: Objective, theta: np.ndarray) -> tuple[float, np.ndarray]:
        try:
            return original(self, theta)
        except TrialError:
            refused.append(theta)
            raise

    monkeypatch.setattr(Objective, "value_and_gradient", counted)
    found = by("trust-region", course(start=(20.0, 20.0)))
    assert refused
    assert all(min(a, a + b) <= 0.0 for a, b in refused)
    assert found.status == "converged"
    np.testing.assert_allclose(found.theta, [5.0, 2.0], rtol=1e-8)


def test_a_search_that_is_walled_in_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """No answer anywhere but at the start: stalled, and nothing is called an estimate."""
    original = Objective.value_and_gradient

    def walled(self: Objective, theta: np.ndarray) -> tuple[float, np.ndarray]:
        if np.abs(theta.real - 1.0).max() > 0.0:
            raise TrialError((), "not_finite", "a wall")
        return original(self, theta)

    objective = Objective(course())
    monkeypatch.setattr(Objective, "value_and_gradient", walled)
    found = trust_region(objective, np.ones(2), None, lambda step: None)
    assert found.status == "stalled"
    assert STATUSES[found.status]
    assert found.theta.tolist() == [1.0, 1.0]
    assert len(found.history) == 1
    with pytest.raises(TrialError):
        trust_region(objective, np.full(2, 2.0), None, lambda step: None)


@pytest.mark.parametrize("few", [module.FEW, 0])
def test_what_runs_away_is_called_drifting(few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """An end cooled so well that no figure will do: J falls for ever, by next to nothing."""
    monkeypatch.setattr(module, "FEW", few)
    data = simulate(course(), {"a": 5.0, "b": 2.0})[0]
    colder = data - np.abs(1e-2 * data * np.random.default_rng(0).standard_normal(51))
    cooled = Convection(Unknown("h", 1.0, scale="log"), 0.0)
    study = course(colder, material=Material(Linear(5.0, 2.0)), right=cooled, sigma=1e-3)
    found = by("trust-region", study)
    assert found.status == "drifting"
    assert found.status == by("levenberg-marquardt", study).status
    warm = replace(study, sensors=course(1.2 * data).sensors)  # which a figure explains
    assert by("trust-region", warm).status == "converged"


def test_the_same_search_twice_is_the_same() -> None:
    first, second = by("trust-region", outliers()), by("trust-region", outliers())
    assert [p.objective for p in first.history] == [p.objective for p in second.history]
    np.testing.assert_array_equal(first.theta, second.theta)
