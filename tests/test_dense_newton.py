"""The dense Newton oracle against what it has to be: linear bars, exact solutions, books."""

from __future__ import annotations

from collections.abc import Callable
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
    Exponential,
    Expression,
    Flux,
    Grading,
    Layers,
    Linear,
    Material,
    Polynomial,
    Sensor,
    Source,
    Table,
    Temperature,
    Time,
    Unknown,
)
from tests import dense_bar, dense_newton, oracles
from tests.dense_bar import integral, law_of_temperature
from tests.verification import central_differences, complex_step, observed_orders, relative_gap

ROUND_OFF = 1e-12
WRONG = 1.001
GRADED = Grading("both", 6.0)
WAVE = Expression("0.5+0.4*cos(5*x)")
ENDS = (
    Temperature(Expression("0.9+0.3*sin(4*t)", "t")),
    Flux(Expression("2*cos(3*t)", "t")),
    Convection(1.7, Expression("exp(-t)", "t")),
)


def experiment(material: Material, method: str = "tr-bdf2", **changes: Any) -> Experiment:
    """A short run of a graded bar with a source, heated from the left, in air on the right."""
    e = Experiment(
        bar=Bar(1.3, 9, WAVE, GRADED),
        time=Time(0.6, 6, method),
        material=replace(material, exchange=Exchange(0.8, Expression("1+t", "t"))),
        source=(Source(WAVE, Expression("3*exp(-t)", "t")),),
        left=ENDS[1],
        right=ENDS[2],
    )
    return replace(e, **changes)


# --- what it has to be where matter does not change ---------------------------------------------

FLAT = {
    "linear": lambda c: Linear(c, 0.0, of="u"),
    "table": lambda c: Table([0.2, 0.7, 0.9], [c, c, c], of="u"),
    "cubic": lambda c: Table([0.2, 0.7, 0.9], [c, c, c], "monotone-cubic", of="u"),
    "exponential": lambda c: Exponential(c, 0.0, of="u"),
}
LAYERS = Layers([0.3, 0.7], [1.0, 4.0, 0.3])
OF_PLACE = Exponential(0.6, 0.5)
KINDS = ("nondivergence", "divergence", "conductivity", "capacity", "layers", "both")


def matter(kind: str, flat: Callable[[float], Any]) -> Material:
    """Matter of some kind, and what `flat` makes of a number in it."""
    k, C = flat(0.7), flat(3.0)
    return {
        "nondivergence": Material(k),
        "divergence": Material(k, "divergence"),
        "conductivity": Material(conductivity=k, heat_capacity=LAYERS),
        "capacity": Material(conductivity=OF_PLACE, heat_capacity=C),
        "layers": Material(conductivity=LAYERS, heat_capacity=C),
        "both": Material(conductivity=k, heat_capacity=C),
    }[kind]


@pytest.mark.parametrize("method", sorted(TABLEAUX))
@pytest.mark.parametrize("kind", KINDS)
def test_matter_that_does_not_change_makes_a_linear_bar(kind: str, method: str) -> None:
    for number, (left, right) in enumerate(zip(ENDS, ENDS[1:] + ENDS[:1], strict=True)):
        flat = list(FLAT.values())[(number + KINDS.index(kind)) % len(FLAT)]
        new = experiment(matter(kind, flat), method, left=left, right=right)
        old = replace(new, material=replace(matter(kind, float), exchange=new.material.exchange))
        found, expected = oracles.field(new, {}), oracles.field(old, {})
        assert relative_gap(found, expected) <= ROUND_OFF
        wrong = replace(new, right=replace(right, **{right.drive: 0.5}))
        assert relative_gap(oracles.field(wrong, {}), expected) > ROUND_OFF


def test_the_rows_of_a_linear_bar_refuse_matter_that_changes() -> None:
    with pytest.raises(AssertionError):
        dense_bar.rows(experiment(Material(Linear(1.0, 0.0, of="u"))), {})


# --- exact solutions -----------------------------------------------------------------------------


