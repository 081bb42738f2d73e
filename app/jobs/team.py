"""The workers of a cluster, with one thing to do at a time each.

Who does what is decided here, not left to the scheduler. So when a worker is lost, what it did is
known, and nothing else is to blame; and that holds on any cluster, however its scheduler is set.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError as GivenUp  # Dask's are of this kind
from contextlib import suppress
from typing import Any
from uuid import uuid4

from app.jobs.cluster import Cluster
from app.jobs.job import EngineLost

log = logging.getLogger("kappafit.jobs")

LOOK_SECONDS = 0.25  # between two looks whether the scheduler is there
STOP_SECONDS = 0.2  # until a worker that did not stop is told again
PATIENCE = 1.0  # seconds that workers have to stop before they are ended
NEWS = "all"  # the topic under which a scheduler tells who comes and goes
GONE = "the scheduler is gone"

Heard = Callable[[dict[str, Any]], None]
Stop = Callable[[], None]
Answer = asyncio.Future[Any]
Gone = asyncio.Future[set[str]]


class WorkerGone(Exception):
    """A worker was lost while it did what it was given, or, unless `begun`, before."""

    def __init__(self, begun: bool) -> None:
        self.begun = begun
        super().__init__("a worker was lost")


class Team:
    """The workers of a cluster, which end with its scheduler. Made by `join`."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster, self._client = cluster, cluster.client
        self._link = self._client.scheduler_comm  # a new one is one to a new scheduler
        self._workers: dict[str, Gone] = {}  # by address; done when it is gone, with what it did
        self._removed: set[str] = set()
        self._busy: set[str] = set()
        self._waiting = 0
        self._changed = asyncio.Event()
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._looking = asyncio.create_task(self._look())
        self._stopping: set[asyncio.Task[None]] = set()

    @classmethod
    async def join(cls, cluster: Cluster, topic: str, heard: Heard) -> Team:
        """The cluster's workers; `heard` gets what they tell under `topic`. Raises EngineLost."""
        team, client = cls(cluster), cluster.client
        client.subscribe_topic(topic, lambda event: heard(event[1]))
        client.subscribe_topic(NEWS, lambda event: team._note(event[1]))
        try:
            there = await client.scheduler.identity()
        except OSError as error:
            await team.close()
            raise EngineLost(f"the scheduler is gone: {error}") from error
        for address in there["workers"].keys() - team._removed:
            team._come(address)
        return team

    @property
    def alive(self) -> bool:
        """Whether it takes work."""
        return self._is_linked() and not self._ended.done()

    def idle(self) -> int:
        """How many workers have nothing to do, and nothing waits for them."""
        return max(0, len(self._free()) - self._waiting) if self.alive else 0

    def busy(self) -> int:
        """How many workers have something to do."""
        return len(self._busy & self._workers.keys())

    async def do(self, task: Callable[..., Any], *args: Any, stop: Stop) -> Any:
        """What ``task(*args)`` returns in a worker that does nothing else; waits until one is free.

        When this is cancelled `stop` runs in the worker, which counts as busy until the task ends.
        Raises EngineLost, WorkerGone, and what `task` raises.
        """
        address = await self._take()
        gone, key = self._workers[address], f"{task.__name__}-{uuid4().hex}"
        future = self._client.submit(task, *args, key=key, workers=[address], pure=False)
        answer = asyncio.ensure_future(future.result())
        # Else the scheduler would give it to the next worker that has this address.
        answer.add_done_callback(lambda _: future.release())
        try:
            await _first(answer, gone, self._ended)
            return self._result(key, answer, gone)
        finally:
            if self._goes_on(answer, gone):
                self._begin(self._stop(address, answer, gone, stop))
            else:
                self._leave(address, answer)

    async def close(self) -> None:
        """Give up what is being done, and leave the cluster when its workers have stopped."""
        self._end()
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                while self._busy:
                    await self._changed.wait()
        tasks = [self._looking, *self._stopping]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._is_linked():
            self._client.unsubscribe_topic(NEWS)  # else it would hear of its own end
        await self._cluster.close()

    def _is_linked(self) -> bool:
        client = self._client
        return client.status == "running" and client.scheduler_comm is self._link

    def _free(self) -> list[str]:
        return [address for address in self._workers if address not in self._busy]

    async def _take(self) -> str:
        """The address of a worker that was free."""
        self._waiting += 1
        try:
            while self.alive:
                if free := self._free():
                    self._busy.add(free[0])
                    return free[0]
                await self._changed.wait()
        finally:
            self._waiting -= 1
        raise EngineLost(GONE)

    def _result(self, key: str, answer: Answer, gone: Gone) -> Any:
        from distributed import KilledWorker

        if not answer.done():
            raise WorkerGone(key in gone.result()) if gone.done() else EngineLost(GONE)
        try:
            return answer.result()
        except KilledWorker:  # by a scheduler that is set to give up at once
            raise WorkerGone(begun=True) from None
        except GivenUp:
            raise EngineLost(GONE) from None

    async def _stop(self, address: str, answer: Answer, gone: Gone, stop: Stop) -> None:
        """Have the worker stop, which is told again and again, since it may not have begun."""
        while self._goes_on(answer, gone):
            try:
                await self._client.run(stop, workers=[address], on_error="ignore")
            except OSError as error:
                log.warning("a worker could not be told to stop: %s", error)
            await _first(answer, gone, seconds=STOP_SECONDS)
        self._leave(address, answer)

    def _goes_on(self, answer: Answer, gone: Gone) -> bool:
        return self._is_linked() and not (answer.done() or gone.done())

    def _leave(self, address: str, answer: Answer) -> None:
        """The worker is free, or gone."""
        answer.cancel()
        self._busy.discard(address)
        self._notify()

    def _begin(self, stopping: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(stopping)
        self._stopping.add(task)
        task.add_done_callback(self._stopping.discard)

    async def _look(self) -> None:
        """Notice that the scheduler is gone, and that workers stay away."""
        while self.alive:
            if len(self._workers) < self._cluster.count:
                self._cluster.replenish()
            await asyncio.sleep(LOOK_SECONDS)
        self._end()

    def _end(self) -> None:
        if not self._ended.done():
            self._ended.set_result(None)
        self._notify()

    def _note(self, event: Any) -> None:
        """What the scheduler tells all."""
        match event:
            case {"action": "add-worker", "worker": address}:
                self._removed.discard(address)
                self._come(address)
            case {"action": "remove-worker", "worker": address, "processing-tasks": keys}:
                self._removed.add(address)
                self._go(address, set(keys))

    def _come(self, address: str) -> None:
        self._workers.setdefault(address, asyncio.get_running_loop().create_future())
        self._notify()

    def _go(self, address: str, doing: set[str]) -> None:
        gone = self._workers.pop(address, None)
        if gone is not None:
            gone.set_result(doing)

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


async def _first(*ends: asyncio.Future[Any], seconds: float | None = None) -> None:
    """Wait for one of them, or so long."""
    await asyncio.wait(ends, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
