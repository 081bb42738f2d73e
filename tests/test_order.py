"""Errors fall by the order that is claimed: in time for every method, in space for every form."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest

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
    Linear,
    Material,
    Polynomial,
    Sensor,
    Source,
    Table,
    Temperature,
    Time,
    simulate,
    simulate_field,
)
from solver.curves import as_curve
from solver.integrators import Tableau
from tests.dense_bar import of_temperature
from tests.experiments import METHODS
from tests.verification import observed_orders, observed_orders_without_truth, worst_error

KINDS = list(product(("temperature", "flux", "convection"), repeat=2))
GRADED = Grading("left", 5.0)
H, RATE = 0.8, 0.6  # of the ends that convect, and of the exchange


@pytest.fixture(params=[*sorted(TABLEAUX), "undamped"])
def method(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Every registered method, and Crank-Nicolson without its damped start."""
    monkeypatch.setitem(TABLEAUX, "undamped", METHODS["crank-nicolson"])
    return str(request.param)


# --- in time -------------------------------------------------------------------------------------

# ``g(t) (c + d x + e x^2)`` on grids that meet it exactly: what is left is the error in time.
MATTER = {
    "lecture": (Material(Linear(0.1, 0.075)), 1.1),
    "divergence": (Material(Linear(0.1, 0.075), "divergence"), 0.0),
    "conductivity": (Material(conductivity=0.17, heat_capacity=Polynomial([1, 2, 3.0])), 1.1),
}
G, SLOPE = "(exp(-t)+sin(2*t))", "(2*cos(2*t)-exp(-t))"


def exact_in_space(matter: str, kinds: tuple[str, str], steps: int, method: str) -> Experiment:
    """All that happens happens smoothly, from t = 0 on; the surroundings' temperature is g too."""
    material, e = MATTER[matter]
    c, d = 0.4, -0.7
    experiment = Experiment(
        bar=Bar(1.0, 4, 0.0, GRADED),
        time=Time(1.0, steps, method),
        material=replace(material, exchange=Exchange(RATE, Expression(G, "t"))),
    )
    x = experiment.grid.x
    k, C = (as_curve(m or 1.0) for m in (material.diffusivity or 0.17, material.heat_capacity))
    shape, kx = c + d * x + e * x**2, k.value(x)
    bend = (np.gradient(kx, x)[1] * d if e == 0.0 else 0.0) + 2 * e * kx  # (k u_x)_x, k u_xx
    sources = (
        Source(Table(x, C.value(x) * shape), Expression(SLOPE, "t")),
        Source(Table(x, RATE * (shape - 1.0) - bend), Expression(G, "t")),
    )
    left, right = (
        _end(kind, shape[node], inward * kx[node] * (d + 2 * e * x[node]))
        for kind, node, inward in zip(kinds, (0, -1), (-1.0, 1.0), strict=True)
    )
    initial = Table(x, shape)  # g(0) = 1
    bar = replace(experiment.bar, initial=initial)
    return replace(experiment, bar=bar, source=sources, left=left, right=right)


def _end(kind: str, u: float, q: float) -> Any:
    def times_g(amount: float) -> Expression:
        return Expression(f"({float(amount)!r})*{G}", "t")

    return {
        "temperature": Temperature(times_g(u)),
        "flux": Flux(times_g(q)),
        "convection": Convection(H, times_g(u + q / H)),
    }[kind]


def error_in_time(matter: str, kinds: tuple[str, str], steps: int, method: str) -> float:
    experiment = exact_in_space(matter, kinds, steps, method)
    shape = experiment.bar.initial

    def exact(x: np.ndarray, t: np.ndarray) -> np.ndarray:
        return (np.exp(-t) + np.sin(2 * t)) * shape.value(x.ravel()).reshape(x.shape)

    return worst_error(simulate_field(experiment), exact)


