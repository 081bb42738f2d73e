"""The header of a sensor log: names of columns, and the units that stand beside them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from app.logs.cells import is_missing
from app.logs.csv_text import MAX_NAME, Table, refusal
from app.strict_json import printable
from app.units import quantity_of
from solver import InvalidExperiment, Problem

TIME_WORDS = frozenset(
    "time date datetime timestamp stamp zeit datum uhrzeit zeitstempel elapsed hora fecha".split()
)
TIME_UNITS = frozenset("s sec second seconds ms min minutes h hr hour hours d day days".split())

_WORD = re.compile(r"[^\W\d_]+")
_CAPITAL = re.compile(r"(?<=[a-zäöüé])(?=[A-Z])")


@dataclass(frozen=True)
class Heading:
    """One column: its name without the unit, the header's text, the unit's text, its index."""

    name: str
    text: str
    unit: str
    index: int

    @property
    def words(self) -> list[str]:
        """The words of the name in small letters: HeatFlux is heat, flux."""
        return words_of(self.name)

    @property
    def is_time(self) -> bool:
        """Whether name or unit say that this is the time."""
        stem, _, suffix = self.name.rpartition("_")
        short = self.name == "t" or (stem == "t" and suffix in TIME_UNITS)
        return short or self.unit in TIME_UNITS or not TIME_WORDS.isdisjoint(self.words)

    @property
    def is_date(self) -> bool:
        """Whether the name says that this is a date, so that 20141109 is one."""
        return not {"date", "datum", "fecha", "datetime"}.isdisjoint(self.words)


def words_of(name: str) -> list[str]:
    """The words of a name in small letters, without its numbers."""
    return [word.lower() for word in _WORD.findall(_CAPITAL.sub(" ", name))]


def read_headings(table: Table, units: Mapping[str, str]) -> tuple[list[Heading], Table]:
    """The columns' headings, and the table below them.

    `units` wins over the header, and the header over a row of units below it. Raises
    InvalidExperiment when a name stands twice.
    """
    headings = [_heading(text, index, units) for index, text in enumerate(table.header)]
    row = _units_row(table)
    if row:
        headings = [h if h.unit else replace(h, unit=row[h.index]) for h in headings]
        table = table.at(range(1, len(table.lines)))
    headings = [replace(h, unit=_given(h, units)) for h in headings]
    _refuse_twice(headings, table)
    return headings, table


def unknown_column(name: str, known: Iterable[str], *place: str | int) -> InvalidExperiment:
    """The refusal, at `place`, of a column that is not there."""
    names = list(known)
    nearest = difflib.get_close_matches(name[:MAX_NAME], names, n=1, cutoff=0.5)
    listed = ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
    hint = f"did you mean '{nearest[0]}'?" if nearest else f"there are {listed}"
    detail = f"there is no column {printable(name)}; {hint}"
    return InvalidExperiment(Problem(place, "unknown_column", detail))


def _given(heading: Heading, units: Mapping[str, str]) -> str:
    """The unit from the side mapping, else the one that the file says."""
    given = units.get(heading.name, units.get(heading.text, heading.unit))
    return unit_or_none(given.strip())


def _heading(text: str, index: int, units: Mapping[str, str]) -> Heading:
    if text in units or not text:
        return Heading(text or f"column {index + 1}", text, "", index)
    name, unit = _split(text)
    stem, _, suffix = name.rpartition("_")
    if not unit and suffix in TIME_UNITS and Heading(stem, stem, "", 0).is_time:
        unit = suffix
    return Heading(name, text, unit_or_none(unit), index)


def _split(text: str) -> tuple[str, str]:
    """Name and unit of ``Name [unit]``, ``Name (unit)`` and ``Name / unit``."""
    name, inside = _bracketed(text)
    if name and (text.endswith("]") or _is_unit(inside)):
        return name, inside
    for slash in (" / ", "/"):
        name, found, unit = text.partition(slash)
        if found and name.strip() and _is_unit(unit.strip()):
            return name.strip(), unit.strip()
    return text, ""


def _bracketed(text: str) -> tuple[str, str]:
    """What stands before and inside the last pair of brackets, if it ends the text."""
    pairs = {"]": "[", ")": "("}
    last = text[-1:]
    depth = 0
    for at in range(len(text) - 1, -1, -1) if last in pairs else ():
        depth += (text[at] == last) - (text[at] == pairs[last])
        if depth == 0:
            return text[:at].strip(), text[at + 1 : -1].strip()
    return "", ""


def _is_known(unit: str) -> bool:
    try:
        return unit_or_none(unit) == "" or quantity_of(unit) != ""
    except ValueError:
        return False


def _is_unit(text: str) -> bool:
    """Whether what stands beside a name is a unit: not ``T (A)``, ``T (in)`` or ``T (left)``."""
    known = text != "in" and _is_known(text)
    return known and (len(text) != 1 or unit_or_none(text) == "" or quantity_of(text) is not None)


def unit_or_none(unit: str) -> str:
    """A unit's text, empty where it says that there is none."""
    return "" if is_missing(unit) or unit == "1" else unit


def _units_row(table: Table) -> list[str]:
    """The units in the first row, where it holds nothing else; else none."""
    cells = [cell.strip() for cell in table.first_row]
    said = [cell.strip("[]()") for cell in cells]
    if any(cell[:1].isdigit() for cell in said) or not any(said):
        return []
    units = [unit_or_none(unit) for unit in said]
    return units if any(units) and all(map(_is_known, said)) else []


def _refuse_twice(headings: Sequence[Heading], table: Table) -> None:
    first: dict[str, Heading] = {}
    for heading in headings:
        other = first.setdefault(heading.name, heading)
        if other is not heading:
            detail = (
                f"columns {other.index + 1} and {heading.index + 1} are both called "
                f"{printable(heading.name)}; give each sensor a name of its own"
            )
            raise refusal("duplicate_column", detail, table.header_line, heading.name)
