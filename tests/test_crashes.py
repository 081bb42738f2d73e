"""The experiments of `tests/faults` in short."""

import concurrent.futures
import os
from contextlib import closing

import pytest

from app.jobs.job import NewJob
from app.jobs.runner import run
from tests.engines import BOUNDS, ensemble
from tests.faults.__main__ import small_disk
from tests.faults.batches import bad_items
from tests.faults.cancels import random_cancels
from tests.faults.crashes import kills_of_the_service
from tests.faults.losses import (
    kills_of_workers,
    loss_of_a_worker_in_a_batch,
    loss_of_the_scheduler_in_a_batch,
)
from tests.faults.mixed import mixed_load
from tests.faults.outages import full_disk, postgres_away
from tests.faults.queues import fairness, opened, restart_with_a_queue
from tests.faults.traffic import ended, items_of, sent, started
from tests.postgres import started as started_postgres

IS_ROOT = hasattr(os, "getuid") and os.getuid() == 0
OUTLIVE = "seconds that workers outlive their service, at most"


@pytest.mark.faults
def test_a_killed_service_loses_no_job_and_does_none_twice():
    found = kills_of_the_service(kills=5, jobs=20)
    assert found["accepted"] == found["successful"] == found["listed"] == 20
    assert found["equal to the undisturbed"] == 20
    assert found["results of a job"] == [1]
    assert found[OUTLIVE] < 5.0


@pytest.mark.faults
def test_a_service_outlives_its_workers():
    found = kills_of_workers(kills=4)
    assert found["ended as"] == {"successful": found["jobs"]}  # none is hit three times
    assert found["equal to the undisturbed"] == found["jobs"] > 4
    assert found["failed looks"] == 0
    assert found["longest without /readyz, s"] < 10.0


@pytest.mark.faults
def test_a_batch_outlives_a_worker():
    found = loss_of_a_worker_in_a_batch(items=30)
    assert found == {"items": 30, "equal to the undisturbed": True}


@pytest.mark.faults
def test_a_batch_outlives_its_scheduler():
    found = loss_of_the_scheduler_in_a_batch(items=30, seconds=2.0)
    assert found["items"] == 30
    assert found["equal to the undisturbed"]
    assert found["status while it was away"] == "running"


@pytest.mark.faults
@pytest.mark.skipif(not IS_ROOT, reason="only root can have a small disk")
def test_a_full_disk_is_said_and_got_over_without_a_restart():
    with small_disk() as folder:
        found = full_disk(folder)
    assert found["refused with"] == [
        "503 application/problem+json Retry-After 5: the disk of the job store is full"
    ]
    assert found["status of the running job meanwhile"] == "running"  # it can still be read
    assert found["it ended as"] == "successful"
    assert found["equal to the undisturbed"]
    assert found["seconds until accepting again"] < 5.0


@pytest.mark.faults
def test_postgres_that_is_killed_is_said_and_got_over_without_a_restart():
    postgres = started_postgres()
    try:
        found = postgres_away(postgres, seconds=5.0)
    finally:
        postgres.remove()
    assert found["ended as"] == {"successful": found["accepted"]}
    assert found["refused with"] == [
        "503 application/problem+json Retry-After 5: the job store does not answer"
    ]
    assert found["seconds from its return to the next accepted job"] < 5.0


@pytest.mark.faults
def test_ten_thousand_waiting_jobs_do_not_hold_up_a_start():
    found = restart_with_a_queue(jobs=10_000)
    assert found["seconds to ready"] < found["seconds to ready with an empty store"] + 2.0
    assert found["MB more in memory"] < 60
    assert found["the first that ran are the oldest"]
    assert 0 < found["jobs done meanwhile"] < 10_000


@pytest.mark.faults
def test_who_has_one_job_does_not_wait_for_who_has_many():
    found = fairness(jobs=60)
    assert found["of these done before"] < 60
    assert found["of these begun between its acceptance and its start"] <= 2  # one for each worker


@pytest.mark.faults
def test_a_mixed_load_is_answered_and_leaves_nothing_behind():
    with started(job_workers=2) as server:
        found = mixed_load(server, seconds=40.0, warm=20.0)
    assert found["requests"] > 200
    assert {"200", "202", "422"} <= found["statuses"].keys() <= {"200", "202", "404", "422"}
    assert found["failed looks"] == 0
    sizes = found["of the service: first and last third, at most"]
    assert sizes["MB"][1] - sizes["MB"][0] < 50


def test_cancelled_jobs_end_once_and_free_the_cpu(server):
    found = random_cancels(server, jobs=60, one_by_one=3)
    assert found["more than one end"] == found["answer to DELETE not the end"] == 0
    assert sum(found["ended as"].values()) == 60
    assert found["ended as"]["dismissed"] > 0 < found["ended as"]["successful"]
    assert found["seconds until the CPU was free, at most"] < 1.0


def test_a_few_bad_items_of_many_fail_alone(server):
    found = bad_items(server, items=200, bad=10)
    assert found["status"] == "successful"
    assert found["failed, by index, are the bad"]
    assert (found["failed"], found["equal to one alone"]) == (10, 190)


def test_a_hundred_equal_idempotency_keys_at_once_are_one_job(server, document):
    def submit(_):
        request = {"task": "simulate", "document": document}
        reply = sent(server, request, {"Idempotency-Key": "one-hundred"})
        return reply.status_code, reply.headers["location"]

    with concurrent.futures.ThreadPoolExecutor(100) as threads:
        found = set(threads.map(submit, range(100)))
    assert len(found) == 1
    assert next(iter(found))[0] == 202


def test_what_a_service_was_killed_over_is_ended_by_the_next(tmp_path):
    """Between any two writes on a job: when it had begun, after a piece, after the last."""
    pieces = [ensemble("job", [{}] * 3, number=n, pieces=3) for n in range(3)]
    shares = [run(piece, BOUNDS).body for piece in pieces]
    counts = (0, 1, 3)
    with closing(opened(tmp_path)) as store:
        store.own()
        jobs = store.accept([NewJob("", "ensemble", pieces[0].body, 3)] * 3)
        for job, kept in zip(jobs, counts, strict=True):
            store.start_next({})
            for number in range(kept):
                assert store.keep(job.id, number, shares[number], 33 * number)
    with started(data=tmp_path) as server:
        for job in jobs:
            assert ended(server, f"/v1/jobs/{job.id}")["status"] == "successful"
            one, two, three = items_of(server.client.get(f"/v1/jobs/{job.id}/result"))
            assert one == two == three
    with closing(opened(tmp_path)) as store:
        found = [store.results(job.id) for job in jobs]
    for kept, results in zip(counts, found, strict=True):
        again = [one != was for one, was in zip(results, shares, strict=True)]
        assert again == [False] * kept + [True] * (3 - kept)  # what was kept is not done again
