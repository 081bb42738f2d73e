"""What the data do not determine is said: no interval, the reason, and what would help."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from solver import (
    Experiment,
    Expression,
    Fit,
    Flux,
    Linear,
    Material,
    Objective,
    Sensor,
    Source,
    Temperature,
    Time,
    Unknown,
    calibrate,
    simulate,
)
from solver.uncertainty import Uncertainty, quantify
from tests.experiments import COURSE_TIMES, course, with_noise

BLIND_SENSOR = course(sensors=(Sensor(1.0, COURSE_TIMES, 0.1 * COURSE_TIMES, 0.01),))
TWIN_SOURCES = course(
    source=tuple(Source(Expression("exp(-x)"), Unknown(name, 1.0)) for name in ("p", "q")),
    material=Material(1.0),
    sigma=0.01,
)
PRODUCT = course(
    source=(Source(Unknown("p", 1.0), Unknown("q", 1.0)),), material=Material(1.0), sigma=0.01
)
STEADY = course(
    time=Time(1e9, 10),
    source=(),
    material=Material(Unknown("p", 1.0)),
    left=Flux(Unknown("q", 1.0)),
    sensors=(Sensor(0.0, np.array([9e8, 1e9]), np.array([0.9, 1.1]), 0.01),),
)


def assert_undetermined(u: Uncertainty, names: tuple[str, ...], lost: set[str]) -> None:
    assert u.identifiability.verdict == "not-identifiable"
    assert u.identifiability.relative_standard_error == np.inf
    assert u.identifiability.condition_number == np.inf
    for j, name in enumerate(names):
        assert np.isnan(u.intervals[j]).all() == (name in lost)
        assert np.isnan(u.standard_errors[j]) == (name in lost)
        assert (u.reasons[j] is not None) == (name in lost)
        if name in lost:
            assert "do not determine it" in u.reasons[j]
    assert "inf" not in u.identifiability.advice.replace("infinit", "")
    assert "nan" not in u.identifiability.advice


@pytest.mark.parametrize(
    ("experiment", "direction"),
    [(TWIN_SOURCES, (1, -1)), (PRODUCT, (1, -1)), (STEADY, (1, 1))],
)
def test_a_direction_that_moves_no_reading(
    experiment: Experiment, direction: tuple[int, int]
) -> None:
    found = calibrate(experiment)
    assert_undetermined(found.uncertainty, found.names, {"p", "q"})
    weakest = np.array([found.uncertainty.identifiability.weakest_direction[n] for n in "pq"])
    relative = weakest * np.maximum(np.abs(found.theta), 1.0) / found.theta
    np.testing.assert_allclose(relative / relative[0], [1.0, direction[1]], rtol=1e-6)
    advice = found.uncertainty.identifiability.advice
    assert "p and q trade off against each other" in advice


def test_readings_that_depend_on_nothing() -> None:
    found = calibrate(BLIND_SENSOR)
    assert_undetermined(found.uncertainty, found.names, {"a", "b"})
    assert "would help" in found.uncertainty.identifiability.advice


def test_what_the_data_do_determine_keeps_its_interval() -> None:
    """Two sources that cannot be told apart say nothing against the third unknown."""
    end = Temperature(Unknown("end", 0.1))
    found = calibrate(replace(TWIN_SOURCES, right=end))
    assert_undetermined(found.uncertainty, found.names, {"p", "q"})
    single = replace(TWIN_SOURCES, right=end, source=TWIN_SOURCES.source[:1])
    alone = calibrate(single).uncertainty
    np.testing.assert_allclose(found.uncertainty.intervals[2], alone.intervals[1], rtol=1e-6)


@pytest.mark.parametrize(
    "cure",
    [
        replace(TWIN_SOURCES, source=(TWIN_SOURCES.source[0], Source(1.0, Unknown("q", 1.0)))),
        replace(PRODUCT, source=(Source(Unknown("p", 1.0), 1.0),)),
        replace(
            STEADY, time=Time(1.0, 50), sensors=(Sensor(0.0, COURSE_TIMES, COURSE_TIMES, 1e-3),)
        ),
    ],
)
def test_the_verdict_changes_with_the_cause(cure: Experiment) -> None:
    found = calibrate(cure).uncertainty
    assert found.identifiability.relative_standard_error < np.inf
    assert np.isfinite(found.intervals).all()


@pytest.mark.parametrize("method", ["levenberg-marquardt", "l-bfgs-b"])
def test_a_parameter_at_its_bound_has_no_interval(method: str) -> None:
    material = Material(Linear(Unknown("a", 1.0, 0.5, 3.0), Unknown("b", 1.0)))
    found = calibrate(course(sigma=1e-4, material=material, fit=Fit(method=method)))
    u = found.uncertainty
    assert u.reasons[0] == "the estimate lies on its upper bound"
    assert np.isnan(u.intervals[0]).all()
    assert np.isnan(u.covariance[0]).all()
    fixed = calibrate(course(sigma=1e-4, material=Material(Linear(3.0, Unknown("b", 1.0)))))
    np.testing.assert_allclose(
        u.standard_errors[1], fixed.uncertainty.standard_errors[0], rtol=1e-5
    )
    lower = Material(Linear(Unknown("a", 8.0, 7.0, 9.0), Unknown("b", 1.0)))
    assert calibrate(course(material=lower)).uncertainty.reasons[0] == (
        "the estimate lies on its lower bound"
    )


def test_every_parameter_at_its_bound() -> None:
    material = Material(Linear(Unknown("a", 1.0, 0.5, 1.5), Unknown("b", 1.0, 0.5, 1.5)))
    u = calibrate(course(material=material)).uncertainty
    assert all("upper bound" in reason for reason in u.reasons)
    assert np.isnan(u.intervals).all()


# --- the advice keeps what it promises -----------------------------------------------------------


def test_the_advised_sensor_brings_what_was_said() -> None:
    weak = with_noise(0.1, seed=1)
    found = calibrate(weak)
    said = found.uncertainty.identifiability
    place, after, before, repeated = map(
        float,
        re.search(
            r"at x = (\S+) m.* error to (\S+) % from (\S+) %; repeating every reading, to (\S+) %",
            said.advice,
        ).groups(),
    )
    assert before == pytest.approx(100 * said.relative_standard_error, rel=0.05)
    model = weak.sensors[0]
    seen = ~np.isnan(model.temperatures)
    times = model.times[seen]
    probe = replace(weak, sensors=(Sensor(place, times),))
    data = simulate(probe, found.estimates)[0]
    further = Sensor(place, times, data, 0.1 * data)

    def error(*sensors: Sensor) -> float:
        objective = Objective(replace(weak, sensors=sensors))
        return 100 * quantify(objective, found.theta).identifiability.relative_standard_error

    assert error(model, further) == pytest.approx(after, rel=0.05)
    assert error(model, model) == pytest.approx(repeated, rel=0.05)
    assert error(model, replace(further, sigma=3 * further.sigma)) > 1.05 * after
