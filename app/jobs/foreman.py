"""Leads jobs from accepted to ended: takes them from the store, hands their pieces to the engine.

The store is the queue. A piece goes out only where a worker is free for it, so that a worker that
is lost takes nothing along but its own piece. What ended is written until the store takes it.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

from app.jobs.archive import Archive
from app.jobs.engine import Engine
from app.jobs.events import Log
from app.jobs.job import (
    DISMISSED,
    ENDED,
    FAILED,
    SUCCESSFUL,
    EngineLost,
    Job,
    NewJob,
    Piece,
    StoreUnavailable,
    WorkerLost,
)
from app.jobs.runner import Outcome
from app.jobs.store import Store
from app.jobs.under_way import Work
from app.logbook import logger
from app.problems import problem_details

log = logger("kappafit.jobs")

LOOK_AGAIN = 0.5  # seconds, where a job waits for a worker that may come
TRY_AGAIN = 2.0  # seconds, where store or engine does not answer
EXPIRE_EVERY = 600.0

LOST = (
    "the worker that did it was lost three times (out of memory, or killed); "
    "take fewer cells, steps or readings"
)


class QueueFull(Exception):
    """No more jobs can wait."""


class Foreman:
    """Of one service. `ended` hears of every job that ends: its status, seconds waited and run."""

    def __init__(
        self,
        archive: Archive,
        engine: Engine,
        *,
        max_queued: int,
        ended: Callable[[str, float, float], None] = lambda status, waited, ran: None,
    ) -> None:
        self._archive, self._engine, self._ended = archive, engine, ended
        self._max_queued, self._queued = max_queued, 0
        self._works: dict[str, Work] = {}
        self._logs: dict[str, Log] = {}  # of jobs that have not ended
        self._wake, self._closing, self._parted = asyncio.Event(), False, False
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Take up what an earlier service left. Raises StoreUnavailable."""
        await self._archive(Store.release)
        self._queued = await self._archive(Store.queued)
        self._wake.set()
        self._begin(self._lead())
        self._begin(self._expire())

    def part(self) -> None:
        """Let go of all who watch jobs or wait for them: the service stops soon."""
        self._parted = True
        for watched in self._logs.values():
            watched.part()

    async def close(self) -> None:
        """Stop leading; what runs is taken up by the next service."""
        self._closing = True
        self.part()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._engine.close()
        await self._archive.close()

    async def submit(self, new: NewJob) -> Job:
        """The job, accepted and on disk. Raises QueueFull, KeyReused or StoreUnavailable."""
        if self._queued >= self._max_queued:
            raise QueueFull(f"{self._queued} jobs are waiting, the limit is {self._max_queued}")
        job = await self._archive.accept(new)
        if job.status not in ENDED and job.id not in self._logs:
            self._logs[job.id] = Log()
            self._queued += 1
            self._wake.set()
            log.info("job accepted", job=job.id, task=job.task, pieces=job.pieces)
        return job

    async def find(self, id: str, holder: str) -> Job | None:
        """The holder's job as it is now."""
        return await self._archive(Store.job, id, holder)

    async def dismiss(self, id: str, holder: str) -> Job | None:
        """The job, ended: as dismissed, unless it had ended before. None where there is none."""
        job = await self.find(id, holder)
        if job is None or job.status in ENDED:
            return job
        if await self._archive(Store.finish, id, DISMISSED, events=self._text(id, DISMISSED)):
            if id not in self._works:
                self._queued -= 1
                self._wake.set()
            self._close_book(job, DISMISSED)
            await self._engine.cancel(id)
        return await self.find(id, holder)

    async def wait(self, job: Job, seconds: float) -> Job:
        """The job once it has ended, or as it is after so many seconds."""
        watched = self.log_of(job.id)
        if watched is not None:
            try:
                await asyncio.wait_for(watched.end(), seconds)
            except TimeoutError:
                pass
        return await self.find(job.id, job.holder) or job

    def log_of(self, id: str) -> Log | None:
        """The growing log of a job that has not ended."""
        watched = self._logs.get(id)
        if watched is not None and self._parted:
            watched.part()
        return watched

    def heard(self, id: str, event: dict[str, Any]) -> None:
        """A worker's event of a job."""
        watched = self._logs.get(id)
        if watched is not None:
            watched.add("items" if "done" in event else "iteration", event)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("work on a job broke off", exc_info=task.exception())

    async def _lead(self) -> None:
        while not self._closing:
            try:
                await self._hand_out()
            except (StoreUnavailable, EngineLost) as error:
                log.warning("jobs wait", reason=str(error))
                await asyncio.sleep(TRY_AGAIN)
                continue
            except Exception as error:
                log.error("handing out jobs failed", exc_info=error)
                await asyncio.sleep(TRY_AGAIN)
                continue
            await self._sleep()

    async def _sleep(self) -> None:
        """Until something changes; where a job waits, a worker may also have come."""
        waits = self._queued > 0 or any(work.left for work in self._works.values())
        try:
            await asyncio.wait_for(self._wake.wait(), LOOK_AGAIN if waits else None)
        except TimeoutError:
            pass
        self._wake.clear()

    async def _hand_out(self) -> None:
        """Pieces to all free workers; the engine starts with the first job."""
        if self._queued <= 0:  # what is dismissed just as it starts is counted twice
            self._queued = await self._archive(Store.queued)
        while self._queued > 0 or any(work.left for work in self._works.values()):
            await self._engine.open()
            if self._engine.idle() <= 0:
                return
            work = await self._next()
            if work is None:
                return
            self._begin(self._do(work, work.take()))

    async def _next(self) -> Work | None:
        """The work whose holder has least in flight, of equals the oldest; begun where it waits."""
        busy: Counter[str] = Counter()
        for work in self._works.values():
            busy[work.job.holder] += len(work.flying)
        ready = [work for work in self._works.values() if work.left]
        best = min(ready, key=lambda w: (busy[w.job.holder], w.job.sequence), default=None)
        if self._queued == 0:
            return best
        most = None if best is None else busy[best.job.holder]
        return await self._start(busy, most) or best

    async def _start(self, busy: Counter[str], below: int | None) -> Work | None:
        """A job that was waiting, of a holder with fewer than `below` pieces in flight."""
        job = await self._archive(Store.start_next, busy, below=below)
        if job is None:
            if below is None:
                self._queued = await self._archive(Store.queued)
            return None
        self._queued -= 1
        watched = self._logs.setdefault(job.id, Log())
        body = await self._archive.surely(Store.body, job.id)
        done = await self._archive.surely(Store.pieces_done, job.id)
        work = self._works[job.id] = Work(job, body, done, watched)
        now = await self._archive.surely(Store.job, job.id, job.holder)
        if now is None or now.status in ENDED:  # dismissed before it was known here
            self._close_book(job, DISMISSED)
            return None
        watched.add("status", {"status": job.status})
        log.info("job started", job=job.id, task=job.task, left=len(work.left))
        if not work.left:  # the service ended between its last piece and its end
            await self._end(work, SUCCESSFUL)
            return None
        return work

    async def _do(self, work: Work, piece: Piece) -> None:
        """One piece, on a worker."""
        try:
            if work.job.id not in self._works:  # dismissed just now
                return
            outcome = await self._engine.run(piece)
        except EngineLost:
            work.give_back(piece.number)
        except WorkerLost:
            problem = problem_details(500, "worker_lost", LOST)
            await self._end(work, FAILED, problem=problem.model_dump(exclude_none=True))
        else:
            await self._settle(work, piece, outcome)
        finally:
            work.flying.discard(piece.number)
            self._wake.set()

    async def _settle(self, work: Work, piece: Piece, outcome: Outcome) -> None:
        if outcome.status == FAILED:
            await self._end(work, FAILED, problem=outcome.problem)
        elif outcome.status == DISMISSED:
            work.give_back(piece.number)  # of no consequence where the job was dismissed
        elif work.left or len(work.flying) > 1:
            kept = work.job.id, piece.number, outcome.body, work.progress
            await self._archive.surely(Store.keep, *kept)
            work.flying.discard(piece.number)
            if not (work.left or work.flying):  # the others ended while this was written
                await self._end(work, SUCCESSFUL)
        else:
            await self._end(work, SUCCESSFUL, piece=piece.number, body=outcome.body)

    async def _end(self, work: Work, status: str, **how: Any) -> None:
        """Write how it ended, once, and let go of it."""
        if work.job.id not in self._works:  # it has ended, by another piece or by its holder
            return
        message = (how.get("problem") or {}).get("detail", "")
        ended = await self._archive.surely(
            Store.finish,
            work.job.id,
            status,
            message=message,
            events=self._text(work.job.id, status),
            **how,
        )
        if not ended:  # dismissed meanwhile, or written by a commit whose answer was lost
            now = await self._archive.surely(Store.job, work.job.id, work.job.holder)
            status = now.status if now else DISMISSED
        self._close_book(work.job, status)
        if work.flying and status != SUCCESSFUL:
            await self._engine.cancel(work.job.id)

    def _close_book(self, job: Job, status: str) -> None:
        self._works.pop(job.id, None)
        watched = self._logs.pop(job.id, None)
        if watched is None:  # that was done
            return
        watched.add("status", {"status": status}, last=True)
        now, started = time.time(), job.started or time.time()
        waited, ran = started - job.created, now - started
        log.info("job ended", job=job.id, status=status, waited=round(waited, 3), ran=round(ran, 3))
        self._ended(status, waited, ran)

    def _text(self, id: str, status: str) -> bytes:
        """The whole log of a job that is about to end so."""
        return self._logs.get(id, Log()).text("status", {"status": status})

    async def _expire(self) -> None:
        while True:
            try:
                await self._archive(Store.expire, time.time())
            except StoreUnavailable as error:
                log.warning("nothing expires now", reason=str(error))
            await asyncio.sleep(EXPIRE_EVERY)
