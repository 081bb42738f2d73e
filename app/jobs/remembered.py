"""What many want to know of the store, asked once for all of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

from app.jobs.job import StoreUnavailable

Result = TypeVar("Result")


class Remembered(Generic[Result]):
    """What `ask()` answers, asked again where the last answer was none or is `seconds` old.

    There is never more than one question on its way, so a store that hangs keeps one thread busy.
    """

    def __init__(
        self, ask: Callable[[], Coroutine[Any, Any, Result]], seconds: float, patience: float
    ) -> None:
        self._ask, self._seconds, self._patience = ask, seconds, patience
        self._asked: asyncio.Task[Result] | None = None
        self._when = 0.0

    async def __call__(self) -> Result:
        """The answer. Raises StoreUnavailable, also where it takes longer than `patience`."""
        asked = self._question()
        await asyncio.wait({asked}, timeout=self._patience)
        if not asked.done():
            raise StoreUnavailable(f"the job store has not answered for {self._patience:g} s")
        return asked.result()

    def _question(self) -> asyncio.Task[Result]:
        if self._asked is None or (self._asked.done() and self._is_stale(self._asked)):
            self._when = time.monotonic()
            self._asked = asyncio.create_task(self._ask())
            self._asked.add_done_callback(_seen)
        return self._asked

    def _is_stale(self, asked: asyncio.Task[Result]) -> bool:
        failed = asked.cancelled() or asked.exception() is not None
        return failed or time.monotonic() - self._when > self._seconds


def _seen(asked: asyncio.Task[Any]) -> None:
    """Whoever asks next gets the failure; that nobody has yet is no news."""
    if not asked.cancelled():
        asked.exception()
