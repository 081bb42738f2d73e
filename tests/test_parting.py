"""A service that stops lets go of those who watch its jobs or wait for them; the jobs go on."""

import asyncio
import concurrent.futures
import json
import signal
import tempfile
import time

import httpx
import pytest

from app.jobs.events import Event, Log
from tests.conftest import Server
from tests.test_jobs import long, submitted


@pytest.fixture
def folder():
    with tempfile.TemporaryDirectory(prefix="kappafit-test-") as name:
        yield name


def watch(url, location, **headers):
    """The events of a job until the stream has properly ended, and when that was."""
    with httpx.stream("GET", f"{url}{location}/events", headers=headers, timeout=60.0) as stream:
        lines = [line.partition(": ")[::2] for line in stream.iter_lines()]
    ended = time.monotonic()
    ids = [int(value) for name, value in lines if name == "id"]
    return ids, [json.loads(value) for name, value in lines if name == "data"], ended


def running(server, location):
    while server.client.get(location).json()["status"] != "running":
        time.sleep(0.05)


def test_streams_end_and_waits_are_over_as_soon_as_a_stop_begins(document, folder):
    server = Server(data=folder, drain_seconds=0.5, stop_seconds=10).wait()
    document = long(document)
    location = submitted(server, document)
    running(server, location)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        watching = pool.submit(watch, server.url, location)
        prefers = {"Prefer": "respond-async, wait=50", "Content-Type": "application/json"}
        body = json.dumps(document).encode()
        post = {"content": body, "headers": prefers, "timeout": 60.0}
        waiting = pool.submit(httpx.post, f"{server.url}/v1/calibrate", **post)
        time.sleep(1.0)
        assert not watching.done()
        assert not waiting.done()
        began = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        ids, told, ended = watching.result()
        reply = waiting.result()
    assert told[-1] == {"status": "interrupted"}
    assert ids[-1] == ids[-2]  # so that who comes back goes on from there
    assert ended - began < 1.0
    assert reply.status_code == 202
    server.process.wait(timeout=15)
    assert time.monotonic() - began < 6.0  # well within the grace of 10 s
    server.stop()

    again = Server(data=folder).wait()
    try:
        for job in (location, reply.headers["location"]):
            assert again.client.get(job).json()["status"] in ("accepted", "running")
            assert again.client.delete(job).json()["status"] == "dismissed"
    finally:
        again.stop()


async def collected(events):
    return [event async for event in events]


def test_who_is_let_go_of_has_heard_everything_before():
    async def main():
        log = Log()
        log.add("iteration", {"iteration": 0})
        followed = [asyncio.create_task(collected(log.after(n))) for n in (0, 1)]
        await asyncio.sleep(0)
        log.add("iteration", {"iteration": 1})
        log.part()
        interrupted = Event(2, "status", {"status": "interrupted"})
        assert [await f for f in followed] == [
            [*log.events, interrupted],
            [log.events[1], interrupted],
        ]
        await asyncio.wait_for(log.end(), 1.0)
        log.add("status", {"status": "successful"}, last=True)
        assert await collected(log.after(2)) == [log.events[2]]  # it did end, after all
        assert b"interrupted" not in log.text("status", {})

    asyncio.run(main())
