"""The text of a sensor log, taken apart into cells: encoding, separator, quotes, comments.

A file has one separator: tab, semicolon, comma or blanks, found from its header and first row.
Lines that start with ``#`` and blank lines do not count. What does not fit is refused with its
line. Work and memory are bounded by the limits below and linear in the size of the text.
"""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from app.strict_json import printable
from solver import InvalidExperiment, Problem

MAX_BYTES = 128 * 2**20
MAX_LINES = 2_000_000
MAX_LINE = 65_536
MAX_COLUMNS = 2_000
MAX_CELLS = 10_000_000
MAX_NAME = 200

SEPARATORS = {"\t": "tab", ";": "';'", ",": "','", " ": "blank"}  # in the order they are tried

_WHOLE = re.compile(r"[+-]?[0-9]+")
_WITH_COMMA = re.compile(r"[+-]?[0-9]*,[0-9]+(?:[eE][+-]?[0-9]+)?")
_WITH_POINT = re.compile(r"[+-]?[0-9]*\.[0-9]+(?:[eE][+-]?[0-9]+)?")


@dataclass(frozen=True, eq=False)
class Table:
    """Cells as text, by column. `lines` are the rows' line numbers in the file, from 1."""

    header: tuple[str, ...]
    columns: tuple[tuple[str, ...], ...]
    header_line: int
    lines: tuple[int, ...]
    decimal: str = "."

    @property
    def first_row(self) -> tuple[str, ...]:
        """The cells below the header."""
        return tuple(column[0] for column in self.columns)

    def at(self, rows: Iterable[int]) -> Table:
        """The table of some rows."""
        rows = list(rows)
        columns = tuple(tuple(map(column.__getitem__, rows)) for column in self.columns)
        return replace(self, columns=columns, lines=tuple(map(self.lines.__getitem__, rows)))


def refusal(code: str, detail: str, *place: str | int) -> InvalidExperiment:
    """What is wrong with a log, at a line and perhaps a column of it."""
    return InvalidExperiment(Problem(("data", "csv", *place), code, detail))


def read_table(data: bytes | str) -> Table:
    """The cells of a CSV text. Raises InvalidExperiment; see the codes in this module."""
    numbers, lines = _lines(_text(data))
    if not lines:
        raise refusal("empty", "there is no line of data; the first line names the columns")
    separator = _separator(lines)
    header, *rows = _cells(numbers, lines, separator)
    header = _header(header, numbers[0])
    if not rows:
        detail = "there is a header and no row below it"
        raise refusal("no_rows", detail, numbers[0])
    if len(rows) * len(header) > MAX_CELLS:
        raise refusal("too_large", f"{len(rows)} rows x {len(header)} columns are too many")
    _rectangular(rows, len(header), numbers, lines, separator)
    columns = tuple(zip(*rows, strict=True))
    table = Table(tuple(header), columns, numbers[0], tuple(numbers[1:]))
    return replace(table, decimal=_decimal(table, separator))


def _text(data: bytes | str) -> str:
    if len(data) > MAX_BYTES:
        raise refusal("too_large", f"the file has more than {MAX_BYTES // 2**20} MiB")
    if isinstance(data, bytes):
        data = decoded(data)
    if "\0" in data:
        raise refusal("not_text", "there are zero bytes in the file; save it as CSV in UTF-8")
    return data.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def decoded(data: bytes) -> str:
    """The text of a log's bytes, which are UTF-8. Raises InvalidExperiment."""
    utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    if utf16 or data[:1000].count(0) > len(data[:1000]) // 4:
        raise refusal("not_utf8", "the file is UTF-16; save it as UTF-8 ('CSV UTF-8')")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        detail = f"not UTF-8 on line {line}, perhaps Latin-1; save it as UTF-8 ('CSV UTF-8')"
        raise refusal("not_utf8", detail, line) from None


def _lines(text: str) -> tuple[list[int], list[str]]:
    """The lines that count, and their numbers."""
    if text.count("\n") > MAX_LINES:
        raise refusal("too_large", f"the file has more than {MAX_LINES} lines")
    kept = [
        (number, line)
        for number, line in enumerate(text.split("\n"), 1)
        if line and not line.isspace() and not line.lstrip().startswith("#")
    ]
    for number, line in kept:
        if len(line) > MAX_LINE:
            raise refusal("too_large", f"a line has more than {MAX_LINE} characters", number)
    return [number for number, _ in kept], [line for _, line in kept]


def _separator(lines: list[str]) -> str:
    """The first separator that gives the header and the first row as many cells."""
    counts = {s: [_count(line, s) for line in lines[:2]] for s in SEPARATORS}
    fitting = [s for s, found in counts.items() if min(found) > 1 and len({*found}) == 1]
    return fitting[0] if fitting else max(counts, key=lambda s: counts[s][0])


def _count(line: str, separator: str) -> int:
    try:
        return len(next(_reader([line], separator)))
    except (csv.Error, StopIteration):
        return 0


