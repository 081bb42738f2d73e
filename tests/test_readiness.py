"""/readyz tells whether the job store answers, and neither it nor /metrics waits for one."""

import asyncio
import os
import signal
import time

import pytest

from app.jobs.job import StoreUnavailable
from app.jobs.remembered import Remembered
from tests.conftest import Server
from tests.postgres import PASSWORD, started


@pytest.fixture(scope="module")
def database():
    one = started()
    yield one
    one.remove()


@pytest.fixture(scope="module")
def service(database):
    server = Server(database_url=database.new_database()).wait()
    yield server
    server.stop()


def becomes(service, status, seconds=15.0):
    """What /readyz says once it has this status; answers come soon, of /healthz at once."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        reply, took = timed(service, "/readyz")
        assert took < 2.5
        alive, took = timed(service, "/healthz")
        assert alive.status_code == 200
        assert took < 0.5
        if reply.status_code == status:
            return reply.json()["status"]
        time.sleep(0.1)
    raise AssertionError(f"/readyz has not become {status} within {seconds} s: {reply.text}")


def timed(service, path):
    began = time.monotonic()
    reply = service.client.get(path)
    return reply, time.monotonic() - began


def jobs_shown(service):
    """Whether /metrics, which always answers soon, has the number of jobs."""
    reply, took = timed(service, "/metrics")
    assert reply.status_code == 200
    assert took < 2.5
    return 'kappafit_jobs{status="accepted"}' in reply.text


def test_a_killed_store_is_told_and_so_is_its_return(database, service):
    assert becomes(service, 200) == "ok"
    assert jobs_shown(service)
    database.kill()
    try:
        said = becomes(service, 503)
        assert "the job store does not answer" in said
        assert PASSWORD not in said
        time.sleep(5.0)  # for which counts are remembered
        assert not jobs_shown(service)
    finally:
        database.start()
    assert becomes(service, 200) == "ok"
    assert jobs_shown(service)


def test_a_store_that_hangs_is_told_and_holds_up_nothing(database, service):
    assert becomes(service, 200) == "ok"
    its = "backend_type = 'client backend' AND pid <> pg_backend_pid()"  # those of the service
    rows = database.run(f"SELECT pid FROM pg_stat_activity WHERE {its}")
    frozen = [database.process.pid, *(pid for (pid,) in rows)]
    assert len(frozen) > 1
    for pid in frozen:
        os.kill(pid, signal.SIGSTOP)
    try:
        assert "answer" in becomes(service, 503)
        jobs_shown(service)
    finally:
        for pid in frozen:
            os.kill(pid, signal.SIGCONT)
    assert becomes(service, 200) == "ok"


def test_many_who_ask_at_once_are_one_question():
    asked = []

    async def ask():
        asked.append(time.monotonic())
        await asyncio.sleep(0.05)
        return len(asked)

    async def main():
        known = Remembered(ask, seconds=0.3, patience=1.0)
        assert await asyncio.gather(*(known() for _ in range(50))) == [1] * 50
        assert await known() == 1
        await asyncio.sleep(0.35)
        assert await known() == 2

    asyncio.run(main())


def test_a_question_without_an_answer_is_not_repeated():
    asked = []

    async def ask():
        asked.append(None)
        await asyncio.sleep(0.5)
        raise StoreUnavailable("it said so at last")

    async def main():
        known = Remembered(ask, seconds=0.0, patience=0.1)
        for _ in range(3):
            with pytest.raises(StoreUnavailable, match=r"not answered for 0\.1 s"):
                await known()
        assert len(asked) == 1
        await asyncio.sleep(0.3)
        with pytest.raises(StoreUnavailable, match="not answered"):
            await known()  # a new one, since the old one has ended
        assert len(asked) == 2

    asyncio.run(main())
