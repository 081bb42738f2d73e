"""Every call of a service with keys: without one, with a wrong one, and with another's."""

from contextlib import closing

import pytest

from tests.faults.queues import opened
from tests.faults.traffic import endless, started, submit

OPEN = {"/", "/docs", "/healthz", "/readyz", "/version", "/openapi.json", "/metrics", "/v1/example"}
NEVER = "0" * 32


@pytest.fixture(scope="module")
def guarded():
    """A service with keys, those of two holders, and where a job of the first is."""
    with started(keys="on") as server, closing(opened(server.folder.name)) as store:
        mine, others = ({"X-API-Key": store.add_key(name)} for name in ("mine", "others"))
        place = submit(server, endless(), headers=mine)
        yield server, mine, others, place
        server.client.delete(place, headers=mine)


def calls(server):
    """Method and path of every call that the contract names, open ones apart."""
    paths = server.client.get("/openapi.json").json()["paths"]
    return [
        (method.upper(), path.replace("{id}", NEVER))
        for path, operations in paths.items()
        for method in operations
        if path not in OPEN
    ]


def told(reply):
    """An answer without what is the request's own."""
    return {k: v for k, v in reply.json().items() if k not in ("request_id", "instance")}


def test_no_call_is_answered_without_a_known_key(guarded):
    server = guarded[0]
    asked = calls(server)
    assert len(asked) >= 10
    for method, path in asked:
        for headers in ({}, {"X-API-Key": "wrong"}, {"Authorization": "Bearer wrong"}):
            reply = server.client.request(method, path, headers=headers)
            assert (reply.status_code, path) == (401, path)
            assert "www-authenticate" in reply.headers


@pytest.mark.parametrize("path", ["", "/result", "/events"])
def test_anothers_job_is_not_told_from_one_that_never_was(guarded, path):
    server, mine, others, place = guarded
    foreign = server.client.get(f"{place}{path}", headers=others)
    never = server.client.get(f"/v1/jobs/{NEVER}{path}", headers=others)
    assert foreign.status_code == never.status_code == 404
    assert told(foreign) == told(never)
    assert foreign.headers.keys() == never.headers.keys()
    assert server.client.get(place, headers=mine).status_code == 200


def test_anothers_job_is_neither_listed_nor_stopped(guarded):
    server, mine, others, place = guarded
    gone, never = (
        server.client.delete(where, headers=others) for where in (place, f"/v1/jobs/{NEVER}")
    )
    assert gone.status_code == never.status_code == 404
    assert told(gone) == told(never)
    assert server.client.get("/v1/jobs", headers=others).json()["jobs"] == []
    (listed,) = server.client.get("/v1/jobs", headers=mine).json()["jobs"]
    assert listed["status"] in ("accepted", "running")


def test_an_idempotency_key_is_its_holders_own(guarded):
    server, mine, others, _ = guarded
    theirs = submit(server, endless(), headers=others | {"Idempotency-Key": "the-same"})
    ours = submit(server, endless(), headers=mine | {"Idempotency-Key": "the-same"})
    assert theirs != ours
    for where, headers in ((theirs, others), (ours, mine)):
        assert server.client.delete(where, headers=headers).json()["status"] == "dismissed"
