"""A sensor log, wide or long, as SI arrays over one time: what `read_log` makes of a CSV text.

`csv_text` finds the cells, `headings` the names and units, `clock` the time, and `long_form` turns
rows of (time, sensor, value) into columns. Whatever is left out or taken to be missing is said in
the notes; whatever cannot be meant is refused at its line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np

from app.logs.cells import Column, Floats, Integers, numbers, without_sentinels
from app.logs.clock import Clock, Mark, read_clock, require_increasing, time_headings
from app.logs.csv_text import Table, read_table, refusal
from app.logs.headings import Heading, read_headings, unit_or_none, unknown_column
from app.logs.long_form import find_long_form, pivot
from app.strict_json import printable
from app.units import quantity_of, to_si
from solver import InvalidExperiment, Problem


@dataclass(frozen=True, eq=False)
class Log:
    """Columns over `times`, in s since `start`.

    `clock` has the name of the time's column and its marks as the file writes them. `reading` is
    what the log was read with, as the block `data` of a document holds it: time, and where they
    were given units, start and end.
    """

    times: Floats
    columns: dict[str, Column]
    clock: Clock
    reading: dict[str, Any]
    notes: tuple[str, ...] = ()

    @property
    def origin(self) -> datetime | None:
        """The stamp of t = 0; None where the file's times are numbers."""
        return self.clock.stamp(-float(self.times[0]))


def read_log(
    data: bytes | str,
    *,
    time: str | None = None,
    units: Mapping[str, str] | None = None,
    start: Mark | None = None,
    end: Mark | None = None,
) -> Log:
    """The log that a CSV text holds.

    `time` names the column of the time; `units` maps columns to units, and wins over the header;
    rows before `start` and after `end` (numbers in the file's unit, or stamps) are dropped, and
    times count from `start`, by default from the first row.

    Raises InvalidExperiment with a place ("data", "csv", line, column) and a code.
    """
    units = dict(units or {})
    headings, table = read_headings(read_table(data), units)
    if not table.lines:
        raise refusal("no_rows", "there is no row below the units", table.header_line)
    timing = time_headings(table, headings, time)
    clock = read_clock(table, timing)
    rows, zero = _range(clock, start, end)
    reader = _Reader(table, clock, rows, units)
    clock, found = reader.columns([h for h in headings if h not in timing])
    _require_known(units, headings, [column.name for column in found])
    columns = {column.name: reader.in_si(column) for column in found}
    if not columns:
        detail = "; ".join(["no column has readings", *reader.notes])
        raise refusal("no_readings", detail, table.header_line)
    given = {"time": clock.name, "units": units or None, "start": start, "end": end}
    reading = {key: value for key, value in given.items() if value is not None}
    return Log(clock.seconds - zero, columns, clock, reading, tuple(reader.notes))


def _range(clock: Clock, start: Mark | None, end: Mark | None) -> tuple[Integers, float]:
    """The rows from `start` to `end`, and the second that is t = 0."""
    low = -np.inf if start is None else clock.second(start, "start")
    high = np.inf if end is None else clock.second(end, "end")
    rows = np.flatnonzero((clock.seconds >= low) & (clock.seconds <= high))
    if not rows.size:
        last = len(clock.seconds) - 1
        detail = f"no row lies in there; the file goes from {clock.mark(0)} to {clock.mark(last)}"
        place = "start" if start is not None else "end"
        raise InvalidExperiment(Problem(("data", place), "no_rows", detail))
    return rows, float(clock.seconds[rows].min()) if start is None else low


def _require_known(units: Mapping[str, str], headings: list[Heading], found: list[str]) -> None:
    """Refuse a unit for a column that is not there."""
    known = {name: None for h in headings for name in (h.name, h.text)} | dict.fromkeys(found)
    for name in units:
        if name not in known:
            raise unknown_column(name, known, "data", "units", name)


