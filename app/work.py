"""Solving off the event loop: a few threads, a bounded queue, and a way to stop.

The kernels run without the GIL, so a thread per core is enough and the loop stays free. Between
kernels the threads hold it, so where the loop is late (when thousands of clients come at once) they
wait until it has caught up. A request whose client has gone, or whose time is up, is told so by its
pulse, which every march calls at least every 0.2 s. The queue is bounded in length and in time:
what would wait for longer, going by what requests took so far, is refused at once.

Small documents are solved one after the other: between their short kernels they hold the GIL, and
two at once hand it to and fro, which costs more than it gains (two clients got 90 answers a second
where one got 130). What takes long lets others in.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

from fastapi import Request

from app.metrics import Metrics
from app.problems import details_of
from solver import Cancelled

Result = TypeVar("Result")
Pulse = Callable[[], None]
POLL_SECONDS = 0.25
BEAT_SECONDS = 0.02
LATE_SECONDS = 0.05
ALONE_SECONDS = 0.05  # for which a request is solved alone, and the next one waits for that
GIVE_WAY_SECONDS = 0.5  # at most, and again at the next pulse
WEIGHT = 0.1  # of the newest in the running mean of what requests take


class Overloaded(Exception):
    """Too many requests are waiting; `retry_after`: seconds until there may be room."""

    def __init__(self, words: str, retry_after: int) -> None:
        super().__init__(words)
        self.retry_after = retry_after


class TimeUp(Exception):
    """A request used up its solving time."""


class Gone(TimeUp):
    """Its client did not wait for the answer."""


@dataclass(frozen=True)
class Room:
    """What may wait and take how long.

    max_waiting: requests that may wait for a worker; wait_seconds: for so long; seconds: the
    solving time of one.
    """

    max_waiting: int
    wait_seconds: float
    seconds: float


class Way:
    """Of the loop before the threads: they go on while it is on time."""

    def __init__(self) -> None:
        self._free = threading.Event()
        self._free.set()
        self._beating = False

    def give(self) -> None:
        """In a thread: wait until the loop has caught up, or for a while."""
        if not self._free.is_set():
            self._free.wait(GIVE_WAY_SECONDS)

    def watch(self, busy: Callable[[], bool]) -> None:
        """On the loop: see whether it is on time, as long as threads are `busy`."""
        if not self._beating:
            self._beating = True
            self._next(asyncio.get_running_loop(), busy)

    def _next(self, loop: asyncio.AbstractEventLoop, busy: Callable[[], bool]) -> None:
        loop.call_later(BEAT_SECONDS, self._beat, loop, loop.time() + BEAT_SECONDS, busy)

    def _beat(self, loop: asyncio.AbstractEventLoop, due: float, busy: Callable[[], bool]) -> None:
        self._beating = busy()
        if self._beating and loop.time() - due > LATE_SECONDS:
            self._free.clear()
        else:
            self._free.set()
        if self._beating:
            self._next(loop, busy)


class _Alone:
    """One thread's right to solve alone, for a short time; who waits for longer does without."""

    def __init__(self, lock: threading.Lock) -> None:
        self._held = [lock] if lock.acquire(timeout=ALONE_SECONDS) else []
        self._until = time.monotonic() + ALONE_SECONDS

    def look(self) -> None:
        """Let others in where it is time."""
        if self._held and time.monotonic() > self._until:
            self.end()

    def end(self) -> None:
        """Let others in. Threads of a search may call it at once: one of them pops the lock."""
        with suppress(IndexError):
            self._held.pop().release()


@dataclass
class _Turn:
    """One request's time in a thread."""

    way: Way
    lock: threading.Lock
    asked: float = field(default_factory=time.monotonic)
    began: float | None = None
    ended: float = 0.0
    stop: threading.Event = field(default_factory=threading.Event)

    def take(self, work: Callable[[Pulse], Result], seconds: float) -> Result:
        """Runs in the thread; the time until it does is not the request's."""
        alone = _Alone(self.lock)
        deadline = time.monotonic() + seconds

        def pulse() -> None:
            alone.look()
            self.way.give()
            if self.stop.is_set() or time.monotonic() > deadline:
                raise Cancelled

        try:
            pulse()
            self.began = time.monotonic()
            return work(pulse)
        finally:
            self.ended = time.monotonic()
            alone.end()


class Workers:
    """The threads that solve."""

    def __init__(self, count: int, room: Room, metrics: Metrics) -> None:
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="solve")
        self._count, self._room, self._metrics = count, room, metrics
        self._taken = 0
        self._mean = 0.0  # seconds
        self._way, self._alone = Way(), threading.Lock()
        metrics.waiting(self.waiting)

    async def run(self, request: Request, work: Callable[[Pulse], Result]) -> Result:
        """`work(pulse)` in a thread. Raises Overloaded, TimeUp, or what `work` raises."""
        self.admit()
        turn, task = _Turn(self._way, self._alone), request.scope["route"].name
        job = self._threads.submit(turn.take, work, self._room.seconds)
        future = asyncio.wrap_future(job)
        self._taken += 1
        self._way.watch(lambda: self._taken > 0)
        future.add_done_callback(lambda done: self._release(done, turn, task))
        gone = False
        try:
            while not (await asyncio.wait({future}, timeout=POLL_SECONDS))[0]:
                late = time.monotonic() - turn.asked > self._room.wait_seconds
                if late and job.cancel():  # one that has begun cannot be
                    raise self._overloaded(self._room.wait_seconds)
                if gone := await request.is_disconnected():
                    turn.stop.set()
            return future.result()
        except Cancelled:
            if gone:
                raise Gone from None
            raise TimeUp(f"a request may take {self._room.seconds:g} s of solving") from None
        finally:
            turn.stop.set()

    def admit(self) -> None:
        """Raises Overloaded where one more would wait for too long."""
        if self._taken < self._count:
            return
        wait = (self.waiting() + 1) * self._mean / self._count
        if self.waiting() >= self._room.max_waiting or wait > self._room.wait_seconds:
            raise self._overloaded(wait)

    def waiting(self) -> int:
        """How many requests wait for a thread."""
        return max(0, self._taken - self._count)

    def close(self) -> None:
        """Let running work end, take no more."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _overloaded(self, wait: float) -> Overloaded:
        words = (
            f"{self.waiting()} requests are waiting for a worker; the limits are "
            f"{self._room.max_waiting} requests and {self._room.wait_seconds:g} s"
        )
        return Overloaded(words, max(1, min(60, math.ceil(wait))))

    def _release(self, done: asyncio.Future[Any], turn: _Turn, task: str) -> None:
        self._taken -= 1
        error = None if done.cancelled() else done.exception()
        if turn.began is not None:
            seconds = turn.ended - turn.began
            self._mean += WEIGHT * (seconds - self._mean)
            self._metrics.solved(task, _outcome(error), seconds)


def _outcome(error: BaseException | None) -> str:
    if error is None:
        return "ok"
    if isinstance(error, Cancelled):
        return "stopped"
    refused = isinstance(error, Exception) and details_of(error) is not None
    return "refused" if refused else "failed"
