"""Figures for Prometheus: what was asked, solved and refused, by routes and never by users."""

import concurrent.futures
import time

import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.main import create_app
from app.metrics import Metrics
from app.settings import Settings
from tests.conftest import Server
from tests.test_service import big


@pytest.fixture(scope="module")
def measured():
    started = Server(max_body_bytes=50_000, workers=1, max_waiting=1, request_seconds=1.5).wait()
    yield started
    started.stop()


def figures(server):
    reply = server.client.get("/metrics")
    assert reply.status_code == 200
    assert reply.headers["content-type"].startswith("text/plain; version=")
    return parsed(reply.text)


def parsed(text):
    """{(name, labels): value}"""
    families = text_string_to_metric_families(text)
    samples = (sample for family in families for sample in family.samples)
    return {(s.name, frozenset(s.labels.items())): s.value for s in samples}


def value(found, name, **labels):
    return found.get((f"kappafit_{name}", frozenset(labels.items())), 0.0)


def test_requests_by_route_method_and_status(measured, document):
    before = figures(measured)
    measured.post("/v1/gradient?at={}", document)
    measured.post("/v1/gradient", b"{")
    measured.client.get("/v1/gradient")
    measured.client.get("/nowhere/at/all")
    after = figures(measured)

    def more(name, **labels):
        return value(after, name, **labels) - value(before, name, **labels)

    route = {"route": "/v1/gradient"}
    assert more("requests_total", method="POST", status="200", **route) == 1
    assert more("requests_total", method="POST", status="400", **route) == 1
    assert more("requests_total", method="GET", status="404", route="none") == 1
    assert more("request_seconds_count", method="POST", **route) == 2
    assert 0.0 < more("request_seconds_sum", method="POST", **route) < 10.0
    assert more("solves_total", task="gradient", outcome="ok") == 1
    assert more("solves_total", task="gradient", outcome="refused") == 1
    assert more("solve_seconds_count", task="gradient") == 2


def test_labels_are_of_a_closed_set(measured):
    for number in range(20):
        measured.client.get(f"/v1/jobs/{number}")
        measured.client.get(f"/made/up/{number}")
        measured.client.request("PROPFIND", f"/{number}")
    labels = {label for name, pairs in figures(measured) for label in pairs}
    assert {key for key, _ in labels} <= {"route", "method", "status", "le", "task", "outcome"} | {
        "reason",
        "state",
    }
    routes = {word for key, word in labels if key == "route"}
    assert routes <= {"none", "/metrics", "/readyz", "/v1/gradient", "/v1/jobs/{id}"}
    assert {word for key, word in labels if key == "method"} <= {"GET", "POST", "other"}


def test_what_waits_and_what_is_refused(measured, document):
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        sent = [pool.submit(measured.post, "/v1/calibrate", big(document)) for _ in range(3)]
        time.sleep(0.7)
        now = figures(measured)
        assert value(now, "requests_in_flight") == 3.0  # two, and the question itself
        assert value(now, "requests_waiting") == 1.0
        for one in sent:
            assert one.result().status_code == 503
    measured.post("/v1/simulate", b" " * 60_000)
    document["time"]["steps"] = 10**9
    measured.post("/v1/simulate", document)
    after = figures(measured)
    refused = {reason: value(after, "rejected_total", reason=reason) for reason in ALL}
    assert refused == {"busy": 1, "time": 2, "body_size": 1, "work": 1}
    assert value(after, "requests_in_flight") == 1.0
    assert value(after, "requests_waiting") == 0.0
    assert value(after, "solves_total", task="calibrate", outcome="stopped") == 2


ALL = ("busy", "time", "body_size", "work")


def test_the_process_is_measured(measured):
    found = figures(measured)
    assert found[("process_open_fds", frozenset())] > 3
    assert found[("process_resident_memory_bytes", frozenset())] > 1e7
    assert not any(name.startswith("python_") for name, _ in found)


def test_jobs():
    metrics = Metrics()
    metrics.jobs({"accepted": 3, "running": 1})
    metrics.job_ended("successful", waited=0.5, ran=20.0)
    metrics.job_ended("failed", waited=0.5, ran=0.5)
    found = parsed(metrics.text().decode())
    assert value(found, "jobs", status="accepted") == 3
    assert value(found, "jobs_ended_total", status="failed") == 1
    assert value(found, "job_queue_seconds_sum") == 1.0
    assert value(found, "job_run_seconds_bucket", le="10.0") == 1.0


def test_each_application_counts_for_itself():
    one, other = create_app(Settings()), create_app(Settings())
    one.state.metrics.rejected("busy")
    assert value(parsed(one.state.metrics.text().decode()), "rejected_total", reason="busy") == 1
    assert value(parsed(other.state.metrics.text().decode()), "rejected_total", reason="busy") == 0


def test_they_can_be_switched_off():
    quiet = Server(metrics=False).wait()
    try:
        assert quiet.client.get("/metrics").status_code == 404
    finally:
        quiet.stop()
