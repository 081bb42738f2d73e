"""What the commands say: the one place that writes, and how figures are written."""

from __future__ import annotations

import json
import sys
from typing import Any


def say(text: str) -> None:
    """Write one line or several, at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def as_json(record: dict[str, Any]) -> str:
    """One line of JSON; what is not a finite number must not be in it."""
    return json.dumps(record, allow_nan=False)


def as_table(rows: list[list[str]]) -> str:
    """Rows in columns: the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        [row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))]
        for row in rows
    )
    return "\n".join("  ".join(line).rstrip() for line in lines)


def duration(seconds: float | None) -> str:
    """A time with three digits in a fitting unit, ``-`` for none."""
    if seconds is None:
        return "-"
    for scale, unit in ((1.0, "s"), (1e-3, "ms")):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds / 1e-6:.3g} us"


def times(ratio: float | None) -> str:
    """A ratio, ``-`` for none."""
    return "-" if ratio is None else f"{ratio:.2f}"


def megabytes(size: float | None) -> str:
    """A size in units of 2^20 bytes, ``-`` for none."""
    return "-" if size is None else f"{size:.3g} MB" if size < 100.0 else f"{size:.0f} MB"