def separated(steps: int, method: str, b: float = 1.5, cells: int = 8) -> float:
    """The largest error at the end, with kappa = w = 2 + 1.5 u, w = (3.5 - 1.2 x^2) / (1 + 2.4 t).

    ``w_t = w w_xx`` then; the second difference of a parabola is exact, and all is error in time.
    """
    e = Experiment(
        bar=Bar(1.0, cells, Expression("(3.5-1.2*x**2-2)/1.5")),
        time=Time(1.0, steps, method),
        material=Material(Linear(2.0, b, of="u")),
        right=Temperature(Expression("(2.3/(1+2.4*t)-2)/1.5", "t")),
    )
    exact = ((3.5 - 1.2 * e.grid.x**2) / 3.4 - 2.0) / 1.5
    return float(np.abs(oracles.field(e, {})[-1] - exact).max())


def test_a_separated_solution_to_the_published_error() -> None:
    found = [separated(steps, "backward-euler") for steps in (50, 100, 200)]
    assert [f"{error:.2e}" for error in found] == ["4.55e-03", "2.26e-03", "1.12e-03"]
    assert separated(50, "backward-euler", cells=16) == pytest.approx(found[0], rel=1e-3)
    assert f"{separated(50, 'backward-euler', b=1.5 * WRONG):.2e}" != "4.55e-03"


@pytest.mark.parametrize("method", sorted(TABLEAUX))
def test_orders_in_time(method: str) -> None:
    order, steps = TABLEAUX[method].order, (60, 120)
    right, wrong = ([separated(m, method, b, cells=4) for m in steps] for b in (1.5, 1.6))
    assert abs(observed_orders(right)[-1] - order) <= 0.1
    assert abs(observed_orders(wrong)[-1] - order) > 0.1


@pytest.mark.parametrize("method", sorted(TABLEAUX))
def test_matter_whose_laws_rise_together_is_linear_in_its_heat(method: str) -> None:
    """With k = 0.7 C, both straight, the cells conduct 0.7 times the differences of the heat.

    The heat is ``H = 2 u + 0.4 u^2``, and H solves the linear bar of diffusivity 0.7.
    """
    h, g, start = "(2*{0}+0.4*({0})**2)", "0.9+0.3*sin(4*t)", WAVE.text
    plain = experiment(Material(), method, right=Temperature(Expression(g, "t")))
    linear = replace(
        plain,
        material=Material(0.7, "divergence"),
        bar=replace(plain.bar, initial=Expression(h.format(f"({start})"))),
        right=Temperature(Expression(h.format(f"({g})"), "t")),
    )
    for share, right_one in ((1.0, True), (WRONG, False)):
        k, C = Linear(1.4, 0.56 * share, of="u"), Linear(2.0, 0.8, of="u")
        u = oracles.field(replace(plain, material=Material(conductivity=k, heat_capacity=C)), {})
        gap = relative_gap(2.0 * u + 0.4 * u**2, oracles.field(linear, {}))
        assert (gap <= ROUND_OFF) == right_one


# --- books ---------------------------------------------------------------------------------------

MATTER = {
    "polynomials": (
        Material(
            conductivity=Polynomial([1.0, 0.4, 0.3], of="u"),
            heat_capacity=Polynomial([2.0, -0.7, 0.6], of="u"),
        ),
        lambda u: 2.0 * u - 0.35 * u**2 + 0.2 * u**3,
    ),
    "a table": (
        Material(
            conductivity=LAYERS, heat_capacity=Table([0.2, 0.6, 1.1], [1.0, 5.0, 2.0], of="u")
        ),
        lambda u: np.select(
            [u < 0.2, u < 0.6],
            [u - 0.2, u - 0.2 + 5.0 * (u - 0.2) ** 2],
            1.2 + 5.0 * (u - 0.6) - 3.0 * (u - 0.6) ** 2,
        ),
    ),
    "diffusivity": (Material(Linear(1.0, 2.0, of="u"), "divergence"), lambda u: u),
}


