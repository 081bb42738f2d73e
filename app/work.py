"""Solving off the event loop: a few threads, a bounded queue, and a way to stop.

The kernels run without the GIL, so a thread per core is enough and the loop stays free. A request
whose client has gone, or whose time is up, is told so by its pulse, which every march calls at
least every 0.2 s.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from fastapi import Request

from solver import Cancelled

Result = TypeVar("Result")
POLL_SECONDS = 0.25


class Overloaded(Exception):
    """Too many requests are waiting."""


class TimeUp(Exception):
    """A request used up its solving time."""


class Workers:
    """The threads that solve, and how many requests may wait for them."""

    def __init__(self, count: int, max_waiting: int, seconds: float) -> None:
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="solve")
        self._room = count + max_waiting
        self._seconds = seconds
        self._taken = 0

    async def run(self, request: Request, work: Callable[[Callable[[], None]], Result]) -> Result:
        """`work(pulse)` in a thread. Raises Overloaded, TimeUp, or what `work` raises."""
        if self._taken >= self._room:
            raise Overloaded
        self._taken += 1
        stop = threading.Event()

        def job() -> Result:
            deadline = time.monotonic() + self._seconds  # waiting for a thread does not count

            def pulse() -> None:
                if stop.is_set() or time.monotonic() > deadline:
                    raise Cancelled

            pulse()
            return work(pulse)

        future = asyncio.get_running_loop().run_in_executor(self._threads, job)
        future.add_done_callback(lambda _: self._release())
        try:
            while not (await asyncio.wait({future}, timeout=POLL_SECONDS))[0]:
                if await request.is_disconnected():
                    stop.set()
            return future.result()
        except Cancelled:
            raise TimeUp from None
        finally:
            stop.set()

    def close(self) -> None:
        """Let running work end, take no more."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _release(self) -> None:
        self._taken -= 1
