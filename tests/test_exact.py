"""Exact solutions of the equation and published figures: cases D to G of the exact solutions.

The bar is [0, 1], insulated at x = 0 and held at 0 at x = 1, unless said otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import j0, j1, jv, y0, y1, yv

from solver import (
    TABLEAUX,
    Bar,
    Experiment,
    Expression,
    Grading,
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
from tests.experiments import COURSE_ANSWER, course, course_readings, lecture
from tests.verification import observed_orders, worst_error

GRADED = Grading("left", 6.0)
LAW = Linear(2.0, 1.5)


# --- exact for the equation ----------------------------------------------------------------------


def case_d(cells: int, steps: int, form: str = "nondivergence") -> float:
    """In divergence form ``kappa' u_x`` is added."""
    cosine, kappa = "cos(pi*x/2)", "(2+1.5*x)"
    rise = "+1.5*pi/2*sin(pi*x/2)" if form == "divergence" else ""
    source = (
        Source(Expression(cosine), Expression("cos(t)", "t")),
        Source(Expression(f"{kappa}*pi**2/4*{cosine}{rise}"), Expression("sin(t)", "t")),
    )
    experiment = replace(lecture(LAW, cells, steps), material=Material(LAW, form), source=source)
    found = simulate_field(experiment)
    return worst_error(found, lambda x, t: np.sin(t) * np.cos(np.pi * x / 2))


def test_d_errors_and_order() -> None:
    errors = [case_d(25, 25), case_d(50, 100), case_d(100, 400)]
    assert [f"{error:.1e}" for error in errors] == ["2.2e-03", "5.6e-04", "1.4e-04"]
    orders = observed_orders(errors)  # dt ~ dx^2: both orders show as 2
    assert abs(orders[-1] - 2.0) <= 0.05


def test_d_in_divergence_form() -> None:
    errors = [case_d(n, m, "divergence") for n, m in ((25, 25), (50, 100), (100, 400))]
    assert abs(observed_orders(errors)[-1] - 2.0) <= 0.05
    assert errors[-1] <= 2e-4


def case_e(cells: int, form: str = "nondivergence") -> tuple[float, float]:
    """The steady temperature at x = 0 and the largest error, kappa = 2 + 1.5 x under f = 1.

    In divergence form ``kappa u_x = -x``.
    """
    experiment = replace(lecture(LAW, cells, steps=3, end=1e12), source=(Source(1.0),))
    found = simulate_field(replace(experiment, material=Material(LAW, form)))
    a, b, x = 2.0, 1.5, found.x
    s = a + b * x
    exact = ((a + b) * np.log((a + b) / a) - s * np.log(s / a)) / b**2 - (1 - x) / b
    if form == "divergence":
        exact = (1 - x) / b - a / b**2 * np.log((a + b) / s)
    return float(exact[0]), float(np.abs(found.temperatures[-1] - exact).max())


def test_e_steady_limit_in_divergence_form() -> None:
    rows = [case_e(cells, "divergence") for cells in (50, 100, 200)]
    errors = [error for _, error in rows]
    assert abs(observed_orders(errors)[-1] - 2.0) <= 0.01
    assert errors[-1] <= 1e-5
    assert rows[0][0] != pytest.approx(case_e(50)[0], rel=0.01)


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


def divergence_mode(mu: float, x: np.ndarray) -> np.ndarray:
    """``Z0(c sqrt s)`` of ``(s v')' = -mu v``, zero at x = 1."""
    c, root = 2 * np.sqrt(mu) / 1.5, np.sqrt(2.0 + 1.5 * x)
    end = c * np.sqrt(3.5)
    return jv(0, c * root) * yv(0, end) - yv(0, c * root) * jv(0, end)


def divergence_numbers() -> list[float]:
    """Where this mode is level at x = 0."""

    def slope(mu: float) -> float:
        c = 2 * np.sqrt(mu) / 1.5
        near, far = c * np.sqrt(2.0), c * np.sqrt(3.5)
        return float(jv(1, near) * yv(0, far) - yv(1, near) * jv(0, far))

    grid = np.linspace(0.5, 250.0, 500)
    return [brentq(slope, a, b) for a, b in pairwise(grid) if slope(a) * slope(b) < 0.0]


