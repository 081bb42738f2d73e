"""Columns of a sensor log in a document: `{"column": NAME}` becomes times and values.

A document may carry its log, ``"data": {"csv": TEXT, ...}``, or on the command line name its file,
``"data": {"file": PATH, ...}``. Sensors then have a `column` instead of times and temperatures, and
a series may be one. This is written out in the parsed JSON, before the schema sees it, so that
everything after knows numbers only. Rows after the end of the run are not used; an end that is
left out is the log's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from pydantic import ValidationError

from app.log import Log, read_log
from app.problems import problems_of
from app.schema import DataPart
from solver import InvalidExperiment, Problem
from solver.errors import Place

Reader = Callable[[str], bytes]
Fill = Callable[[dict[str, Any], Place], None]

SERIES: tuple[tuple[Place, str | None], ...] = (  # where a series stands, and what it is
    (("left", "value"), None),
    (("left", "ambient"), "temperature"),
    (("right", "value"), None),
    (("right", "ambient"), "temperature"),
    (("material", "exchange", "ambient"), "temperature"),
)


def with_columns(document: Any, read_file: Reader | None = None) -> Any:
    """The document, or each experiment of a joint one, with its columns written out.

    Raises InvalidExperiment with places in the document, or ("data", "csv", line, column) in its
    log.
    """
    if not isinstance(document, dict):
        return document
    parts = document.get("experiments")
    if not isinstance(parts, list):
        return _experiment(document, read_file)
    written = []
    for index, part in enumerate(parts):
        try:
            written.append(_experiment(part, read_file) if isinstance(part, dict) else part)
        except InvalidExperiment as error:
            raise _within(("experiments", index), error) from None
    return document | {"experiments": written}


def _within(place: Place, error: InvalidExperiment) -> InvalidExperiment:
    return InvalidExperiment(
        *(Problem((*place, *p.place), p.code, p.detail) for p in error.problems)
    )


def _experiment(part: dict[str, Any], read_file: Reader | None) -> dict[str, Any]:
    columns = list(_columns(part))
    if "data" not in part:
        if columns:
            detail = 'there is no "data" that a column could come from'
            raise InvalidExperiment(Problem((*columns[0][0], "column"), "no_data", detail))
        return part
    log = _log(part["data"], read_file)
    part = {key: value for key, value in part.items() if key != "data"}
    time = part.get("time")
    if isinstance(time, dict) and "end" not in time:
        part["time"] = time | {"end": float(log.times[-1])}
    end = part["time"].get("end") if isinstance(part.get("time"), dict) else None
    last = float(end) if isinstance(end, int | float) else np.inf
    for place, quantity in columns:
        here = _at(part, place)
        values = _readings(log, here["column"], quantity, place)
        part = _replaced(part, place, _written(here, place, log.times, values, last))
    return part


def _columns(part: dict[str, Any]) -> Iterator[tuple[Place, str | None]]:
    """The places that refer to a column, and what quantity is wanted there."""
    places: list[tuple[Place, str | None]] = [*SERIES]
    for key, rest, quantity in (("source", ("history",), None), ("sensors", (), "temperature")):
        rows = part.get(key)
        count = len(rows) if isinstance(rows, list) else 0
        places += [((key, i, *rest), quantity) for i in range(count)]
    for place, quantity in places:
        here = _at(part, place)
        if isinstance(here, dict) and "column" in here:
            kind = _at(part, place[:-1]) if place[-1] == "value" else None
            if isinstance(kind, dict) and kind.get("kind") == "temperature":
                quantity = "temperature"
            yield place, quantity


def _log(data: Any, read_file: Reader | None) -> Log:
    try:
        asked = DataPart.model_validate(data)
    except ValidationError as error:
        raise _within(("data",), InvalidExperiment(*problems_of(error, DataPart, {}))) from None
    if (asked.csv is None) == (asked.file is None):
        detail = "give the log's text as csv, or on the command line its file"
        raise InvalidExperiment(Problem(("data",), "missing", detail))
    text: str | bytes
    if asked.csv is not None:
        text = asked.csv
    elif read_file is None or asked.file is None:
        detail = "files are read on the command line only; send the log's text as csv instead"
        raise InvalidExperiment(Problem(("data", "file"), "not_available", detail))
    else:
        text = read_file(asked.file)
    return read_log(text, time=asked.time, units=asked.units, start=asked.start, end=asked.end)


def _readings(log: Log, name: Any, quantity: str | None, place: Place) -> Any:
    here = (*place, "column")
    if not isinstance(name, str) or name not in log.columns:
        known = ", ".join(log.columns)
        detail = f"the log has no column {ascii(name)[:66]}; it has {known}"
        raise InvalidExperiment(Problem(here, "unknown_column", detail))
    column = log.columns[name]
    if quantity and column.quantity not in (None, quantity):
        detail = f"{name} is in {column.unit}, which is no unit of a temperature"
        raise InvalidExperiment(Problem(here, "unit_mismatch", detail))
    return column.values


def _written(
    here: dict[str, Any], place: Place, times: Any, values: Any, end: float
) -> dict[str, Any]:
    """The part with times and values in the place of its column; a series may go beyond `end`."""
    rest = {key: value for key, value in here.items() if key != "column"}
    present = ~np.isnan(values)
    if place[0] != "sensors":
        return rest | {"times": times[present].tolist(), "values": values[present].tolist()}
    twice = [key for key in ("times", "temperatures") if here.get(key) is not None]
    if twice:
        detail = f"give a column or {twice[0]}, not both"
        raise InvalidExperiment(Problem((*place, twice[0]), "contradiction", detail))
    used = present & (times <= end)
    readings = {"times": times[used].tolist(), "temperatures": values[used].tolist()}
    return {"name": str(here["column"])[:64]} | rest | readings


def _at(part: Any, place: Place) -> Any:
    for step in place:
        if isinstance(part, dict):
            part = part.get(step)
        elif isinstance(part, list) and isinstance(step, int):
            part = part[step]
        else:
            return None
    return part


def _replaced(part: Any, place: Place, new: Any) -> Any:
    """A copy of `part` with `new` at `place`; what is not on the way is shared."""
    if not place:
        return new
    copy: Any = list(part) if isinstance(part, list) else dict(part)
    copy[place[0]] = _replaced(part[place[0]], place[1:], new)
    return copy
