"""Jobs over HTTP, of a really started service: accepted, watched, ended, asked for results."""

import json
import time

import pytest

from tests.conftest import Server

UNKNOWN = "0" * 32


def submitted(server, document, task="calibrate", **more):
    reply = server.post("/v1/jobs", {"task": task, "document": document} | more)
    assert reply.status_code == 202, reply.text
    return reply.headers["location"]


def ended(server, location, seconds=60.0):
    deadline = time.monotonic() + seconds
    while (job := server.client.get(location).json())["status"] in ("accepted", "running"):
        assert time.monotonic() < deadline, job
        time.sleep(0.02)
    return job


def without_time(answer):
    """An answer without what differs from run to run, and the hash of how it was sent."""
    return {key: value for key, value in answer.items() if key != "provenance"}


def events(server, location, **headers):
    with server.client.stream("GET", f"{location}/events", headers=headers) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        text = "".join(stream.iter_text())
    fields = [dict(line.split(": ", 1) for line in e.split("\n")) for e in text.split("\n\n") if e]
    return [(int(f["id"]), f["event"], json.loads(f["data"])) for f in fields]


def long(document):
    """One that takes minutes."""
    document["bar"]["cells"], document["time"]["steps"] = 4000, 50_000
    return document


def test_a_job_gives_the_answer_of_the_call(server, document):
    reply = server.post("/v1/jobs", {"task": "calibrate", "document": document})
    assert reply.status_code == 202
    assert reply.headers["retry-after"] == "1"
    job = reply.json()
    assert job["status"] == "accepted"
    assert job["jobID"] == job["id"]
    assert len(job["id"]) == 32
    assert reply.headers["location"] == f"/v1/jobs/{job['id']}"
    job = ended(server, reply.headers["location"])
    assert job["status"] == "successful"
    assert job["progress"] == 100
    assert job["created"] <= job["started"] <= job["finished"] < job["expires"]
    result = server.client.get(reply.headers["location"] + "/result")
    assert "immutable" in result.headers["cache-control"]
    assert without_time(result.json()) == without_time(
        server.post("/v1/calibrate", document).json()
    )


def test_pieces_that_end_at_the_same_time_end_their_job(server, document):
    two = {"document": document, "items": [{}, {}]}  # a piece each, on two workers
    jobs = [submitted(server, two, "ensemble") for _ in range(40)]
    assert {ended(server, location, 30.0)["status"] for location in jobs} == {"successful"}


@pytest.mark.parametrize(
    ("task", "query", "options"),
    [
        ("gradient", '?at={"a":2.0}&hessian=true', {"at": {"a": 2.0}, "hessian": True}),
        ("simulate", "?field=true", {"field": True}),
        ("check", '?at={"b":1.25}', {"at": {"b": 1.25}}),
    ],
)
def test_every_call_can_be_a_job(server, document, task, query, options):
    location = submitted(server, document, task, options=options)
    assert ended(server, location)["status"] == "successful"
    result = server.client.get(f"{location}/result").json()
    assert without_time(result) == without_time(server.post(f"/v1/{task}{query}", document).json())


def test_iterations_are_told_as_they_happen_and_again_from_where_one_left(server, document):
    location = submitted(server, document)
    told = events(server, location)
    assert [number for number, _, _ in told] == list(range(1, len(told) + 1))
    assert told[-1][1:] == ("status", {"status": "successful"})
    fitted = [data for _, kind, data in told if kind == "iteration"]
    answer = server.client.get(f"{location}/result").json()
    assert fitted == answer["history"]
    assert set(fitted[0]) == {"iteration", "objective", "gradient_norm", "parameters"}
    assert events(server, location, **{"Last-Event-ID": "3"}) == told[3:]
    assert events(server, location, **{"Last-Event-ID": "nonsense"}) == told


def test_a_bad_item_of_an_ensemble_fails_alone(server, document):
    items = [{}, {"bar": {"cells": -1}}, {"fit": {"max_iterations": 1}}, 7]
    location = submitted(server, {"document": document, "items": items}, "ensemble")
    assert ended(server, location)["status"] == "successful"
    found = server.client.get(f"{location}/result").json()["items"]
    assert [item["index"] for item in found] == [0, 1, 2, 3]
    assert found[0]["answer"]["status"] == "converged"
    assert found[1]["problem"]["errors"][0]["pointer"] == "#/bar/cells"
    assert found[2]["answer"]["status"] == "max_iterations"
    assert found[3]["problem"]["status"] == 422
    told = [data for _, kind, data in events(server, location) if kind == "items"]
    assert sum({e["piece"]: e["done"] for e in told}.values()) == 4


BAD = [
    ({"task": "calibrate"}, "#/document"),
    ({"task": "bake", "document": {}}, "#/task"),
    ({"task": "calibrate", "document": {}, "optoins": {}}, "#/optoins"),
    ({"task": "ensemble", "document": {"document": {}, "items": []}}, "#/document/items"),
    ({"task": "ensemble", "document": {"items": [{}]}}, "#/document/document"),
    ({"task": "gradient", "document": {}, "options": {"at": {"a": "x"}}}, "#/options/at/a/float"),
    ([], "#"),
]


