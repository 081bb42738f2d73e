"""Time stamps as people and loggers write them, to datetimes.

ISO 8601 with or without a zone; ``31.12.2014 16:00`` and ``2014/12/31``; ``12/31/2014 4:00 PM``,
where day and month are told apart by the column as a whole, or refused.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

import numpy as np

from app.logs.cells import Floats
from app.strict_json import printable

LONGEST = 40

_DATE_AND_TIME = re.compile(
    r"([0-9]{1,4})([./-])([0-9]{1,2})\2([0-9]{1,4})"
    r"(?:[T ,]{1,3}([0-9]{1,2}):([0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]{1,9}))?)?"
    r"(?: ?([AaPp])\.?[Mm]\.?)?)?"
)
_CLOCK = re.compile(r"[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]{1,9})?)?(?: ?[AaPp]\.?[Mm]\.?)?")

Match = re.Match[str]


class NoStamp(ValueError):
    """A text that is no stamp: its row, a stable code, and words."""

    def __init__(self, row: int, code: str, detail: str) -> None:
        self.row, self.code = row, code
        super().__init__(detail)


def parse_stamps(cells: Sequence[str]) -> list[datetime]:
    """The stamps of a column, all with a zone or all without. Raises NoStamp."""
    texts = [cell.strip() for cell in cells]
    try:
        stamps = [datetime.fromisoformat(text) for text in texts]
    except ValueError:
        stamps = _by_pattern(texts)
    zones = [stamp.tzinfo is not None for stamp in stamps]
    if len(set(zones)) > 1:
        row = zones.index(not zones[0])
        raise NoStamp(row, "mixed_zones", "some stamps have a time zone and some have none")
    return stamps


def seconds_since(first: datetime, stamps: Sequence[datetime]) -> Floats:
    """Seconds from `first` to each stamp; one without a zone is in the zone of `first`.

    Raises NoStamp where only the stamp has a zone.
    """
    if first.tzinfo is None and any(stamp.tzinfo is not None for stamp in stamps):
        raise NoStamp(0, "mixed_zones", "the stamps of the file have no time zone; write none")
    local = (s if s.tzinfo or not first.tzinfo else s.replace(tzinfo=first.tzinfo) for s in stamps)
    spans = ((stamp - first).total_seconds() for stamp in local)
    return np.fromiter(spans, np.float64, len(stamps))


def is_clock(text: str) -> bool:
    """Whether a text is a time of day without a date."""
    return len(text) <= LONGEST and _CLOCK.fullmatch(text.strip()) is not None


def is_stamp(text: str) -> bool:
    """Whether a text may be a stamp: a date, or a date and a time."""
    try:
        return bool(parse_stamps([text]))
    except NoStamp as error:
        return error.code == "ambiguous_date"


def _by_pattern(texts: Sequence[str]) -> list[datetime]:
    matches = [_match(text, row) for row, text in enumerate(texts)]
    order = _order(matches)
    return [_stamp(match, order, row) for row, match in enumerate(matches)]


def _match(text: str, row: int) -> Match:
    match = _DATE_AND_TIME.fullmatch(text) if len(text) <= LONGEST else None
    if match is None:
        words = f"{printable(text)} is no time; write 2014-12-31 16:00 or 2014-12-31T16:00:00Z"
        raise NoStamp(row, "not_a_time", words)
    return match


def _order(matches: Sequence[Match]) -> str:
    """In which order day, month and year stand in all stamps of a column: ymd, dmy or mdy."""
    if len(matches[0][1]) == 4:
        return "ymd"
    if len(matches[0][4]) != 4:
        raise NoStamp(0, "ambiguous_date", "write years with four digits, best as 2014-12-31")
    if matches[0][2] == ".":
        return "dmy"
    day_first = next((row for row, m in enumerate(matches) if int(m[1]) > 12), None)
    month_first = next((row for row, m in enumerate(matches) if int(m[3]) > 12), None)
    if (day_first is None) == (month_first is None):
        words = "day and month cannot be told apart; write dates as 2014-12-31 or 31.12.2014"
        raise NoStamp(day_first or 0, "ambiguous_date", words)
    return "mdy" if day_first is None else "dmy"


def _stamp(match: Match, order: str, row: int) -> datetime:
    parts = dict(zip(order, (match[1], match[3], match[4]), strict=True))
    hour, minute, second = (int(match[i] or 0) for i in (5, 6, 7))
    half = (match[9] or "").lower()
    if half:  # 12 AM is midnight, 12 PM is noon
        hour = hour % 12 + (12 if half == "p" else 0) if 1 <= hour <= 12 else 99
    microsecond = int((match[8] or "")[:6].ljust(6, "0"))
    try:
        if len(parts["y"]) != 4:
            raise ValueError
        year, month, day = (int(parts[part]) for part in "ymd")
        return datetime(year, month, day, hour, minute, second, microsecond)
    except ValueError:
        words = f"{printable(match[0])} is no date of the calendar, or its order is another"
        raise NoStamp(row, "not_a_time", words) from None
