"""Pieces of jobs on Dask's workers: each done once, or tried three times, or given up on demand."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from typing import Any

from app.jobs import runner
from app.jobs.cluster import Cluster, ClusterSettings
from app.jobs.job import DISMISSED, EngineLost, Piece, WorkerLost
from app.jobs.runner import Bounds, Outcome
from app.jobs.team import Team, WorkerGone

log = logging.getLogger("kappafit.jobs")

ATTEMPTS = 3
LONGEST_PAUSE = 15.0  # seconds between two attempts to find a scheduler that is gone

Heard = Callable[[str, dict[str, Any]], None]


class Engine:
    """The workers of one service. `on_event(job, event)` hears what they tell of their pieces."""

    def __init__(self, settings: ClusterSettings, bounds: Bounds, on_event: Heard) -> None:
        self._settings, self._bounds, self._on_event = settings, bounds, on_event
        self._team: Team | None = None
        self._opening = asyncio.Lock()
        self._failures, self._not_before = 0, 0.0
        self._running: defaultdict[str, set[asyncio.Task[Outcome]]] = defaultdict(set)  # by job

    async def open(self) -> None:
        """Start the workers or find the cluster; at once where that is done.

        Raises EngineLost, without trying again for a while, a longer one each time.
        """
        async with self._opening:
            if self._team is not None and self._team.alive:
                return
            if time.monotonic() < self._not_before:
                raise EngineLost("the scheduler is gone; it is looked for again in some seconds")
            await self._leave()
            try:
                cluster = await Cluster.start(self._settings)
                self._team = await Team.join(cluster, runner.TOPIC, self._heard)
            except EngineLost:
                pause = min(LONGEST_PAUSE, 0.5 * 2**self._failures)
                self._failures, self._not_before = self._failures + 1, time.monotonic() + pause
                raise
            self._failures = 0

    def idle(self) -> int:
        """How many pieces can be handed out now."""
        return 0 if self._team is None else self._team.idle()

    def busy(self) -> int:
        """How many workers have something to do."""
        return 0 if self._team is None else self._team.busy()

    async def run(self, piece: Piece) -> Outcome:
        """Do a piece, again where its worker was lost. Raises WorkerLost or EngineLost."""
        attempts = 0
        while attempts < ATTEMPTS:
            try:
                return await self._attempt(piece)
            except WorkerGone as gone:
                attempts += gone.begun
                log.warning("a worker was lost with a piece of job %s", piece.job)
        raise WorkerLost(piece.job)

    async def cancel(self, job: str) -> None:
        """End the job's pieces as dismissed, wherever they are; their workers stop soon after."""
        for attempt in self._running.get(job, ()):
            attempt.cancel()

    async def close(self) -> None:
        """Give up what runs, and end the workers that were started here."""
        async with self._opening:
            await self._leave()

    async def _attempt(self, piece: Piece) -> Outcome:
        if self._team is None:
            raise EngineLost("the engine is not open")
        stop = partial(runner.dismiss, piece.job)
        doing = self._team.do(runner.work, piece, self._bounds, stop=stop)
        attempt: asyncio.Task[Outcome] = asyncio.create_task(doing)
        self._running[piece.job].add(attempt)
        try:
            return await attempt
        except (EngineLost, WorkerGone):
            raise
        except asyncio.CancelledError:
            if _is_cancelled_itself():
                raise
            return Outcome(DISMISSED)
        except Exception as error:  # the worker could not even read what it was given
            return runner.failed(error)
        finally:
            self._running[piece.job].discard(attempt)
            if not self._running[piece.job]:
                del self._running[piece.job]

    def _heard(self, event: dict[str, Any]) -> None:
        job, told = event["job"], event["told"]
        if job in self._running:  # else it is another service's
            self._on_event(job, told)

    async def _leave(self) -> None:
        team, self._team = self._team, None
        if team is not None:
            await team.close()


def _is_cancelled_itself() -> bool:
    """Whether it is the task that runs here that was cancelled, not one that it waits for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