@pytest.mark.parametrize(("body", "pointer"), BAD)
def test_what_cannot_be_meant_is_not_accepted(server, body, pointer):
    reply = server.post("/v1/jobs", body)
    assert reply.status_code == 422
    assert reply.headers["content-type"] == "application/problem+json"
    assert pointer in [error["pointer"] for error in reply.json()["errors"]]


def test_a_wrong_document_is_refused_before_it_is_a_job(server, document):
    document["bar"]["length"] = -1.0
    reply = server.post("/v1/jobs", {"task": "calibrate", "document": document})
    assert reply.status_code == 422
    assert reply.json()["errors"][0]["pointer"] == "#/document/bar/length"


def test_what_fails_says_why(server, document):
    location = submitted(server, document, "gradient", options={"at": {"nobody": 1.0}})
    job = ended(server, location)
    assert job["status"] == "failed"
    assert job["problem"]["status"] == 422
    result = server.client.get(f"{location}/result")
    assert result.status_code == 422
    assert result.headers["content-type"] == "application/problem+json"
    assert "nobody" in result.text


def test_a_dismissed_job_stops_and_stays_dismissed(server, document):
    location = submitted(server, long(document))
    time.sleep(0.3)
    assert server.client.get(f"{location}/result").status_code == 404
    began = time.monotonic()
    assert server.client.delete(location).json()["status"] == "dismissed"
    assert time.monotonic() - began < 1.0
    assert server.client.delete(location).json()["status"] == "dismissed"
    result = server.client.get(f"{location}/result")
    assert result.status_code == 404
    assert result.json()["type"].endswith("result-not-ready")
    assert events(server, location)[-1][2] == {"status": "dismissed"}


def test_a_job_that_has_ended_cannot_be_dismissed(server, document):
    location = submitted(server, document, "simulate")
    ended(server, location)
    assert server.client.delete(location).json()["status"] == "successful"
    assert server.client.get(f"{location}/result").status_code == 200


def test_the_same_key_is_the_same_job(server, document):
    request = {"task": "simulate", "document": document}
    first, again = (
        server.post("/v1/jobs", request, headers={"Idempotency-Key": "k-1"}) for _ in range(2)
    )
    other = server.post("/v1/jobs", request | {"task": "check"}, headers={"Idempotency-Key": "k-1"})
    assert first.headers["location"] == again.headers["location"]
    assert other.status_code == 422
    assert "Idempotency-Key" in other.text
    assert submitted(server, document) != submitted(server, document)  # without one


@pytest.mark.parametrize("key", ["", "x" * 256, "a b", "\u00e4".encode("latin-1")])
def test_a_bad_idempotency_key_is_refused(server, document, key):
    headers = {"Idempotency-Key": key}
    reply = server.post("/v1/jobs", {"task": "simulate", "document": document}, headers=headers)
    assert reply.status_code == 422


def test_calibrate_becomes_a_job_where_it_is_asked_to(server, document):
    reply = server.post("/v1/calibrate", document, headers={"Prefer": "respond-async"})
    assert reply.status_code == 202
    assert reply.headers["preference-applied"] == "respond-async"
    assert ended(server, reply.headers["location"])["status"] == "successful"
    waited = server.post("/v1/calibrate", document, headers={"Prefer": "respond-async, wait=30"})
    assert waited.status_code == 200
    assert waited.json()["status"] == "converged"
    assert waited.headers["preference-applied"] == "respond-async, wait=30"
    plain = server.post("/v1/calibrate", document, headers={"Prefer": "handling=lenient"})
    assert plain.status_code == 200
    assert "preference-applied" not in plain.headers


def test_calibrate_becomes_a_job_where_it_takes_long(server, document):
    reply = server.post("/v1/calibrate", long(document), headers={"Prefer": "wait=1"})
    assert reply.status_code == 202
    assert reply.headers["preference-applied"] == "wait=1"
    server.client.delete(reply.headers["location"])
    document["time"]["steps"] = 10**9
    assert server.post("/v1/calibrate", document).status_code == 422  # that is too much for a job


def test_jobs_are_listed_page_by_page():
    server = Server().wait()
    try:
        document = {"bar": {"length": 1.0, "cells": 4}, "time": {"end": 1.0, "steps": 2}}
        document |= {"material": {"diffusivity": 1.0}, "sensors": [{"x": 0.0}]}
        made = [submitted(server, document, "simulate").rsplit("/", 1)[1] for _ in range(5)]
        seen, page = [], "/v1/jobs?limit=2"
        while page:
            reply = server.client.get(page).json()
            seen += [job["id"] for job in reply["jobs"]]
            page = next((link["href"] for link in reply["links"] if link["rel"] == "next"), None)
        assert seen == made[::-1]
        assert server.client.get("/v1/jobs?status=failed").json()["jobs"] == []
        for query in ("limit=0", "limit=1001", "limit=-1", "after=x", "status=lost"):
            assert server.client.get(f"/v1/jobs?{query}").status_code == 422
    finally:
        server.stop()


@pytest.mark.parametrize(
    "name", [UNKNOWN, "..%2f..%2fetc", "%00", "a%0d%0aX:1", "x" * 64, "\u0661"]
)
def test_what_is_no_job_is_not_found(server, name):
    for path in ("", "/result", "/events"):
        assert server.client.get(f"/v1/jobs/{name}{path}").status_code == 404
    assert server.client.delete(f"/v1/jobs/{name}").status_code == 404
