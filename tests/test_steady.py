"""Steady states that the scheme meets to the last digits: straight lines, layers, walls, fins."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from solver import (
    Bar,
    Constant,
    Convection,
    Exchange,
    Experiment,
    Expression,
    Flux,
    Grading,
    Layers,
    Linear,
    Material,
    Source,
    Table,
    Temperature,
    Time,
    simulate_field,
)
from tests.experiments import two_hundred

ROUND_OFF = 1e-12
GRADINGS = (None, Grading("left", 7.0), Grading("both", 30.0))
KINDS = ("temperature", "flux", "convection")
PAIRS = [(left, right) for left in KINDS for right in KINDS if (left, right) != ("flux", "flux")]


def steady(material: Material, left: Any, right: Any, bar: Bar, source: Any = ()) -> np.ndarray:
    """The field after a time in which everything has settled."""
    return simulate_field(
        Experiment(bar, Time(1e14, 3), material, source, left, right)
    ).temperatures[-1]


def end_with(kind: str, u: float, inflow: float, h: float = 0.8) -> Any:
    """The end at which the bar has temperature u and takes in `inflow`."""
    return {
        "temperature": Temperature(u),
        "flux": Flux(inflow),
        "convection": Convection(h, u + inflow / h),
    }[kind]


@pytest.mark.parametrize("grading", GRADINGS)
@pytest.mark.parametrize("ends", PAIRS)
@pytest.mark.parametrize("form", ["divergence", "conductivity"])
def test_a_straight_line_in_matter_of_linear_k(
    form: str, ends: tuple[str, str], grading: Grading | None
) -> None:
    """``(k u_x)_x = k' u_x``: the mean of the nodes is the k of the face, whatever the grid."""
    a, b, level, slope = 2.0, 1.5, 0.4, -0.7
    law = Linear(a, b)
    matter = Material(conductivity=law, heat_capacity=Linear(3.0, 5.0))
    material = Material(law, "divergence") if form == "divergence" else matter
    left = end_with(ends[0], level, -a * slope)
    right = end_with(ends[1], level + slope, (a + b) * slope)
    bar, source = Bar(1.0, 23, grading=grading), (Source(-b * slope),)
    found = steady(material, left, right, bar, source)
    x = Experiment(bar, Time(1.0, 1), material).grid.x
    assert np.abs(found - (level + slope * x)).max() <= ROUND_OFF
    lecture = steady(Material(law, "nondivergence"), left, right, bar, source)
    assert np.abs(lecture - (level + slope * x)).max() > 1e-3


def test_a_parabola_in_matter_of_linear_k() -> None:
    """Faces halfway between nodes see its slope, and their fluxes' differences, exactly."""
    a, b, c, d, e = 2.0, 1.5, 0.4, -0.7, 1.1
    source = (Source(Linear(-(b * d + 2 * e * a), -4 * b * e)),)
    ends = Temperature(c), Temperature(c + d + e)
    found = steady(Material(Linear(a, b), "divergence"), *ends, Bar(1.0, 23), source)
    x = np.linspace(0.0, 1.0, 24)
    assert np.abs(found - (c + d * x + e * x**2)).max() <= ROUND_OFF
    graded = steady(
        Material(Linear(a, b), "divergence"), *ends, Bar(1.0, 23, 0.0, GRADINGS[1]), source
    )
    x = Experiment(Bar(1.0, 23, 0.0, GRADINGS[1]), Time(1.0, 1), Material(1.0)).grid.x
    assert np.abs(graded - (c + d * x + e * x**2)).max() > 1e-6  # there a face is not halfway


# --- layers --------------------------------------------------------------------------------------


def through_two_layers(edge: float, law: Any) -> np.ndarray:
    material = Material(conductivity=law, heat_capacity=Layers([edge], [2.0, 3.0]))
    return steady(material, Temperature(1.0), Temperature(0.0), Bar(1.0, 10))


@pytest.mark.parametrize("edge", [*np.linspace(0.403, 0.497, 11), 0.4, 0.45, 0.5, 0.01, 0.99])
def test_two_layers_wherever_their_edge_lies_in_a_cell(edge: float) -> None:
    k, x = (50.0, 0.5), np.linspace(0.0, 1.0, 11)
    behind = np.minimum(x, edge) / k[0] + np.maximum(x - edge, 0.0) / k[1]
    exact = 1.0 - behind / behind[-1]
    assert np.abs(through_two_layers(edge, Layers([edge], k)) - exact).max() <= ROUND_OFF
    at_nodes = Table(x, np.where(x < edge, *k))  # the same, but blind to what a cell is made of
    assert np.abs(through_two_layers(edge, at_nodes) - exact).max() > 1e-4


