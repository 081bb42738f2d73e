"""Columns of a sensor log in a document: `{"column": NAME}` becomes times and values.

A document may carry its log, ``"data": {"csv": TEXT, ...}``, or on the command line name its file,
``"data": {"file": PATH, ...}``. Sensors then have a `column` instead of times and temperatures, and
a series may be one. This is written out in the parsed JSON, before the schema sees it, so that
everything after knows numbers only. Rows after the end of the run are not used; an end that is
left out is the log's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import ValidationError

from app.limits import Limits
from app.logs.cells import Column
from app.logs.csv_text import decoded
from app.logs.headings import unknown_column
from app.logs.log import Log, read_log
from app.problems import problems_of
from app.schema import DataPart
from app.units import QUANTITIES, read_quantity
from solver import InvalidExperiment, Problem
from solver.errors import Place
from solver.grid import ON_STEP

Reader = Callable[[str], bytes]

BYTES = 64  # of a reading that is written out: its time and value, as Python's numbers in lists

SERIES: tuple[Place, ...] = (  # where a series stands, beside the sources
    ("left", "value"),
    ("left", "ambient"),
    ("right", "value"),
    ("right", "ambient"),
    ("material", "exchange", "ambient"),
)


def with_columns(
    document: Any, limits: Limits, read_file: Reader | None = None, log: bytes | None = None
) -> Any:
    """The document, or each experiment of a joint one, with its columns written out.

    `log` is read instead of any that the document has or names.

    Raises InvalidExperiment with places in the document, or ("data", "csv", line, column) in its
    log.
    """
    if not isinstance(document, dict):
        return document
    parts, writer = document.get("experiments"), _Writer(limits.bytes, read_file, log)
    if not isinstance(parts, list):
        return writer.experiment(document)
    written = []
    for index, part in enumerate(parts):
        try:
            written.append(writer.experiment(part) if isinstance(part, dict) else part)
        except InvalidExperiment as error:
            raise _within(("experiments", index), error) from None
    return document | {"experiments": written}


def with_texts(document: Any, read_file: Reader, log: bytes | None = None) -> Any:
    """The document with the text of its logs in it, as a service takes it, which reads no files.

    `log` is taken instead of any that it names. Raises InvalidExperiment for a log that is no text.
    """
    if not isinstance(document, dict):
        return document
    parts = document.get("experiments")
    if not isinstance(parts, list):
        return _with_text(document, read_file, log)
    return document | {"experiments": [_with_text(part, read_file, log) for part in parts]}


def _with_text(part: Any, read_file: Reader, log: bytes | None) -> Any:
    if not isinstance(part, dict):
        return part
    if log is not None and any(
        _has_column(_at(part, place)) for place in _series_and_sensors(part)
    ):
        part = {"data": {}} | part
    data = part.get("data")
    if not isinstance(data, dict):
        return part
    if log is None:
        if data.get("csv") is not None or not isinstance(data.get("file"), str):
            return part
        log = read_file(data["file"])
    rest = {key: value for key, value in data.items() if key != "file"}
    return part | {"data": rest | {"csv": decoded(log)}}


def _within(place: Place, error: InvalidExperiment) -> InvalidExperiment:
    return InvalidExperiment(
        *(Problem((*place, *p.place), p.code, p.detail) for p in error.problems)
    )


@dataclass
class _Writer:
    """Writes columns out while there is `room`, in bytes: one log may be asked for many times."""

    room: int
    read_file: Reader | None
    log: bytes | None

    def experiment(self, part: dict[str, Any]) -> dict[str, Any]:
        columns = _columns(part)
        if columns and self.log is not None:
            part = {"data": {}} | part
        if "data" not in part:
            if columns:
                detail = 'there is no "data" that a column could come from'
                raise InvalidExperiment(Problem((*columns[0], "column"), "no_data", detail))
            return part
        log = self._log(part["data"])
        part = _copied({key: value for key, value in part.items() if key != "data"})
        time = part.get("time")
        if isinstance(time, dict):
            time.setdefault("end", float(log.times[-1]))
        end = _end(time)
        for place in columns:
            self._take(BYTES * log.times.size, place)
            above, last = _at(part, place[:-1]), place[-1]
            column = _column(log, above[last], place, _wanted(part, place))
            above[last] = _written(above[last], place, log.times, column, end)
        return part

    def _log(self, data: Any) -> Log:
        try:
            asked = DataPart.model_validate(data)
        except ValidationError as error:
            raise _within(("data",), InvalidExperiment(*problems_of(error, DataPart, {}))) from None
        text = self._text(asked) if self.log is None else self.log
        return read_log(text, time=asked.time, units=asked.units, start=asked.start, end=asked.end)

    def _text(self, asked: DataPart) -> str | bytes:
        if (asked.csv is None) == (asked.file is None):
            detail = "give the log's text as csv, or on the command line its file"
            raise InvalidExperiment(Problem(("data",), "missing", detail))
        if asked.csv is not None:
            return asked.csv
        if self.read_file is None or asked.file is None:
            detail = "files are read on the command line only; send the log's text as csv instead"
            raise InvalidExperiment(Problem(("data", "file"), "not_available", detail))
        return self.read_file(asked.file)

    def _take(self, size: int, place: Place) -> None:
        self.room -= size
        if self.room < 0:
            detail = "the columns of this document are too many, or its log is too long"
            raise InvalidExperiment(Problem((*place, "column"), "problem_too_large", detail))


def _copied(part: Any) -> Any:
    """A copy down to the lists of numbers, which are shared."""
    if isinstance(part, dict):
        return {key: _copied(value) for key, value in part.items()}
    if isinstance(part, list) and any(isinstance(item, dict) for item in part):
        return [_copied(item) for item in part]
    return part


def _end(time: Any) -> float:
    """The end of the run in s; infinite where there is none that could be meant."""
    end = time.get("end") if isinstance(time, dict) else None
    try:
        seconds = read_quantity(end, "time") if isinstance(end, str) else float(end or 0.0)
    except (ValueError, TypeError, OverflowError):
        seconds = 0.0
    return seconds if seconds > 0.0 else float(np.inf)


def _series_and_sensors(part: dict[str, Any]) -> Iterator[Place]:
    yield from SERIES
    for key, rest in (("source", ("history",)), ("sensors", ())):
        rows = part.get(key)
        for index in range(len(rows) if isinstance(rows, list) else 0):
            yield (key, index, *rest)


def _columns(part: dict[str, Any]) -> list[Place]:
    """Where a column stands."""
    return [place for place in _series_and_sensors(part) if _has_column(_at(part, place))]


def _has_column(part: Any) -> bool:
    return isinstance(part, dict) and "column" in part


def _wanted(part: dict[str, Any], place: Place) -> str | None:
    """The quantity that stands at a place; a source's history may be anything."""
    if place[0] == "source":
        return None
    end = _at(part, place[:-1])
    if place[-1] != "value" or not isinstance(end, dict) or end.get("kind") == "temperature":
        return "temperature"
    material = part.get("material")
    divided = isinstance(material, dict) and "diffusivity" in material
    return "kinematic_flux" if divided else "flux"


