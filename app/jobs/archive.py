"""The store for asyncio: calls in threads, and acceptances gathered into one commit."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Concatenate, ParamSpec, TypeVar

from app.jobs.job import Job, KeyReused, NewJob, StoreUnavailable
from app.jobs.remembered import Remembered
from app.jobs.store import Store
from app.jobs.transaction import FULL, READ_ONLY

THREADS = 4
PATIENCE = 1.0  # seconds that who looks after the service waits for an answer
PAUSE = 1.0  # seconds in which a store that did not answer is not asked again
UNWRITABLE = {FULL, READ_ONLY}  # such a store can still be read
FIRST_WAIT, LONGEST_WAIT = 0.25, 5.0

P = ParamSpec("P")
Result = TypeVar("Result")
Asked = tuple[NewJob, asyncio.Future[Job]]


class Archive:
    """A store, asked off the event loop.

    answers: raises StoreUnavailable where it does not; counts: jobs by status; both may be asked
    as often as one likes.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="store")
        self._asked: list[Asked] = []
        self._writing: asyncio.Task[None] | None = None
        self._silent, self._reason = 0.0, ""
        self.answers = Remembered(lambda: self(Store.answer), 1.0, PATIENCE)
        self.counts = Remembered(lambda: self(Store.counts), 5.0, PATIENCE)

    async def __call__(
        self, call: Callable[Concatenate[Store, P], Result], *args: P.args, **named: P.kwargs
    ) -> Result:
        """What `call(store, ...)` returns. Raises StoreUnavailable, at once where it just did."""
        if time.monotonic() < self._silent:
            raise StoreUnavailable(self._reason)
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._threads, lambda: call(self._store, *args, **named)
            )
        except StoreUnavailable as error:
            if str(error) not in UNWRITABLE:
                self._silent, self._reason = time.monotonic() + PAUSE, str(error)
            raise

    async def surely(
        self, call: Callable[Concatenate[Store, P], Result], *args: P.args, **named: P.kwargs
    ) -> Result:
        """The same, asked again until the store answers: nothing that was done gets lost."""
        wait = FIRST_WAIT
        while True:
            try:
                return await self(call, *args, **named)
            except StoreUnavailable:
                await asyncio.sleep(wait)
                wait = min(2.0 * wait, LONGEST_WAIT)

    async def accept(self, new: NewJob) -> Job:
        """The job, once it is on disk. Raises KeyReused or StoreUnavailable.

        Who asks while a commit is on its way shares the next one: a commit waits for the disk.
        """
        answer: asyncio.Future[Job] = asyncio.get_running_loop().create_future()
        self._asked.append((new, answer))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())
        return await answer

    async def close(self) -> None:
        """Let what is being written be written, then close the store."""
        if self._writing is not None:
            await self._writing
        self._threads.shutdown()
        self._store.close()

    async def _write(self) -> None:
        while self._asked:
            batch, self._asked = self._asked, []
            try:
                jobs = await self(Store.accept, [new for new, _ in batch])
            except Exception as error:
                for _, answer in batch:
                    if not answer.done():  # who asked may have gone
                        answer.set_exception(error)
            else:
                for (_, answer), job in zip(batch, jobs, strict=True):
                    _give(answer, job)


def _give(answer: asyncio.Future[Job], job: Job | KeyReused) -> None:
    if answer.done():
        return
    if isinstance(job, KeyReused):
        answer.set_exception(job)
    else:
        answer.set_result(job)
