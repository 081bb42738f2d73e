"""Exact solutions and published figures (shared/reference/exact-solutions.md, cases A to F).

The bar is [0, 1], insulated at x = 0 and held at 0 at x = 1, unless said otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.special import j0, j1, jv, y0, y1, yv

from solver import (
    TABLEAUX,
    Bar,
    Constant,
    Experiment,
    Expression,
    Field,
    Flux,
    Linear,
    Material,
    Sensor,
    Source,
    Table,
    Temperature,
    Time,
    simulate,
    simulate_field,
)
from solver.integrators import Tableau
from tests.experiments import COURSE_ANSWER, METHODS, course, course_readings
from tests.verification import observed_orders, observed_orders_without_truth

LAW = Linear(2.0, 1.5)
LAWS_IN_X = [(Constant(0.7), "0.7"), (LAW, "(2+1.5*x)")]


@pytest.fixture(params=sorted(METHODS))
def method(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Every method of the literature that the march can take, registered for the test's while."""
    monkeypatch.setitem(TABLEAUX, request.param, METHODS[request.param])
    return str(request.param)


def bar(
    law: Any, cells: int = 50, steps: int = 50, end: float = 1.0, method: str = "backward-euler"
) -> Experiment:
    return Experiment(
        bar=Bar(1.0, cells),
        time=Time(end, steps, method),
        material=Material(law),
        right=Temperature(0.0),
    )


def worst(found: Field, exact: Any) -> float:
    """The largest error over all nodes and steps against exact(x, t)."""
    t, x = np.meshgrid(found.t, found.x, indexing="ij")
    return float(np.abs(found.temperatures - exact(x, t)).max())


# --- exact for the equation and for the scheme ---------------------------------------------------


@pytest.mark.parametrize(("law", "kappa"), LAWS_IN_X)
def test_a_linear_in_time_quadratic_in_space(law: Any, kappa: str, method: str) -> None:
    profile = Source(Expression("1-x**2")), Source(Expression(f"2*{kappa}"), Expression("t", "t"))
    found = simulate_field(replace(bar(law, method=method), source=profile))
    assert worst(found, lambda x, t: t * (1 - x**2)) <= 2e-14
    less = (
        Source(Expression("1-x**2")),
        Source(Expression(f"2*{kappa}"), Expression("0.999*t", "t")),
    )
    found = simulate_field(replace(bar(law, method=method), source=less))
    assert worst(found, lambda x, t: t * (1 - x**2)) > 1e-5


@pytest.mark.parametrize("j", [1, 2, 7])
def test_b_grid_eigenvector_decays_by_the_methods_own_factor(j: int, method: str) -> None:
    n, m, kappa = 50, 40, 0.3
    mu = 4 * kappa * n**2 * np.sin((j - 0.5) * np.pi / (2 * n)) ** 2
    A = METHODS[method].A
    factor = np.linalg.solve(np.eye(len(A)) + mu / m * A, np.ones(len(A)))[-1]
    if method == "backward-euler":
        assert factor == pytest.approx(1 / (1 + mu / m), rel=1e-15)
    x = np.linspace(0.0, 1.0, n + 1)
    mode = np.cos((j - 0.5) * np.pi * x)
    experiment = bar(Constant(kappa), n, m, method=method)
    found = simulate_field(replace(experiment, bar=Bar(1.0, n, Table(x, mode)))).temperatures
    exact = np.multiply.outer(factor ** np.arange(m + 1), mode)
    assert np.abs(found - exact)[:, :-1].max() <= 1e-13
    of_the_equation = np.exp(-kappa * ((j - 0.5) * np.pi) ** 2 / m)
    assert abs(found[1, 0] - of_the_equation) > 1e-13


@pytest.mark.parametrize(("law", "kappa"), LAWS_IN_X)
def test_c_any_history_times_a_cosine(law: Any, kappa: str) -> None:
    n, m = 40, 30
    lam = 4 * n**2 * np.sin(np.pi / (4 * n)) ** 2
    t = np.linspace(0.0, 1.0, m + 1)
    g = np.random.default_rng(8).standard_normal(m + 1)
    g[0] = 0.0
    rate = np.concatenate([[0.0], np.diff(g) * m])
    cosine = "cos(pi*x/2)"
    source = (
        Source(Expression(cosine), Table(t, rate)),
        Source(Expression(f"{kappa}*{cosine}"), Table(t, lam * g)),
    )
    found = simulate_field(replace(bar(law, n, m), source=source)).temperatures
    exact = np.multiply.outer(g, np.cos(np.pi * np.linspace(0.0, 1.0, n + 1) / 2))
    assert np.abs(found - exact).max() <= 2e-14
    assert np.abs(np.roll(found, 1, axis=0) - exact).max() > 0.1


