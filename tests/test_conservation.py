"""Heat is neither made nor lost: what a bar holds is what it held and what has flowed in."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from solver import (
    TABLEAUX,
    Bar,
    Convection,
    Exchange,
    Experiment,
    Exponential,
    Expression,
    Flux,
    Grading,
    Layers,
    Linear,
    Material,
    Parameters,
    Source,
    Temperature,
    Time,
    simulate_field,
)
from solver.assemble import LinearAssembly
from solver.model import Model
from tests import dense_bar
from tests.experiments import experiments, known, two_hundred

ROUND_OFF = 1e-12
GRADED = Grading("left", 8.0)
LAYERS = Layers([0.23, 0.61], [1.0, 40.0, 0.3])
MATTER = {
    "constant": Material(1.0),
    "linear": Material(Linear(1.0, 0.5)),
    "divergence": Material(Linear(1.0, 0.5), "divergence"),
    "layers": Material(LAYERS, "divergence"),
    "conductivity": Material(conductivity=Exponential(1.0, -0.7), heat_capacity=Linear(2.0, 9.0)),
    "matter in layers": Material(conductivity=LAYERS, heat_capacity=Layers([0.4], [2e6, 5e5])),
}


def stored_per_kelvin(e: Experiment) -> np.ndarray:
    """The weight of each node in the heat of the bar: V C, in the lecture's form V / kappa."""
    x, matter = e.grid.x, e.material
    V = np.convolve(np.diff(x), [0.5, 0.5])
    if matter.heat_capacity is not None:
        return V * dense_bar.capacities(matter.heat_capacity, {}, x)
    return V if matter.divergence else V / dense_bar.at_nodes(matter.diffusivity, {}, x)


@pytest.mark.parametrize("number", [1.0, 100.0, 1000.0])
@pytest.mark.parametrize("method", sorted(TABLEAUX))
@pytest.mark.parametrize("matter", MATTER)
def test_an_insulated_bar_keeps_its_heat_over_ten_thousand_steps(
    matter: str, method: str, number: float
) -> None:
    """With ``dt / dx^2 = number``, in the shortest of the cells."""
    material, steps = MATTER[matter], 10_000
    capacity = 2.0 if material.heat_capacity is not None else 1.0
    grading = GRADED if material.divergence else None
    experiment = Experiment(
        bar=Bar(1.0, 20, Expression("1+x**2"), grading),
        time=Time(number / 400 * steps * capacity, steps, method),
        material=material,
    )
    found = simulate_field(experiment).temperatures
    heat = found @ stored_per_kelvin(experiment)
    assert np.abs(heat / heat[0] - 1.0).max() <= ROUND_OFF
    assert np.ptp(found @ np.linspace(1.0, 2.0, 21)) > 1e-3  # other sums are not kept


# --- the balance of heat -------------------------------------------------------------------------


def stages_of(e: Experiment) -> tuple[np.ndarray, np.ndarray]:
    """Every stage's time (steps, stages), and its temperatures (steps, stages, n + 1)."""
    model = Model(e, Parameters(()))
    model.forward(np.zeros(0))
    t = e.grid.stage_times[1:].reshape(e.grid.steps, -1)
    u = np.empty((*t.shape, e.grid.x.size))
    u[..., model.bar.assembly.states] = model.bar._march._states + model.bar.assembly.reference
    for node, end in dense_bar.ends(e):
        if isinstance(end, Temperature):
            u[..., node] = dense_bar.curve(end.value, {}, t)
    return t, u


def inflow(e: Experiment, u: np.ndarray, t: np.ndarray) -> np.ndarray:
    """What flows into the marched nodes of a bar in a state u (..., n + 1) at t (...,)."""
    x, matter, weights = e.grid.x, e.material, stored_per_kelvin(e)
    V = np.convolve(np.diff(x), [0.5, 0.5])
    heated = marched(e, weights if matter.heat_capacity is None else V)
    total = np.zeros(t.shape)
    for source in e.source:
        total += heated @ dense_bar.curve(source.profile, {}, x) * history(source.history, t)
    if matter.exchange is not None:
        outside = history(matter.exchange.ambient, t)
        total += matter.exchange.rate * (heated.sum() * outside - u @ heated)
    law = matter.diffusivity if matter.conductivity is None else matter.conductivity
    k = dense_bar.cell_means(law, {}, x) if matter.divergence else np.ones(x.size - 1)
    for node, beside, cell in ((0, 1, 0), (-1, -2, -1)):
        end = e.left if node == 0 else e.right
        if isinstance(end, Temperature):
            total += k[cell] * (u[..., node] - u[..., beside]) / np.diff(x)[cell]
        elif isinstance(end, Flux):
            total += heated[node] / V[node] * history(end.value, t)
        else:
            rise = history(end.ambient, t) - u[..., node]
            total += heated[node] / V[node] * end.coefficient * rise
    return total


