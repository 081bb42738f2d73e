"""The certificate: it must pass a right gradient and stop every wrong one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given

from solver import (
    Bar,
    Certificate,
    Experiment,
    Expression,
    Flux,
    Linear,
    Material,
    Objective,
    Sensor,
    Source,
    Temperature,
    Time,
    TrialError,
    Unknown,
    calibrate,
    certify,
    check,
)
from solver.assemble import LinearAssembly
from solver.check import DOT_PRODUCT_GAP, GRADIENT_ERROR, TAYLOR_RATE, displaced, error_curve
from tests import oracles
from tests.experiments import COURSE_TIMES, course, experiments, fifty, si_course, twin_readings
from tests.verification import relative_gap

ANSWER = np.array([5.0, 2.0])


def claims(objective: Objective, factor: float | np.ndarray) -> Callable:
    """A value_and_gradient that claims `factor` times the gradient."""

    def value_and_gradient(m: np.ndarray) -> tuple[float, np.ndarray]:
        J, gradient = objective.value_and_gradient(m)
        return J, factor * gradient

    return value_and_gradient


def by_taylor_alone(certificate: Certificate) -> bool:
    return all(
        p.taylor_rate is not None and TAYLOR_RATE[0] <= p.taylor_rate <= TAYLOR_RATE[1]
        for p in certificate.points
    )


def by_tangents_alone(certificate: Certificate) -> bool:
    return certificate.gradient_error <= GRADIENT_ERROR


@fifty
@given(experiments())
def test_right_gradients_pass_and_wrong_ones_fail_everywhere(experiment: Experiment) -> None:
    objective = Objective(experiment)
    start = objective.parameters.start
    points = [start, displaced(objective, start)]
    assert certify(objective, points).passed
    for factor in (1.001, 0.999, 3.0, 0.0, -1.0):
        wrong = certify(objective, points, claims(objective, factor))
        assert not by_taylor_alone(wrong)
        assert not by_tangents_alone(wrong)


@pytest.mark.parametrize("factor", [1.001, 3.0, 0.0, [1.0, 1.001], [0.999, 1.0]])
@pytest.mark.parametrize("where", ["start", "estimate"])
def test_course_gradient(where: str, factor: float | list[float]) -> None:
    """At the start values (1, 1), and at the published answer displaced by 5 %."""
    objective = Objective(course())
    point = {"start": np.ones(2), "estimate": displaced(objective, ANSWER)}[where]
    right = certify(objective, [point])
    assert right.passed
    assert not right.flat
    assert abs(right.taylor_rate - 2.0) <= 0.01
    wrong = certify(objective, [point], claims(objective, np.array(factor)))
    assert not wrong.passed
    assert not by_taylor_alone(wrong)
    assert not by_tangents_alone(wrong)


def test_at_the_optimum_any_multiple_of_the_gradient_passes() -> None:
    """Why the certificate is never taken there."""
    objective = Objective(course(1.01 * twin_readings()))
    optimum = calibrate(objective.study).theta
    assert by_taylor_alone(certify(objective, [optimum], claims(objective, 3.0)))
    moved = displaced(objective, optimum)
    assert not by_taylor_alone(certify(objective, [moved], claims(objective, 3.0)))


def test_the_worst_point_decides() -> None:
    objective = Objective(course())
    good, bad = np.array([1.0, 1.0]), np.array([2.0, 1.5])

    def wrong_at_bad(m: np.ndarray) -> tuple[float, np.ndarray]:
        return claims(objective, 1.001 if m[0] == bad[0] else 1.0)(m)

    certificate = certify(objective, [good, bad], wrong_at_bad)
    assert [p.passed for p in certificate.points] == [True, False]
    assert not certificate.passed
    assert certificate.gradient_error == certificate.points[1].gradient_error
    assert certificate.taylor_rate == certificate.points[1].taylor_rate
    assert not certify(objective, []).passed  # no proof is no pass


def everything_unknown() -> Experiment:
    return course(
        bar=Bar(1.0, 10, Unknown("initial", 0.2)),
        material=Material(Linear(Unknown("a", 1.0), Unknown("b", 0.5))),
        source=(Source(Unknown("profile", 0.4), Unknown("history", 0.6)),),
        left=Flux(Unknown("left", 0.3)),
        right=Temperature(Unknown("right", 0.5)),
        sensors=(Sensor(0.93, COURSE_TIMES, np.sqrt(COURSE_TIMES)),),
    )


def without_bands(bar):
    return bar._replace(bands=np.zeros_like(bar.bands))


def without_ends(bar):
    """As if the pinned end's load did not depend on kappa and nothing drove the ends."""
    return bar._replace(profiles=bar.profiles * np.array([[1.0], [0.0], [0.0]]))


