"""One bar in metres and in millimetres, seconds and hours, joules and kilojoules, K and mK."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, get_type_hints

import numpy as np
import pytest

from solver import (
    LAWS,
    Bar,
    Convection,
    Exchange,
    Experiment,
    Flux,
    Grading,
    Joint,
    Material,
    Sensor,
    Source,
    Table,
    Temperature,
    Time,
    Unknown,
    value_and_gradient,
)
from solver.network import initial_weights

FORMS = ("nondivergence", "divergence", "conductivity")
OF_U = ("uu", "ux", "xu")


@dataclass(frozen=True)
class Units:
    """How many of the unit used make a metre, second, joule and kelvin; what is unknown in them.

    With a diffusivity, what heats is divided by C, which has no unit then.
    """

    metre: float = 1.0
    second: float = 1.0
    joule: float = 1.0
    kelvin: float = 1.0
    of: dict[str, Any] = field(default_factory=dict)

    def capacity(self, form: str) -> float:
        return self.joule / self.metre**3 / self.kelvin if form == "conductivity" else 1.0

    def unknown(self, name: str, value: Any, unit: Any) -> Unknown:
        self.of[name] = unit
        start = np.multiply(value, unit)
        return Unknown(name, tuple(start) if np.ndim(start) else float(start))


SI = Units()
Law = Callable[
    [Units, str, float, float], Any
]  # with the law's own unit, and that of what it is of
FIGURES: dict[str, Law] = {
    "constant": lambda u, name, unit, s: {"a": u.unknown(f"{name}.a", 0.7, unit)},
    "linear": lambda u, name, unit, s: {
        "a": u.unknown(f"{name}.a", 0.7, unit),
        "b": u.unknown(f"{name}.b", 0.4, unit / s),
    },
    "polynomial": lambda u, name, unit, s: {
        "coefficients": u.unknown(
            f"{name}.c", [0.7, 0.2, 0.4], unit / s ** np.array([0.0, 1.0, 2.0])
        )
    },
    "exponential": lambda u, name, unit, s: {
        "a": u.unknown(f"{name}.a", 0.7, unit),
        "b": u.unknown(f"{name}.b", -0.6, 1.0 / s),
    },
    "table": lambda u, name, unit, s: {
        "points": np.array([-3.0, 0.3, 1.0, 3.0]) * s,
        "values": u.unknown(f"{name}.values", [0.7, 0.9, 0.4, 0.5], unit),
        "interpolation": "monotone-cubic",
    },
    "layers": lambda u, name, unit, s: {
        "edges": np.array([0.37]) * s,
        "values": u.unknown(f"{name}.values", [0.7, 0.3], unit),
    },
    "network": lambda u, name, unit, s: {
        "weights": u.unknown(f"{name}.weights", initial_weights((2,), 1), 1.0),
        "widths": (2,),
        "level": 0.7 * unit,
    },
}
# A law, and what it is of; with two in the matter, what conducts and what stores.
EVERY = [(law, "xx") for law in sorted(LAWS)]
EVERY += [(law, of) for law in sorted(LAWS) if "of" in get_type_hints(LAWS[law]) for of in OF_U]


def law_in(u: Units, law: str, name: str, unit: float, of: str) -> Any:
    if of == "x":
        return LAWS[law](**FIGURES[law](u, name, unit, u.metre))
    return LAWS[law](**FIGURES[law](u, name, unit, u.kelvin), of="u")


def bar_in(u: Units, law: str, of: str, form: str, pinned: bool) -> Experiment:
    """The same bar whatever the units, and nothing known of it."""
    C = u.capacity(form)
    k = law_in(u, law, "k", C * u.metre**2 / u.second, of[0])
    rate = u.unknown("rate", 0.3, C / u.second)
    exchange = Exchange(rate, u.unknown("ambient", 0.5, u.kelvin))
    material = Material(k, form, exchange=exchange)
    if form == "conductivity":
        heat_capacity = law_in(u, law, "C", C, of[1])
        material = Material(conductivity=k, heat_capacity=heat_capacity, exchange=exchange)
    flux = u.unknown("flux", [0.4, -0.2], C * u.kelvin * u.metre / u.second)
    h = u.unknown("h", 0.9, C * u.metre / u.second)
    heat = u.unknown("heat", [0.7, 1.5], C * u.kelvin / u.second)
    held = Temperature(u.unknown("held", 0.2, u.kelvin))
    sensor = Sensor(
        0.3 * u.metre,
        np.array([0.5, 1.7]) * u.second,
        np.array([1.0, 2.0]) * u.kelvin,
        0.1 * u.kelvin,
    )
    return Experiment(
        bar=Bar(u.metre, 20, u.unknown("initial", 0.1, u.kelvin), Grading("left", 3.0)),
        time=Time(2.0 * u.second, 25, "tr-bdf2"),
        material=material,
        source=(Source(Table([0.0, u.metre], heat), u.unknown("history", 1.1, 1.0)),),
        left=Flux(Table([0.0, 2.0 * u.second], flux)),
        right=held if pinned else Convection(h, u.unknown("outside", -0.3, u.kelvin)),
        sensors=(sensor,),
    )


@pytest.mark.parametrize("pinned", [False, True])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("law", "of"), EVERY)
def test_other_units_same_bar(law: str, of: str, form: str, pinned: bool) -> None:
    """The same misfit, and each derivative per its own unit."""
    J, gradient = value_and_gradient(bar_in(SI, law, of, form, pinned))
    units = Units(1e3, 1 / 3600, 1e-3, 1e3)
    other, converted = value_and_gradient(bar_in(units, law, of, form, pinned))
    assert other == pytest.approx(J, rel=1e-10)
    assert gradient.keys() == converted.keys()
    scale = max(np.max(np.abs(g)) for g in gradient.values())
    for name, derivative in gradient.items():
        expected, found = np.asarray(derivative), np.multiply(converted[name], units.of[name])
        np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-13 * scale)
    assert np.asarray(gradient["rate"]) != pytest.approx(converted["rate"], rel=1e-3)


def test_experiments_of_a_joint_fit_in_one_set_of_units() -> None:
    units = Units(1e3, 1 / 3600, 1e-3, 1.0)
    J, gradient = value_and_gradient(_joint(SI))
    other, converted = value_and_gradient(_joint(units))
    assert other == pytest.approx(J, rel=1e-10)
    for name, derivative in gradient.items():
        found = np.multiply(converted[name], units.of[name])
        np.testing.assert_allclose(found, derivative, rtol=1e-10)


def _joint(u: Units) -> Joint:
    pair = (bar_in(u, "linear", "ux", "conductivity", pinned) for pinned in (False, True))
    return Joint(tuple(pair))
