"""A Dask cluster: one that is started here, or one found by its scheduler's address.

Nothing of Dask is loaded before the first is asked for: that takes a second and 60 MB.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.jobs.job import EngineLost
from app.logbook import adopt
from app.machine import available_memory
from solver.crew import cores

HERE = "127.0.0.1"
CONNECT_SECONDS = 10.0
CLOSE_SECONDS = 10.0
SMALL = 2**30  # bytes of memory below which worker processes are too much
PER_WORKER = 400 * 2**20  # bytes of a worker process with its solver, and room for a document
SERVICE = 300 * 2**20  # bytes of the service itself

LIBRARIES = ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
LOGGING = {"distributed": "warning"}
CONFIG = {
    # What is looked at while a worker process starts. Dask sets it for this process too, which has
    # long since looked.
    "distributed.nanny.pre-spawn-environ": dict.fromkeys(LIBRARIES, "1")
    | {f"DASK_LOGGING__{name.upper()}": level for name, level in LOGGING.items()},
    "distributed.comm.timeouts.connect": f"{CONNECT_SECONDS} s",
    # A worker that comes back slowly, on a busy machine, is not given up.
    "distributed.deploy.lost-worker-timeout": "2 minutes",
    # Workers hold no data: there is nothing to spill or balance, and pausing would be for ever.
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.scheduler.work-stealing": False,
    "distributed.scheduler.active-memory-manager.start": False,
    # Nobody looks at Dask's own diagnostics, and idle workers shall cost nothing.
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
    "distributed.worker.profile.enabled": False,
    "distributed.admin.system-monitor.gil.enabled": False,
    "distributed.admin.system-monitor.log-length": 10,
    "distributed.admin.low-level-log-length": 100,
    "distributed.diagnostics.nvml": False,
    "logging": LOGGING,
}


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


@dataclass(frozen=True)
class Cluster:
    """Dask's client, and the LocalCluster with its number of workers where they are our own."""

    client: Any
    own: Any = None
    count: int = 0

    @classmethod
    async def start(cls, settings: ClusterSettings) -> Cluster:
        """Workers of this machine, or the scheduler's. Raises EngineLost, which says why."""
        await asyncio.to_thread(_load, settings.folder)
        where = settings.scheduler or "workers of this machine"
        try:
            own, count = (None, 0) if settings.scheduler else await _local(settings)
            return cls(await _client(settings, own), own, count)
        except (OSError, RuntimeError, ValueError) as error:
            raise EngineLost(f"{where}: {type(error).__name__}: {error}") from error

    def replenish(self) -> None:
        """Start workers of our own that are missing and that Dask has given up."""
        if self.own is not None:
            self.own.scale(self.count)

    async def close(self) -> None:
        """Leave the cluster; end it where it was started here."""
        with suppress(OSError):  # what is gone needs no farewell; TimeoutError is one
            async with asyncio.timeout(CLOSE_SECONDS):
                await self.client.close()
        await _end(self.own)


def _load(folder: Path | None) -> None:
    # By the door that pint may be at: where two threads take two doors, neither gets in.
    import dask.base

    # Before Dask's schedulers look at it; without a folder they take the system's temporary one.
    dask.config.set(CONFIG | {"temporary-directory": folder and str(folder)})
    import distributed  # noqa: F401 - only to load it here, under these settings

    adopt("distributed")


async def _client(settings: ClusterSettings, own: Any) -> Any:
    from distributed import Client

    try:
        return await Client(
            settings.scheduler or own,
            asynchronous=True,
            set_as_default=False,
            timeout=CONNECT_SECONDS,
            security=_security(settings),
            name="kappafit",
        )
    except BaseException:
        await _end(own)
        raise


async def _local(settings: ClusterSettings) -> tuple[Any, int]:
    """Workers of one thread each: processes, or in a small machine one thread of this process."""
    from distributed import LocalCluster

    memory = available_memory()
    count = settings.workers or workers_for(cores(), memory)
    processes = memory >= SMALL
    if processes:
        kind: dict[str, Any] = {
            "memory_limit": (memory - SERVICE) // count,
            "preload": ["app.logbook", "app.jobs.runner"],
            "env": {"KAPPAFIT_THREADS": "1"},
        }
    else:
        kind, count = {"memory_limit": 0}, 1
    cluster = LocalCluster(
        n_workers=count,
        threads_per_worker=1,
        processes=processes,
        host=HERE,
        protocol="tcp" if settings.tls is None else "tls",
        dashboard_address=None,
        scheduler_kwargs={"dashboard_address": f"{HERE}:0"},  # of no use, but it takes a port
        security=_security(settings),
        silence_logs=False,
        asynchronous=True,
        **kind,
    )
    starting = asyncio.ensure_future(_started(cluster))
    try:
        return await asyncio.shield(starting), count
    except BaseException:  # a half started cluster cannot be ended
        await asyncio.wait({starting})
        await _end(cluster)
        raise


async def _started(cluster: Any) -> Any:
    return await cluster


async def _end(own: Any) -> None:
    if own is not None:
        with suppress(OSError):
            await own.close()


def workers_for(cores: int, memory: int) -> int:
    """How many worker processes cores and memory carry."""
    return max(1, min(cores, (memory - SERVICE) // PER_WORKER))


def _security(settings: ClusterSettings) -> Any:
    """What the parts of a cluster show each other, and whom they trust."""
    from distributed import Security

    if settings.tls is None:
        return Security()
    authority, certificate, key = (str(file) for file in settings.tls)
    parts = ("client", "scheduler", "worker")
    files = {f"tls_{part}_cert": certificate for part in parts}
    files |= {f"tls_{part}_key": key for part in parts}
    return Security(tls_ca_file=authority, require_encryption=True, **files)
