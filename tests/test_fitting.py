"""Fits beyond numbers and least squares: curves, layers, losses, priors, several starts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from solver import (
    Bar,
    Convection,
    Exchange,
    Experiment,
    Expression,
    Fit,
    Flux,
    Joint,
    Layers,
    Linear,
    Material,
    Parameters,
    Polynomial,
    Prior,
    Sensor,
    Smoothing,
    Source,
    Table,
    Temperature,
    Time,
    Unknown,
    calibrate,
    check,
    simulate,
)
from tests.experiments import Array

TIMES = np.linspace(0.01, 1.0, 100)
KNOTS = np.linspace(0.0, 1.0, 41)
NODES = np.linspace(0.0, 1.0, 21)


def heated(**changes: object) -> Experiment:
    """Heat enters at the left; one thermometer at mid-depth."""
    base = Experiment(
        bar=Bar(1.0, 40),
        time=Time(1.0, 100, "tr-bdf2"),
        material=Material(2.0, "divergence"),
        left=Flux(Expression("sin(pi*t)**2", "t")),
        sensors=(Sensor(0.5, TIMES),),
    )
    return replace(base, **changes)


def measured(truth: Experiment, free: Experiment, noise: float, seed: int = 1) -> Experiment:
    """`free` with readings of `truth`, noise being a share of the largest."""
    rng, sensors = np.random.default_rng(seed), []
    for sensor, y in zip(truth.sensors, simulate(truth), strict=True):
        sigma = noise * float(np.max(np.abs(y)))
        data = y + sigma * rng.standard_normal(y.size)
        sensors.append(replace(sensor, temperatures=data, sigma=sigma))
    return replace(free, sensors=tuple(sensors))


def rms(values: Array) -> float:
    return float(np.sqrt(np.mean(values**2)))


@pytest.mark.parametrize("given", [True, False])
def test_an_unknown_flux(given: bool) -> None:
    truth = heated()
    free = measured(truth, heated(left=Flux(Table(KNOTS, Unknown("q", np.zeros(41))))), 0.01)
    if not given:
        free = replace(free, sensors=tuple(replace(s, sigma=None) for s in free.sensors))
    found = calibrate(free)
    q = np.sin(np.pi * KNOTS) ** 2
    choice = found.smoothing["q"]
    assert found.status == "converged"
    assert rms(found.theta - q) <= 0.03
    assert choice.criterion == ("discrepancy" if given else "generalised cross-validation")
    assert 3.0 < choice.effective_parameters < 20.0
    lower, upper = found.uncertainty.intervals.T
    covered = np.mean((lower <= q) & (q <= upper))
    assert covered >= 0.8
    assert np.mean(np.abs(found.theta - q) > 3 * (upper - lower)) == 0.0
    assert np.max(upper - lower) < 0.5
    for factor in (1e-4, 1e4):  # the automatic weight is no matter of chance
        weight = {"q": Smoothing(weight=factor * choice.weight)}
        other = calibrate(replace(free, fit=Fit(smoothing=weight)))
        assert rms(other.theta - q) > 2 * rms(found.theta - q)
        assert other.smoothing == {}


def test_an_unknown_initial_profile() -> None:
    truth = heated(
        bar=Bar(1.0, 40, Expression("sin(pi*x)+x")),
        left=Temperature(0.0),
        right=Temperature(1.0),
        material=Material(0.1),
        sensors=tuple(Sensor(x, TIMES) for x in (0.25, 0.5, 0.75)),
    )
    unknown = Table(NODES, Unknown("u0", np.full(21, 0.5)))
    free = measured(truth, replace(truth, bar=Bar(1.0, 40, unknown)), 0.005)
    found = calibrate(free)
    exact = np.sin(np.pi * NODES) + NODES
    assert rms((found.theta - exact)[2:-2]) <= 0.04  # at a pinned end no reading sees it
    assert found.uncertainty.identifiability.verdict == "determined"


@pytest.mark.parametrize("interpolation", ["linear", "monotone-cubic"])
def test_an_unknown_law(interpolation: str) -> None:
    """A diffusivity as a table of logarithms: not linear, so weight and fit settle in rounds."""
    truth = heated(
        material=Material(Linear(0.4, 0.6), "divergence"),
        left=Temperature(Expression("sin(7*t)", "t")),
        right=Temperature(0.0),
        sensors=tuple(Sensor(x, TIMES) for x in (0.2, 0.4, 0.6, 0.8)),
    )
    start = 0.3 + 0.3 * NODES
    law = Table(NODES, Unknown("kappa", start, 1e-3, 1e3, "log"), interpolation)
    free = measured(truth, replace(truth, material=Material(law, "divergence")), 0.002)
    found = calibrate(free)
    exact = 0.4 + 0.6 * NODES
    assert found.status == "converged"
    assert found.certificate.passed
    assert np.median(np.abs(found.theta / exact - 1.0)) <= 0.03
    assert np.all(np.abs(found.theta / exact - 1.0) <= 0.3)
    assert found.terms["smoothing"] > 0.0
    assert sum(found.terms.values()) == pytest.approx(found.objective, rel=1e-9)
    (band,) = found.bands
    assert band.place == ("material", "diffusivity")
    inside = (band.lower <= 0.4 + 0.6 * band.points) & (0.4 + 0.6 * band.points <= band.upper)
    assert np.mean(inside) >= 0.8
    assert np.median(band.upper - band.lower) < 0.5


def test_a_number_beside_a_curve_keeps_its_interval() -> None:
    """An offset of the source and an unknown flux at once: the number's verdict allows for both."""
    truth = heated(source=(Source(Expression("exp(-50*(x-0.8)**2)"), 0.7),))
    free = replace(
        truth,
        source=(Source(Expression("exp(-50*(x-0.8)**2)"), Unknown("power", 0.1)),),
        left=Flux(Table(KNOTS, Unknown("q", np.zeros(41)))),
        sensors=(Sensor(0.5, TIMES), Sensor(0.9, TIMES)),
    )
    found = calibrate(measured(replace(truth, sensors=free.sensors), free, 0.005))
    said = found.uncertainty.identifiability
    where = found.parameters.where["power"]
    lower, upper = found.uncertainty.intervals[where][0]
    assert lower < 0.7 < upper
    assert upper - lower < 0.3
    assert said.verdict == "determined"
    assert list(said.weakest_direction) == ["power"]
    alone = calibrate(measured(truth, replace(truth, source=free.source), 0.005))
    assert found.uncertainty.standard_errors[where] > alone.uncertainty.standard_errors[0]


