"""How often a holder of a key may ask; where keys are off, an address."""

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

    def __init__(self, rate: limits.RateLimitItem, seconds: int) -> None:
        super().__init__(f"the limit is {rate}; there is room again in {seconds} s")
        self.headers = {
            "Retry-After": str(seconds),
            "RateLimit-Limit": str(rate.amount),
            "RateLimit-Remaining": "0",
            "RateLimit-Reset": str(seconds),
        }


class Rates:
    """Of all holders the same: so many calls within a moving window, as in "600/minute"."""

    def __init__(self, rate: str) -> None:
        self._rate = limits.parse(rate)
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def allow(self, holder: str) -> None:
        """Count a call. Raises TooOften."""
        if not self._limiter.hit(self._rate, holder):
            reset = self._limiter.get_window_stats(self._rate, holder).reset_time
            raise TooOften(self._rate, max(1, math.ceil(reset - time.time())))


def rates_of(rate: str | None, keys: bool) -> Rates | None:
    """By the setting; None where there is no limit, which is so by default without keys."""
    wanted = rate if rate is not None else WITH_KEYS if keys else ""
    return Rates(wanted) if wanted else None


def within_rate(request: Request, holder: str) -> str:
    """The holder of a request that is allowed; only a POST counts. Raises TooOften."""
    request.state.holder = holder  # for the log
    rates: Rates | None = getattr(request.app.state, "rates", None)
    if rates is not None and request.method == "POST":
        rates.allow(holder or (request.client.host if request.client else ""))
    return holder
