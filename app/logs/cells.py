"""Columns of numbers: what stands for a missing reading, and what is no number."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.intp]

SAMPLE = 500
LARGEST = 1e100  # beyond it lies no reading, and differences would overflow

MISSING = frozenset(("", "na", "n/a", "#n/a", "nan", "null", "none", "-", "--"))

# Their usual spellings, looked up at once; others are found by `is_missing`.
_AS_NAN = {form: "nan" for word in MISSING for form in (word, word.upper(), word.title())}
_AS_NAN["NaN"] = "nan"

# What loggers write when a sensor does not answer.
SENTINELS = (-99.0, -99.9, -99.99, -999.0, -999.9, -999.99, -9999.0, -9999.9, -99999.0, 9999.0)

_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


@dataclass(frozen=True, eq=False)
class Column:
    """Readings of one sensor over the log's times, NaN where missing.

    `values` are in SI when `quantity` (a key of `app.units.QUANTITIES`) is known; else they are as
    the file has them: there is no unit, or one of something that a document does not hold.
    """

    name: str
    values: Floats
    unit: str = ""
    quantity: str | None = None


def numbers(cells: Sequence[str], decimal: str = ".") -> tuple[Floats, list[int]]:
    """The numbers of a column, NaN where missing, and the rows of the cells that are none.

    Those are all rows of a column of text, which a sample of its cells decides.
    """
    text = "\n".join(cells)
    if decimal == ",":
        cells = text.replace(",", ".").split("\n")
    # Python reads more as a number than a log may hold: 1_000, inf, digits of other scripts.
    if text.isascii() and "_" not in text:
        values = _floats(cells)
        if values is None:
            values = _floats([_AS_NAN.get(cell, cell) for cell in cells])
        if values is not None and not np.any(np.abs(values) > LARGEST):
            return values, []
    if all(np.isnan(_number(cell)) for cell in cells[:: len(cells) // SAMPLE + 1]):
        return np.full(len(cells), np.nan), list(range(len(cells)))
    values = np.fromiter(map(_number, cells), np.float64, len(cells))
    unread = np.flatnonzero(np.isnan(values)).tolist()
    return values, [row for row in unread if not is_missing(cells[row])]


def is_missing(cell: str) -> bool:
    """Whether a cell says that there is no reading."""
    return cell.strip().lower() in MISSING


def _floats(cells: Sequence[str]) -> Floats | None:
    try:
        return np.fromiter(map(float, cells), np.float64, len(cells))
    except ValueError:
        return None


def _number(cell: str) -> float:
    """NaN for what is missing, and for what is no number or too large a one."""
    text = cell.strip()
    value = float(text) if _NUMBER.fullmatch(text) else np.nan
    return value if abs(value) <= LARGEST else np.nan


def without_sentinels(values: Floats) -> tuple[Floats, dict[float, int]]:
    """`values` with NaN where a sentinel stands, and how often each stood there.

    A sentinel lies beyond all else in its column by more than half of what that spans; -99 among
    readings from -150 to -80 is a reading.
    """
    odd = np.logical_or.reduce([values == sentinel for sentinel in SENTINELS])
    if not odd.any():
        return values, {}
    others = values[~odd & ~np.isnan(values)]
    low, high = (others.min(), others.max()) if others.size else (0.0, 0.0)
    beyond = np.maximum(low - values, values - high) > max(0.5 * (high - low), 1.0)
    far = odd & beyond
    found, counts = np.unique(values[far], return_counts=True)
    named = {float(value): int(count) for value, count in zip(found, counts, strict=True)}
    return np.where(far, np.nan, values), named
