"""Units at the edge: what people write beside a number, turned into SI.

A unit's text is taken apart here, into names and small powers; only single names, of letters,
reach pint, which knows them and their sizes. So nothing is ever evaluated. pint is imported when
the first unit is asked for: who uses none does not wait for it.

`C` and `F` are degrees. Alone they are temperatures with their own zero; as a difference, and
inside a compound such as ``W/m^2/degC``, they are steps of a scale.
"""

from __future__ import annotations

import difflib
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from app.strict_json import printable

LONGEST, HIGHEST_POWER, LARGEST_SCALE = 40, 9, 1e60

Value = TypeVar("Value", float, NDArray[np.float64])


@dataclass(frozen=True)
class Quantity:
    """A kind of quantity: in words, its SI unit, and units that people write."""

    words: str
    si: str
    examples: tuple[str, ...]


# "kinematic": divided by the volumetric heat capacity, beside a material given by a diffusivity.
QUANTITIES: dict[str, Quantity] = {
    "length": Quantity("a length", "m", ("m", "mm")),
    "time": Quantity("a time", "s", ("s", "h")),
    "temperature": Quantity("a temperature", "K", ("K", "degC")),
    "temperature_difference": Quantity("a temperature difference", "K", ("K", "mK")),
    "diffusivity": Quantity("a diffusivity", "m2/s", ("m2/s", "mm2/s")),
    "conductivity": Quantity("a conductivity", "W/m/K", ("W/m/K", "mW/(m K)")),
    "heat_capacity": Quantity("a volumetric heat capacity", "J/m3/K", ("J/m3/K", "MJ/m3/K")),
    "flux": Quantity("a heat flux", "W/m2", ("W/m2", "kW/m2")),
    "kinematic_flux": Quantity("a kinematic heat flux", "K m/s", ("K m/s", "K mm/s")),
    "coefficient": Quantity("a heat transfer coefficient", "W/m2/K", ("W/m2/K", "kW/m2/K")),
    "kinematic_coefficient": Quantity("a kinematic transfer coefficient", "m/s", ("m/s", "mm/s")),
    "rate": Quantity("an exchange rate", "W/m3/K", ("W/m3/K", "kW/m3/K")),
    "kinematic_rate": Quantity("a kinematic exchange rate", "1/s", ("1/s", "1/h")),
    "source": Quantity("a heat source", "W/m3", ("W/m3", "kW/m3")),
    "kinematic_source": Quantity("a kinematic heat source", "K/s", ("K/s", "K/h")),
}

# Spellings that pint does not know, or takes for something else.
ALIASES = {
    **dict.fromkeys(("C", "°C", "Celsius", "deg_C", "degc"), "degC"),
    **dict.fromkeys(("F", "°F", "Fahrenheit", "deg_F", "degf"), "degF"),
    **dict.fromkeys(("°K", "Kelvin", "degK"), "K"),
    **dict.fromkeys(("Sec", "secs", "sek", "Sek"), "s"),
    **dict.fromkeys(("Watt", "Watts"), "W"),
    **dict.fromkeys(("Std", "hrs"), "h"),
    **dict.fromkeys(("Min", "mins"), "min"),
    **dict.fromkeys(("Day", "Days"), "d"),
    **{"Meter": "m", "Joule": "J", "%": "percent"},
}
DEGREES = {"degree_Celsius", "degree_Fahrenheit"}  # pint's names of scales with their own zero
CONSTANTS = {"c": "°C", "k": "K", "e": None}  # pint has them as constants of nature
KNOWN = (
    *dict.fromkeys(example for quantity in QUANTITIES.values() for example in quantity.examples),
    *("W/m", "°C", "degF", "cm", "km", "inch", "min", "sec", "day", "kelvin", "meter", "hour"),
)

_TOKEN = re.compile(
    r" *(?:(?P<name>[A-Za-z_μ°%]+)(?:(?:\*\*|\^)?(?P<power>[+-]?[0-9]+))?"
    r"|(?P<one>1(?![0-9]))|(?P<sign>\*(?!\*)|[/·⋅.()])) *"
)
_DEGREES = re.compile(r"(?:°|\bdeg(?:rees?)?)[ _.]*(C|F|Celsius|Fahrenheit)\b", re.IGNORECASE)
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


@dataclass(frozen=True)
class _Unit:
    """``SI = scale * value + offset``, and the kinds of quantity that it may be."""

    scale: float
    offset: float
    kinds: tuple[str, ...]


class NoUnit(ValueError):
    """A text that is no number with a unit at all."""


def to_si(value: Value, unit_text: str, quantity: str) -> Value:
    """`value`, a number or an array, from `unit_text` to the SI unit of `quantity`.

    Raises ValueError with words when the unit is unknown or of another kind.
    """
    wanted, unit_text = QUANTITIES[quantity], unit_text.strip()
    if unit_text == wanted.si:
        return value
    unit = _unit(unit_text)
    if quantity not in unit.kinds:
        is_one = f"is {QUANTITIES[unit.kinds[0]].words}" if unit.kinds else "does not fit"
        examples = " or ".join(wanted.examples)
        raise ValueError(f"'{unit_text}' {is_one}; {wanted.words} is wanted here, e.g. {examples}")
    offset = unit.offset if quantity == "temperature" else 0.0
    return value * unit.scale + offset


