"""Solutions that the scheme meets to the last digits: cases A to C and G of the exact solutions.

The bar is [0, 1], insulated at x = 0 and held at 0 at x = 1, unless said otherwise; every method
takes its turn.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from scipy.optimize import brentq

from solver import (
    TABLEAUX,
    Bar,
    Constant,
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
    Source,
    Table,
    Temperature,
    Time,
    simulate_field,
)
from solver.curves import as_curve
from solver.grid import Grid
from tests.experiments import METHODS, lecture
from tests.verification import worst_error

GRADED = Grading("left", 6.0)
KINDS = ("temperature", "flux", "convection")
LAW = Linear(2.0, 1.5)
MATTER_IN_X = [
    (Material(Constant(0.7)), "0.7"),
    (Material(LAW), "(2+1.5*x)"),
    (Material(Constant(0.7), "divergence"), "0.7"),
    (Material(conductivity=0.7, heat_capacity=Constant(1.0)), "0.7"),
]


@pytest.fixture(params=[*sorted(TABLEAUX), "undamped"])
def method(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Every registered method, and Crank-Nicolson without its damped start."""
    monkeypatch.setitem(TABLEAUX, "undamped", METHODS["crank-nicolson"])
    return str(request.param)


# Matter in which ``t (c + d x + e x^2)`` is exact: whose kappa u_xx, or constant k, a grid meets.
EXACT_IN_PARABOLAS = {
    "lecture, even": (Material(LAW), None),
    "lecture, graded": (Material(LAW), GRADED),
    "lecture, exponential": (Material(Exponential(2.0, -0.9)), GRADED),
    "divergence": (Material(Constant(1.7), "divergence"), GRADED),
    "conductivity": (Material(conductivity=1.7, heat_capacity=Polynomial([1, 2, 3.0])), GRADED),
}


@pytest.mark.parametrize("kinds", list(product(KINDS, KINDS)), ids=str)
@pytest.mark.parametrize("matter", EXACT_IN_PARABOLAS)
def test_a_linear_in_time_quadratic_in_space(
    matter: str, kinds: tuple[str, str], method: str
) -> None:
    """With heat lost through the sides, all kinds of ends, whatever the grid."""
    material, grading = EXACT_IN_PARABOLAS[matter]
    c, d, e, rate = 0.4, -0.7, 1.1, 0.6
    law = material.diffusivity or material.conductivity
    k, C = as_curve(law), as_curve(material.heat_capacity or 1.0)
    experiment = Experiment(
        bar=Bar(1.0, 20, 0.0, grading),
        time=Time(1.0, 10, method),
        material=replace(material, exchange=Exchange(rate, Expression("3*t", "t"))),
    )
    nodes = experiment.grid.x
    parabola = c + d * nodes + e * nodes**2
    k_at = k.value(np.array([0.0, 1.0]))
    slopes = np.array([d, d + 2 * e])
    values = np.array([c, c + d + e])
    inward = k_at * slopes * [-1.0, 1.0]
    sources = (
        Source(Table(nodes, C.value(nodes) * parabola)),
        Source(
            Table(nodes, -2 * e * k.value(nodes) + rate * (parabola - 3.0)), Expression("t", "t")
        ),
    )
    ends = [
        {
            "temperature": Temperature(Table([0.0, 1.0], [0.0, u])),
            "flux": Flux(Table([0.0, 1.0], [0.0, q])),
            "convection": Convection(0.8, Table([0.0, 1.0], [0.0, u + q / 0.8])),
        }[kind]
        for kind, u, q in zip(kinds, values, inward, strict=True)
    ]
    experiment = replace(experiment, source=sources, left=ends[0], right=ends[1])
    found = simulate_field(experiment)
    assert worst_error(found, lambda x, t: t * (c + d * x + e * x**2)) <= 2e-14
    less = replace(
        experiment, source=(sources[0], replace(sources[1], history=Expression("0.999*t", "t")))
    )
    assert worst_error(simulate_field(less), lambda x, t: t * (c + d * x + e * x**2)) > 1e-5


