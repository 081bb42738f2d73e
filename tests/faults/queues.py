"""Many jobs wait: a service that is started again takes them up at once, in order and fairly."""

from __future__ import annotations

import json
import tempfile
import time
from contextlib import closing
from pathlib import Path

from app.folders import job_store_url
from app.jobs.job import NewJob
from app.jobs.store import Store
from tests.faults.traffic import documents, ended, memory_of, started, submit, tiny, until

GROUP = 1000  # jobs accepted in one transaction
HOLDER = ""  # of all jobs where keys are off


def restart_with_a_queue(jobs):
    """Figures of a service that is started with so many jobs waiting, beside one with none."""
    with tempfile.TemporaryDirectory(prefix="kappafit-queue-") as folder:
        empty = _seconds_to_ready(f"{folder}/empty")
        fill(f"{folder}/full", jobs)
        full = _seconds_to_ready(f"{folder}/full")
    return {
        "jobs": jobs,
        "seconds to ready with an empty store": round(empty["ready"], 2),
        "seconds to ready": round(full["ready"], 2),
        "MB more in memory": round(full["memory"] - empty["memory"]),
        "the first that ran are the oldest": full["in order"],
        "jobs done meanwhile": full["done"],
    }


def fill(data, jobs):
    """Accept so many jobs into a new store."""
    body = json.dumps({"task": "simulate", "document": tiny()}).encode()
    with closing(opened(data)) as store:
        for _ in range(0, jobs, GROUP):
            store.accept([NewJob(HOLDER, "simulate", body)] * min(GROUP, jobs))


def opened(data):
    return Store.open(job_store_url(Path(data)), keep_seconds=1e6)


def _seconds_to_ready(data):
    began = time.monotonic()
    with started(data=data, job_workers=1) as server:
        found = {"ready": time.monotonic() - began, "memory": memory_of(server.process.pid)}
        time.sleep(3.0)
    with closing(opened(data)) as store:
        ran = store.jobs(HOLDER, limit=100_000)[::-1]
    begun = [job for job in ran if job.started is not None]
    return found | {
        "in order": begun == ran[: len(begun)] and _rises([job.started for job in begun]),
        "done": sum(job.status == "successful" for job in ran),
    }


def _rises(numbers):
    return numbers == sorted(numbers)


def fairness(jobs):
    """Figures of a holder with one job behind another's many."""
    middle = next(documents(1, cells=400, steps=400))
    with started(keys="on", job_workers=2) as server, closing(opened(server.folder.name)) as store:
        many, one = ({"X-API-Key": store.add_key(name)} for name in ("many", "one"))
        ended(server, submit(server, middle, headers=many), headers=many)
        for _ in range(jobs):
            submit(server, middle, headers=many)
        until(lambda: store.queued() < jobs)
        job = ended(server, submit(server, middle, headers=one), headers=one)
        listed = server.client.get("/v1/jobs?limit=1000", headers=many).json()["jobs"]
    between = [o for o in listed if job["created"] < (o["started"] or "") < job["started"]]
    return {
        "jobs of the other": jobs,
        "of these done before": sum(
            one["status"] == "successful" and one["finished"] < job["finished"] for one in listed
        ),
        "of these begun between its acceptance and its start": len(between),
    }
