"""Logs in long form: rows of (time, sensor, value), turned into one column for each sensor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from app.logs.cells import Column, Floats, Integers, is_missing
from app.logs.csv_text import MAX_CELLS, MAX_COLUMNS, Table, refusal
from app.logs.headings import Heading
from app.strict_json import printable

SENSOR_WORDS = frozenset("sensor name channel probe id depth x z place position".split())
VALUE_WORDS = frozenset("value temperature temp t reading measurement wert temperatur".split())

MOST_CANDIDATES = 20  # columns that are tried for the names of sensors


@dataclass(frozen=True, eq=False)
class LongForm:
    """The columns with the sensors' names and their readings; `which` is each row's sensor."""

    sensor: Heading
    value: Heading
    readings: Floats
    names: tuple[str, ...]
    which: Integers


def find_long_form(
    table: Table,
    headings: Sequence[Heading],
    readings: Mapping[str, Floats | None],
    seconds: Floats,
) -> LongForm | None:
    """The long form of a log whose times do not increase, if a column names its sensors.

    `readings` are the columns' numbers, None for text.
    """
    if np.all(np.diff(seconds) > 0):
        return None
    numeric = [h for h in headings if readings[h.name] is not None]
    values = sorted(numeric, key=lambda h: VALUE_WORDS.isdisjoint(h.words))
    named = [h for h in headings if not SENSOR_WORDS.isdisjoint(h.words)]
    texts = [h for h in headings if readings[h.name] is None and h not in named]
    for sensor in (named + texts)[:MOST_CANDIDATES]:
        value = next((h for h in values if h is not sensor), None)
        numbers = readings[value.name] if value else None
        names, which = _named(table.columns[sensor.index], sensor.unit)
        few = 2 <= len(names) <= min(MAX_COLUMNS, len(which) / 2)
        if value and numbers is not None and few and _repeats(seconds, which):
            return LongForm(sensor, value, numbers, names, which)
    return None


def pivot(
    form: LongForm, rows: Integers, seconds: Floats, lines: Sequence[int]
) -> tuple[Integers, list[Column]]:
    """Of `rows`, the first at each time, in order, and each sensor's readings at these times.

    Raises InvalidExperiment where a sensor reads twice at one time.
    """
    times, first, when = np.unique(seconds[rows], return_index=True, return_inverse=True)
    count = len(form.names)
    if len(times) * count > MAX_CELLS:
        raise refusal("too_large", f"{len(times)} times x {count} sensors are too many")
    cells = when * count + form.which[rows]
    _refuse_twice(form, cells, rows, lines)
    wide = np.full((len(times), count), np.nan)
    wide.flat[cells] = form.readings[rows]
    unit = form.value.unit
    columns = [Column(name, wide[:, i].copy(), unit) for i, name in enumerate(form.names)]
    return rows[first], columns


def _refuse_twice(form: LongForm, cells: Integers, rows: Integers, lines: Sequence[int]) -> None:
    order = np.argsort(cells, kind="stable")
    twice = np.flatnonzero(np.diff(cells[order]) == 0)
    if not twice.size:
        return
    here, again = (rows[order[twice[0] + i]] for i in (0, 1))
    name = printable(form.names[form.which[here]])
    detail = f"{name} has two readings at one time, on lines {lines[here]} and {lines[again]}"
    raise refusal("times_not_increasing", detail, lines[again], form.sensor.name)


def _named(cells: Sequence[str], unit: str) -> tuple[tuple[str, ...], Integers]:
    """The names in order of appearance, and each row's; none where a name is missing.

    Numbers get their unit: the depth 0.5 in a column of metres is the sensor "0.5 m".
    """
    index: dict[str, int] = {}
    which = [index.setdefault(cell.strip(), len(index)) for cell in cells]
    if any(is_missing(name) or not name.isprintable() for name in index):
        return (), np.zeros(0, np.intp)
    return tuple(f"{name} {unit}".strip() for name in index), np.array(which, np.intp)


def _repeats(seconds: Floats, which: Integers) -> bool:
    """Whether names repeat over times: each with times that increase, or many at one time."""
    order = np.argsort(which, kind="stable")
    same_sensor = np.diff(which[order]) == 0
    in_order = np.all(np.diff(seconds[order])[same_sensor] > 0)
    return bool(in_order or len(np.unique(seconds)) <= len(seconds) / 1.5)