def _reader(lines: list[str], separator: str) -> Any:
    stripped = map(str.strip, lines) if separator == " " else iter(lines)
    return csv.reader(stripped, delimiter=separator, skipinitialspace=True, strict=True)


def _cells(numbers: list[int], lines: list[str], separator: str) -> list[list[str]]:
    reader = _reader(lines, separator)
    try:
        rows = list(reader)
    except csv.Error:
        rows = []
    if len(rows) != len(lines):  # a quote went over the end of its line, or text stands behind one
        odd = (n for n, line in zip(numbers, lines, strict=True) if line.count('"') % 2)
        line = next(odd, numbers[max(reader.line_num - 1, 0)])
        raise refusal("bad_quotes", f"the quotes on line {line} do not match", line)
    return rows


def _header(cells: list[str], line: int) -> list[str]:
    """The names, without the empty ones at the end."""
    names = [" ".join(cell.split()) for cell in cells]
    while names and not names[-1]:
        names.pop()
    if all(_WHOLE.fullmatch(name) or _WITH_POINT.fullmatch(name) for name in names):
        detail = "the first line holds numbers; it must name the columns, e.g. time,T_0.1m,T_0.2m"
        raise refusal("no_header", detail, line)
    if len(names) < 2:
        detail = "there is one column; a log has the time and a reading at least, separated by ','"
        raise refusal("one_column", detail, line)
    if len(names) > MAX_COLUMNS:
        raise refusal("too_large", f"the header names more than {MAX_COLUMNS} columns", line)
    if any(len(name) > MAX_NAME for name in names):
        raise refusal("too_large", f"a name has more than {MAX_NAME} characters", line)
    if not all(name.isprintable() for name in names):
        raise refusal("not_text", "there are control characters in the header", line)
    return names


def _rectangular(
    rows: list[list[str]], width: int, numbers: list[int], lines: list[str], separator: str
) -> None:
    """Give every row `width` cells, or refuse it.

    Empty cells at the end go. All rows but the first may end early: then the columns beyond
    describe the experiment, not its course.
    """
    if {len(row) for row in rows} == {width}:
        return
    shortest = len(rows[-1]) if len(rows[0]) == width and len(rows) > 2 else width
    early = 1 < shortest < width and all(len(row) == shortest for row in rows[1:])
    for at, row in enumerate(rows):
        if not any(row[width:]):
            del row[width:]
        if early:
            row += [""] * (width - len(row))
        if len(row) != width:
            raise _misfit(row, width, numbers, lines, at + 1, separator)


def _misfit(
    row: list[str], width: int, numbers: list[int], lines: list[str], at: int, separator: str
) -> InvalidExperiment:
    """Why a row has the wrong number of cells."""
    number, line = numbers[at], lines[at]
    if _mixes(lines[0], len(row), blanks=False):
        number, line, width = numbers[0], lines[0], len(row)
    if _mixes(line, width, blanks=separator == " " or len(row) == 1):
        detail = f"line {number} has another separator than {SEPARATORS[separator]}, or two of them"
        return refusal("mixed_separators", detail, number)
    if separator == "," and len(row) > width and all(map(_WHOLE.fullmatch, row)):
        detail = (
            f"line {number} has {len(row)} cells where the header names {width}: a decimal comma "
            "cannot be told from the separator ','; separate cells by ';', or write decimal points"
        )
        return refusal("decimal_comma", detail, number)
    detail = f"line {number} has {len(row)} cells where the header names {width} columns"
    return refusal("ragged_row", detail, number)


def _mixes(line: str, width: int, blanks: bool) -> bool:
    """Whether a line has `width` cells when several separators count, perhaps blanks too."""
    if '"' in line or width < 2:
        return False
    patterns = (r"[,;\t]", r"[;\t]", r"[,;\t ]+" if blanks else r"[,;\t]")
    return any(len(re.split(pattern, line.strip())) == width for pattern in patterns)


def _decimal(table: Table, separator: str) -> str:
    """The decimal sign, comma or point, of all numbers in the table."""
    comma = _first(table, ",", _WITH_COMMA)
    if comma is None:
        return "."
    if separator == ",":
        detail = f"{printable(comma[2])}: a decimal comma where ',' separates cells; write a point"
        raise refusal("decimal_comma", detail, *comma[:2])
    if point := _first(table, ".", _WITH_POINT):
        detail = (
            f"{printable(comma[2])} has a decimal comma, and {printable(point[2])} on line "
            f"{point[0]} has a decimal point"
        )
        raise refusal("decimal_comma", detail, *comma[:2])
    return ","


def _first(table: Table, sign: str, pattern: re.Pattern[str]) -> tuple[int, str, str] | None:
    """Line, column and text of the first cell that is a number with this decimal sign."""
    for name, column in zip(table.header, table.columns, strict=True):
        if sign not in "\n".join(column):
            continue
        for line, cell in zip(table.lines, column, strict=True):
            if pattern.fullmatch(cell.strip()):
                return line, name, cell.strip()
    return None