def decay(method: str, z: float, steps: int) -> np.ndarray:
    """What is left after every step of a mode that falls by ``u' = -z u`` a step, by the table."""
    tableau, left = TABLEAUX[method], [1.0]
    for k in range(steps):
        A = tableau.A_start if k < tableau.start_steps else tableau.A
        left.append(left[-1] * np.linalg.solve(np.eye(len(A)) + z * A, np.ones(len(A)))[-1])
    return np.array(left)


@pytest.mark.parametrize("form", ["nondivergence", "divergence"])
@pytest.mark.parametrize("j", [1, 2, 7])
def test_b_grid_eigenvector_decays_by_the_methods_own_factor(
    j: int, form: str, method: str
) -> None:
    n, m, kappa, rate = 50, 40, 0.3, 0.9
    mu = 4 * kappa * n**2 * np.sin((j - 0.5) * np.pi / (2 * n)) ** 2
    if method == "backward-euler":
        np.testing.assert_allclose(decay(method, mu / m, 3)[3], (1 + mu / m) ** -3, rtol=1e-15)
    x = np.linspace(0.0, 1.0, n + 1)
    mode = np.cos((j - 0.5) * np.pi * x)
    experiment = lecture(Constant(kappa), n, m, method=method)
    material = Material(kappa, form, exchange=Exchange(rate))
    experiment = replace(experiment, bar=Bar(1.0, n, Table(x, mode)), material=material)
    found = simulate_field(experiment).temperatures
    exact = np.multiply.outer(decay(method, (mu + rate) / m, m), mode)
    assert np.abs(found - exact)[:, :-1].max() <= 1e-13
    of_the_equation = np.exp(-(kappa * ((j - 0.5) * np.pi) ** 2 + rate) / m)
    assert abs(found[1, 0] - of_the_equation) > 1e-13


@pytest.mark.parametrize("form", ["nondivergence", "divergence"])
def test_b_grid_eigenvector_of_a_bar_that_convects(form: str, method: str) -> None:
    """``cos(s i)`` with ``tan(s n) sin(s) = h dx / k``."""
    n, m, kappa, h = 50, 40, 0.3, 0.7
    s = brentq(lambda s: np.tan(s * n) * np.sin(s) - h / (n * kappa), 1e-9, (np.pi / 2 - 1e-9) / n)
    mu, mode = 4 * kappa * n**2 * np.sin(s / 2) ** 2, np.cos(s * np.arange(n + 1))
    experiment = lecture(Constant(kappa), n, m, method=method)
    initial = Table(np.linspace(0.0, 1.0, n + 1), mode)
    experiment = replace(
        experiment,
        bar=Bar(1.0, n, initial),
        material=Material(kappa, form),
        right=Convection(h, 0.0),
    )
    found = simulate_field(experiment).temperatures
    assert np.abs(found - np.multiply.outer(decay(method, mu / m, m), mode)).max() <= 1e-13
    weaker = simulate_field(replace(experiment, right=Convection(0.999 * h, 0.0))).temperatures
    assert np.abs(weaker - found).max() > 1e-5


@pytest.mark.parametrize(("material", "kappa"), MATTER_IN_X)
def test_c_any_history_times_a_cosine(material: Material, kappa: str) -> None:
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
    experiment = replace(lecture(LAW, n, m), material=material, source=source)
    found = simulate_field(experiment).temperatures
    exact = np.multiply.outer(g, np.cos(np.pi * np.linspace(0.0, 1.0, n + 1) / 2))
    assert np.abs(found - exact).max() <= 2e-14
    assert np.abs(np.roll(found, 1, axis=0) - exact).max() > 0.1


def test_insulated_bar_under_even_heating_rises_in_a_straight_line(method: str) -> None:
    experiment = replace(lecture(LAW, method=method), source=(Source(0.7),), right=Flux(0.0))
    assert worst_error(simulate_field(experiment), lambda x, t: 0.7 * t) <= 1e-13


@pytest.mark.parametrize(("left", "right"), [("flux", "temperature"), ("temperature", "flux")])
def test_steady_flux_through_the_bar(left: str, right: str) -> None:
    """u_xx = 0 with heat q flowing in at the free end: the slope there is q / kappa."""
    q, kappa = 0.8, {"left": 2.0, "right": 3.5}["left" if left == "flux" else "right"]
    ends = {"flux": Flux(q), "temperature": Temperature(0.3)}
    experiment = replace(lecture(LAW, steps=3, end=1e12), left=ends[left], right=ends[right])
    found = simulate_field(experiment)
    depth = 1 - found.x if left == "flux" else found.x
    np.testing.assert_allclose(found.temperatures[-1], 0.3 + q / kappa * depth, rtol=1e-11)
    assert abs(found.temperatures[-1].max() - 0.3 + q / kappa) > 0.1  # heat flows in, not out


