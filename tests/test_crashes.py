"""The experiments of `tests/faults` in short."""

import concurrent.futures

import pytest

from tests.faults.crashes import kills_of_the_service


@pytest.mark.faults
def test_a_killed_service_loses_no_job_and_does_none_twice():
    found = kills_of_the_service(kills=3, jobs=12)
    assert found["accepted"] == found["successful"] == found["listed"] == 12
    assert found["equal to the undisturbed"] == 12
    assert found["results of a job"] == [1]


def test_a_hundred_equal_idempotency_keys_at_once_are_one_job(server, document):
    def submit(_):
        request = {"task": "simulate", "document": document}
        reply = server.post("/v1/jobs", request, headers={"Idempotency-Key": "one-hundred"})
        return reply.status_code, reply.headers["location"]

    with concurrent.futures.ThreadPoolExecutor(20) as threads:
        found = set(threads.map(submit, range(100)))
    assert len(found) == 1
    assert next(iter(found))[0] == 202