@pytest.mark.parametrize("method", sorted(TABLEAUX))
@pytest.mark.parametrize("name", MATTER)
def test_an_insulated_bar_keeps_its_heat(name: str, method: str) -> None:
    material, stored = MATTER[name]
    e = Experiment(Bar(1.3, 12, WAVE, GRADED), Time(0.6, 8, method), material)
    u, V = oracles.field(e, {}), np.convolve(np.diff(e.grid.x), [0.5, 0.5])
    assert u[0].min() < 0.2
    assert u.min() >= u[0].min() - 0.02
    assert np.ptp(u[-1]) < 0.9 * np.ptp(u[0])
    heat = stored(u) @ V
    assert np.ptp(heat) <= ROUND_OFF * np.abs(heat).max()
    wrong = (stored(u) + 1e-3 * u**2) @ V
    assert np.ptp(wrong) > ROUND_OFF * np.abs(wrong).max()


# --- derivatives ---------------------------------------------------------------------------------


def unknown_table(name: str, kind: str) -> Table:
    """An unknown law between 1 and 3, neither rising nor falling throughout."""
    return Table(
        [0.75, 0.85, 0.95, 1.1, 1.25], Unknown(name, (1.2, 2.1, 2.6, 1.9, 2.4)), kind, of="u"
    )


LINEAR = Linear(Unknown("a", 0.7), Unknown("b", 0.4), of="u")
POLYNOMIAL = Polynomial((1.0, Unknown("c", -0.3), 0.4), of="u")
EXPONENTIAL = Exponential(Unknown("e", 0.9), Unknown("f", -0.2), of="u")
OPEN = {
    "lecture": Material(LINEAR),
    "lecture, table": Material(unknown_table("k", "monotone-cubic")),
    "divergence": Material(unknown_table("k", "linear"), "divergence"),
    "conductivity": Material(conductivity=POLYNOMIAL, heat_capacity=Layers([0.5], (2.0, 3.0))),
    "capacity": Material(conductivity=OF_PLACE, heat_capacity=unknown_table("C", "linear")),
    "both": Material(conductivity=EXPONENTIAL, heat_capacity=unknown_table("C", "monotone-cubic")),
    "the same": Material(conductivity=LINEAR, heat_capacity=LINEAR),
}


def study(material: Material, method: str) -> Experiment:
    """An experiment with these unknowns and others: in the loads, the ends, the initial state."""
    e = experiment(material, method, left=Temperature(Unknown("g", 1.3)))
    e = replace(
        e,
        bar=replace(e.bar, cells=6, initial=Table([0.0, 1.3], (0.3, Unknown("i", 1.0)))),
        time=replace(e.time, steps=4),
        material=replace(material, exchange=Exchange(Unknown("rate", 0.8), Unknown("air", 2.0))),
        right=Convection(Unknown("h", 1.7), ENDS[2].ambient),
        source=(Source(WAVE, Unknown("power", 2.0)),),
    )
    times, x = [0.0, 0.17, 0.41, 0.6], (0.11, 0.6, 1.3)
    return replace(e, sensors=tuple(Sensor(s, times, [0.4, 0.9, 0.2, 1.1]) for s in x))


@pytest.mark.parametrize("number", range(len(OPEN)))
def test_complex_steps_are_the_differences(number: int) -> None:
    e = study(list(OPEN.values())[number], sorted(TABLEAUX)[number % len(TABLEAUX)])
    values = oracles.start_values(e)
    theta = oracles.flat(values)
    found = oracles.misfit_gradient(e, values)
    assert np.abs(found).min() > 1e-6
    expected = central_differences(
        lambda m: oracles.misfit(e, oracles.named(m, values)), theta, 1e-5 * theta
    )
    assert relative_gap(found, expected) <= 1e-7
    assert relative_gap(WRONG * found, expected) > 1e-7


def test_a_complex_step_does_not_move_the_field() -> None:
    e = study(OPEN["both"], "sdirk2")
    values = oracles.start_values(e)
    moved = {name: np.asarray(value) + 1e-40j for name, value in values.items()}
    assert relative_gap(oracles.field(e, moved).real, oracles.field(e, values)) <= 1e-14


