"""How often a holder of a key may ask, where keys are off an address; and guess keys."""

from __future__ import annotations

import math
import time

import limits
from fastapi import Request
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

WITH_KEYS = "1200/minute"  # where nothing else is set


class TooOften(Exception):
    """The rate is used up; `headers` of the answer say what it is, and when there is room again."""

    def __init__(self, what: str, rate: limits.RateLimitItem, seconds: int) -> None:
        super().__init__(f"the limit of {what} is {rate}; there is room again in {seconds} s")
        self.headers = {
            "Retry-After": str(seconds),
            "RateLimit-Limit": str(rate.amount),
            "RateLimit-Remaining": "0",
            "RateLimit-Reset": str(seconds),
        }


class Rates:
    """Of all holders the same: so many calls within a moving window, as in "600/minute".

    what: is counted, in words.
    """

    def __init__(self, rate: str, what: str = "calls") -> None:
        self._rate, self._what = limits.parse(rate), what
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def allow(self, holder: str) -> None:
        """Count a call. Raises TooOften."""
        if not self._limiter.hit(self._rate, holder):
            reset = self._limiter.get_window_stats(self._rate, holder).reset_time
            raise TooOften(self._what, self._rate, max(1, math.ceil(reset - time.time())))

    def has_room(self, holder: str) -> bool:
        """Whether a call would be allowed; it does not count."""
        return self._limiter.test(self._rate, holder)


def rates_of(rate: str | None, keys: bool) -> Rates | None:
    """By the setting; None where there is no limit, which is so by default without keys."""
    wanted = rate if rate is not None else WITH_KEYS if keys else ""
    return Rates(wanted) if wanted else None


def within_rate(request: Request, holder: str) -> str:
    """The holder of a request that is allowed; only a POST counts. Raises TooOften."""
    request.state.holder = holder  # for the log
    rates: Rates | None = getattr(request.app.state, "rates", None)
    if rates is not None and request.method == "POST":
        rates.allow(holder or address_of(request))
    return holder


def address_of(request: Request) -> str:
    """Of the client, as far as it is known."""
    return request.client.host if request.client else ""
