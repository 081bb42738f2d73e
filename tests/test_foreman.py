"""The foreman with a store that takes its time: what happens between two of its answers."""

import asyncio
import json
import time
from contextlib import asynccontextmanager

import pytest

from app.jobs import cluster
from app.jobs.archive import Archive
from app.jobs.cluster import ClusterSettings
from app.jobs.engine import Engine
from app.jobs.foreman import Foreman
from app.jobs.job import NewJob
from app.jobs.store import Store
from tests.engines import BOUNDS
from tests.faults.traffic import endless, tiny


@pytest.fixture
def slow_store(tmp_path, monkeypatch):
    """A store as over a slow line: it takes a while to read what a job is about."""
    body = Store.body

    def slowly(store, id):
        time.sleep(0.3)
        return body(store, id)

    monkeypatch.setattr(Store, "body", slowly)
    store = Store.open(f"sqlite:///{tmp_path / 'jobs.sqlite'}", keep_seconds=60.0)
    store.own()
    return store


@asynccontextmanager
async def leading(store):
    """A foreman with one worker, in this process."""
    engine = Engine(ClusterSettings(), BOUNDS, lambda job, event: None)
    foreman = Foreman(Archive(store), engine, max_queued=100)
    await foreman.start()
    try:
        yield foreman, engine
    finally:
        await foreman.close()


def new(document, task="simulate"):
    return NewJob("", task, json.dumps({"task": task, "document": document}).encode())


async def until(condition, seconds=20.0):
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


def test_a_job_that_is_dismissed_as_it_starts_takes_no_worker_and_holds_up_no_other(
    slow_store, monkeypatch
):
    monkeypatch.setattr(cluster, "available_memory", lambda: 2**29)

    async def lead():
        async with leading(slow_store) as (foreman, engine):
            gone = await foreman.submit(new(endless(), "calibrate"))
            other = await foreman.submit(new(tiny()))
            await until(lambda: slow_store.job(gone.id, "").status == "running")
            assert (await foreman.dismiss(gone.id, "")).status == "dismissed"
            assert (await foreman.wait(other, 20.0)).status == "successful"
            await until(lambda: engine.idle() == 1, 1.0)
            assert (await foreman.find(gone.id, "")).status == "dismissed"
            assert slow_store.queued() == 0
            assert foreman.log_of(gone.id) is foreman.log_of(other.id) is None

    asyncio.run(lead())