@dataclass(frozen=True)
class _Reader:
    """What is the same for all columns of one file, and the rows to keep; collects the notes."""

    table: Table
    clock: Clock
    rows: Integers
    units: Mapping[str, str]
    notes: list[str] = field(default_factory=list)
    sentinels: dict[float, list[str]] = field(default_factory=dict)

    def columns(self, headings: list[Heading]) -> tuple[Clock, list[Column]]:
        """The log's times, and every sensor's readings there, as the file has them."""
        self._leave_out("another time", *(h for h in headings if h.is_time))
        headings = [h for h in headings if not h.is_time]
        readings = {h.name: self._numbers(h) for h in headings}
        for value, columns in self.sentinels.items():
            self.notes.append(f"{value:g} is taken as missing: {', '.join(columns)}")
        form = find_long_form(self.table, headings, readings, self.clock.seconds)
        if form is None:
            return self._wide(headings, readings)
        why = f"each row is {form.value.name} of one {form.sensor.name}"
        self._leave_out(why, *(h for h in headings if h not in (form.sensor, form.value)))
        first, found = pivot(form, self.rows, self.clock.seconds, self.table.lines)
        return self.clock.at(first), list(filter(self._has_readings, found))

    def _wide(
        self, headings: list[Heading], readings: Mapping[str, Floats | None]
    ) -> tuple[Clock, list[Column]]:
        clock = self.clock.at(self.rows)
        require_increasing(clock, [self.table.lines[row] for row in self.rows])
        self._leave_out("no numbers", *(h for h in headings if readings[h.name] is None))
        found = []
        for heading in headings:
            values = readings[heading.name]
            if values is not None and not self._is_parameter(heading, values):
                found.append(Column(heading.name, values[self.rows], heading.unit))
        return clock, list(filter(self._has_readings, found))

    def in_si(self, column: Column) -> Column:
        """The column in SI. Raises InvalidExperiment where its unit is none."""
        unit = unit_or_none(self.units.get(column.name, column.unit))
        try:
            quantity = quantity_of(unit) if unit else None
        except ValueError as error:
            ours = column.name in self.units
            place = ("units", column.name) if ours else ("csv", self.table.header_line, column.name)
            detail = f"{error} (data.units can say what a column is in, '-' for no unit)"
            raise InvalidExperiment(Problem(("data", *place), "unknown_unit", detail)) from None
        values = to_si(column.values, unit, quantity) if quantity else column.values
        if quantity == "temperature" and np.nanmin(values) < 0:
            self.notes.append(f"{column.name} reads below 0 K: is it in degrees Celsius?")
        return Column(column.name, values, unit, quantity)

    def _numbers(self, heading: Heading) -> Floats | None:
        """Readings, NaN where missing; None for a column of text."""
        cells = self.table.columns[heading.index]
        values, bad = numbers(cells, self.table.decimal)
        if len(bad) > np.count_nonzero(~np.isnan(values)):
            return None
        for row in np.intersect1d(bad, self.rows) if bad else ():
            detail = f"{printable(cells[row])} is no number, and others in this column are"
            raise refusal("not_a_number", detail, self.table.lines[row], heading.name)
        values, sentinels = without_sentinels(values)
        for value, count in sentinels.items():
            self.sentinels.setdefault(value, []).append(f"{heading.name} ({count})")
        return values

    def _is_parameter(self, heading: Heading, values: Floats) -> bool:
        """Whether a column has one value that describes the experiment, in the first row."""
        alone = len(values) > 2 and not np.isnan(values[0]) and bool(np.isnan(values[1:]).all())
        if alone:
            self._leave_out(f"{values[0]:g} in the first row only, a parameter?", heading)
        return alone

    def _has_readings(self, column: Column) -> bool:
        empty = bool(np.isnan(column.values).all())
        if empty:
            self._leave_out("no readings", column)
        return not empty

    def _leave_out(self, why: str, *columns: Heading | Column) -> None:
        if columns:
            self.notes.append(f"left out ({why}): {', '.join(c.name for c in columns)}")
