r"""Steady states of matter that changes with its temperature, by Kirchhoff's variable.

With ``k = k0 (1 + beta u)`` and ``theta = u + beta u^2 / 2`` it is ``k u_x = k0 theta_x``. What a
cell conducts by the mean of its nodes, ``(k_i + k_{i+1}) / 2 (u_{i+1} - u_i)``, is the same as
``k0 (theta_{i+1} - theta_i)``: the scheme is that of constant matter in theta, to the last digit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from solver import (
    Bar,
    Convection,
    Experiment,
    Exponential,
    Flux,
    Grading,
    Linear,
    Material,
    Polynomial,
    Source,
    Table,
    Temperature,
    Time,
    simulate_field,
)

ROUND_OFF = 1e-12
GRADINGS = (None, Grading("left", 7.0), Grading("both", 30.0))
KINDS = ("temperature", "flux", "convection")
PAIRS = [(left, right) for left in KINDS for right in KINDS if (left, right) != ("flux", "flux")]
K0, BETA = 0.8, 0.9
HOT, COLD, HEAT = 1.4, 0.3, 1.7
CAPACITIES = (2.0, Linear(3.0, 5.0), Exponential(1.0, 0.4, of="u"))


def theta_of(u: Any) -> Any:
    return u + BETA * u**2 / 2


def exact(x: np.ndarray, heat: float) -> np.ndarray:
    """Between HOT and COLD, ``-K0 theta_xx = heat``."""
    line = theta_of(HOT) + (theta_of(COLD) - theta_of(HOT)) * x
    theta = line + heat / (2 * K0) * x * (1 - x)
    return (np.sqrt(1 + 2 * BETA * theta) - 1) / BETA


def steady(
    material: Material, ends: tuple[str, str], heat: float = 0.0, grading: Grading | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Nodes, and what the bar has come to there; each end tells what it does to the exact bar."""
    rise = theta_of(COLD) - theta_of(HOT)
    inflow = (-K0 * rise - heat / 2, K0 * rise - heat / 2)
    left, right = (
        {
            "temperature": Temperature(u),
            "flux": Flux(q),
            "convection": Convection(0.8, u + q / 0.8),
        }[kind]
        for kind, u, q in zip(ends, (HOT, COLD), inflow, strict=True)
    )
    bar, time = Bar(1.0, 23, 0.9, grading), Time(1e10, 6)
    found = simulate_field(Experiment(bar, time, material, (Source(heat),), left, right))
    return found.x, found.temperatures[-1]


LAW = Linear(K0, K0 * BETA, of="u")
SAME = {  # the same function in other words
    "linear": LAW,
    "polynomial": Polynomial([K0, K0 * BETA], of="u"),
    "table": Table([-1.0, 0.7, 5.0], K0 * (1 + BETA * np.array([-1.0, 0.7, 5.0])), of="u"),
}


@pytest.mark.parametrize("grading", GRADINGS)
@pytest.mark.parametrize("ends", PAIRS, ids=str)
@pytest.mark.parametrize("law", SAME)
def test_nodes_meet_kirchhoffs_profile(
    law: str, ends: tuple[str, str], grading: Grading | None
) -> None:
    for material in (
        Material(SAME[law], "divergence"),
        *(Material(conductivity=SAME[law], heat_capacity=C) for C in CAPACITIES),
    ):
        x, found = steady(material, ends, grading=grading)
        assert np.abs(found - exact(x, 0.0)).max() <= ROUND_OFF


@pytest.mark.parametrize("ends", PAIRS, ids=str)
def test_heated_evenly_it_is_a_parabola_in_theta(ends: tuple[str, str]) -> None:
    x, found = steady(Material(LAW, "divergence"), ends, HEAT)
    assert np.abs(found - exact(x, HEAT)).max() <= ROUND_OFF
    x, found = steady(Material(LAW, "divergence"), ends, 1.001 * HEAT)
    assert np.abs(found - exact(x, HEAT)).max() > 1e-5


def test_other_laws_and_the_lectures_form_do_not_meet_it() -> None:
    """Through the ends' values of an exponential law, by the profile that is its own."""
    ends = ("temperature", "temperature")
    x, found = steady(Material(LAW), ends)
    assert np.abs(found - (HOT + (COLD - HOT) * x)).max() <= ROUND_OFF  # a straight line
    assert np.abs(found - exact(x, 0.0)).max() > 1e-2
    x, found = steady(Material(Exponential(K0, 0.7, of="u"), "divergence"), ends)
    theta = np.exp(0.7 * HOT) + (np.exp(0.7 * COLD) - np.exp(0.7 * HOT)) * x
    assert 1e-6 < np.abs(found - np.log(theta) / 0.7).max() < 1e-3


# --- at rest -------------------------------------------------------------------------------------

AT_REST: dict[str, Callable[[float], Any]] = {
    "linear": lambda size: Linear(size, 3e-4 * size, of="u"),
    "polynomial": lambda size: Polynomial([size, 3e-4 * size, 1e-6 * size], of="u"),
    "exponential": lambda size: Exponential(size, 1e-3, of="u"),
    "table": lambda size: Table([0.0, 300.0, 400.0], [size, 2 * size, 1.5 * size], of="u"),
}


@pytest.mark.parametrize("cells", [7, 10, 50, 51])
@pytest.mark.parametrize("u", [293.15, 300.1, 20.0])
@pytest.mark.parametrize("law", AT_REST)
def test_a_bar_at_rest_stays_at_rest(law: str, u: float, cells: int) -> None:
    """All there is to march is round-off, which no iteration can settle."""

    def moved(outside: float) -> float:
        experiment = Experiment(
            bar=Bar(0.1, cells, u),
            time=Time(100.0, 100),
            material=Material(conductivity=AT_REST[law](40.0), heat_capacity=AT_REST[law](1e6)),
            left=Convection(30.0, outside),
            right=Convection(10.0, u),
        )
        return float(np.abs(simulate_field(experiment).temperatures - u).max())

    assert moved(u) <= ROUND_OFF * u
    assert moved(1.001 * u) > 1e3 * ROUND_OFF * u
