"""What the columns of a sensor log are, as far as their names, units and numbers tell.

Temperatures inside the bar with their places, the heat flux into it, the air behind it. Every
guess is said in a note that begins with the place in the document to edit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from app.logs.cells import Column
from app.logs.headings import words_of
from app.logs.log import Log
from app.logs.places import is_face, numbered_places, places_in_line, written_place
from app.units import to_si
from solver import InvalidExperiment, Problem

FLUX = frozenset("flux heatflux waermestrom".split())
AMBIENT = frozenset("amb ambient air tamb tair room env environment outdoor gas tgas".split())
TEMPERATURE = frozenset("t temp temps temperature tc thermocouple temperatur theta tmp".split())
FOREIGN = frozenset("pressure humidity rh moisture speed velocity flow voltage power wind".split())

COLDEST = 150.0  # readings without a unit that go below this are in degrees Celsius


@dataclass(frozen=True)
class Roles:
    """The columns in use: temperatures from left to right with their places in m, and the ends.

    `placed` tells whether the places are those that the names say.
    """

    temperatures: tuple[Column, ...]
    places: tuple[float, ...]
    placed: bool
    flux: Column | None
    ambient: Column | None

    @property
    def at_left(self) -> Column | None:
        """The temperature that is given at the left end; none where a flux is."""
        several = self.flux is None and len(self.temperatures) > 1
        return self.temperatures[0] if several else None

    @property
    def at_right(self) -> Column | None:
        """The temperature that is given at the right end; one at least stays a sensor."""
        inner = len(self.temperatures) - (self.at_left is not None)
        return self.temperatures[-1] if self.ambient is None and inner > 1 else None

    @property
    def ends(self) -> list[Column]:
        """The columns that drive the bar."""
        ends = (self.at_left, self.at_right, self.flux, self.ambient)
        return [column for column in ends if column is not None]


def find_roles(log: Log, notes: list[str]) -> tuple[Roles, dict[str, str]]:
    """The roles of a log's columns in SI, and the units that were guessed for them.

    Raises InvalidExperiment when no column can be a temperature.
    """
    columns = list(log.columns.values())
    flux = next(filter(_is_flux, columns), None)
    warm = [column for column in columns if _is_temperature(column)]
    ambient = next((column for column in warm if _has(column, AMBIENT)), None)
    inside = [column for column in warm if not _has(column, AMBIENT)]
    if not inside:
        inside = [c for c in columns if c not in (flux, ambient) and _may_be_temperature(c)]
    known = _places([column.name for column in inside], notes)
    places = known or _spread([column.name for column in inside], notes)
    warm = sorted((c for c in inside if c.name in places), key=lambda c: places[c.name])
    if not warm:
        detail = "no column has temperatures; name them T_... or give their units, as in T [degC]"
        raise InvalidExperiment(Problem(("data",), "no_temperature", detail))
    unused = [c.name for c in columns if c not in (*warm, flux, ambient)]
    if unused:
        notes.append(f"data: not used: {', '.join(unused)}")
    x = tuple(places[column.name] for column in warm)
    return _with_units(Roles(tuple(warm), x, bool(known), flux, ambient), notes)


def _has(column: Column, words: frozenset[str]) -> bool:
    return not words.isdisjoint(words_of(column.name))


def _is_flux(column: Column) -> bool:
    named = not column.unit and (_has(column, FLUX) or column.name == "q")
    return named or column.quantity in ("flux", "kinematic_flux")


def _is_temperature(column: Column) -> bool:
    if column.unit:
        return column.quantity == "temperature"
    named = _has(column, TEMPERATURE | AMBIENT) or is_face(column.name)
    placed = written_place(column.name) is not None
    return (named or placed) and _may_be_temperature(column)


def _may_be_temperature(column: Column) -> bool:
    return not column.unit and not _is_flux(column) and not _has(column, FOREIGN)


def _places(names: Sequence[str], notes: list[str]) -> dict[str, float]:
    """The places in m that names say, and those of faces in line with them; none for others."""
    known = {name: x for name in names if (x := written_place(name)) is not None}
    if not known:
        known, unit = numbered_places(names)
        if known:
            notes.append(f"sensors: the numbers in the names are taken for places in {unit}")
    in_line = places_in_line(names, known)
    for name, x in in_line.items():
        notes.append(f"sensors: {name} is put at {x:.6g} m, in line with its neighbours: edit it")
    return known | in_line


def _spread(names: Sequence[str], notes: list[str]) -> dict[str, float]:
    if names:
        notes.append("sensors: no name says a place; they are spread evenly over 1 m: edit every x")
    places = np.linspace(0.0, 1.0, len(names)).tolist() if len(names) > 1 else [0.5]
    return dict(zip(names, places, strict=False))


def _with_units(roles: Roles, notes: list[str]) -> tuple[Roles, dict[str, str]]:
    """The roles in SI, with the units guessed where the file has none."""
    warm = [*roles.temperatures, *([roles.ambient] if roles.ambient else [])]
    bare = [column for column in warm if not column.unit]
    lowest = min((float(np.nanmin(column.values)) for column in bare), default=0.0)
    unit = "degC" if lowest < COLDEST else "K"
    units = {column.name: unit for column in bare}
    if bare:
        names = ", ".join(units)
        notes.append(f"data.units: {unit} is guessed from the readings: {names}")
    if roles.flux and not roles.flux.unit:
        units[roles.flux.name] = "W/m2"
        notes.append(f"data.units: W/m2 is guessed: {roles.flux.name}")
    temperatures = tuple(_in_kelvin(column, units) for column in roles.temperatures)
    ambient = _in_kelvin(roles.ambient, units) if roles.ambient else None
    return replace(roles, temperatures=temperatures, ambient=ambient), units


def _in_kelvin(column: Column, units: dict[str, str]) -> Column:
    unit = units.get(column.name)
    if unit is None:
        return column
    values = to_si(column.values, unit, "temperature")
    return Column(column.name, values, unit, "temperature")