@st.composite
def walls(draw: st.DrawFn) -> tuple[Experiment, float, float]:
    """One to six layers between two surroundings, with the temperature at x = 0 and the flux."""
    rng = np.random.default_rng(draw(st.integers(0, 2**31), label="seed"))
    count, length = draw(st.integers(1, 6)), float(10.0 ** rng.uniform(-2, 2))
    edges = np.sort(rng.uniform(0.0, length, count - 1))
    k = 10.0 ** rng.uniform(-2, 2, count)
    law = Layers(edges, k)
    resistance = float(np.diff([0.0, *edges, length]) @ (1.0 / k))
    kinds = draw(st.sampled_from(PAIRS))
    h = 10.0 ** rng.uniform(-1, 1, 2) / resistance
    u_0, drop = rng.uniform(-1.0, 1.0, 2)
    q = drop / resistance
    experiment = Experiment(
        bar=Bar(length, draw(st.integers(2, 40)), 0.0, draw(st.sampled_from(GRADINGS))),
        time=Time(1e14 * length * resistance, 3),
        material=draw(
            st.sampled_from(
                [
                    Material(law, "divergence"),
                    Material(conductivity=law, heat_capacity=Layers(edges, k[::-1])),
                ]
            )
        ),
        left=end_with(kinds[0], u_0, q, h[0]),
        right=end_with(kinds[1], u_0 - drop, -q, h[1]),
    )
    return experiment, float(u_0), float(q)


def temperatures_behind(law: Layers, x: np.ndarray, u_0: float, q: float) -> Iterator[float]:
    """Layer after layer, the temperature falls by q times its thickness over its k."""
    borders = [0.0, *law.edges, np.inf]
    for place in x:
        u = u_0
        for low, high, k in zip(borders[:-1], borders[1:], law.values, strict=True):
            u -= q * max(0.0, min(place, high) - low) / k
        yield u


@two_hundred
@given(walls())
def test_a_wall_of_layers_between_two_surroundings(case: tuple[Experiment, float, float]) -> None:
    experiment, u_0, q = case
    found = simulate_field(experiment)
    law = experiment.material.diffusivity or experiment.material.conductivity
    exact = np.array(list(temperatures_behind(law, found.x, u_0, q)))
    assert np.abs(found.temperatures[-1] - exact).max() <= ROUND_OFF
    other = np.array(list(temperatures_behind(law, found.x, u_0, 1.001 * q)))
    assert np.abs(found.temperatures[-1] - other).max() > ROUND_OFF


def test_a_convective_wall_in_the_lectures_form() -> None:
    """There kappa drops out of the inside: the line is straight, and kappa counts at the ends."""
    law, h_left, h_right = Linear(2.0, 1.5), 0.8, 1.7
    ends = Convection(h_left, 1.0), Convection(h_right, 0.0)
    found = steady(Material(law), *ends, Bar(1.0, 23, 0.0, GRADINGS[1]))
    x = Experiment(Bar(1.0, 23, 0.0, GRADINGS[1]), Time(1.0, 1), Material(law)).grid.x
    slope = -1.0 / (1.0 + 2.0 / h_left + 3.5 / h_right)
    assert np.abs(found - (1.0 + slope * 2.0 / h_left + slope * x)).max() <= ROUND_OFF


# --- heat lost through the sides -----------------------------------------------------------------


@pytest.mark.parametrize(
    "material",
    [
        Material(0.6),
        Material(0.6, "divergence"),
        Material(conductivity=0.6, heat_capacity=Expression("1+x")),
        Material(conductivity=Layers([0.33], [0.6, 0.6]), heat_capacity=Constant(7.0)),
    ],
)
def test_a_fin_is_a_hyperbolic_cosine_of_the_grid(material: Material) -> None:
    """``k u_xx = r (u - ambient)`` has cosh on a grid too, with ``2 cosh(s) - 2 = r dx^2 / k``."""
    n, k, r, ambient, base = 20, 0.6, 3.0, 0.3, 1.4
    s = np.arccosh(1.0 + r / (2.0 * k * n**2))
    exact = ambient + (base - ambient) * np.cosh(s * (n - np.arange(n + 1))) / np.cosh(s * n)
    fin = replace(material, exchange=Exchange(r, ambient))
    found = steady(fin, Temperature(base), Flux(0.0), Bar(1.0, n))
    assert np.abs(found - exact).max() <= ROUND_OFF
    m = np.sqrt(r / k)
    of_the_equation = ambient + (base - ambient) * np.cosh(
        m * (1 - np.arange(n + 1) / n)
    ) / np.cosh(m)
    assert 1e-6 < np.abs(found - of_the_equation).max() < 1e-3


def test_a_bar_left_alone_takes_the_temperature_of_its_surroundings() -> None:
    experiment = Experiment(
        bar=Bar(1.0, 20, Expression("1+x")),
        time=Time(1e14, 3),
        material=Material(Linear(1.0, 2.0), "divergence", exchange=Exchange(0.7, 0.25)),
        left=Convection(3.0, 0.25),
    )
    assert np.abs(simulate_field(experiment).temperatures[-1] - 0.25).max() <= ROUND_OFF
