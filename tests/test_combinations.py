"""All that is registered in all its combinations, and what a newcomer has to bring."""

from __future__ import annotations

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
from solver.curves import INTERPOLATIONS, Number, Numbers, Series
from solver.kernels import Array
from tests import oracles
from tests.verification import complex_step, relative_gap

GRADIENT_TOLERANCE = 1e-10
FORMS = ("nondivergence", "divergence", "conductivity")
POINTS = np.array([0.0, 0.37, 0.61, 1.0])
LIST = (0.6, 0.45, 0.3, 0.5)
LAW_KINDS = [
    (name, interpolation)
    for name, law in sorted(LAWS.items())
    for interpolation in (INTERPOLATIONS if "interpolation" in get_type_hints(law) else [""])
]


def all_unknown(law: type[Any], name: str, interpolation: str) -> Any:
    """A law, by the types of its fields, with nothing known of it."""
    parts: dict[str, Any] = {}
    for f, kind in zip(fields(law), get_type_hints(law).values(), strict=True):
        if kind == Array:
            parts[f.name] = POINTS
        elif kind == Numbers:
            parts[f.name] = Unknown(f"{name}.{f.name}", LIST[: 3 if "edges" in parts else 4])
        else:
            start = 0.1 if parts else 0.4
            parts[f.name] = Unknown(f"{name}.{f.name}", start) if kind == Number else interpolation
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


def matter(law: str, interpolation: str, form: str) -> Material:
    exchange = Exchange(Unknown("rate", 0.3), moving("ambient", 0.8))
    k = all_unknown(LAWS[law], "k", interpolation)
    if form == "conductivity":
        C = all_unknown(LAWS[law], "C", interpolation)
        return Material(conductivity=k, heat_capacity=C, exchange=exchange)
    return Material(k, form, exchange=exchange)


def nothing_known(
    law: tuple[str, str], form: str, ends: tuple[str, str], method: str
) -> Experiment:
    times = np.array([0.1, 0.35, 0.8, 1.0])
    readings = (np.array([3.0, -2.0, 1.0, -4.0]), np.array([-1.0, 2.0, -3.0, 1.5]))
    return Experiment(
        bar=Bar(1.0, 5, Table(POINTS, Unknown("initial", LIST))),
        time=Time(1.0, 4, method),
        material=matter(*law, form),
        source=(Source(Table(POINTS, Unknown("profile", LIST)), moving("history", 0.9)),),
        left=end_of_bar(ends[0], "left", 0.5),
        right=end_of_bar(ends[1], "right", -0.6),
        sensors=tuple(Sensor(x, times, d, 0.8) for x, d in zip((0.17, 0.9), readings, strict=True)),
    )


@pytest.mark.parametrize("method", sorted(TABLEAUX))
@pytest.mark.parametrize("ends", [*product(sorted(BOUNDARIES), repeat=2)], ids=str)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("law", LAW_KINDS, ids=str)
def test_every_registered_combination(
    law: tuple[str, str], form: str, ends: tuple[str, str], method: str
) -> None:
    """LAWS x forms x BOUNDARIES x BOUNDARIES x TABLEAUX x LOSSES, everything in them unknown."""
    experiment = nothing_known(law, form, ends, method)
    values = oracles.start_values(experiment)
    theta = oracles.flat(values)
    y = oracles.readings(experiment, values)
    dy = complex_step(lambda m: oracles.readings(experiment, oracles.named(m, values)), theta)
    columns = np.linalg.norm(dy, axis=0)
    jacobian = Objective(experiment).jacobian(theta)
    assert relative_gap(jacobian / columns, dy / columns) <= GRADIENT_TOLERANCE
    for loss in LOSSES:
        study = replace(experiment, fit=Fit(loss=loss, threshold=2.0))
        _, gradient = Objective(study).value_and_gradient(theta)
        expected = dy.T @ complex_step(lambda z, s=study: oracles.misfit_of(s, z), y)
        assert relative_gap(gradient, expected) <= GRADIENT_TOLERANCE
        # no component may be missed
        assert np.abs(expected).min() > 1e3 * GRADIENT_TOLERANCE * np.linalg.norm(expected)
