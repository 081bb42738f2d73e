"""All that is registered in all its combinations, and what a newcomer has to bring."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from itertools import product
from typing import Any, get_type_hints

import numpy as np
import pytest

from solver import (
    BOUNDARIES,
    LAWS,
    LOSSES,
    TABLEAUX,
    Bar,
    Exchange,
    Experiment,
    Fit,
    Material,
    Objective,
    Sensor,
    Source,
    Table,
    Time,
    Unknown,
)
from solver.curves import INTERPOLATIONS, Number, Numbers, Series, Variable
from solver.kernels import Array
from solver.network import initial_weights
from tests import oracles
from tests.random_curves import LEVEL, RANGE, WIDTHS
from tests.verification import complex_step, relative_gap

READINGS_TOLERANCE = 1e-11
GRADIENT_TOLERANCE = 1e-10
POINTS = np.array([0.0, 0.37, 0.61, 1.0])
TEMPERATURES = np.array([-1.1, 0.17, 0.34, 1.8])
LIST = (0.6, 0.45, 0.3, 0.5)
LAW_KINDS = [
    (name, interpolation)
    for name, law in sorted(LAWS.items())
    for interpolation in (INTERPOLATIONS if "interpolation" in get_type_hints(law) else [""])
]
OF_TEMPERATURE = [kind for kind in LAW_KINDS if "of" in get_type_hints(LAWS[kind[0]])]
# The form, and what its laws are of; with two laws, what conducts and what stores.
OF_PLACE = [("nondivergence", "x"), ("divergence", "x"), ("conductivity", "xx")]
OF_ITS_TEMPERATURE = [
    *(("nondivergence", "u"), ("divergence", "u")),
    *(("conductivity", of) for of in ("uu", "ux", "xu")),
]
METHODS = sorted(TABLEAUX)
ENDS = list(product(sorted(BOUNDARIES), repeat=2))


def all_unknown(law: type[Any], name: str, interpolation: str, of: str) -> Any:
    """A law, by the types of its fields, with nothing known of it."""
    kinds = get_type_hints(law)
    units = WIDTHS in kinds.values()
    start = initial_weights((2,), 1) if units else LIST[: 3 if "edges" in kinds else 4]
    given = {
        Array: POINTS if of == "x" else TEMPERATURES,
        Numbers: Unknown(name, start),
        Variable: of,
        str: interpolation,
        WIDTHS: (2,),
        RANGE: (-0.3, 1.2),
        LEVEL: 0.4,
    }
    parts: dict[str, Any] = {}
    for f in fields(law):
        number = Unknown(f"{name}.{f.name}", 0.1 if parts else 0.4)
        parts[f.name] = number if kinds[f.name] == Number else given[kinds[f.name]]
    return law(**parts)


def moving(name: str, size: float) -> Table:
    """A series of which nothing is known."""
    return Table([0.0, 0.3, 1.0], Unknown(name, (size, -0.4 * size, 1.3 * size)))


def end_of_bar(kind: str, name: str, size: float) -> Any:
    end = BOUNDARIES[kind]
    hints = get_type_hints(end)
    return end(
        **{
            f.name: moving(f"{name}.{f.name}", size)
            if hints[f.name] == Series and f.name == end.drive
            else Unknown(f"{name}.{f.name}", 0.7)
            for f in fields(end)
        }
    )


def matter(law: tuple[str, str], form: str, of: str) -> Material:
    name, interpolation = law
    exchange = Exchange(Unknown("rate", 0.3), moving("ambient", 0.8))
    k = all_unknown(LAWS[name], "k", interpolation, of[0])
    if form == "conductivity":
        C = all_unknown(LAWS[name], "C", interpolation, of[1])
        return Material(conductivity=k, heat_capacity=C, exchange=exchange)
    return Material(k, form, exchange=exchange)


def nothing_known(
    law: tuple[str, str], form: str, of: str, ends: tuple[str, str], method: str
) -> Experiment:
    times = np.array([0.1, 0.35, 0.8, 1.0])
    readings = (np.array([3.0, -2.0, 1.0, -4.0]), np.array([-1.0, 2.0, -3.0, 1.5]))
    return Experiment(
        bar=Bar(1.0, 5, Table(POINTS, Unknown("initial", LIST))),
        time=Time(1.0, 4, method),
        material=matter(law, form, of),
        source=(Source(Table(POINTS, Unknown("profile", LIST)), moving("history", 0.9)),),
        left=end_of_bar(ends[0], "left", 0.5),
        right=end_of_bar(ends[1], "right", -0.6),
        sensors=tuple(Sensor(x, times, d, 0.8) for x, d in zip((0.17, 0.9), readings, strict=True)),
    )


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("ends", ENDS, ids=str)
@pytest.mark.parametrize("form", OF_PLACE, ids=str)
@pytest.mark.parametrize("law", LAW_KINDS, ids=str)
def test_every_registered_combination(
    law: tuple[str, str], form: tuple[str, str], ends: tuple[str, str], method: str
) -> None:
    """LAWS x forms x BOUNDARIES x BOUNDARIES x TABLEAUX x LOSSES, everything in them unknown."""
    experiment = nothing_known(law, *form, ends, method)
    values = oracles.start_values(experiment)
    check(experiment, lambda m: oracles.readings(experiment, oracles.named(m, values)))


@pytest.mark.parametrize("ends", range(len(ENDS)))
@pytest.mark.parametrize("form", range(len(OF_ITS_TEMPERATURE)))
@pytest.mark.parametrize("law", range(len(OF_TEMPERATURE)))
def test_every_combination_of_laws_of_the_temperature(law: int, form: int, ends: int) -> None:
    """Each law in each form with all ends, and each of these with every method.

    The dense Newton is slow: of it readings are asked, and the derivatives are held against complex
    steps through the march itself.
    """
    method = METHODS[(law + form + ends) % len(METHODS)]
    what = OF_TEMPERATURE[law], *OF_ITS_TEMPERATURE[form], ENDS[ends]
    experiment = nothing_known(*what, method)
    check(experiment, Objective(experiment).predict)


def check(experiment: Experiment, of_theta: Callable[[Any], Any]) -> None:
    """Readings are the dense bar's; derivatives are the complex steps through `of_theta`."""
    values = oracles.start_values(experiment)
    objective, theta = Objective(experiment), oracles.flat(values)
    y = oracles.readings(experiment, values)
    assert relative_gap(objective.predict(theta), y) <= READINGS_TOLERANCE
    dy = complex_step(of_theta, theta)
    columns = np.linalg.norm(dy, axis=0)
    assert relative_gap(objective.jacobian(theta) / columns, dy / columns) <= GRADIENT_TOLERANCE
    for loss in LOSSES:
        study = replace(experiment, fit=Fit(loss=loss, threshold=2.0))
        _, gradient = Objective(study).value_and_gradient(theta)
        expected = dy.T @ complex_step(lambda z, s=study: oracles.misfit_of(s, z), y)
        assert relative_gap(gradient, expected) <= GRADIENT_TOLERANCE
        # no component may be missed
        assert np.abs(expected).min() > 1e3 * GRADIENT_TOLERANCE * np.linalg.norm(expected)


def test_the_same_law_of_place_and_of_temperature_are_two() -> None:
    """What the tests above would miss if `of` were not heeded."""
    for law, (form, of) in product(OF_TEMPERATURE, OF_ITS_TEMPERATURE):
        bars = [
            nothing_known(law, form, variables, ("flux", "temperature"), "tr-bdf2")
            for variables in (of, "x" * len(of))
        ]
        readings = [oracles.readings(bar, oracles.start_values(bar)) for bar in bars]
        assert relative_gap(*readings) > 1e-3