def test_gradients_of_matter_that_does_not_change() -> None:
    """Through the linear oracle, which shares neither rows nor solver: all digits."""
    a = Unknown("a", 0.7)
    for form in ("nondivergence", "divergence"):
        new, old = (study(Material(law, form), "tr-bdf2") for law in (Linear(a, 0.0, of="u"), a))
        found, expected = (oracles.misfit_gradient(e, oracles.start_values(e)) for e in (new, old))
        assert relative_gap(found, expected) <= ROUND_OFF
        assert relative_gap(WRONG * found, expected) > ROUND_OFF


# --- laws ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["linear", "monotone-cubic"])
def test_tables_are_those_of_the_document(kind: str) -> None:
    """At uneven points, which values rise and fall through; at points, between and beyond them."""
    for seed in range(40):
        rng = np.random.default_rng(seed)
        points, v = np.cumsum(rng.uniform(0.1, 1.0, 2 + seed % 5)), rng.normal(size=2 + seed % 5)
        between = rng.uniform(0.0, 5.0, 30)
        of, known = Table(points, Unknown("v", tuple(v)), kind, of="u"), Table(points, v, kind)
        law, u = law_of_temperature(of, {"v": v}), np.concatenate([points, between])
        assert relative_gap(law.value(u), known.value(u)) <= 1e-14
        assert relative_gap(WRONG * law.value(u), known.value(u)) > 1e-14
        moved = complex_step(lambda m, of=of, u=u: law_of_temperature(of, {"v": m}).value(u), v)
        np.testing.assert_allclose(moved, known.partials(u)["values"].toarray(), atol=1e-12)
        differences = (known.value(between + 1e-7) - known.value(between - 1e-7)) / 2e-7
        np.testing.assert_allclose(law.slope(between), differences, atol=1e-5)
        by_step = np.imag(law.value(between + 1e-40j)) / 1e-40
        np.testing.assert_allclose(by_step, law.slope(between), rtol=1e-14)


def test_integrals_are_exact() -> None:
    low, high = np.array([-2.0, 3.0, 0.3, 1.0]), np.array([5.0, -1.0, 0.31, 1.0])
    law = law_of_temperature(Polynomial([1.0, -2.0, 0.0, 4.0], of="u"), {})
    exact = (high - high**2 + high**4) - (low - low**2 + low**4)
    np.testing.assert_allclose(integral(law, low, high), exact, rtol=1e-14)
    law = law_of_temperature(Exponential(2.0, 0.7, of="u"), {})
    exact = 2.0 / 0.7 * (np.exp(0.7 * high) - np.exp(0.7 * low))
    np.testing.assert_allclose(integral(law, low, high), exact, rtol=1e-13)
    hat = law_of_temperature(Table([0.0, 1.0, 2.0], [1.0, 3.0, 1.0], of="u"), {})
    np.testing.assert_allclose(integral(hat, low, high)[:2], [9.0, -6.0], rtol=1e-14)
    smooth = hat._replace(kinks=np.zeros(0))
    assert abs(integral(smooth, low, high)[0] - 9.0) > 1e-9


def test_integrals_end_at_complex_temperatures() -> None:
    law = law_of_temperature(Exponential(2.0, 0.7, of="u"), {})
    low, high = np.full(9, 0.9), np.linspace(-2.0, 3.0, 9)
    for found in (integral(law, low, high + 1e-40j), -integral(law, high + 1e-40j, low)):
        np.testing.assert_allclose(found.imag / 1e-40, law.value(high), rtol=1e-14)


@pytest.mark.parametrize("kind", KINDS)
def test_the_jacobian_is_that_of_the_books(kind: str) -> None:
    e = experiment(matter(kind, lambda c: Exponential(c, 0.4, of="u")))
    books, u = dense_newton.books(e, {}), np.linspace(0.2, 1.1, 10) ** 2
    for found, of in (
        (books.received_slope(u), books.received),
        (np.diag(books.capacity(u)), lambda m: books.gained(0.0 * u, m)),
    ):
        assert relative_gap(found, complex_step(of, u)) <= 1e-13
        assert relative_gap(WRONG * found, complex_step(of, u)) > 1e-13
