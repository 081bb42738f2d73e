"""A Dask cluster: one that is started here, or one found by its scheduler's address."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from solver.crew import cores

CONNECT_SECONDS = 10.0
CLOSE_SECONDS = 10.0
PER_WORKER = 400 * 2**20  # bytes of a worker process with its solver, and room for a document
SERVICE = 300 * 2**20  # bytes of the service itself

# For worker processes, set before they start: each has one core to itself.
ONE_THREAD = {
    f"distributed.nanny.pre-spawn-environ.{name}": "1"
    for name in (
        "KAPPAFIT_THREADS",
        "NUMBA_NUM_THREADS",
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
    )
}
CONFIG = ONE_THREAD | {
    "distributed.comm.timeouts.connect": f"{CONNECT_SECONDS} s",
    "distributed.worker.daemon": True,
    "distributed.admin.low-level-log-length": 100,
}

CameOrWent = Callable[[str | None, bool], None]


@dataclass(frozen=True)
class ClusterSettings:
    """Where the workers are.

    scheduler: an address, None for workers of this machine; workers: how many of these, None for
    what its cores and memory carry; tls: files (authority, certificate, key) of a cluster that
    encrypts; folder: where the workers may write.
    """

    scheduler: str | None = None
    workers: int | None = None
    tls: tuple[Path, Path, Path] | None = None
    folder: Path | None = None


class Cluster:
    """A running cluster and this service's client of it."""

    def __init__(self, client: Any, own: Any) -> None:
        self.client = client
        self._own = own
        self._left = False

    @classmethod
    async def start(
        cls,
        settings: ClusterSettings,
        topic: str,
        heard: Callable[[dict[str, Any]], None],
        came_or_went: CameOrWent,
    ) -> Cluster:
        """Workers of this machine, or the scheduler's. Raises OSError or TimeoutError."""
        await asyncio.to_thread(__import__, "distributed")
        import dask
        from distributed import Client

        dask.config.set(CONFIG)
        security = _security(settings)
        own = None if settings.scheduler else await _local(settings, security)
        try:
            client = await Client(
                settings.scheduler or own,
                asynchronous=True,
                set_as_default=False,
                timeout=CONNECT_SECONDS,
                security=security,
                name="kappafit",
            )
        except BaseException:
            if own is not None:
                await own.close()
            raise
        cluster = cls(client, own)
        client.subscribe_topic(topic, lambda event: heard(dict(event[1])))
        client.subscribe_topic("all", lambda event: _note(event[1], came_or_went))
        return cluster

    @property
    def alive(self) -> bool:
        """Whether the scheduler answers."""
        return not self._left and self.client.status == "running"

    async def workers(self) -> set[str]:
        """The addresses of all workers."""
        known: dict[str, Any] = await self.client.scheduler.identity()
        return set(known["workers"])

    async def result(self, future: Any) -> Any:
        """What the task returned."""
        return await future.result()

    async def close(self) -> None:
        """Leave the cluster; end it where it was started here."""
        self._left = True
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self.client.close()
                if self._own is not None:
                    await self._own.close()
        except (OSError, TimeoutError):
            pass  # what is gone needs no farewell


def _note(event: Any, came_or_went: CameOrWent) -> None:
    if isinstance(event, dict) and event.get("action") in ("add-worker", "remove-worker"):
        came_or_went(event["worker"], event["action"] == "add-worker")


async def _local(settings: ClusterSettings, security: Any) -> Any:
    """Workers of one thread each: processes, or in a small machine one thread of this process."""
    from distributed import LocalCluster

    memory = available_memory()
    processes = memory >= 2**30
    count = settings.workers or workers_for(cores(), memory)
    return await LocalCluster(
        n_workers=count if processes else 1,
        threads_per_worker=1,
        processes=processes,
        memory_limit=(memory - SERVICE) // count if processes else 0,
        host="127.0.0.1" if processes else None,
        dashboard_address=None,
        worker_dashboard_address=None,
        security=security,
        silence_logs=False,
        asynchronous=True,
        **({"local_directory": str(settings.folder)} if settings.folder else {}),
    )


def workers_for(cores: int, memory: int) -> int:
    """How many worker processes cores and memory carry."""
    return max(1, min(cores, (memory - SERVICE) // PER_WORKER))


def _security(settings: ClusterSettings) -> Any:
    from distributed import Security

    if settings.tls is None:
        return Security()
    authority, certificate, key = (str(file) for file in settings.tls)
    files = {"tls_client_cert": certificate, "tls_client_key": key}
    return Security(tls_ca_file=authority, require_encryption=True, **files)


def available_memory() -> int:
    """Bytes that this process may use: of its container, or of the machine."""
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text().strip()
        if limit != "max":
            return int(limit)
    except OSError:
        pass
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not said on this system
        return 4 * 2**30
