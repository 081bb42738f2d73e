"""When to ask again, and how often."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

# Too many requests, and what is said (by the service, or by a proxy before it) while it is away.
AGAIN = (429, 502, 503, 504)

LONGEST_PAUSE = 8.0  # seconds; longer ones are the service's wish


@dataclass(frozen=True)
class Patience:
    """How often a request is sent, and for how long.

    attempts: in all; seconds: from the first one to the last; outage: the same for who watches a
    job, which goes on when its service is back; first: seconds that the first pause is at most, it
    doubles; chance: a number from 0 to 1, by which pauses differ from client to client.
    """

    attempts: int = 6
    seconds: float = 120.0
    outage: float = 600.0
    first: float = 0.5
    chance: Callable[[], float] = random.random

    def pause(self, attempt: int, asked: float | None) -> float:
        """Seconds to wait after so many attempts; no fewer than the service has `asked` for."""
        longest = min(self.first * 2.0 ** min(attempt - 1, 20), LONGEST_PAUSE)
        return (asked or 0.0) + longest * self.chance()


def retry_after(headers: Mapping[str, str]) -> float | None:
    """What the header asks for, in seconds; None where there is none that could be meant.

    A date is measured against the answer's own, since clocks differ.
    """
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    until = _seconds(text)
    if until is None:
        return None
    now = _seconds(headers.get("Date", ""))
    return max(until - (time.time() if now is None else now), 0.0)


def _seconds(text: str) -> float | None:
    """An HTTP date as seconds since 1970."""
    try:
        moment: datetime = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