@pytest.mark.parametrize("kinds", KINDS, ids=str)
@pytest.mark.parametrize("matter", MATTER)
def test_order_in_time(matter: str, kinds: tuple[str, str], method: str) -> None:
    errors = [error_in_time(matter, kinds, steps, method) for steps in (512, 1024, 2048)]
    assert abs(observed_orders(errors)[-1] - TABLEAUX[method].order) <= 0.05


def test_order_in_time_tells_a_method_that_claims_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TABLEAUX, "claims", Tableau(2, ((0.6,), (0.4, 0.6))))
    errors = [error_in_time("lecture", KINDS[1], steps, "claims") for steps in (512, 1024, 2048)]
    assert abs(observed_orders(errors)[-1] - 2) > 0.5


# --- between the steps and the nodes -------------------------------------------------------------

# At t = 0 they agree with a bar that is at 0 and level there.
ENDS = [
    (Flux(Expression("sin(2*t)", "t")), Temperature(Expression("0.2*sin(3*t)", "t"))),
    (Temperature(Expression("0.4*sin(2*t)", "t")), Flux(Expression("-0.2*t", "t"))),
    (Convection(0.8, Expression("sin(2*t)", "t")), Convection(1.3, Expression("0.2*t", "t"))),
]
SMOOTH = {
    "lecture": Material(Linear(2.0, 1.5)),
    "divergence": Material(Exponential(2.0, 0.6), "divergence"),
    "conductivity": Material(
        conductivity=Polynomial([1.0, 2.0, 0.5]),
        heat_capacity=Linear(2.0, -0.9),
        exchange=Exchange(0.7, Expression("sin(t)", "t")),
    ),
    "lecture, of u": Material(Linear(0.2, 0.15, of="u")),
    "divergence, of u": Material(Exponential(0.2, 0.3, of="u"), "divergence"),
    "conductivity, of u": Material(
        conductivity=Polynomial([0.4, 0.2, 0.2], of="u"),
        heat_capacity=Exponential(2.0, 0.3, of="u"),
        exchange=Exchange(0.7, Expression("sin(t)", "t")),
    ),
}


def off_grid(experiment: Experiment, places: Any = (1 / 3, 2 / 3)) -> np.ndarray:
    """Readings between the nodes and the steps, at the same share of them on every grid.

    That takes grids of 2, 8, 32 ... intervals: with halved ones the share alternates between one
    third and two thirds, and the observed order with it.
    """
    sensors = tuple(Sensor(x, np.array([1.0, 2.0]) / 3) for x in places)
    return np.concatenate(simulate(replace(experiment, sensors=sensors)))


def driven(matter: str, ends: tuple[Any, Any], cells: int, steps: int, method: str) -> Experiment:
    return Experiment(
        bar=Bar(1.0, cells, Expression("16*x**2*(1-x)**2")),
        time=Time(1.0, steps, method),
        material=SMOOTH[matter],
        source=(Source(Expression("exp(-5*(x-0.4)**2)"), Expression("cos(3*t)", "t")),),
        left=ends[0],
        right=ends[1],
    )


