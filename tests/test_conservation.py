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
    Polynomial,
    Source,
    Table,
    Temperature,
    Time,
    simulate_field,
)
from solver.assemble import LinearAssembly
from solver.model import Model
from solver.network import Network, initial_weights
from solver.newton_bar import NewtonBar
from tests import dense_bar
from tests.experiments import experiments, known, two_hundred

ROUND_OFF = 1e-12
AFTER_NEWTON = 1e-11  # where every step leaves up to 1e-13, see `solver.newton_march`
GRADED = Grading("left", 8.0)
LAYERS = Layers([0.23, 0.61], [1.0, 40.0, 0.3])
MATTER = {
    "constant": Material(1.0),
    "linear": Material(Linear(1.0, 0.5)),
    "divergence": Material(Linear(1.0, 0.5), "divergence"),
    "layers": Material(LAYERS, "divergence"),
    "conductivity": Material(conductivity=Exponential(1.0, -0.7), heat_capacity=Linear(2.0, 9.0)),
    "matter in layers": Material(conductivity=LAYERS, heat_capacity=Layers([0.4], [2e6, 5e5])),
    "divergence, of u": Material(Linear(1.0, 0.5, of="u"), "divergence"),
    "k of u": Material(conductivity=Exponential(1.0, -0.3, of="u"), heat_capacity=Linear(2.0, 9.0)),
    "C of u": Material(conductivity=LAYERS, heat_capacity=Polynomial([2.0, 0.4, 0.3], of="u")),
    "tables": Material(
        conductivity=Table([-1.0, 1.37, 1.81, 9.0], [1.0, 3.0, 0.4, 2.0], "monotone-cubic", of="u"),
        heat_capacity=Table([-1.0, 1.22, 1.64, 9.0], [1.0, 4.0, 2.0, 5.0], of="u"),
    ),
    "networks": Material(
        conductivity=Network(initial_weights((3,), 1), (3,), "u", (1.0, 2.0), 0.8),
        heat_capacity=Network(initial_weights((2, 3), 2), (2, 3), "u", (1.0, 2.0), 3.0),
    ),
}


def stored(e: Experiment, u: np.ndarray) -> np.ndarray:
    """The heat of every node, less that at 0: ``V C u``, or V times the integral of C."""
    law = e.material.heat_capacity
    if not dense_bar.of_temperature(law):
        return u * stored_per_kelvin(e)
    C = dense_bar.law_of_temperature(law, {})
    V = np.convolve(np.diff(e.grid.x), [0.5, 0.5])
    return V * dense_bar.integral(C, np.zeros(u.size), u.ravel()).reshape(u.shape)


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
    found = simulate_field(experiment).temperatures[::100]
    heat = stored(experiment, found).sum(axis=1)
    assert np.abs(heat / heat[0] - 1.0).max() <= ROUND_OFF
    assert np.ptp(found @ np.linspace(1.0, 2.0, 21)) > 1e-3  # other sums are not kept


def test_the_lectures_form_of_a_law_of_the_temperature_loses_heat() -> None:
    """``u_t = kappa(u) u_xx`` is no balance; the same law in divergence form is."""
    for form, kept in (("divergence", True), ("nondivergence", False)):
        material = Material(Linear(1.0, 0.5, of="u"), form)
        bar = Experiment(Bar(1.0, 20, Expression("1+x**2")), Time(1.0, 100), material)
        V = np.convolve(np.diff(bar.grid.x), [0.5, 0.5])
        heat = simulate_field(bar).temperatures @ V
        assert (np.abs(heat / heat[0] - 1.0).max() <= ROUND_OFF) == kept


# --- the balance of heat -------------------------------------------------------------------------


def stages_of(e: Experiment) -> tuple[np.ndarray, np.ndarray]:
    """Every stage's time (steps, stages), and its temperatures (steps, stages, n + 1)."""
    bar = Model(e, Parameters(())).bar
    _, trace = bar.forward(np.zeros(0), keep=True)
    assembly = trace.assembly if isinstance(bar, NewtonBar) else bar.assembly
    t = e.grid.stage_times[1:].reshape(e.grid.steps, -1)
    u = np.empty((*t.shape, e.grid.x.size))
    states = bar.march.stage_values().reshape(*t.shape, -1)
    u[..., assembly.states] = states + assembly.reference
    for node, end in dense_bar.ends(e):
        if isinstance(end, Temperature):
            u[..., node] = dense_bar.curve(end.value, {}, t)
    return t, u


