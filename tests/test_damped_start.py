"""Crank-Nicolson starts with four half steps of backward Euler, so that jumps do not ring."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from solver import (
    TABLEAUX,
    Bar,
    Convection,
    Exchange,
    Experiment,
    Expression,
    Flux,
    Layers,
    Material,
    Source,
    Table,
    Temperature,
    Time,
    simulate_field,
)
from solver.integrators import Tableau
from tests.experiments import METHODS

UNDAMPED = METHODS["crank-nicolson"]
BUSY = Experiment(
    bar=Bar(1.0, 16, Expression("1-x")),
    time=Time(1.0, 10, "crank-nicolson"),
    material=Material(
        conductivity=Layers([0.31], [1.0, 3.0]),
        heat_capacity=2.0,
        exchange=Exchange(0.7, Expression("sin(3*t)", "t")),
    ),
    source=(Source(Expression("exp(-9*(x-0.3)**2)"), Expression("cos(5*t)", "t")),),
    left=Convection(0.8, Expression("cos(4*t)", "t")),
    right=Temperature(Expression("sin(7*t)", "t")),
)


def field(experiment: Experiment, **time: Any) -> np.ndarray:
    return simulate_field(replace(experiment, time=replace(experiment.time, **time))).temperatures


@pytest.mark.parametrize("steps", [1, 2, 3, 10])
def test_the_first_two_steps_are_four_half_steps_of_backward_euler(steps: int) -> None:
    halves = field(BUSY, end=steps / 10, steps=2 * steps, method="backward-euler")[::2]
    found = field(BUSY, end=steps / 10, steps=steps)
    np.testing.assert_allclose(found[:3], halves[:3], rtol=1e-13, atol=1e-14)
    if steps > 2:
        assert np.abs(found[3] - halves[3]).max() > 1e-4


def test_the_steps_that_follow_are_undamped(monkeypatch: pytest.MonkeyPatch) -> None:
    still = replace(BUSY, left=Convection(0.8, 0.4), right=Flux(0.3), source=(Source(0.7),))
    still = replace(still, material=replace(still.material, exchange=Exchange(0.7, 0.2)))
    found = field(still)
    at_second = Table(still.grid.x, found[2])
    monkeypatch.setitem(TABLEAUX, "crank-nicolson", UNDAMPED)
    rest = field(replace(still, bar=replace(still.bar, initial=at_second)), end=0.8, steps=8)
    np.testing.assert_allclose(found[2:], rest, rtol=1e-13, atol=1e-14)
    assert np.abs(field(still) - found).max() > 1e-4


def test_where_the_stages_stand() -> None:
    damped = TABLEAUX["crank-nicolson"]
    offsets = damped.stage_offsets(4)
    np.testing.assert_array_equal(offsets, [[0.5, 1.0], [0.5, 1.0], [0.0, 1.0], [0.0, 1.0]])
    np.testing.assert_allclose(BUSY.grid.stage_times[1:5], [0.05, 0.1, 0.15, 0.2], rtol=1e-15)
    np.testing.assert_array_equal(TABLEAUX["backward-euler"].A_start, [[1.0]])


@pytest.mark.parametrize(("name", "literature"), sorted(METHODS.items()))
def test_tableaux_are_the_literatures(name: str, literature: Tableau) -> None:
    np.testing.assert_allclose(TABLEAUX[name].A, literature.A, rtol=1e-15)
    assert TABLEAUX[name].order == literature.order
    damped = TABLEAUX[name].start_steps > 0
    assert damped == (name == "crank-nicolson")


# --- a jump in the data --------------------------------------------------------------------------

# An end that is heated at once, heat that falls on at once, and a bar put together of two.
JUMPS = {
    "pinned end": {"bar": Bar(1.0, 40), "left": Temperature(1.0)},
    "convective end": {"bar": Bar(1.0, 40), "left": Convection(1e4, 1.0)},
    "initial": {"bar": Bar(1.0, 40, Table([0.0, 0.5, 0.5001, 1.0], [1.0, 1.0, 0.0, 0.0]))},
}


def ringing(jump: dict[str, Any]) -> float:
    """How far temperatures leave [0, 1], or turn back and forth in time, after the start."""
    experiment = Experiment(
        time=Time(1.0, 20, "crank-nicolson"), material=Material(4.0, "divergence"), **jump
    )
    u = simulate_field(experiment).temperatures[2:]
    steps = np.diff(u, axis=0)
    turns = np.minimum(np.abs(steps[1:]), np.abs(steps[:-1]))[steps[1:] * steps[:-1] < 0.0]
    return float(max(u.max() - 1.0, -u.min(), turns.max(initial=0.0)))


@pytest.mark.parametrize("jump", JUMPS)
def test_a_jump_does_not_ring(jump: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """``kappa dt / dx^2 = 320``: without damping the shortest waves live on, turning every step."""
    assert ringing(JUMPS[jump]) <= 1e-3
    monkeypatch.setitem(TABLEAUX, "crank-nicolson", UNDAMPED)
    assert ringing(JUMPS[jump]) > 0.1