def _column(log: Log, here: dict[str, Any], place: Place, wanted: str | None) -> Column:
    """The column that a part refers to, in the quantity that is wanted there."""
    name = here["column"]
    if not isinstance(name, str) or name not in log.columns:
        text = name if isinstance(name, str) else ascii(name)
        raise unknown_column(text, log.columns, *place, "column")
    column = log.columns[name]
    said = {"unit": column.unit, "time_unit": log.clock.name}
    for key in ("unit", "time_unit"):
        if here.get(key) is not None and said[key]:
            detail = f"the unit of {said[key]} is the log's: see its header, or data.units"
            raise InvalidExperiment(Problem((*place, key), "contradiction", detail))
    if column.unit and (column.quantity is None or wanted not in (None, column.quantity)):
        raise _mismatch(column, wanted, place)
    return column


def _mismatch(column: Column, wanted: str | None, place: Place) -> InvalidExperiment:
    detail = f"{column.name} is in {column.unit}"
    if wanted:
        detail += f"; {QUANTITIES[wanted].words} is wanted here, e.g. "
        detail += " or ".join(QUANTITIES[wanted].examples)
    else:
        detail += ", which cannot be put in SI here; data.units can say '-' for no unit"
    return InvalidExperiment(Problem((*place, "column"), "unit_mismatch", detail))


def _written(
    here: dict[str, Any], place: Place, times: Any, column: Column, end: float
) -> dict[str, Any]:
    """The part with times and values in the place of its column; a series may go beyond `end`."""
    rest = {key: value for key, value in here.items() if key != "column"}
    present = ~np.isnan(column.values)
    sensor = place[0] == "sensors"
    points, values = ("times", "temperatures") if sensor else ("times", "values")
    for key in (points, values):
        if here.get(key) is not None:
            detail = f"give a column or {key}, not both"
            raise InvalidExperiment(Problem((*place, key), "contradiction", detail))
    used = present & (times <= end) if sensor else present
    t = times[used]
    if sensor and not t.size:
        detail = f"{column.name} has no reading up to the end of the run, {end:g} s"
        raise InvalidExperiment(Problem((*place, "column"), "no_readings", detail))
    if not sensor and np.isfinite(end):
        _require_covered(column.name, t, end, place)
    written = {points: t.tolist(), values: column.values[used].tolist()}
    return ({"name": column.name[:64]} if sensor else {}) | rest | written


def _require_covered(name: str, t: Any, end: float, place: Place) -> None:
    slack = ON_STEP * end
    if t[0] > slack or t[-1] < end - slack:
        detail = (
            f"{name} has readings from {t[0]:g} s to {t[-1]:g} s but the run needs them "
            f"from 0 to {end:g} s; data.start says which row is t = 0, time.end where it ends"
        )
        raise InvalidExperiment(Problem((*place, "column"), "not_covered", detail))


def _at(part: Any, place: Place) -> Any:
    for step in place:
        if isinstance(part, dict):
            part = part.get(step)
        elif isinstance(part, list) and isinstance(step, int):
            part = part[step]
        else:
            return None
    return part