# --- matter that changes with its temperature ----------------------------------------------------

FALL = 2.4


def falling(grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """``c' = -FALL c^2`` from 1 by the grid's own method: at every step, and at every stage."""
    c, stages = [1.0], []
    for k in range(grid.steps):
        A = grid.tableau.A_start if k < grid.tableau.start_steps else grid.tableau.A
        Y: list[float] = []
        for i, row in enumerate(A):
            known = c[-1] - grid.dt * sum(row[j] * FALL * Y[j] ** 2 for j in range(i))
            share = FALL * grid.dt * row[i]
            Y.append(2 * known / (1 + np.sqrt(1 + 4 * share * known)))  # Y + share Y^2 = known
        stages.append(Y)
        c.append(Y[-1])
    return np.array(c), np.array(stages)


@pytest.mark.parametrize("grading", [None, GRADED])
@pytest.mark.parametrize("cells", [3, 16, 50])
def test_g_a_parabola_falls_as_the_method_has_it(
    cells: int, grading: Grading | None, method: str
) -> None:
    """``w = kappa = 2 + 1.5 u`` obeys ``w_t = w w_xx``: ``w = (3.5 - 1.2 x^2) c(t)``.

    There ``c' = -2.4 c^2``. A grid meets it where the held end falls by the method too, and all
    error is the method's.
    """
    shape = "(3.5-1.2*x**2)"
    experiment = Experiment(
        bar=Bar(1.0, cells, Expression(f"({shape}-2)/1.5"), grading),
        time=Time(1.0, 50, method),
        material=Material(Linear(2.0, 1.5, of="u")),
    )
    grid = experiment.grid
    c, stages = falling(grid)
    times = grid.stage_times[1:].reshape(stages.shape)
    points, first = np.unique(np.append(0.0, times), return_index=True)
    end = (2.3 * np.append(1.0, stages)[first] - 2.0) / 1.5
    by_the_method = replace(experiment, right=Temperature(Table(points, end)))
    w = np.multiply.outer(c, 3.5 - 1.2 * grid.x**2)
    found = simulate_field(by_the_method).temperatures
    assert np.abs(2.0 + 1.5 * found - w).max() <= 1e-11  # of Newton steps of 1e-13
    by_the_equation = replace(
        experiment, right=Temperature(Expression(f"(2.3/(1+{FALL}*t)-2)/1.5", "t"))
    )
    found = simulate_field(by_the_equation).temperatures
    assert np.abs(2.0 + 1.5 * found - w).max() > 1e-6


@pytest.mark.parametrize("kappa", ["2+1.5*u", "2*exp(0.4*u)"])
def test_a_whatever_the_law_of_the_temperature(kappa: str, method: str) -> None:
    """``u = t (1 - x^2)``, whose law's values at the nodes are given to the source."""
    law = {"2+1.5*u": Linear(2.0, 1.5, of="u"), "2*exp(0.4*u)": Exponential(2.0, 0.4, of="u")}[
        kappa
    ]
    experiment = replace(lecture(law, 20, 10), time=Time(1.0, 10, method))
    x, t = experiment.grid.x, np.unique(np.append(0.0, experiment.grid.stage_times))
    parabola = 1.0 - x**2
    hats = [Table(x, np.eye(x.size)[i]) for i in range(x.size)]  # one source for every node
    heat = [parabola[i] + 2.0 * law.value(t * parabola[i]) * t for i in range(x.size)]
    sources = tuple(Source(hat, Table(t, h)) for hat, h in zip(hats, heat, strict=True))
    found = simulate_field(replace(experiment, source=sources))
    assert worst_error(found, lambda x, t: t * (1 - x**2)) <= 1e-13
    assert worst_error(found, lambda x, t: t * (1 - 0.999 * x**2)) > 1e-4
