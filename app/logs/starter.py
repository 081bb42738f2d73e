"""A document to start from, guessed from a sensor log: what ``kappafit init DATA.csv`` writes.

The outermost temperatures stand at the ends of the bar, those between are sensors, and all refer
to the file's columns. A heat flux drives the left end and an ambient temperature cools the right
one. Every guess is said in a note that begins with the place in the document to edit.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import compress
from typing import Any, NamedTuple

import numpy as np

from app.logs.cells import Column, Floats
from app.logs.log import Log
from app.logs.roles import Roles, find_roles
from solver import InvalidExperiment, Problem

SLOW, USUAL, FAST = 1e-7, 1e-6, 1e-4  # m2/s: soil, rock, copper
LONGEST_NAME = 64


class Start(NamedTuple):
    """The document, and what to say about it."""

    document: dict[str, Any]
    notes: tuple[str, ...]


def starter(log: Log, name: str = "DATA.csv") -> Start:
    """The document to start from, of JSON types, and the notes of the log and of every guess.

    `name` is the file's. Raises InvalidExperiment when no column can be a temperature, or when
    the columns at the ends never read together.
    """
    notes = list(log.notes)
    roles, units = find_roles(log, notes)
    first, last = _span(log, roles, notes)
    roles = _reading_in(roles, first, last, notes)
    x, length = _bar(roles, notes)
    duration = float(log.times[last] - log.times[first])
    document = {
        "data": _data(log, name, units, first, last),
        "bar": {"length": length, "initial": _initial(roles, x, length, first)},
        "time": {"end": _short(duration)},
        "material": _material(roles, length, duration, notes),
        **_ends(roles, notes),
        "sensors": _sensors(roles, x),
    }
    return Start(document, tuple(notes))


def _data(log: Log, name: str, units: dict[str, str], first: int, last: int) -> dict[str, Any]:
    """How to read the file again, cut to the rows where the ends read."""
    reading = log.reading
    data: dict[str, Any] = {"file": name, "time": reading["time"]}
    if units := {**units, **reading.get("units", {})}:
        data["units"] = units
    data |= {key: reading[key] for key in ("start", "end") if key in reading}
    if log.times[first] > 0:
        data["start"] = log.clock.mark(first)
    if last < len(log.times) - 1:
        data["end"] = log.clock.mark(last)
    return data


def _span(log: Log, roles: Roles, notes: list[str]) -> tuple[int, int]:
    """The first and the last row where all that drives the bar reads."""
    ends = roles.ends or list(roles.temperatures)
    rows = np.flatnonzero(np.all([~np.isnan(column.values) for column in ends], axis=0))
    if len(rows) < 2:
        names = ", ".join(column.name for column in ends)
        detail = f"there are no two rows where all of these read: {names}"
        raise InvalidExperiment(Problem(("data",), "no_rows", detail))
    first, last = int(rows[0]), int(rows[-1])
    if log.times[first] > 0 or last < len(log.times) - 1:
        said = f"{log.clock.mark(first)} to {log.clock.mark(last)}"
        notes.append(f"data.start, data.end: {said}, where the ends of the bar have readings")
    for column in ends:
        missing = int(np.isnan(column.values[first : last + 1]).sum())
        if missing:
            of = last + 1 - first
            notes.append(f"data: {missing} of {of} readings of {column.name} are missing in there")
    return first, last


def _reading_in(roles: Roles, first: int, last: int, notes: list[str]) -> Roles:
    """The roles without the temperatures that do not read from the first row to the last."""
    reads = [not np.isnan(c.values[first : last + 1]).all() for c in roles.temperatures]
    if not any(reads):
        detail = f"{roles.temperatures[0].name} does not read where the ends of the bar do"
        raise InvalidExperiment(Problem(("data",), "no_rows", detail))
    silent = [c.name for c, read in zip(roles.temperatures, reads, strict=True) if not read]
    if silent:
        notes.append(f"sensors: left out, without readings in there: {', '.join(silent)}")
    temperatures, places = compress(roles.temperatures, reads), compress(roles.places, reads)
    return replace(roles, temperatures=tuple(temperatures), places=tuple(places))


def _bar(roles: Roles, notes: list[str]) -> tuple[Floats, float]:
    """Each temperature's x from the left end, and the length, m.

    The bar goes from the first sensor to the last; from 0 where a flux enters there.
    """
    places = np.array(roles.places)
    start = 0.0 if (roles.flux and places[0] >= 0) or not roles.placed else float(places[0])
    length, last = _short(float(places[-1]) - start), roles.temperatures[-1].name
    if length <= 0 or (len(places) == 1 and not roles.placed):
        length = 1.0
        notes.append("bar.length: 1 m, since the file does not say it: edit it")
    else:
        beyond = "" if roles.at_right else ": edit it if the bar goes on beyond"
        notes.append(f"bar.length: {length:g} m, from x = {start:g} m to {last}{beyond}")
    return np.array([_short(x) for x in places - start]), length


def _initial(roles: Roles, x: Floats, length: float, row: int) -> float | dict[str, Any]:
    """The first readings over the bar, level beyond the outermost sensors."""
    first = [_first_reading(column, row) for column in roles.temperatures]
    points, at = np.unique(x, return_index=True)
    if len(points) == 1:
        return first[0]
    inside = dict(zip(points.tolist(), [first[i] for i in at], strict=True))
    values = list(inside.values())
    over = {0.0: values[0], **inside} | ({} if length in inside else {length: values[-1]})
    return {"x": list(over), "values": list(over.values())}


def _first_reading(column: Column, row: int) -> float:
    readings = column.values[row:]
    return _short(float(readings[np.argmin(np.isnan(readings))]))


def _material(roles: Roles, length: float, duration: float, notes: list[str]) -> dict[str, Any]:
    """A diffusivity to find; with a flux in W/m2 or the air's coefficient also what carries it."""
    flux_in_watt = roles.flux is not None and roles.flux.quantity != "kinematic_flux"
    if not flux_in_watt and (roles.flux or not roles.ambient):
        start = _unknown("kappa", _diffusivity(roles, length, duration))
        notes.append(f"material.diffusivity: unknown, the search starts at {start['start']:g} m2/s")
        return {"diffusivity": start}
    conductivity = _unknown("k", 1.0)
    if flux_in_watt:
        notes.append("material: k and C are unknown; write a number for what you know")
        return {"conductivity": conductivity, "heat_capacity": _unknown("C", 2e6)}
    notes.append(
        "material.heat_capacity: 2e6 J/m3/K; without a heat flux it must be known: edit it"
    )
    return {"conductivity": conductivity, "heat_capacity": 2e6}