def test_insulated_bar_under_even_heating_rises_in_a_straight_line(method: str) -> None:
    experiment = replace(bar(LAW, method=method), source=(Source(0.7),), right=Flux(0.0))
    assert worst(simulate_field(experiment), lambda x, t: 0.7 * t) <= 1e-13


@pytest.mark.parametrize(("left", "right"), [("flux", "temperature"), ("temperature", "flux")])
def test_steady_flux_through_the_bar(left: str, right: str) -> None:
    """u_xx = 0 with heat q flowing in at the free end: the slope there is q / kappa."""
    q, kappa = 0.8, {"left": 2.0, "right": 3.5}["left" if left == "flux" else "right"]
    ends = {"flux": Flux(q), "temperature": Temperature(0.3)}
    experiment = replace(bar(LAW, steps=3, end=1e12), left=ends[left], right=ends[right])
    found = simulate_field(experiment)
    depth = 1 - found.x if left == "flux" else found.x
    np.testing.assert_allclose(found.temperatures[-1], 0.3 + q / kappa * depth, rtol=1e-11)
    assert abs(found.temperatures[-1].max() - 0.3 + q / kappa) > 0.1  # heat flows in, not out


# --- exact for the equation ----------------------------------------------------------------------


def case_d(cells: int, steps: int) -> float:
    cosine, kappa = "cos(pi*x/2)", "(2+1.5*x)"
    source = (
        Source(Expression(cosine), Expression("cos(t)", "t")),
        Source(Expression(f"{kappa}*pi**2/4*{cosine}"), Expression("sin(t)", "t")),
    )
    found = simulate_field(replace(bar(LAW, cells, steps), source=source))
    return worst(found, lambda x, t: np.sin(t) * np.cos(np.pi * x / 2))


def test_d_errors_and_order() -> None:
    errors = [case_d(25, 25), case_d(50, 100), case_d(100, 400)]
    assert [f"{error:.1e}" for error in errors] == ["2.2e-03", "5.6e-04", "1.4e-04"]
    orders = observed_orders(errors)  # dt ~ dx^2: both orders show as 2
    assert abs(orders[-1] - 2.0) <= 0.05


def case_e(cells: int) -> tuple[float, float]:
    """The steady temperature at x = 0 and the largest error, kappa = 2 + 1.5 x under f = 1."""
    found = simulate_field(replace(bar(LAW, cells, steps=3, end=1e12), source=(Source(1.0),)))
    a, b, x = 2.0, 1.5, found.x
    s = a + b * x
    exact = ((a + b) * np.log((a + b) / a) - s * np.log(s / a)) / b**2 - (1 - x) / b
    return float(exact[0]), float(np.abs(found.temperatures[-1] - exact).max())


def test_e_steady_limit() -> None:
    rows = [case_e(cells) for cells in (50, 100, 200)]
    assert f"{rows[0][0]:.10f}" == "0.2038467812"
    assert [f"{error:.1e}" for _, error in rows] == ["2.0e-05", "4.9e-06", "1.2e-06"]
    assert abs(observed_orders([error for _, error in rows])[-1] - 2.0) <= 0.01


BESSEL = [5.934686669, 59.19802965, 165.7065468, 325.4685176]


def bessel_mode(mu: float, x: np.ndarray) -> np.ndarray:
    """``sqrt(s) Z1(c sqrt s)``, s = 2 + 1.5 x, zero at x = 1 and level at x = 0."""
    c, root = 2 * np.sqrt(mu) / 1.5, np.sqrt(2.0 + 1.5 * x)
    end = c * np.sqrt(3.5)
    return root * (jv(1, c * root) * yv(1, end) - yv(1, c * root) * jv(1, end))


@pytest.mark.parametrize("mu", BESSEL)
def test_f_bessel_numbers_fulfil_their_condition(mu: float) -> None:
    def condition(mu: float) -> float:
        c = 2 * np.sqrt(mu) / 1.5
        near, far = c * np.sqrt(2.0), c * np.sqrt(3.5)
        return float(j0(near) * y1(far) - y0(near) * j1(far))

    assert abs(condition(mu)) <= 1e-9
    assert abs(condition(1.001 * mu)) > 1e-5


@pytest.mark.parametrize("mu", BESSEL)
def test_f_bessel_modes_decay(mu: float) -> None:
    end = 1.0 / mu

    def error(cells: int, steps: int, rate: float = mu) -> float:
        x = np.linspace(0.0, 1.0, cells + 1)
        mode = bessel_mode(mu, x) / bessel_mode(mu, np.zeros(1))
        experiment = replace(bar(LAW, cells, steps, end), bar=Bar(1.0, cells, Table(x, mode)))
        found = simulate_field(experiment).temperatures[-1]
        return float(np.abs(found - np.exp(-rate * end) * mode).max())

    errors = [error(50, 100), error(100, 400), error(200, 1600)]
    assert abs(observed_orders(errors)[-1] - 2.0) <= 0.05
    assert errors[-1] <= 1e-3
    wrong = [error(50, 100, 1.01 * mu), error(100, 400, 1.01 * mu), error(200, 1600, 1.01 * mu)]
    assert abs(observed_orders(wrong)[-1] - 2.0) > 0.05