def without_histories(bar):
    return bar._replace(histories=np.zeros_like(bar.histories))


def without_initial(bar):
    return bar._replace(initial=np.zeros_like(bar.initial))


def with_bands_shifted(bar):
    return bar._replace(bands=np.roll(bar.bands, 1, axis=1))


def with_bands_swapped(bar):
    return bar._replace(bands=bar.bands[::-1])


MUTATIONS = [
    without_bands,
    without_ends,
    without_histories,
    without_initial,
    with_bands_shifted,
    with_bands_swapped,
]


@pytest.mark.parametrize("mutate", MUTATIONS)
def test_a_slip_in_one_cotangent_is_caught(
    mutate: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One term of the transposed assembly is broken: all three checks must see it."""
    experiment = everything_unknown()
    assert check(experiment).certificate.passed
    right = LinearAssembly.values_bar
    monkeypatch.setattr(
        LinearAssembly, "values_bar", lambda self, v, bar: right(self, v, mutate(bar))
    )
    found = check(experiment)
    assert not by_taylor_alone(found.certificate)
    assert not by_tangents_alone(found.certificate)
    assert found.certificate.adjoint_tangent_gap > DOT_PRODUCT_GAP
    expected = oracles.misfit_gradient(experiment, oracles.start_values(experiment))
    assert relative_gap(np.array(list(found.gradient.values())), expected) > 1e-10


def test_forgetting_that_a_pinned_end_is_read_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LinearAssembly, "pinned_bar", lambda *_: None)
    found = check(everything_unknown()).certificate
    assert not by_taylor_alone(found)
    assert not by_tangents_alone(found)
    assert found.adjoint_tangent_gap > DOT_PRODUCT_GAP


def test_error_curve_is_a_v_and_the_complex_step_has_no_best_step() -> None:
    curve = check(course()).curve
    for errors, order, best in ((curve.forward, 1, 1e-8), (curve.central, 2, 1e-5)):
        lowest = curve.steps[np.argmin(errors)]
        assert best / 100 <= lowest <= 100 * best
        truncation = (curve.steps <= 1e-2) & (curve.steps >= 1e-3)
        slope = np.polyfit(np.log(curve.steps[truncation]), np.log(errors[truncation]), 1)[0]
        assert abs(slope - order) <= 0.05
        assert errors[-1] > 100 * errors.min()  # round-off at the other side
    assert curve.central.min() < curve.forward.min() < 1e-6
    assert curve.complex_step <= 1e-12


def test_error_curve_of_a_wrong_gradient_has_a_floor() -> None:
    objective = Objective(course())
    _, gradient = objective.value_and_gradient(np.ones(2))
    curve = error_curve(objective, np.ones(2), 1.001 * gradient)
    flat = (curve.steps <= 1e-4) & (curve.steps >= 1e-7)
    np.testing.assert_allclose(curve.central[flat], 1e-3 / 1.001, rtol=1e-3)
    assert curve.complex_step == pytest.approx(1e-3 / 1.001, rel=1e-9)


@pytest.mark.parametrize("unknown_end", [False, True])
def test_a_flat_misfit_is_said_to_be_flat(unknown_end: bool) -> None:
    """A sensor on an end that is held at a known temperature moves with no unknown."""
    held = Unknown("end", 0.5) if unknown_end else 0.0
    experiment = course(right=Temperature(held), sensors=(Sensor(1.0, COURSE_TIMES, COURSE_TIMES),))
    found = check(experiment)
    assert found.certificate.flat is not unknown_end
    assert found.certificate.passed is unknown_end
    if not unknown_end:
        assert found.certificate.taylor_rate is None
        assert found.gradient == {"a": 0.0, "b": 0.0}
        assert found.curve.complex_step == 0.0
        assert np.all(found.curve.forward == 0.0)
        assert "no gradient to prove" in calibrate(experiment).certificate_note


@pytest.mark.parametrize("b", [0.0, 1.0])
def test_si_units_and_a_start_at_zero(b: float) -> None:
    """kappa of 1e-8 m^2/s and a slope that starts at 0: the document has no other size for b."""
    found = check(si_course(start=(1.0, b)))
    assert found.certificate.passed
    assert np.nanmin(found.curve.central) <= 1e-8


@pytest.mark.parametrize("start", [(1e-3, 1e-3), (1e-4, 1e-4), (100.0, 1.0)])
def test_a_start_where_the_misfit_is_nearly_straight(start: tuple[float, float]) -> None:
    """Heat hardly reaches the sensor: J bends little beside its own size, and g is right."""
    objective = Objective(course(start=start))
    point = [objective.parameters.start]
    assert certify(objective, point).passed
    assert not certify(objective, point, claims(objective, 1.001)).passed


@pytest.mark.parametrize(("cells", "power"), [(50, 1.0), (400, 50.0), (1000, 1000.0)])
@pytest.mark.parametrize("zero", [0.0, 293.15])
def test_kelvin_cost_the_gradient_no_digits(cells: int, power: float, zero: float) -> None:
    """A signal of 0.02, 1 and 20 K above the room's temperature, which no derivative depends on."""
    found = calibrate(
        course(
            zero + power * twin_readings(),
            bar=Bar(1.0, cells, zero),
            right=Temperature(zero),
            source=(Source(Expression("exp(-50*(x-0.5)**2)"), power),),
        )
    )
    assert found.certificate.passed
    np.testing.assert_allclose(found.theta, ANSWER, rtol=3e-3)  # the data are of 50 cells


def test_an_insulated_bar_long_after_it_evened_out() -> None:
    """Its diffusivity hardly shows any more; what there is of the gradient is right."""
    experiment = course(
        bar=Bar(1.0, 60, Unknown("initial", 1.0)),
        time=Time(1.0, 1),
        material=Material(Unknown("kappa", 100.0)),
        source=(),
        left=Flux(-0.01),
        right=Flux(0.0),
        sensors=(Sensor(0.3, np.array([0.5, 1.0]), np.array([1.0, 2.0])),),
    )
    assert check(experiment).certificate.passed


def test_many_unknowns() -> None:
    """Beyond sixteen the whole Jacobian is not formed; the checks keep their teeth."""
    sources = tuple(
        Source(Expression(f"exp(-200*(x-{j / 40})**2)"), Unknown(f"s{j}", 1.0 + 0.1 * j))
        for j in range(40)
    )
    objective = Objective(course(source=sources))
    point = [objective.parameters.start]
    assert certify(objective, point).passed
    wrong = certify(objective, point, claims(objective, 1.001))
    assert not by_taylor_alone(wrong)
    assert not by_tangents_alone(wrong)


def test_the_displaced_point_keeps_the_bounds_and_the_models_domain() -> None:
    material = Material(Linear(Unknown("a", 1.0, 0.9, 1.02), Unknown("b", -0.9, -0.93, -0.5)))
    objective = Objective(course(material=material))
    p = objective.parameters
    for estimate in (p.start, p.lower, p.upper):
        moved = displaced(objective, estimate)
        assert np.all((moved >= p.lower) & (moved <= p.upper))
        assert np.all(moved != estimate)
        objective.value(moved)


def test_no_point_near_the_estimate(monkeypatch: pytest.MonkeyPatch) -> None:
    objective = Objective(course())

    def nowhere(m: np.ndarray) -> float:
        raise TrialError((), "not_finite", "nowhere")

    monkeypatch.setattr(objective, "value", nowhere)
    with pytest.raises(TrialError, match="no point near"):
        displaced(objective, ANSWER)


def test_the_same_document_gets_the_same_certificate() -> None:
    first, second = check(course()).certificate, check(course()).certificate
    assert first.points[0].taylor_rate == second.points[0].taylor_rate
    assert first.adjoint_tangent_gap == second.adjoint_tangent_gap