def test_layers_are_found_one_by_one() -> None:
    def wall(*values: object) -> Material:
        return Material(conductivity=Layers([0.3, 0.55], values), heat_capacity=1.5)

    truth = heated(
        material=wall(2.0, 0.5, 4.0),
        right=Temperature(0.0),
        sensors=tuple(Sensor(x, TIMES) for x in (0.1, 0.4, 0.7)),
    )
    unknown = [Unknown("k1", 1.0, scale="log"), 0.5, Unknown("k3", 1.0, scale="log")]
    found = calibrate(measured(truth, replace(truth, material=wall(*unknown)), 0.002))
    np.testing.assert_allclose(found.theta, [2.0, 4.0], rtol=0.05)
    assert found.smoothing == {}
    whole = Material(
        conductivity=Layers([0.0, 0.3, 0.55, 1.0], Unknown("k", [1.0, 1.0, 1.0], scale="log")),
        heat_capacity=1.5,
    )
    found = calibrate(measured(truth, replace(truth, material=whole), 0.002))
    np.testing.assert_allclose(found.theta, [2.0, 0.5, 4.0], rtol=0.1)
    assert found.smoothing == {}  # layers are free to jump


def test_hubers_loss_is_not_moved_by_outliers() -> None:
    free = measured(heated(), heated(material=Material(Unknown("kappa", 1.0), "divergence")), 0.01)
    sensor = free.sensors[0]
    data = sensor.temperatures.copy()
    data[::12] += 0.2
    spoilt = replace(free, sensors=(replace(sensor, temperatures=data),))
    squared, huber = calibrate(spoilt), calibrate(replace(spoilt, fit=Fit(loss="huber")))
    clean = calibrate(free)
    assert abs(huber.theta[0] - clean.theta[0]) <= 0.25 * abs(squared.theta[0] - clean.theta[0])
    assert huber.certificate.passed
    assert huber.objective < squared.objective
    lower, upper = huber.uncertainty.intervals[0]
    assert lower < 2.0 < upper


def test_a_prior_counts_as_a_reading() -> None:
    free = measured(heated(), heated(material=Material(Unknown("kappa", 1.0), "divergence")), 0.005)
    without = calibrate(free)
    error = without.uncertainty.standard_errors[0]
    mean = without.theta[0] + 2.0 * error
    told = calibrate(replace(free, fit=Fit(prior={"kappa": Prior(mean, error)})))
    assert told.theta[0] == pytest.approx(0.5 * (without.theta[0] + mean), rel=0.01)
    assert told.uncertainty.standard_errors[0] == pytest.approx(error / np.sqrt(2), rel=0.02)
    assert told.terms["prior"] == pytest.approx(1.0, rel=0.1)  # one of the two errors away
    weak = calibrate(replace(free, fit=Fit(prior={"kappa": Prior(mean, 1e6 * error)})))
    assert weak.theta[0] == pytest.approx(without.theta[0], rel=1e-6)


