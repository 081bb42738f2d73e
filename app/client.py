"""The Python client of a kappafit service, one that waits and one for asyncio.

    from app.client import Client

    with Client("http://127.0.0.1:8000", key="kf_...") as kappafit:
        answer = kappafit.calibrate("bar.json")
        job = kappafit.ensemble("bar.json", [{"fit": {"starts": n}} for n in (1, 2, 3)])
        for item in job.result(progress=True):
            print(item.index, item.answer or item.problem)

A document is a dict, the path of a JSON file, or JSON as bytes; logs that it names are sent along.
Requests that are lost on the way, or find the service busy, are sent again as often as `Patience`
says, and never make a second job. `AsyncClient` has the same methods, to be awaited.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import aclosing, closing
from typing import Any

import httpx

from app.answers import Answer, CheckAnswer, GradientAnswer, SimulationAnswer
from app.jobs.events import Event
from app.remote.conversations import At, Conversations
from app.remote.documents import Document
from app.remote.errors import JobDismissed, JobFailed, RemoteError, ServerProblem, Unreachable
from app.remote.exchange import Result, Steps, Talk
from app.remote.jobs import AsyncJob, Job, bar
from app.remote.results import Item
from app.remote.retries import Patience
from app.remote.wires import AsyncWire, Hear, Wire, address, connection, ignore

__all__ = [
    "AsyncClient",
    "AsyncJob",
    "Client",
    "Event",
    "Item",
    "Job",
    "JobDismissed",
    "JobFailed",
    "Patience",
    "RemoteError",
    "ServerProblem",
    "Unreachable",
]

ANSWER_SECONDS = 120.0  # that an answer may take; a service gives up after 60, unless it is told to


class Client:
    """A service, by its address and a key (by default `KAPPAFIT_SERVER` and `KAPPAFIT_KEY`).

    timeout: seconds that one answer may take. Raises ValueError for an address or key that is none.

    All methods may raise ServerProblem or Unreachable; those that take a document OSError, NotJson
    or InvalidExperiment where it cannot be sent.
    """

    def __init__(
        self,
        server: str | None = None,
        key: str | None = None,
        *,
        patience: Patience | None = None,
        timeout: float = ANSWER_SECONDS,
    ) -> None:
        self._speak = Conversations(address(server), patience or Patience())
        self._http = httpx.Client(**connection(self._speak.server, key, timeout))

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *how: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of its connections."""
        self._http.close()

    def calibrate(self, document: Document, *, progress: bool = False) -> Answer:
        """Find the unknowns, also where it takes a job; `progress` shows a bar if it does."""
        with bar(progress) as hear:
            return self._run(self._speak.question(Answer, document), hear)

    def gradient(
        self, document: Document, at: At = None, *, hessian: bool = False
    ) -> GradientAnswer:
        """J and its exact gradient at the start values, or `at` others; its `hessian`, too."""
        return self._run(self._speak.question(GradientAnswer, document, at, hessian=hessian))

    def simulate(
        self, document: Document, at: At = None, *, field: bool = False
    ) -> SimulationAnswer:
        """Computed readings, or with `field` the whole bar at every step."""
        return self._run(self._speak.question(SimulationAnswer, document, at, field=field))

    def check(self, document: Document, at: At = None) -> CheckAnswer:
        """The proof of the gradient."""
        return self._run(self._speak.question(CheckAnswer, document, at))

    def submit(
        self, task: str, document: Document, *, idempotency_key: str | None = None, **options: Any
    ) -> Job:
        """A job that does what the method of the task's name does, with its options.

        The same `idempotency_key` is the same job, also from another process.
        """
        steps = self._speak.submit(task, document, options, idempotency_key)
        return Job(self._speak, self._http, self._run(steps))

    def ensemble(
        self,
        document: Document,
        items: Sequence[Document],
        *,
        idempotency_key: str | None = None,
        **options: Any,
    ) -> Job:
        """One job on many documents, each an item laid over `document`.

        options: `task`, by default calibrate, and those of the task.
        """
        steps = self._speak.ensemble(document, items, options, idempotency_key)
        return Job(self._speak, self._http, self._run(steps), len(items))

    def job(self, id: str) -> Job:
        """The job with this id."""
        return Job(self._speak, self._http, self._run(self._speak.job(id)))

    def jobs(
        self, *, status: str | None = None, limit: int | None = None
    ) -> Generator[Job, None, None]:
        """Your jobs, newest first, no more than `limit`; pages are fetched as they are needed."""
        with closing(Wire(self._http).told(Talk(self._speak.jobs(status, limit)))) as told:
            for state in told:
                yield Job(self._speak, self._http, state)

    def _run(self, steps: Steps[Result], hear: Hear = ignore) -> Result:
        return Wire(self._http).run(steps, hear)


class AsyncClient:
    """The same as `Client`, to be awaited; `jobs` and a job's `events` are iterated over."""

    def __init__(
        self,
        server: str | None = None,
        key: str | None = None,
        *,
        patience: Patience | None = None,
        timeout: float = ANSWER_SECONDS,
    ) -> None:
        self._speak = Conversations(address(server), patience or Patience())
        self._http = httpx.AsyncClient(**connection(self._speak.server, key, timeout))

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *how: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self._http.aclose()

    async def calibrate(self, document: Document, *, progress: bool = False) -> Answer:
        with bar(progress) as hear:
            return await self._run(self._speak.question(Answer, document), hear)

    async def gradient(
        self, document: Document, at: At = None, *, hessian: bool = False
    ) -> GradientAnswer:
        return await self._run(self._speak.question(GradientAnswer, document, at, hessian=hessian))

    async def simulate(
        self, document: Document, at: At = None, *, field: bool = False
    ) -> SimulationAnswer:
        return await self._run(self._speak.question(SimulationAnswer, document, at, field=field))

    async def check(self, document: Document, at: At = None) -> CheckAnswer:
        return await self._run(self._speak.question(CheckAnswer, document, at))

    async def submit(
        self, task: str, document: Document, *, idempotency_key: str | None = None, **options: Any
    ) -> AsyncJob:
        steps = self._speak.submit(task, document, options, idempotency_key)
        return AsyncJob(self._speak, self._http, await self._run(steps))

    async def ensemble(
        self,
        document: Document,
        items: Sequence[Document],
        *,
        idempotency_key: str | None = None,
        **options: Any,
    ) -> AsyncJob:
        steps = self._speak.ensemble(document, items, options, idempotency_key)
        return AsyncJob(self._speak, self._http, await self._run(steps), len(items))

    async def job(self, id: str) -> AsyncJob:
        return AsyncJob(self._speak, self._http, await self._run(self._speak.job(id)))

    async def jobs(
        self, *, status: str | None = None, limit: int | None = None
    ) -> AsyncGenerator[AsyncJob, None]:
        talk = Talk(self._speak.jobs(status, limit))
        async with aclosing(AsyncWire(self._http).told(talk)) as told:
            async for state in told:
                yield AsyncJob(self._speak, self._http, state)

    async def _run(self, steps: Steps[Result], hear: Hear = ignore) -> Result:
        return await AsyncWire(self._http).run(steps, hear)