# --- order of accuracy ---------------------------------------------------------------------------

ENDS = [
    (Flux(Expression("0.3+sin(2*t)", "t")), Temperature(Expression("0.2*sin(3*t)", "t"))),
    (Temperature(Expression("1+0.4*sin(2*t)", "t")), Flux(Expression("-0.2*t", "t"))),
]


def off_grid(experiment: Experiment, x: float = 1 / 3, t: float = 1 / 3) -> np.ndarray:
    """One reading between the nodes and the steps, at the same share of them on every grid.

    That takes grids of 2, 8, 32 ... intervals: with halved ones the share alternates between one
    third and two thirds, and the observed order with it.
    """
    return simulate(replace(experiment, sensors=(Sensor(x, np.array([t])),)))[0]


def driven(law: Any, ends: tuple[Any, Any], cells: int, steps: int, method: str) -> Experiment:
    source = (Source(Expression("exp(-5*(x-0.4)**2)"), Expression("cos(3*t)", "t")),)
    initial = Bar(1.0, cells, Expression("cos(pi*x/2)"))
    experiment = replace(bar(law, cells, steps, method=method), bar=initial, source=source)
    return replace(experiment, left=ends[0], right=ends[1])


@pytest.mark.parametrize("ends", ENDS)
def test_order_in_time_between_the_steps(ends: tuple[Any, Any], method: str) -> None:
    solutions = [off_grid(driven(LAW, ends, 16, m, method)) for m in (32, 128, 512, 2048)]
    order = observed_orders_without_truth(solutions, ratio=4.0)[-1]
    assert abs(order - METHODS[method].order) <= 0.05


def test_order_in_time_tells_a_method_that_claims_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TABLEAUX, "claims", Tableau(2, ((0.6,), (0.4, 0.6))))
    solutions = [off_grid(driven(LAW, ENDS[0], 16, m, "claims")) for m in (32, 128, 512, 2048)]
    assert abs(observed_orders_without_truth(solutions, ratio=4.0)[-1] - 2) > 0.5


@pytest.mark.parametrize(("law", "kappa"), LAWS_IN_X)
@pytest.mark.parametrize("ends", ENDS)
def test_order_in_space_between_the_nodes(ends: tuple[Any, Any], law: Any, kappa: str) -> None:
    grids = (8, 32, 128, 512)
    solutions = [off_grid(driven(law, ends, n, 8, "backward-euler"), t=1.0) for n in grids]
    assert abs(observed_orders_without_truth(solutions, ratio=4.0)[-1] - 2.0) <= 0.05
    nearest = [  # reading a node instead
        off_grid(driven(law, ends, n, 8, "backward-euler"), x=round(n / 3) / n, t=1.0)
        for n in grids
    ]
    assert abs(observed_orders_without_truth(nearest, ratio=4.0)[-1] - 2.0) > 0.5


# --- published figures ---------------------------------------------------------------------------

AT = np.array([0.02, 0.1, 0.2, 0.5, 1.0])


@pytest.mark.parametrize(
    ("law", "source", "printed"),
    [
        (
            LAW,
            "exp(-10*(x-0.5)**2)",
            ["0.00723416", "0.04040637", "0.06819764", "0.09845323", "0.10494702"],
        ),
        (
            Expression("5*x**2+exp(x)+1"),
            "exp(-50*(x-0.5)**2)",
            ["0.00202691", "0.01364482", "0.02300925", "0.03207061", "0.03360380"],
        ),
    ],
)
def test_published_readings_to_all_printed_digits(
    law: Any, source: str, printed: Sequence[str]
) -> None:
    experiment = replace(bar(law), source=(Source(Expression(source)),), sensors=(Sensor(0.0, AT),))
    assert [f"{u:.8f}" for u in simulate(experiment)[0]] == printed
    slower = replace(experiment, time=Time(1.0, 51))
    assert [f"{u:.8f}" for u in simulate(slower)[0]] != printed


def test_course_data_are_the_schemes_own_at_the_published_answer() -> None:
    data = course_readings()
    found = simulate(course(data), COURSE_ANSWER)[0]
    assert np.abs(found - data).max() <= 5e-16  # a dense solve comes to 6e-17 (SOURCE.md)
    assert np.abs(simulate(course(data), {"a": 5.0, "b": 2.001})[0] - data).max() > 1e-9
