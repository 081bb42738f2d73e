"""PostgreSQL killed, cut off, and set read-only: said at once, and got over by the same store."""

import random
import threading
import time
from collections import Counter
from contextlib import closing

import pytest

from app.jobs.job import NewJob, StoreRefused, StoreUnavailable
from app.jobs.store import Store
from tests.postgres import PASSWORD, started

JOB = NewJob("", "calibrate", b"{}")


@pytest.fixture(scope="module")
def server():
    """A server of these tests' own, to be killed."""
    one = started()
    yield one
    one.remove()


@pytest.fixture
def url(server):
    return server.new_database()


@pytest.fixture
def store(url):
    with closing(Store.open(url, keep_seconds=60.0)) as opened:
        opened.own()
        yield opened


def database_of(url):
    return url.rpartition("/")[2]


def refused_for_now(call, *arguments):
    """The reason that a call cannot be done now, said within 5 s."""
    before = time.monotonic()
    with pytest.raises(StoreUnavailable) as error:
        call(*arguments)
    assert time.monotonic() - before < 5.0
    assert PASSWORD not in str(error.value) + str(error.value.__cause__)
    assert "/" not in str(error.value)
    return str(error.value)


def test_killed_and_started_again(server, store):
    before = store.accept([JOB] * 3)
    store.start_next({})
    server.kill()
    for call in (store.counts, store.keys, store.release):
        assert refused_for_now(call) == "the job store does not answer"
    assert refused_for_now(store.accept, [JOB]) == "the job store does not answer"
    server.start()
    assert store.finish(before[0].id, "successful", piece=0, body=b"r")
    after = store.accept([JOB])
    assert [job.id for job in store.jobs("", limit=9)] == [job.id for job in (after + before[::-1])]


def test_killed_under_load_nothing_accepted_is_lost(server, store):
    accepted, unavailable, stop = [], Counter(), threading.Event()

    def load():
        while not stop.is_set():
            try:
                accepted.extend(job.id for job in store.accept([JOB] * 5))
            except StoreUnavailable as error:
                unavailable[str(error)] += 1
                time.sleep(0.02)

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        time.sleep(0.3)
        server.kill()
        time.sleep(0.3)
        server.start()
        back, seen = time.monotonic(), len(accepted)
        while len(accepted) == seen:
            assert time.monotonic() - back < 5.0
            time.sleep(0.01)
    stop.set()
    for thread in threads:
        thread.join(timeout=10)
    there = {job.id for job in store.jobs("", limit=1_000_000)}
    assert len(accepted) > 100
    assert set(accepted) <= there
    assert len(there) % 5 == 0
    assert set(unavailable) == {"the job store does not answer"}


def test_ownership_is_taken_again_before_anything_is_written(server, store, url):
    server.kill()
    server.start()
    with closing(Store.open(url, keep_seconds=60.0)) as other:
        store.accept([JOB])
        with pytest.raises(StoreRefused, match="another service owns"):
            other.own()


def test_who_lost_the_store_to_another_writes_no_more(server, store, url):
    store.accept([JOB])
    server.kill()
    server.start()
    with closing(Store.open(url, keep_seconds=60.0)) as other:
        other.own()
        assert refused_for_now(store.accept, [JOB]) == "another service owns this job store"
        assert store.counts()["accepted"] == 1
    store.accept([JOB])


def test_connections_cut_one_by_one(server, store, url):
    """Each cut fails one call at most, and no job is lost or made twice."""
    cut = f"""SELECT pg_terminate_backend(pid) FROM pg_stat_activity
              WHERE datname = '{database_of(url)}'"""
    accepted, failed, chance = [], 0, random.Random(6)
    for number in range(60):
        if chance.random() < 0.5:
            server.run(cut)
        job = NewJob("", "calibrate", b"{}", idempotency_key=str(number), fingerprint="f")
        try:
            accepted += store.accept([job])
        except StoreUnavailable:
            failed += 1
            accepted += store.accept([job])
    assert failed <= 30
    assert len({job.id for job in accepted}) == len(store.jobs("", limit=99)) == 60


def test_read_only_is_said(server, store, url):
    name = database_of(url)
    cut = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
    server.run(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    server.run(cut)
    assert refused_for_now(store.accept, [JOB]) == "the job store cannot be written"
    assert store.counts()["accepted"] == 0
    with pytest.raises(StoreRefused, match="cannot be written"):
        Store.open(url, keep_seconds=60.0)
    server.run(f"ALTER DATABASE {name} RESET default_transaction_read_only")
    server.run(cut)
    store.accept([JOB])


def test_what_is_accepted_is_on_the_servers_disk(server, store, url):
    server.run(f"ALTER DATABASE {database_of(url)} SET synchronous_commit = off")
    with closing(Store.open(url, keep_seconds=60.0)) as other:
        with other._database.writer.connect() as connection:
            assert connection.exec_driver_sql("SHOW synchronous_commit").scalar() == "on"
