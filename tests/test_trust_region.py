"""Newton in a trust region: the estimate of the others, reached quadratically, whatever the start."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from solver import (
    Bar,
    Calibration,
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
    "joint": Joint((matter(A, B), noisy(with_curve(), {"a": 5.0, "b": 2.0}, 1e-5))),
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
    assert found.objective <= expected.objective * (1.0 + 1e-13) + 1e-30
    assert found.uncertainty.reasons == expected.uncertainty.reasons
    start = expected.parameters.start
    assert np.abs(found.theta - start).max() > 0.1 * size  # the start is no answer