def history(series: Any, t: np.ndarray) -> np.ndarray:
    return dense_bar.curve(series, {}, t)


def marched(e: Experiment, weights: np.ndarray) -> np.ndarray:
    """The weights, none at pinned nodes."""
    weights = weights.copy()
    for node, end in dense_bar.ends(e):
        if isinstance(end, Temperature):
            weights[node] = 0.0
    return weights


ENDS = {
    "free": (Convection(0.8, Expression("2+cos(4*t)", "t")), Flux(Expression("-0.2*t", "t"))),
    "left pinned": (Temperature(Expression("1+sin(5*t)", "t")), Convection(1.3, 0.4)),
    "right pinned": (Flux(0.7), Temperature(Expression("2+sin(5*t)", "t"))),
}


@pytest.mark.parametrize("method", sorted(TABLEAUX))
@pytest.mark.parametrize("ends", ENDS)
@pytest.mark.parametrize("matter", MATTER)
def test_what_flows_in_is_all_there(matter: str, ends: str, method: str) -> None:
    """Over a thousand steps, in each with the weights of its stages."""
    material = replace(MATTER[matter], exchange=Exchange(0.7, Expression("1+sin(3*t)", "t")))
    experiment = Experiment(
        bar=Bar(1.0, 20, Expression("1+x**2"), GRADED if material.divergence else None),
        time=Time(2e6 if matter == "matter in layers" else 2.0, 1000, method),
        material=material,
        source=(Source(Expression("exp(-9*(x-0.3)**2)"), Expression("cos(t)", "t")), Source(0.3)),
        left=ENDS[ends][0],
        right=ENDS[ends][1],
    )
    grid, tableau = experiment.grid, TABLEAUX[method]
    weights = np.array([tableau.A[-1]] * grid.steps)
    weights[: tableau.start_steps] = tableau.A_start[-1]
    field = simulate_field(experiment).temperatures
    heat = field @ marched(experiment, stored_per_kelvin(experiment))

    def books(share: float) -> np.ndarray:
        t, u = stages_of(experiment)
        gains = np.sum(weights * inflow(experiment, share * u, t), axis=1) * grid.dt
        return heat[0] + np.concatenate([[0.0], np.cumsum(gains)])

    turnover = np.abs(heat).max() + np.abs(np.diff(heat)).sum()
    assert np.abs(heat - books(1.0)).max() <= ROUND_OFF * turnover
    assert np.abs(heat - books(1.001)).max() > 1e-6 * turnover


# --- the matrix ----------------------------------------------------------------------------------


@two_hundred
@given(experiments())
def test_conduction_is_symmetric_in_the_heats_own_product(experiment: Experiment) -> None:
    """``V C K`` is symmetric: what one node loses to another, that one gains.

    Arms never change sign and rows sum to minus what is lost to the surroundings and pinned ends.
    """
    parameters = Parameters.of(experiment)
    assembly = LinearAssembly(experiment, parameters)
    bands = assembly.coefficients(assembly.curves.at(parameters.start)).bands
    assert bands[[0, 2]].min() >= 0.0
    assert bands[1].max() <= 0.0
    weights = stored_per_kelvin(known(experiment))[assembly.states]
    K = dense_bar.dense(bands)
    books = weights[:, None] * K
    np.fill_diagonal(books, 0.0)
    assert np.abs(books - books.T).max() <= 1e-14 * np.abs(books).max()
    if np.abs(weights[1:] / weights[:-1] - 1.0).max(initial=0.0) > 1e-3:
        assert np.abs(K - K.T).max() > 1e-9 * np.abs(K).max()
