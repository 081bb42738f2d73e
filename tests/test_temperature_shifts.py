"""A warmer zero where matter changes with its temperature: the laws have to move along."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from solver import (
    LAWS,
    TABLEAUX,
    Bar,
    Convection,
    Exchange,
    Experiment,
    Exponential,
    Expression,
    Linear,
    Material,
    Polynomial,
    Source,
    Table,
    Temperature,
    Time,
    simulate_field,
)
from solver.network import Network, initial_weights

ROUND_OFF = 1e-12
FORMS = ("nondivergence", "divergence", "conductivity")

# The same function of the temperature above `zero`, on scales that start elsewhere.
SHIFTED: dict[str, Callable[[float], Any]] = {
    "linear": lambda zero: Linear(1.0 - 0.2 * zero, 0.2, of="u"),
    "polynomial": lambda zero: Polynomial(
        [0.7 - 0.2 * zero + 0.1 * zero**2, 0.2 - 0.2 * zero, 0.1], of="u"
    ),
    "exponential": lambda zero: Exponential(0.8 * np.exp(-0.3 * zero), 0.3, of="u"),
    "table": lambda zero: Table(
        np.array([-3.0, 0.3, 0.7, 4.0]) + zero, [1.0, 2.0, 0.7, 1.5], of="u"
    ),
    "network": lambda zero: Network(
        initial_weights((3,), 2), (3,), "u", (zero - 1.0, zero + 1.5), 0.9
    ),
}


def field(law: str, form: str, method: str, zero: float, law_zero: float) -> np.ndarray:
    """Temperatures above `zero` of a bar whose laws count from `law_zero`."""
    k, C = SHIFTED[law](law_zero), SHIFTED[law](law_zero)
    exchange = Exchange(0.4, Expression(f"{zero}+0.5*t", "t"))
    material = Material(k, form, exchange=exchange)
    if form == "conductivity":
        material = Material(conductivity=k, heat_capacity=C, exchange=exchange)
    experiment = Experiment(
        bar=Bar(1.0, 12, Expression(f"{zero}+0.5+0.4*cos(5*x)")),
        time=Time(0.5, 10, method),
        material=material,
        source=(Source(Expression("exp(-9*(x-0.3)**2)"), 2.0),),
        left=Convection(0.8, Expression(f"{zero}+cos(4*t)", "t")),
        right=Temperature(zero + 0.5 + 0.4 * float(np.cos(5.0))),
    )
    return simulate_field(experiment).temperatures - zero


@pytest.mark.parametrize("method", sorted(TABLEAUX))
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("law", SHIFTED)
def test_a_warmer_zero_with_laws_that_move_along(law: str, form: str, method: str) -> None:
    zero = 7.0
    here, there = field(law, form, method, 0.0, 0.0), field(law, form, method, zero, zero)
    assert np.abs(there - here).max() <= ROUND_OFF * zero
    stayed = field("exponential", form, method, zero, 0.0)
    assert np.abs(stayed - field("exponential", form, method, 0.0, 0.0)).max() > 1e-2


def test_every_law_of_the_temperature_moves() -> None:
    assert set(SHIFTED) == {name for name, law in LAWS.items() if hasattr(law, "of")}


@pytest.mark.parametrize("form", FORMS)
def test_causes_do_not_add_up(form: str) -> None:
    """What superposition is for laws of place: here it holds for no law but a constant one."""

    def at_the_end(slope: float, power: float) -> np.ndarray:
        k = Linear(1.0, slope, of="u")
        both = Material(conductivity=k, heat_capacity=k)
        experiment = Experiment(
            bar=Bar(1.0, 12),
            time=Time(0.5, 10),
            material=both if form == "conductivity" else Material(k, form),
            source=(Source(power),),
            right=Temperature(0.0),
        )
        return simulate_field(experiment).temperatures[-1]

    for slope, adds_up in ((0.0, True), (0.5, False)):
        one, two, three = (at_the_end(slope, power) for power in (1.0, 2.0, 3.0))
        assert (np.abs(one + two - three).max() <= ROUND_OFF) == adds_up
