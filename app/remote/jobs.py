"""Jobs of a service, as a client holds them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from contextlib import AbstractContextManager, aclosing, closing, nullcontext
from typing import Any

from app.jobs.events import Event
from app.jobs.job import ENDED
from app.jobs.status import JobStatus
from app.progress import job_bar
from app.remote.conversations import Conversations
from app.remote.exchange import Talk
from app.remote.wires import AsyncWire, Hear, Wire, ignore


class KnownJob:
    """What is known of a job: `state` is all of it, as the service has told it last."""

    def __init__(
        self, speak: Conversations, http: Any, state: JobStatus, items: int | None = None
    ) -> None:
        self._speak, self._http, self.state, self._items = speak, http, state, items

    @property
    def id(self) -> str:
        return self.state.id

    @property
    def status(self) -> str:
        """accepted, running, successful, failed or dismissed."""
        return self.state.status

    @property
    def progress(self) -> int:
        """In percent."""
        return self.state.progress

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id}: {self.state.task}, {self.status}>"


class Job(KnownJob):
    """A job of a service.

    All methods may raise ServerProblem or Unreachable, and where they wait TimeoutError after
    `timeout` seconds; the job goes on then.
    """

    def refresh(self) -> Job:
        """Ask for its state."""
        self.state = Wire(self._http).run(self._speak.job(self.id))
        return self

    def cancel(self) -> Job:
        """Stop it; one that has ended stays as it is."""
        self.state = Wire(self._http).run(self._speak.cancel(self.id))
        return self

    def events(self, timeout: float | None = None) -> Generator[Event, None, None]:
        """What happens in it (iterations, items done, changes of status), from first to last."""
        talk = Talk(self._speak.watch(self.id, timeout))
        with closing(Wire(self._http).told(talk)) as told:
            yield from told
        self.state = talk.result

    def wait(self, *, progress: bool = False, timeout: float | None = None) -> Job:
        """Wait until it has ended, in whatever way; `progress` shows a bar on stderr."""
        if self.status not in ENDED:
            with bar(progress, self._items) as hear:
                self.state = Wire(self._http).run(self._speak.watch(self.id, timeout), hear)
        return self

    def result(self, *, progress: bool = False, timeout: float | None = None) -> Any:
        """Its answer, once it has ended; of an ensemble a list of items in order.

        Raises JobFailed or JobDismissed.
        """
        self.wait(progress=progress, timeout=timeout)
        return Wire(self._http).run(self._speak.result(self.state))


class AsyncJob(KnownJob):
    """The same as `Job`, to be awaited."""

    async def refresh(self) -> AsyncJob:
        self.state = await AsyncWire(self._http).run(self._speak.job(self.id))
        return self

    async def cancel(self) -> AsyncJob:
        self.state = await AsyncWire(self._http).run(self._speak.cancel(self.id))
        return self

    async def events(self, timeout: float | None = None) -> AsyncGenerator[Event, None]:
        talk = Talk(self._speak.watch(self.id, timeout))
        async with aclosing(AsyncWire(self._http).told(talk)) as told:
            async for event in told:
                yield event
        self.state = talk.result

    async def wait(self, *, progress: bool = False, timeout: float | None = None) -> AsyncJob:
        if self.status not in ENDED:
            with bar(progress, self._items) as hear:
                watched = self._speak.watch(self.id, timeout)
                self.state = await AsyncWire(self._http).run(watched, hear)
        return self

    async def result(self, *, progress: bool = False, timeout: float | None = None) -> Any:
        await self.wait(progress=progress, timeout=timeout)
        return await AsyncWire(self._http).run(self._speak.result(self.state))


def bar(progress: bool, items: int | None = None) -> AbstractContextManager[Hear]:
    """Shows a job's events, where `progress` is wanted."""
    return job_bar(items) if progress else nullcontext(ignore)
