"""The service in operation: how it stops, and what it says of each request."""

import asyncio
import concurrent.futures
import re
import signal
import time

import httpx
import pytest

from app.metrics import Metrics
from app.requests import Requests, request_id_of
from tests.conftest import Server
from tests.test_service import big


@pytest.fixture
def started():
    servers = []

    def start(**settings):
        servers.append(Server(**settings).wait())
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


def test_a_stop_is_announced_then_everything_begun_is_answered(started, document):
    server = started(drain_seconds=1.0, stop_seconds=10, request_seconds=2.0)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        running = pool.submit(httpx.post, f"{server.url}/v1/calibrate", json=big(document))
        time.sleep(0.3)
        began = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        ready = httpx.get(f"{server.url}/readyz")  # a new connection: it still takes them
        assert (ready.status_code, ready.json()) == (503, {"status": "stopping"})
        assert httpx.get(f"{server.url}/healthz").status_code == 200
        time.sleep(1.2)
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{server.url}/healthz")
        reply = running.result()
    assert reply.json()["title"] == "The solving time of a request is used up"
    assert server.process.wait(timeout=5.0) == 0
    assert time.monotonic() - began < 5.0


def test_what_takes_longer_than_the_grace_is_told_so(started, document):
    server = started(drain_seconds=0.0, stop_seconds=1)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        running = pool.submit(httpx.post, f"{server.url}/v1/calibrate", json=big(document))
        time.sleep(0.5)
        began = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        reply = running.result()
    assert reply.status_code == 503
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.headers["retry-after"] == "5"
    assert reply.json()["title"] == "The service is stopping"
    assert reply.json()["request_id"] == reply.headers["x-request-id"]
    assert server.process.wait(timeout=10.0) == 0
    assert 0.9 < time.monotonic() - began < 4.0


@pytest.mark.parametrize("first", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_it_at_once(started, document, first):
    server = started(drain_seconds=5.0, stop_seconds=20)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        running = pool.submit(httpx.post, f"{server.url}/v1/calibrate", json=big(document))
        time.sleep(0.5)
        server.process.send_signal(first)
        time.sleep(0.5)
        assert server.process.poll() is None
        began = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(timeout=5.0) == -signal.SIGTERM
        assert time.monotonic() - began < 1.0
        with pytest.raises(httpx.TransportError):
            running.result()


def test_every_answer_has_a_request_id(server):
    for path, status in (("/healthz", 200), ("/nowhere", 404), ("/v1/gradient", 405)):
        reply = server.client.get(path)
        assert reply.status_code == status
        assert re.fullmatch("[0-9a-f]{16}", reply.headers["x-request-id"])
        if status != 200:
            assert reply.json()["request_id"] == reply.headers["x-request-id"]
    mine = {"X-Request-ID": "mine.1-2_3"}
    reply = server.post("/v1/gradient", b"{", headers=mine)
    assert reply.headers["x-request-id"] == reply.json()["request_id"] == "mine.1-2_3"


@pytest.mark.parametrize(
    "sent", [b"", b"two words", b"a" * 65, b"\xc3\xa9", b"a\x1b[31m", b"a/b", b"a\n"]
)
def test_an_id_that_is_not_well_formed_is_not_taken(sent):
    headers = [(b"x-request-id", sent)]
    assert request_id_of(headers) != request_id_of(headers)
    assert request_id_of([(b"x-request-id", b"a" * 64)]) == "a" * 64


def test_the_description_tells_of_headers_and_of_refusals(server):
    described = server.client.get("/openapi.json").json()
    known = described["components"]["headers"]
    for path, item in described["paths"].items():
        for method, operation in item.items():
            responses = operation["responses"]
            assert all("X-Request-ID" in response["headers"] for response in responses.values())
            assert method == "get" or {"401", "429", "503"} <= set(responses), path
            for status in {"429", "503"} & set(responses):
                assert "Retry-After" in responses[status]["headers"]
            used = {name for response in responses.values() for name in response["headers"]}
            assert used <= set(known)
    assert "request_id" in described["components"]["schemas"]["ProblemDetails"]["properties"]


def test_the_middleware_costs_little():
    async def application(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    async def send(message):
        pass

    async def seconds(app, count=300):
        headers = [(b"host", b"here"), (b"content-type", b"application/json")]
        began = time.process_time()
        for _ in range(count):
            scope = {"type": "http", "method": "POST", "path": "/", "headers": headers}
            await app(scope, None, send)
        return (time.process_time() - began) / count

    async def more():
        around = Requests(application, Metrics(), lambda: None, None)
        rounds = [(await seconds(around), await seconds(application)) for _ in range(15)]
        return min(with_it for with_it, _ in rounds) - min(without for _, without in rounds)

    assert asyncio.run(more()) < 50e-6
