"""The service in operation: how it stops, and what it says of each request."""

import concurrent.futures
import signal
import time

import httpx
import pytest

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
