"""The time of a sensor log: numbers in some unit, or stamps; either becomes seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np

from app.logs.cells import Floats, Integers, is_missing, numbers
from app.logs.csv_text import Table, refusal
from app.logs.headings import Heading, unknown_column
from app.logs.stamps import NoStamp, is_clock, is_stamp, parse_stamps, seconds_since
from app.strict_json import printable
from app.units import quantity_of, read_quantity, to_si
from solver import InvalidExperiment, Problem

Mark = str | float


@dataclass(frozen=True, eq=False)
class Clock:
    """The time of every row: `marks` as the file has them, and in s from a zero of the file's."""

    name: str
    unit: str
    marks: Floats | Sequence[datetime]
    seconds: Floats

    def mark(self, row: int) -> Mark:
        """The time of a row as the file would write it: a number in its unit, or a stamp."""
        mark = self.marks[row]
        return mark.isoformat() if isinstance(mark, datetime) else float(mark)

    def stamp(self, seconds: float) -> datetime | None:
        """The stamp that lies `seconds` after the first row's; None where times are numbers."""
        first = self.marks[0]
        return first + timedelta(seconds=seconds) if isinstance(first, datetime) else None

    def at(self, rows: Integers) -> Clock:
        """The clock of some rows."""
        marks = self.marks
        kept = marks[rows] if isinstance(marks, np.ndarray) else [marks[row] for row in rows]
        return replace(self, marks=kept, seconds=self.seconds[rows])

    def second(self, mark: Mark, place: str) -> float:
        """The seconds of `start` or `end`. Raises InvalidExperiment when it is no such time."""
        first = self.marks[0]
        try:
            if not isinstance(first, datetime):
                return _number(mark, self.unit)
            if isinstance(mark, str):
                since = seconds_since(first, parse_stamps([mark]))
                return float(self.seconds[0] + since[0])
            raise ValueError(f"write a stamp as the file does, such as '{first.isoformat()}'")
        except ValueError as error:
            code = error.code if isinstance(error, NoStamp) else "not_a_time"
            raise InvalidExperiment(Problem(("data", place), code, str(error))) from None


def _number(mark: Mark, unit: str) -> float:
    """Seconds of a number in the file's unit, or of a text with a unit of its own."""
    values, bad = numbers([str(mark)])
    if isinstance(mark, str) and bad and not is_stamp(mark):
        return read_quantity(mark, "time")
    if not np.isfinite(values[0]):
        raise ValueError("the file's times are numbers; write one, or one with a unit as in '2 h'")
    return to_si(float(values[0]), unit, "time")


def time_headings(table: Table, headings: Sequence[Heading], asked: str | None) -> list[Heading]:
    """The columns that say the time: the one to use, and one more where date and time are two.

    It is the one asked for, else the first that is named like a time, else the first that
    increases. Raises InvalidExperiment.
    """
    named = [h for h in headings if h.is_time]
    if asked is not None:
        chosen = [h for h in headings if asked in (h.name, h.text)]
        if not chosen:
            raise unknown_column(asked, (h.name for h in headings), "data", "time")
    else:
        chosen = named[:1] or [h for h in headings if _increases(table, h)][:1]
    if not chosen:
        detail = "no column is named like a time, and none increases; say which one is the time"
        raise refusal("no_time_column", detail, table.header_line)
    return _with_date(table, chosen[0], named)


def read_clock(table: Table, headings: Sequence[Heading]) -> Clock:
    """The time of every row. Raises InvalidExperiment at the first cell that is none."""
    heading = headings[0]
    columns = [table.columns[h.index] for h in headings]
    cells = columns[0] if len(columns) == 1 else tuple(map(" ".join, zip(*columns, strict=True)))
    for row, cell in enumerate(cells):
        if is_missing(cell):
            raise _at(table, row, heading, "not_a_number", "the time is missing")
    compact = heading.is_date and all(len(c.strip()) == 8 and c.strip().isdigit() for c in cells)
    values, bad = numbers(cells, table.decimal)
    if compact or len(bad) == len(cells):
        return _stamped(table, headings, cells)
    if bad:
        detail = f"{printable(cells[bad[0]])} is no number, and other times are"
        raise _at(table, bad[0], heading, "not_a_number", detail)
    return Clock(heading.name, heading.unit or "s", values, _seconds(table, heading, values))


def _seconds(table: Table, heading: Heading, values: Floats) -> Floats:
    unit = heading.unit or "s"
    try:
        quantity_of(unit)
    except ValueError as error:
        place = (table.header_line, heading.name)
        raise refusal("unknown_unit", str(error), *place) from None
    try:
        return to_si(values, unit, "time")
    except ValueError as error:
        place = (table.header_line, heading.name)
        raise refusal("unit_mismatch", str(error), *place) from None


def _stamped(table: Table, headings: Sequence[Heading], cells: Sequence[str]) -> Clock:
    try:
        stamps = parse_stamps(cells)
        seconds = seconds_since(stamps[0], stamps)
    except NoStamp as error:
        code, detail = error.code, str(error)
        if is_clock(cells[error.row]):
            code = "no_time_column"
            detail = f"'{headings[0].name}' has times of day without dates; put both in one column"
        raise _at(table, error.row, headings[0], code, detail) from None
    return Clock(headings[0].name, "", stamps, seconds)


def _with_date(table: Table, chosen: Heading, named: Sequence[Heading]) -> list[Heading]:
    """Date and time of day where they stand in two columns, in this order."""
    first = {h.index: table.columns[h.index][0] for h in (chosen, *named)}
    for other in named:
        date, time = (other, chosen) if is_clock(first[chosen.index]) else (chosen, other)
        if date is not time and is_clock(first[time.index]) and _is_date(first[date.index]):
            return [date, time]
    return [chosen]


def _is_date(cell: str) -> bool:
    return is_stamp(cell) and ":" not in cell


def _increases(table: Table, heading: Heading) -> bool:
    cells = table.columns[heading.index]
    values, bad = numbers(cells, table.decimal)
    if len(bad) == len(cells):
        try:
            stamps = parse_stamps(cells)
            values = seconds_since(stamps[0], stamps)
        except NoStamp:
            return False
    return len(values) > 1 and bool(np.all(np.diff(values) > 0))


def _at(table: Table, row: int, heading: Heading, code: str, detail: str) -> InvalidExperiment:
    return refusal(code, detail, table.lines[row], heading.name)


def require_increasing(clock: Clock, lines: Sequence[int]) -> None:
    """Raise InvalidExperiment when the times, which stand on `lines`, do not increase."""
    steps = np.diff(clock.seconds)
    if np.all(steps > 0):
        return
    row = int(np.argmin(steps > 0)) + 1
    mark, earlier, later = clock.mark(row), lines[row - 1], lines[row]
    said = mark if isinstance(mark, str) else f"{mark:g}"
    twice = f"stands twice, on lines {earlier} and {later}"
    backward = f"on line {later} lies before that on line {earlier}"
    detail = f"the time {said} {twice if steps[row - 1] == 0 else backward}"
    raise refusal("times_not_increasing", detail, later, clock.name)