def inflow(e: Experiment, u: np.ndarray, t: np.ndarray) -> np.ndarray:
    """What flows into the marched nodes of a bar in a state u (..., n + 1) at t (...,)."""
    x, matter = e.grid.x, e.material
    V = np.convolve(np.diff(x), [0.5, 0.5])
    heated = marched(e, V if matter.divergence else stored_per_kelvin(e))
    total = np.zeros(t.shape)
    for source in e.source:
        total += heated @ dense_bar.curve(source.profile, {}, x) * history(source.history, t)
    if matter.exchange is not None:
        outside = history(matter.exchange.ambient, t)
        total += matter.exchange.rate * (heated.sum() * outside - u @ heated)
    for node, beside, cell in ((0, 1, 0), (-1, -2, -1)):
        end = e.left if node == 0 else e.right
        if isinstance(end, Temperature):
            k = conducts(e, u, node, beside, cell)
            total += k * (u[..., node] - u[..., beside]) / np.diff(x)[cell]
        elif isinstance(end, Flux):
            total += heated[node] / V[node] * history(end.value, t)
        else:
            rise = history(end.ambient, t) - u[..., node]
            total += heated[node] / V[node] * end.coefficient * rise
    return total


def conducts(e: Experiment, u: np.ndarray, node: int, beside: int, cell: int) -> Any:
    """What the cell between two nodes conducts; of 1 in the lecture's form, whose heat is u / k."""
    matter = e.material
    law = matter.diffusivity if matter.conductivity is None else matter.conductivity
    if dense_bar.of_temperature(law):
        here, there = (dense_bar.curve(law, {}, u[..., i]) for i in (node, beside))
        return (here + there) / 2
    return dense_bar.cell_means(law, {}, e.grid.x)[cell] if matter.divergence else 1.0


def history(series: Any, t: np.ndarray) -> np.ndarray:
    return dense_bar.curve(series, {}, t)


def marched(e: Experiment, weights: np.ndarray) -> np.ndarray:
    """The weights (..., n + 1), none at pinned nodes."""
    weights = weights.copy()
    for node, end in dense_bar.ends(e):
        if isinstance(end, Temperature):
            weights[..., node] = 0.0
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
    shares = np.array([tableau.A[-1]] * grid.steps)
    shares[: tableau.start_steps] = tableau.A_start[-1]
    field = simulate_field(experiment).temperatures
    heat = marched(experiment, stored(experiment, field)).sum(axis=1)

    def books(share: float) -> np.ndarray:
        t, u = stages_of(experiment)
        gains = np.sum(shares * inflow(experiment, share * u, t), axis=1) * grid.dt
        return heat[0] + np.concatenate([[0.0], np.cumsum(gains)])

    turnover = np.abs(heat).max() + np.abs(np.diff(heat)).sum()
    tolerance = AFTER_NEWTON if dense_bar.changes(experiment) else ROUND_OFF
    assert np.abs(heat - books(1.0)).max() <= tolerance * turnover
    assert np.abs(heat - books(1.001)).max() > 1e-6 * turnover


# --- the matrix ----------------------------------------------------------------------------------


@two_hundred
@given(experiments(of="x"))
def test_conduction_is_symmetric_in_the_heats_own_product(experiment: Experiment) -> None:
    """``V C K`` is symmetric: what one node loses to another, that one gains.

    Arms never change sign and rows sum to minus what is lost to the surroundings and pinned ends.
    """
    parameters = Parameters.of(experiment)
    assembly = LinearAssembly(experiment, parameters)
    bands = assembly.coefficients(assembly.curves.at(parameters.start)).bands
    assert bands[[0, 2]].min() >= 0.0
    assert bands[1].max() <= 0.0
    weights = stored_per_kelvin(known(dense_bar.scaled(experiment)))[assembly.states]
    K = dense_bar.dense(bands)
    books = weights[:, None] * K
    np.fill_diagonal(books, 0.0)
    assert np.abs(books - books.T).max() <= 1e-14 * np.abs(books).max()
    if np.abs(weights[1:] / weights[:-1] - 1.0).max(initial=0.0) > 1e-3:
        assert np.abs(K - K.T).max() > 1e-9 * np.abs(K).max()