def read_quantity(text: str, quantity: str) -> float:
    """The number, in SI, that a text such as ``"10 mm"`` says.

    Raises NoUnit when there is no number or no unit, ValueError when it is one that does not fit.
    """
    text = text[: 2 * LONGEST].strip()
    number = _NUMBER.match(text)
    unit_text = text[number.end() :].strip() if number else ""
    if number is None or not unit_text:
        example = f"10 {QUANTITIES[quantity].examples[-1]}"
        raise NoUnit(f"give a number, or a number with a unit such as '{example}'")
    value = to_si(float(number[0]), unit_text, quantity)
    if not math.isfinite(value):
        raise ValueError(f"{printable(text)} is beyond the numbers of a computer")
    return value


def quantity_of(unit_text: str) -> str | None:
    """The kind of quantity that a unit is of; None for a unit of something else, such as volts.

    What could be a temperature or a difference is a temperature. Raises ValueError for no unit.
    """
    unit_text = unit_text.strip()
    plain = (name for name, quantity in QUANTITIES.items() if unit_text == quantity.si)
    if found := next(plain, None):
        return found
    kinds = _unit(unit_text).kinds
    return kinds[0] if kinds else None


@lru_cache(maxsize=256)
def _unit(text: str) -> _Unit:
    import pint

    powers = _powers(text)
    name, power = next(iter(powers.items()))
    has_zero = name in DEGREES and power == 1 and len(powers) == 1
    try:
        steps = _product(powers)
        kinds = tuple(k for k, q in QUANTITIES.items() if steps.dimensionality == _dimension(q.si))
        scale = float((1.0 * steps).to_base_units().magnitude) if kinds else 1.0
        zero = float(_registry().Quantity(0.0, name).to("kelvin").magnitude) if has_zero else 0.0
    except (pint.PintError, ArithmeticError) as error:
        raise ValueError(f"'{text}' cannot be used as a unit") from error
    if not 1 / LARGEST_SCALE <= scale <= LARGEST_SCALE:
        raise ValueError(f"'{text}' is too large or too small a unit")
    if name.startswith("delta_"):
        kinds = tuple(kind for kind in kinds if kind != "temperature")
    return _Unit(scale, zero, kinds)


@cache
def _registry() -> Any:
    import pint

    return pint.UnitRegistry()


@cache
def _dimension(si: str) -> Any:
    return _product(_powers(si)).dimensionality


def _product(powers: Counter[str]) -> Any:
    """The pint unit; degrees are steps of their scale."""
    unit = _registry().Unit("")
    for name, power in powers.items():
        unit *= _registry().Unit(f"delta_{name}" if name in DEGREES else name) ** power
    return unit


def _powers(text: str) -> Counter[str]:
    """The powers of pint's names in a unit's text: ``W/m^2`` is watt 1, meter -2."""
    powers: Counter[str] = Counter()
    for name, power in _factors(text):
        known = _name(name, text)
        powers[known] += power
        if abs(powers[known]) > HIGHEST_POWER:
            raise ValueError(f"'{text}' has a power beyond {HIGHEST_POWER}")
    if not powers:
        raise ValueError(f"{printable(text)} is no unit")
    return powers


def _factors(text: str) -> Iterator[tuple[str, int]]:
    """Names and powers, read from the left: a division holds for one name or one parenthesis."""
    side, group, stack, waiting = 1, 1, list[int](), True
    for token in _tokens(text):
        sign = token["sign"]
        if sign == "(":
            stack.append(group)
            side, group, waiting = 1, group * side, True
        elif (sign is not None and waiting) or (sign == ")" and not stack):
            raise ValueError(f"'{text}' is no unit: a sign too many")
        elif sign == ")":
            group = stack.pop()
        elif sign is not None:
            side, waiting = (-1 if sign == "/" else 1), True
        else:
            if token["name"]:
                yield token["name"], side * group * int(token["power"] or 1)
            side, waiting = 1, False
    if waiting or stack:
        raise ValueError(f"'{text}' is no unit: something is missing")


def _tokens(text: str) -> Iterator[re.Match[str]]:
    if len(text) > LONGEST:
        raise ValueError(f"{printable(text, LONGEST)} is no unit: it is too long")
    plain = unicodedata.normalize("NFKC", re.sub("[º˚]", "°", text)).replace("−", "-")
    plain = _DEGREES.sub(lambda degrees: f"°{degrees[1][0].upper()}", plain)
    at = 0
    while at < len(plain):
        token = _TOKEN.match(plain, at)
        if token is None or len(token["power"] or "") > 2:
            raise ValueError(_no_unit(text))
        yield token
        at = token.end()


def _name(name: str, text: str) -> str:
    """pint's own name of a unit."""
    import pint

    if name in CONSTANTS:
        raise ValueError(_no_unit(text, CONSTANTS[name]))
    try:
        return str(_registry().get_name(ALIASES.get(name, name)))
    except pint.PintError:
        raise ValueError(_no_unit(text)) from None


def _no_unit(text: str, suggestion: str | None = None) -> str:
    nearest = [suggestion] if suggestion else difflib.get_close_matches(text, KNOWN, n=1)
    hint = f"; did you mean '{nearest[0]}'?" if nearest else ""
    return f"{printable(text)} is no unit{hint}"