MODES = [("nondivergence", bessel_mode, mu) for mu in BESSEL]
MODES += [("divergence", divergence_mode, mu) for mu in divergence_numbers()[:3]]


@pytest.mark.parametrize(("form", "mode", "mu"), MODES)
def test_f_bessel_modes_decay(form: str, mode: Any, mu: float) -> None:
    end = 1.0 / mu

    def error(cells: int, steps: int, rate: float = mu) -> float:
        x = np.linspace(0.0, 1.0, cells + 1)
        shape = mode(mu, x) / mode(mu, np.zeros(1))
        experiment = replace(lecture(LAW, cells, steps, end), bar=Bar(1.0, cells, Table(x, shape)))
        experiment = replace(experiment, material=Material(LAW, form))
        found = simulate_field(experiment).temperatures[-1]
        return float(np.abs(found - np.exp(-rate * end) * shape).max())

    errors = [error(50, 100), error(100, 400), error(200, 1600)]
    assert abs(observed_orders(errors)[-1] - 2.0) <= 0.05
    assert errors[-1] <= 1e-3
    wrong = [error(50, 100, 1.01 * mu), error(100, 400, 1.01 * mu), error(200, 1600, 1.01 * mu)]
    assert abs(observed_orders(wrong)[-1] - 2.0) > 0.05


def case_g(cells: int, steps: int, method: str = "backward-euler", b: float = 1.5) -> float:
    """The largest error at the end with ``kappa = w = 2 + b u``, which obeys ``w_t = w w_xx``.

    ``w = (3.5 - 1.2 x^2) / (1 + 2.4 t)`` for b = 1.5. The second difference of a parabola is exact,
    so all error comes from the steps in time.
    """
    experiment = Experiment(
        bar=Bar(1.0, cells, Expression("(3.5-1.2*x**2-2)/1.5")),
        time=Time(1.0, steps, method),
        material=Material(Linear(2.0, b, of="u")),
        right=Temperature(Expression("(2.3/(1+2.4*t)-2)/1.5", "t")),
    )
    found = simulate_field(experiment)
    exact = ((3.5 - 1.2 * found.x**2) / 3.4 - 2.0) / 1.5
    return float(np.abs(found.temperatures[-1] - exact).max())


def test_g_errors_of_backward_euler() -> None:
    errors = [case_g(50, steps) for steps in (50, 100, 200)]
    assert [f"{error:.2e}" for error in errors] == ["4.55e-03", "2.26e-03", "1.12e-03"]
    assert case_g(16, 50) == pytest.approx(errors[0], rel=1e-3)
    assert f"{case_g(50, 50, b=1.505):.2e}" != "4.55e-03"


@pytest.mark.parametrize("method", sorted(TABLEAUX))
def test_g_orders_in_time(method: str) -> None:
    order, steps = TABLEAUX[method].order, (100, 200, 400)
    right, wrong = ([case_g(10, m, method, b) for m in steps] for b in (1.5, 1.6))
    assert abs(observed_orders(right)[-1] - order) <= 0.05
    assert abs(observed_orders(wrong)[-1] - order) > 0.5


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
    experiment = replace(
        lecture(law), source=(Source(Expression(source)),), sensors=(Sensor(0.0, AT),)
    )
    assert [f"{u:.8f}" for u in simulate(experiment)[0]] == printed
    slower = replace(experiment, time=Time(1.0, 51))
    assert [f"{u:.8f}" for u in simulate(slower)[0]] != printed


def test_course_data_are_the_schemes_own_at_the_published_answer() -> None:
    data = course_readings()
    found = simulate(course(data), COURSE_ANSWER)[0]
    assert np.abs(found - data).max() <= 5e-16  # a dense solve comes to 6e-17 (SOURCE.md)
    assert np.abs(simulate(course(data), {"a": 5.0, "b": 2.001})[0] - data).max() > 1e-9