def test_a_joint_fit_is_better_than_either() -> None:
    """Two sensors, two runs: what trades off in one of them is told apart by the other."""
    material = Material(Linear(Unknown("a", 1.0), Unknown("b", 0.3)), "divergence")
    truth = heated(material=Material(Linear(1.5, 0.8), "divergence"))
    other = replace(truth, left=Flux(0.0), right=Flux(Expression("t", "t")))
    parts = [
        measured(one, replace(one, material=material), 0.01, seed)
        for seed, one in enumerate((truth, other))
    ]
    alone = [calibrate(part) for part in parts]
    both = calibrate(Joint(tuple(parts)))
    for one in alone:
        assert np.all(both.uncertainty.standard_errors < one.uncertainty.standard_errors)
    assert np.all(np.abs(both.theta - [1.5, 0.8]) <= 3 * both.uncertainty.standard_errors)
    again = calibrate(Joint((parts[0],)))
    np.testing.assert_array_equal(again.theta, alone[0].theta)


def test_several_starts_find_the_lower_valley() -> None:
    """Two sensors' places are known, the phase of the flux is not: one valley every period."""
    free = measured(
        heated(),
        heated(left=Flux(Table([0.0, 0.5, 1.0], [0.0, Unknown("top", -3.0, -5.0, 5.0), 0.0]))),
        0.01,
    )
    one = calibrate(free)
    many = calibrate(replace(free, fit=Fit(starts=4)))
    assert many.objective <= one.objective * (1 + 1e-9)
    again = calibrate(replace(free, fit=Fit(starts=4)))
    np.testing.assert_array_equal(many.theta, again.theta)
    assert len(many.history) > len(one.history)


def test_what_runs_away_is_let_go_and_said() -> None:
    """A conductivity so high that the bar is of one temperature: any higher one fits as well."""
    lumped = heated(
        material=Material(conductivity=1e3, heat_capacity=3.0),
    )
    free = replace(
        lumped,
        material=Material(
            conductivity=Unknown("k", 1.0, scale="log"),
            heat_capacity=Unknown("C", 1.0, scale="log"),
        ),
    )
    found = calibrate(measured(lumped, free, 0.02))
    u = found.uncertainty
    assert found.status in ("drifting", "converged")
    assert u.identifiability.verdict == "not-identifiable"
    assert u.identifiability.advice.startswith("k ")
    j = found.parameters.names.index("C")
    assert abs(found.theta[j] - 3.0) <= 4 * u.standard_errors[j]
    assert found.certificate.passed


def test_a_coefficient_stays_above_zero() -> None:
    """A bar that warms too fast seems to gain heat from the cold: the answer is 0, and says so."""
    warming = heated(left=Flux(1.0))
    free = replace(warming, right=Convection(Unknown("h", 0.5), 0.0))
    found = calibrate(measured(replace(warming, left=Flux(1.2)), free, 0.001))
    assert found.theta[0] == 0.0
    assert found.uncertainty.reasons == ("the estimate lies on its lower bound",)
    exchange = Exchange(Unknown("rate", 0.5), 0.0)
    free = replace(warming, material=Material(2.0, "divergence", exchange=exchange))
    assert calibrate(measured(replace(warming, left=Flux(1.2)), free, 0.001)).theta[0] == 0.0


def test_each_coefficient_of_a_polynomial_has_its_own_size() -> None:
    start = (1e-6, 2e-4, 0.1)
    base = heated(sensors=(Sensor(0.5, TIMES, 0.0 * TIMES),))
    listed = replace(base, material=Material(Polynomial(Unknown("c", start)), "divergence"))
    curve = replace(base, material=Material(Table([0, 0.5, 1], Unknown("c", start)), "divergence"))
    of = Parameters.of
    np.testing.assert_array_equal(of(listed).sizes(of(listed).start), start)
    np.testing.assert_array_equal(of(curve).sizes(of(curve).start), [0.1, 0.1, 0.1])


def test_a_level_start_of_a_monotone_cubic_is_proved_beside_its_kink() -> None:
    law = Table(np.linspace(0, 1, 5), Unknown("k", np.ones(5)), "monotone-cubic")
    free = heated(material=Material(law, "divergence"))
    data = Sensor(0.5, TIMES, simulate(heated())[0], 1e-3)
    assert check(replace(free, sensors=(data,))).certificate.passed
