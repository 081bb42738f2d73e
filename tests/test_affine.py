"""The short way from theta to the coefficients is the long one, where there is a short one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import solver
from solver import (
    Bar,
    Convection,
    Exchange,
    Experiment,
    Flux,
    Linear,
    Material,
    Source,
    Table,
    Temperature,
    Unknown,
)
from solver.affine import AffineAssembly
from solver.assemble import LinearAssembly, Point
from solver.laws import LAWS
from solver.parameters import Parameters
from solver.workspace import Coefficients
from tests.experiments import course

A, B = Unknown("a", 1.0), Unknown("b", 0.5)
Q = Unknown("q", (0.1, 0.3, 0.2, 0.4))


def table(values: int) -> Table:
    return Table(np.linspace(0.0, 1.0, values), Unknown("k", tuple(np.linspace(1.0, 2.0, values))))


AFFINE = {
    "the lecture's": course(),
    "in divergence form": course(material=Material(Linear(A, B), "divergence")),
    "pinned": course(right=Temperature(0.3), left=Temperature(0.1)),
    "a flux in time": course(left=Flux(Table(np.linspace(0.0, 1.0, 4), Q))),
    "a polynomial's": course(material=Material(solver.Polynomial((A, 0.1, B)))),
    "a table with more values than rows are made at once": course(material=Material(table(90))),
    "an initial profile and a flux": course(
        bar=Bar(1.0, 13, Table(np.linspace(0.0, 1.0, 4), Unknown("u0", (0.1, 0.2, 0.1, 0.4)))),
        left=Flux(Table(np.linspace(0.0, 1.0, 4), Q)),
    ),
    "of everything at once": course(
        bar=Bar(1.0, 13, Unknown("u0", 0.2)),
        material=Material(Linear(A, B), exchange=Exchange(Unknown("rate", 0.3), 0.4)),
        source=(Source(Unknown("s", 0.4), Unknown("h", 0.6)),),
        right=Convection(Unknown("c", 0.7), Unknown("ambient", 0.2)),
    ),
    "of nothing": course(material=Material(1.0)),
}
OTHER = {
    "an exponential law": course(material=Material(solver.Exponential(A, B))),
    "a monotone table": course(
        material=Material(Table(np.linspace(0.0, 1.0, 4), Q, "monotone-cubic"))
    ),
    "an unknown heat capacity": course(
        material=Material(conductivity=Linear(A, B), heat_capacity=Unknown("C", 2.0))
    ),
    "a pinned end that is unknown": course(right=Temperature(Unknown("end", 0.3))),
    "many unknowns on many nodes": course(bar=Bar(1.0, 2000), material=Material(table(1000))),
    "a few that move all of many nodes": course(bar=Bar(1.0, 12_000)),
}


def both(experiment: Experiment) -> tuple[LinearAssembly, AffineAssembly, Parameters]:
    parameters = Parameters.of(experiment)
    assembly = LinearAssembly(experiment, parameters)
    short = AffineAssembly.of(assembly, parameters)
    assert short is not None
    return assembly, short, parameters


def largest(arrays: Coefficients) -> list[float]:
    return [float(np.abs(array).max(initial=0.0)) for array in arrays]


@pytest.mark.parametrize("experiment", AFFINE.values(), ids=AFFINE)
@pytest.mark.parametrize("imaginary", [0.0, 1.0])
def test_both_ways_give_the_same_coefficients(experiment: Experiment, imaginary: float) -> None:
    long, short, parameters = both(experiment)
    theta = 1.3 * parameters.start + (1j * imaginary * parameters.start if imaginary else 0.0)
    found, expected = short.at(theta).coefficients, long.at(theta).coefficients
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(
            one, other, rtol=1e-14, atol=1e-14 * np.abs(other).max(initial=0)
        )
    if parameters.size:
        moved = zip(long.at(1.001 * theta).coefficients, expected, strict=True)
        assert any(not np.allclose(one, other, rtol=1e-6, atol=0) for one, other in moved)


@pytest.mark.parametrize("experiment", AFFINE.values(), ids=AFFINE)
def test_both_ways_have_the_same_tangent_and_transpose(experiment: Experiment) -> None:
    long, short, parameters = both(experiment)
    theta, rng = parameters.start, np.random.default_rng(4)
    directions = rng.standard_normal((3, parameters.size))
    found, expected = short.dot(theta, directions)[1], long.dot(theta, directions)[1]
    for one, other in zip(found, expected, strict=True):
        filled = one if len(one) else np.zeros(other.shape)  # no rows: nothing moves
        np.testing.assert_allclose(filled, other, atol=1e-14 * max(largest(expected)))
    point, nodes = long.at(theta), np.zeros(1, np.int64)
    bar = Coefficients(*[rng.standard_normal(array.shape) for array in point.coefficients])
    field_bar = np.zeros((experiment.grid.steps + 1, 1))
    one = short.bar(short.at(theta), bar, field_bar, nodes)
    other = long.bar(point, bar, field_bar, nodes)
    np.testing.assert_allclose(one, other, rtol=1e-11)
    wrong = bar._replace(bands=1.01 * bar.bands, histories=1.01 * bar.histories)
    if parameters.size:
        assert not np.allclose(short.bar(point, wrong, field_bar, nodes), other, rtol=1e-6)


@pytest.mark.parametrize("experiment", OTHER.values(), ids=OTHER)
def test_what_is_not_affine_goes_from_curve_to_curve(experiment: Experiment) -> None:
    parameters = Parameters.of(experiment)
    assert AffineAssembly.of(LinearAssembly(experiment, parameters), parameters) is None


def test_of_a_table_only_the_neighbourhoods_are_gone_through() -> None:
    one, many = (both(course(material=Material(table(n))))[1] for n in (2, 51))
    for short in (one, many):
        spans = short._spans
        assert spans[:, 2].sum() == short._C.size <= 3 * 2 * 51
        assert spans[:, 2].max() <= (51 if short is one else 3)
        assert np.all(short._C[spans[:, 3]] != 0.0)


def test_what_theta_does_not_move_is_the_very_same_array() -> None:
    _, short, parameters = both(course())
    first, second = (short.at(factor * parameters.start).coefficients for factor in (1.0, 1.5))
    assert first.bands is not second.bands
    assert first.profiles is second.profiles
    assert first.histories is second.histories
    assert first.initial is second.initial


@pytest.mark.parametrize("bad", [[-1.0, 0.5], [1.0, -1.5], [np.nan, 1.0], [np.inf, 1.0]])
def test_a_law_that_makes_no_sense_is_refused_in_the_same_words(bad: list[float]) -> None:
    long, short, _ = both(course())
    with pytest.raises(solver.TrialError) as expected:
        long.at(np.array(bad))
    with pytest.raises(solver.TrialError) as found:
        short.at(np.array(bad))
    assert str(found.value) == str(expected.value)


@pytest.mark.parametrize("law", [law for law in LAWS.values() if hasattr(law, "affine")])
def test_a_curve_that_says_so_is_affine(law: type) -> None:
    s = np.linspace(0.0, 1.0, 7)
    values = {
        "constant": [(1.0,), (2.0,)],
        "linear": [(1.0, 0.5), (0.3, 2.0)],
        "polynomial": [(np.array([1.0, 2.0, 3.0]),), (np.array([2.0, 0.0, 1.0]),)],
        "table": [
            (s[::2], np.array([1.0, 3.0, 2.0, 4.0])),
            (s[::2], np.array([0.0, 1.0, 5.0, 2.0])),
        ],
    }
    one, other = (law(*v) for v in values[law.__name__.lower()])
    assert one.affine
    for part, same in zip(one.partials(s).values(), other.partials(s).values(), strict=True):
        assert np.array_equal(
            np.asarray(part @ np.eye(part.shape[-1])), same @ np.eye(same.shape[-1])
        )
    cubic = [
        Table(s[::2], v, "monotone-cubic") for v in ([1.0, 3.0, 2.0, 4.0], [0.0, 1.0, 5.0, 2.0])
    ]
    assert not cubic[0].affine
    slopes = [curve.partials(s)["values"].toarray() for curve in cubic]
    assert not np.array_equal(*slopes)


def test_a_point_holds_what_the_way_back_needs() -> None:
    _, short, parameters = both(replace(course(), right=Temperature(0.3)))
    point = short.at(parameters.start)
    assert isinstance(point, Point)
    assert point.coefficients.dtype == np.float64
