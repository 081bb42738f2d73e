"""What comes of one theta depends on nothing else: no earlier theta, no memory, no wider range."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from solver import (
    TABLEAUX,
    Bar,
    Convection,
    Experiment,
    Exponential,
    Expression,
    Joint,
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
)
from solver.network import Network, initial_weights
from tests import oracles
from tests.verification import relative_gap

A, B = Unknown("a", 0.5), Unknown("b", 0.4)
NETWORK = Network(Unknown("w", initial_weights((3,), 1)), (3,), "u", level=0.6)
MATTER = {
    "lecture": Material(Exponential(A, B, of="u")),
    "divergence": Material(NETWORK, "divergence"),
    "both": Material(conductivity=NETWORK, heat_capacity=Exponential(A, B, of="u")),
    "place and temperature": Material(
        conductivity=Linear(A, 0.1), heat_capacity=Exponential(1.1, B, of="u")
    ),
    "polynomial": Material(conductivity=Linear(A, B, of="u"), heat_capacity=1.3),
}


def bar(material: Material, method: str = "tr-bdf2") -> Experiment:
    """Between 0 and 1 as far as is known beforehand; a source heats it further."""
    times = np.linspace(0.1, 1.0, 6)
    return Experiment(
        bar=Bar(1.0, 12, Expression("0.5+0.4*cos(5*x)")),
        time=Time(1.0, 11, method),
        material=material,
        source=(Source(Expression("exp(-9*(x-0.3)**2)"), Unknown("power", 0.5)),),
        left=Convection(0.8, Expression("0.5+0.5*sin(4*t)", "t")),
        right=Temperature(0.2),
        sensors=tuple(Sensor(x, times, np.sin(9.0 * times * x), 0.1) for x in (0.13, 0.6)),
    )


def everything(objective: Objective, theta: np.ndarray) -> np.ndarray:
    """Value, gradient, Jacobian, readings and a product at theta, one after the other."""
    J, gradient = objective.value_and_gradient(theta)
    parts = (J, gradient, objective.jacobian(theta), objective.predict(theta))
    return np.concatenate([np.ravel(part) for part in parts])


def at_power(objective: Objective, power: float) -> np.ndarray:
    theta = objective.parameters.start.copy()
    theta[objective.parameters.labels.index("power")] = power
    return theta


def widest(objective: Objective) -> int:
    """How often the range of temperatures has been widened."""
    return max(widening for model in objective.models for widening, _ in model.bar._assemblies)


@pytest.mark.parametrize("method", sorted(TABLEAUX))
@pytest.mark.parametrize("name", MATTER)
def test_no_earlier_theta_counts(name: str, method: str) -> None:
    """To the bit, after thetas far hotter and colder, which need a wider range."""
    study = Joint((bar(MATTER[name], method), bar(MATTER[name], "sdirk2")))
    objective, fresh = Objective(study), Objective(study)
    theta = at_power(objective, 0.5)
    first = everything(objective, theta)
    for power in (9.0, -3.0, 0.6):
        other = everything(objective, at_power(objective, power))
        assert np.abs(other - first).max() > 1e-3
    np.testing.assert_array_equal(everything(objective, theta), first)
    for power in (9.0, 0.5):  # each derivative first after another theta's
        wild = at_power(fresh, power)
        np.testing.assert_array_equal(fresh.jacobian(wild), objective.jacobian(wild))
    np.testing.assert_array_equal(everything(fresh, theta), first)
    assert (widest(objective) > 0) == (name != "polynomial")


def test_nor_one_that_had_no_answer() -> None:
    law = Table([-9.0, 0.2, 0.7, 2.0], [0.5, 0.4, 0.7, 0.6], of="u")
    objective = Objective(bar(replace(MATTER["both"], conductivity=law)))
    theta = at_power(objective, 0.5)
    first = everything(objective, theta)
    with pytest.raises(TrialError) as failed:
        objective.value(at_power(objective, 90.0))
    assert failed.value.problem.code == "temperatures_not_covered"
    np.testing.assert_array_equal(everything(objective, theta), first)


@pytest.mark.parametrize("power", [0.5, 9.0])
@pytest.mark.parametrize("method", sorted(TABLEAUX))
@pytest.mark.parametrize("name", MATTER)
def test_memory_changes_nothing(name: str, method: str, power: float) -> None:
    """Blocks of one step, of some, and all steps at once."""
    study = bar(MATTER[name], method)
    plenty = Objective(study)
    expected = everything(plenty, at_power(plenty, power))
    blocks = set()
    for memory in (1, 2000, 5000):
        objective = Objective(study, memory=memory)
        theta = at_power(objective, power)
        np.testing.assert_array_equal(everything(objective, theta), expected)
        blocks.add(len(objective.models[0].bar.march.plan.blocks))
    assert max(blocks) > 1
    assert len(blocks) > 1


@pytest.mark.parametrize("name", MATTER)
def test_a_wider_range_is_the_same_law(name: str) -> None:
    """Beyond what was expected a bar is still the dense bar, whose laws know no range."""
    study = bar(MATTER[name])
    values = oracles.start_values(study)
    objective = Objective(study)
    for power, wider in ((0.5, False), (9.0, True)):
        found = objective.predict(at_power(objective, power))
        expected = oracles.readings(study, values | {"power": power})
        assert relative_gap(found, expected) <= 1e-11
        assert (widest(objective) > 0) == (wider and name != "polynomial")
        other = oracles.readings(study, values | {"power": 1.001 * power})
        assert relative_gap(found, other) > 1e-6
