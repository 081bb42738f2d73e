"""Dask's workers, one piece of a job at a time each.

Where a piece goes is decided here, not left to the scheduler: a worker gets one piece, so when it
is lost no other piece is blamed, and how often a piece was tried is known on any cluster.
Dask is loaded with the first job: it takes a second and 60 MB.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from app.jobs import runner
from app.jobs.cluster import Cluster, ClusterSettings
from app.jobs.job import EngineLost, Piece, WorkerLost
from app.jobs.runner import Bounds, Outcome

log = logging.getLogger("kappafit.jobs")

ATTEMPTS = 3
TOPIC = "kappafit"
CONNECT_SECONDS = 10.0
DISMISS_SECONDS = 5.0

Heard = Callable[[str, dict[str, Any]], None]


class Engine:
    """The workers of one service. `on_event(job, event)` hears what they tell of their pieces."""

    def __init__(self, settings: ClusterSettings, bounds: Bounds, on_event: Heard) -> None:
        self._settings, self._bounds, self._on_event = settings, bounds, on_event
        self._cluster: Cluster | None = None
        self._opening = asyncio.Lock()
        self._free: set[str] = set()
        self._busy: dict[str, _Try] = {}  # by the worker's address
        self._changed = asyncio.Event()
        self._number = 0

    async def open(self) -> None:
        """Start the workers or find the cluster; at once where that is done. Raises EngineLost."""
        async with self._opening:
            if self._cluster is not None and self._cluster.alive:
                return
            await self._leave()
            try:
                cluster = await Cluster.start(
                    self._settings, TOPIC, self._heard, self._came_or_went
                )
            except (OSError, TimeoutError) as error:
                raise EngineLost(f"no answer from the scheduler: {type(error).__name__}") from error
            self._cluster = cluster
            self._free |= await cluster.workers() - self._busy.keys()
            self._notify()

    def idle(self) -> int:
        """How many pieces can be handed out now."""
        alive = self._cluster is not None and self._cluster.alive
        return len(self._free) if alive else 0

    async def run(self, piece: Piece) -> Outcome:
        """Do a piece, again where its worker was lost. Raises WorkerLost or EngineLost."""
        for _ in range(ATTEMPTS):
            outcome = await self._attempt(piece)
            if outcome is not None:
                return outcome
            log.warning("a worker was lost with a piece of job %s", piece.job)
        raise WorkerLost(piece.job)

    async def cancel(self, job: str) -> None:
        """Stop the job's pieces wherever they run; they end as dismissed."""
        where = [address for address, its in self._busy.items() if its.job == job]
        if where and self._cluster is not None and self._cluster.alive:
            try:
                async with asyncio.timeout(DISMISS_SECONDS):
                    await self._cluster.client.run(
                        runner.dismiss, job, workers=where, on_error="ignore"
                    )
            except (OSError, TimeoutError, ValueError) as error:  # it is lost, and the piece too
                log.warning("a worker could not be told to stop: %s", type(error).__name__)

    async def close(self) -> None:
        """End the workers that were started here."""
        async with self._opening:
            await self._leave()

    async def _attempt(self, piece: Piece) -> Outcome | None:
        """None where the worker was lost."""
        cluster, address = await self._worker()
        self._number += 1
        key = f"{piece.job}-{piece.number}-{self._number}"
        this = self._busy[address] = _Try(piece.job, asyncio.Event())
        future = cluster.client.submit(
            _on_worker, piece, self._bounds, key=key, workers=[address], pure=False
        )
        try:
            return await _first(cluster, future, this.lost)
        finally:
            future.release()
            if self._busy.get(address) is this:
                del self._busy[address]
            if not this.lost.is_set() and cluster.alive:
                self._free.add(address)
            self._notify()

    async def _worker(self) -> tuple[Cluster, str]:
        """A worker that does nothing, taken; waits until there is one."""
        while True:
            cluster = self._cluster
            if cluster is None or not cluster.alive:
                raise EngineLost("the scheduler is gone")
            if self._free:
                return cluster, self._free.pop()
            await self._changed.wait()

    def _heard(self, event: dict[str, Any]) -> None:
        self._on_event(event.pop("job"), {k: v for k, v in event.items() if k != "worker"})

    def _came_or_went(self, address: str | None, here: bool) -> None:
        """A worker is new or lost; without an address, they all are lost with the scheduler."""
        gone = list(self._busy) if address is None else [address]
        if here and address is not None and address not in self._busy:
            self._free.add(address)
        elif not here:
            for one in gone:
                self._free.discard(one)
                if one in self._busy:
                    self._busy.pop(one).lost.set()
        self._notify()

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _leave(self) -> None:
        cluster, self._cluster = self._cluster, None
        self._free.clear()
        self._came_or_went(None, False)
        if cluster is not None:
            await cluster.close()


class _Try:
    """A piece on a worker."""

    def __init__(self, job: str, lost: asyncio.Event) -> None:
        self.job, self.lost = job, lost


async def _first(cluster: Cluster, future: Any, lost: asyncio.Event) -> Outcome | None:
    """The outcome, or None where the worker is lost before. Raises EngineLost."""
    from distributed.client import FutureCancelledError
    from distributed.scheduler import KilledWorker

    answer = asyncio.ensure_future(cluster.result(future))
    loss = asyncio.ensure_future(lost.wait())
    try:
        await asyncio.wait({answer, loss}, return_when=asyncio.FIRST_COMPLETED)
        if not cluster.alive:
            raise EngineLost("the scheduler is gone")
        if not answer.done():
            return None
        found: Outcome = answer.result()
        return found
    except KilledWorker:
        return None
    except FutureCancelledError:
        raise EngineLost("the scheduler is gone") from None
    finally:
        for waiting in (answer, loss):
            waiting.cancel()
        await asyncio.gather(answer, loss, return_exceptions=True)


def _on_worker(piece: Piece, bounds: Bounds) -> Outcome:
    """Runs in a worker's thread."""
    from distributed import get_worker

    worker = get_worker()

    def tell(event: dict[str, Any]) -> None:
        worker.log_event(TOPIC, {"job": piece.job} | event)

    return runner.run(piece, bounds, tell)