@pytest.mark.parametrize("ends", ENDS)
@pytest.mark.parametrize("matter", SMOOTH)
def test_order_in_time_between_the_steps(matter: str, ends: tuple[Any, Any], method: str) -> None:
    """Of u on four cells, whose fastest mode the steps resolve.

    The modes of laws of place part, so that one which is too fast for the steps hurts no other.
    """
    cells, finest = (4, 8192) if "of u" in matter else (16, 2048)
    every = (finest // 16, finest // 4, finest)
    solutions = [off_grid(driven(matter, ends, cells, m, method)) for m in every]
    order = observed_orders_without_truth(solutions, ratio=4.0)[-1]
    assert abs(order - TABLEAUX[method].order) <= 0.05


@pytest.mark.parametrize("ends", ENDS)
@pytest.mark.parametrize("matter", SMOOTH)
def test_order_in_space_between_the_nodes(matter: str, ends: tuple[Any, Any]) -> None:
    def order(places: Any) -> float:
        bars = [driven(matter, ends, cells, 8, "backward-euler") for cells in (8, 32, 128, 512)]
        readings = [off_grid(bar, places(bar.grid.cells)) for bar in bars]
        return float(observed_orders_without_truth(readings, ratio=4.0)[-1])

    assert abs(order(lambda cells: (1 / 3, 2 / 3)) - 2.0) <= 0.05
    assert abs(order(lambda cells: (round(cells / 3) / cells,)) - 2.0) > 0.5  # a node instead


# --- in space, on graded grids too ---------------------------------------------------------------

# k, and (k u_x)_x or, in the lecture's form, k u_xx, of the steady state u = sin(2 x).
STEADY = {
    "lecture, linear": (Material(Linear(2.0, 1.5)), "-4*(2+1.5*x)*sin(2*x)"),
    "lecture, exponential": (Material(Exponential(2.0, 0.6)), "-8*exp(0.6*x)*sin(2*x)"),
    "linear": (Material(Linear(2.0, 1.5), "divergence"), "3*cos(2*x)-4*(2+1.5*x)*sin(2*x)"),
    "polynomial": (
        Material(Polynomial([1.0, 2.0, 0.5]), "divergence"),
        "2*(2+x)*cos(2*x)-4*(1+2*x+0.5*x**2)*sin(2*x)",
    ),
    "conductivity": (
        Material(conductivity=Exponential(2.0, 0.6), heat_capacity=Linear(2.0, -0.9)),
        "2*exp(0.6*x)*(1.2*cos(2*x)-4*sin(2*x))",
    ),
    "lecture, of u": (Material(Linear(2.0, 1.5, of="u")), "-4*(2+1.5*sin(2*x))*sin(2*x)"),
    "of u": (
        Material(Linear(2.0, 1.5, of="u"), "divergence"),
        "6*cos(2*x)**2-4*(2+1.5*sin(2*x))*sin(2*x)",
    ),
    "conductivity, of u": (
        Material(
            conductivity=Exponential(2.0, 0.6, of="u"), heat_capacity=Linear(2.0, 0.3, of="u")
        ),
        "2*exp(0.6*sin(2*x))*(2.4*cos(2*x)**2-4*sin(2*x))",
    ),
}


def error_in_space(matter: str, kinds: tuple[str, str], cells: int, grading: Any) -> float:
    material, bend = STEADY[matter]
    u, law = np.sin([0.0, 2.0]), as_curve(material.diffusivity or material.conductivity)
    k = law.value(u if of_temperature(law) else np.array([0.0, 1.0]))
    q = 2.0 * k * np.cos([0.0, 2.0]) * [-1.0, 1.0]
    ends = [
        {
            "temperature": Temperature(u[i]),
            "flux": Flux(q[i]),
            "convection": Convection(H, u[i] + q[i] / H),
        }[kinds[i]]
        for i in range(2)
    ]
    steady = Experiment(
        bar=Bar(1.0, cells, Expression("sin(2*x)"), grading),  # of u there may be others
        time=Time(1e12, 3, "backward-euler"),
        material=replace(material, exchange=Exchange(RATE, 0.3)),
        source=(Source(Expression(f"{RATE}*(sin(2*x)-0.3)-({bend})")),),
        left=ends[0],
        right=ends[1],
    )
    found = simulate_field(steady)
    return float(np.abs(found.temperatures[-1] - np.sin(2.0 * found.x)).max())


@pytest.mark.parametrize("grading", [None, GRADED, Grading("both", 4.0)])
@pytest.mark.parametrize("kinds", KINDS, ids=str)
@pytest.mark.parametrize("matter", STEADY)
def test_order_in_space(matter: str, kinds: tuple[str, str], grading: Grading | None) -> None:
    errors = [error_in_space(matter, kinds, cells, grading) for cells in (64, 128, 256)]
    assert abs(observed_orders(errors)[-1] - 2.0) <= 0.05
