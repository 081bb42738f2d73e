"""A process beside the service, in which large bodies are read.

Python reads JSON, and pydantic checks it, in calls that let no other thread run: half a second for
2 MB of brackets. What is read is small to hand over, an experiment of numpy arrays. The process is
started with the first large body, and ends with the service, also where that is killed.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Concatenate, ParamSpec, Protocol, TypeVar

P = ParamSpec("P")
Result = TypeVar("Result")
Pulse = Callable[[], None]

LARGE = 65_536  # bytes; what is smaller holds up the others for no longer than a few milliseconds
ATTEMPTS = 2
POLL_SECONDS = 0.1


class ReaderLost(Exception):
    """The process ended over a body, twice."""


class Read(Protocol):
    """How bytes are read: `work(data, ...)`, here or elsewhere, while `pulse` lets it."""

    def __call__(
        self,
        pulse: Pulse,
        work: Callable[Concatenate[bytes, P], Result],
        data: bytes,
        *args: P.args,
        **named: P.kwargs,
    ) -> Result: ...


def read_here(
    pulse: Pulse,
    work: Callable[Concatenate[bytes, P], Result],
    data: bytes,
    *args: P.args,
    **named: P.kwargs,
) -> Result:
    """In this process."""
    return work(data, *args, **named)


class Aside:
    """Reads large bodies in another process, called from the threads that solve."""

    def __init__(self) -> None:
        self._pool: ProcessPoolExecutor | None = None
        self._changing = threading.Lock()

    def __call__(
        self,
        pulse: Pulse,
        work: Callable[Concatenate[bytes, P], Result],
        data: bytes,
        *args: P.args,
        **named: P.kwargs,
    ) -> Result:
        """What `work(data, ...)` returns or raises. Raises ReaderLost, or what `pulse` raises."""
        if len(data) < LARGE:
            return work(data, *args, **named)
        for _ in range(ATTEMPTS):
            pool = self._open()
            try:
                future = pool.submit(work, data, *args, **named)
                while not wait([future], POLL_SECONDS).done:
                    pulse()
                return future.result()
            except BrokenProcessPool:
                self._leave(pool)
        raise ReaderLost("the process that reads large bodies was lost over this one, twice")

    def close(self) -> None:
        """End the process; what it reads is lost."""
        with self._changing:
            if self._pool is not None:
                self._pool.shutdown(wait=False, cancel_futures=True)

    def _open(self) -> ProcessPoolExecutor:
        with self._changing:
            if self._pool is None:
                spawned = multiprocessing.get_context("spawn")  # a fork would copy held locks
                self._pool = ProcessPoolExecutor(1, mp_context=spawned, initializer=_live)
            return self._pool

    def _leave(self, pool: ProcessPoolExecutor) -> None:
        pool.shutdown(wait=False)
        with self._changing:
            if self._pool is pool:
                self._pool = None


def _live() -> None:
    """In the process: as long as the service does, and through the terminal's Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    service = multiprocessing.parent_process()
    assert service is not None

    def follow() -> None:
        service.join()
        os._exit(0)

    threading.Thread(target=follow, daemon=True).start()