def _diffusivity(roles: Roles, length: float, duration: float) -> float:
    """Length squared over duration, within what materials have."""
    guess = min(max(length**2 / duration, SLOW), FAST) if roles.placed else USUAL
    return float(f"{guess:.0e}")


def _ends(roles: Roles, notes: list[str]) -> dict[str, Any]:
    """What stands at the ends; where nothing does, the end is insulated."""
    ends: dict[str, Any] = {}
    if roles.flux:
        ends["left"] = {"kind": "flux", "value": {"column": roles.flux.name}}
        notes.append(f"left: the flux {roles.flux.name} is taken to enter the bar here")
    elif roles.at_left:
        ends["left"] = {"kind": "temperature", "value": {"column": roles.at_left.name}}
    if roles.ambient:
        kinematic = roles.flux is not None and roles.flux.quantity == "kinematic_flux"
        coefficient = _unknown("h", 1e-5 if kinematic else 10.0)
        ambient = {"column": roles.ambient.name}
        ends["right"] = {"kind": "convection", "coefficient": coefficient, "ambient": ambient}
        notes.append(f"right: {roles.ambient.name} is taken for the air there; h is unknown")
    elif roles.at_right:
        ends["right"] = {"kind": "temperature", "value": {"column": roles.at_right.name}}
    insulated = [side for side in ("left", "right") if side not in ends]
    if insulated:
        notes.append(f"{' and '.join(insulated)}: insulated, since the file has nothing for it")
    if not ends:
        notes.append("nothing in the file heats the bar: write its ends, or a source")
    return ends


def _sensors(roles: Roles, x: Floats) -> list[dict[str, Any]]:
    return [
        {"name": column.name[:LONGEST_NAME], "x": float(place), "column": column.name}
        for column, place in zip(roles.temperatures, x, strict=True)
        if column not in (roles.at_left, roles.at_right)
    ]


def _unknown(name: str, start: float) -> dict[str, Any]:
    return {"unknown": name, "start": start, "scale": "log"}


def _short(value: float) -> float:
    """A number without the noise of a change of units."""
    return float(f"{value:.10g}")
