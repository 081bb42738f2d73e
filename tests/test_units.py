"""Units at the edge: what people write becomes SI; no unit, or another's, is refused."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from app.units import QUANTITIES, NoUnit, quantity_of, read_quantity, to_si
from tests.conftest import ROOT

IN_SI = [
    (10.0, "mm", "length", 0.01),
    (3.0, "cm", "length", 0.03),
    (2.0, "inch", "length", 0.0508),
    (1.5, "h", "time", 5400.0),
    (1.0, "hr", "time", 3600.0),
    (2.0, "min", "time", 120.0),
    (5.0, "sec", "time", 5.0),
    (1.0, "d", "time", 86400.0),
    (1.0, "day", "time", 86400.0),
    (20.0, "degC", "temperature", 293.15),
    (20.0, "°C", "temperature", 293.15),
    (20.0, "C", "temperature", 293.15),
    (32.0, "degF", "temperature", 273.15),
    (300.0, "K", "temperature", 300.0),
    (300.0, "mK", "temperature", 0.3),
    (0.1, "degC", "temperature_difference", 0.1),
    (1.8, "degF", "temperature_difference", 1.0),
    (1.0, "mm2/s", "diffusivity", 1e-6),
    (2.0, "mW/(m K)", "conductivity", 2e-3),
    (13.5, "W/m/degC", "conductivity", 13.5),
    (3.7, "MJ/m^3/K", "heat_capacity", 3.7e6),
    (2.0, "kW/m²", "flux", 2000.0),
    (2.0, "W m-2", "flux", 2.0),
    (2.0, "W/m**2", "flux", 2.0),
    (1.0, "K mm/s", "kinematic_flux", 1e-3),
    (13.0, "W/m^2/°C", "coefficient", 13.0),
    (1.0, "mm/s", "kinematic_coefficient", 1e-3),
    (1.0, "kW/m3/K", "rate", 1000.0),
    (3.6, "1/h", "kinematic_rate", 1e-3),
    (1.0, "kW/m3", "source", 1000.0),
    (3.6, "K/h", "kinematic_source", 1e-3),
]


@pytest.mark.parametrize(("value", "unit", "quantity", "si"), IN_SI)
def test_a_value_becomes_si(value: float, unit: str, quantity: str, si: float) -> None:
    assert to_si(value, unit, quantity) == pytest.approx(si, rel=1e-12)
    assert read_quantity(f"{value} {unit}", quantity) == pytest.approx(si, rel=1e-12)
    assert to_si(value, unit, quantity) != pytest.approx(1.001 * si, rel=1e-6)
    array = to_si(np.array([value, np.nan, 2.0 * value]), unit, quantity)
    assert array[0] == pytest.approx(si, rel=1e-12)
    assert np.isnan(array[1])


@pytest.mark.parametrize("quantity", QUANTITIES)
def test_every_kind_takes_its_own_units(quantity: str) -> None:
    kind = QUANTITIES[quantity]
    assert to_si(1.25, kind.si, quantity) == 1.25
    for unit in kind.examples:
        assert np.isfinite(to_si(1.0, unit, quantity))
    same = "temperature" if quantity == "temperature_difference" else quantity
    assert quantity_of(kind.si) == same
    others = {q for q in QUANTITIES if QUANTITIES[q].si != kind.si}
    for other in others:
        with pytest.raises(ValueError, match="is wanted here"):
            to_si(1.0, kind.si, other)


def test_a_zero_of_its_own_counts_for_a_temperature_alone() -> None:
    assert to_si(0.0, "degC", "temperature") == 273.15
    assert to_si(0.0, "degC", "temperature_difference") == 0.0
    assert to_si(0.0, "W/m2/degC", "coefficient") == 0.0


def test_units_of_other_things_and_no_units() -> None:
    assert quantity_of("V") is None
    assert quantity_of("degC") == "temperature"
    assert quantity_of("W/m2") == "flux"
    with pytest.raises(ValueError, match="is no unit"):
        quantity_of("Wm")
    with pytest.raises(
        ValueError, match=r"is a heat flux; a length is wanted here, e\.g\. m or mm"
    ):
        to_si(1.0, "W/m^2", "length")
    with pytest.raises(ValueError, match="does not fit"):
        to_si(1.0, "V", "length")


@pytest.mark.parametrize("text", ["", "5", "5.5", "mm", "ten mm", "nan", "-", " 1e5 "])
def test_a_text_that_is_no_number_with_a_unit(text: str) -> None:
    with pytest.raises(NoUnit, match="a number with a unit such as '10 mm'"):
        read_quantity(text, "length")


@pytest.mark.parametrize(
    "unit",
    [
        "m**999999999",
        "m^99",
        "m" * 100_000,
        "(" * 30 + "m" + ")" * 30,
        "m//s",
        "m/",
        "/s",
        "(m",
        "m)",
        "__import__('os')",
        "m;s",
        "m\x00",
        "k",
        "e",
        "c",
        "𝟙",
        "[length]",
        "m ** m",
        "2 m",
        "lambda",
    ],
)
def test_no_text_gets_further_than_a_refusal(unit: str) -> None:
    with pytest.raises(ValueError, match=r"is no unit|is wanted here|power beyond") as refused:
        to_si(1.0, unit, "time")
    assert len(str(refused.value)) < 400


def test_a_number_beyond_floats_is_refused() -> None:
    with pytest.raises(ValueError, match="beyond the numbers"):
        read_quantity("1e400 mm", "length")
    assert read_quantity("-1.5e3mm", "length") == pytest.approx(-1.5)


@pytest.mark.parametrize(("given", "loaded"), [("m", False), ("mm", True)])
def test_pint_is_loaded_where_a_unit_asks_for_it(given: str, loaded: bool) -> None:
    script = (
        "import sys; from app.units import to_si; import app.service;"
        f"to_si(1.0, {given!r}, 'length'); print('pint' in sys.modules)"
    )
    run = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == str(loaded)
