"""/healthz answers quickly, whatever the service does; asked from a process of its own.

Others on the machine can only make it slower, so of several rounds the best one counts.
"""

import concurrent.futures
import json

import numpy as np
import pytest

from tests.conftest import Server
from tests.crowd import finished, started
from tests.test_service import big

ROUNDS = 4
ATTENTIVE = 0.05  # seconds
CROWD = 2000  # connections within a second
IN_A_CROWD, ACCEPTED = 0.5, 5.0  # seconds


@pytest.fixture(scope="module")
def server():
    """One that has solved, and whose process for large bodies is there."""
    running = Server().wait()
    example = running.client.get("/v1/example").content
    for _ in range(20):
        assert running.post("/v1/gradient", example).status_code == 200
    running.post("/v1/gradient", b"[" + b" " * 100_000 + b"]")
    yield running
    running.stop()


def waits(server, work, seconds=3.0):
    """Of the best round: how long /healthz took at most while `work` was done, and its answers."""
    found = []
    for _ in range(ROUNDS):
        watcher = started("watch", server.port, seconds)
        answers = work()
        asked = finished(watcher)
        assert {status for status, _, _ in asked} == {200}
        found.append((max(took for _, took, _ in asked), answers))
        if found[-1][0] <= ATTENTIVE:
            break
    return min(found, key=lambda one: one[0])


def readings(document, count):
    """The document with so many readings."""
    per, rng = count // 2, np.random.default_rng(1)
    times = [round((k + 1) / per, 6) for k in range(per)]
    for sensor in document["sensors"]:
        temperatures = rng.uniform(0.0, 0.01, per).round(6).tolist()
        sensor |= {"times": times, "temperatures": temperatures}
    return json.dumps(document, separators=(",", ":")).encode()


HOSTILE = {
    "brackets": b"[" + b"[]," * 660_000 + b"[]]",
    "zeros": b"[" + b"0," * 990_000 + b"0]",
    "objects": b'{"sensors":[' + b"{}," * 650_000 + b"{}]}",
}


@pytest.mark.parametrize("name", ["readings", *HOSTILE])
def test_while_a_body_at_the_limit_is_read(server, document, name):
    body = HOSTILE.get(name) or readings(document, 110_000)
    assert 1_900_000 < len(body) <= 2_000_000

    def send():
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            replies = pool.map(lambda _: server.post("/v1/gradient", body), range(2))
            return {reply.status_code for reply in replies}

    longest, statuses = waits(server, send)
    assert statuses == {422 if name in HOSTILE else 200}
    assert longest <= ATTENTIVE


def test_while_a_kernel_runs_for_seconds(server, document):
    body = json.dumps(big(document)).encode()
    longest, status = waits(server, lambda: server.post("/v1/check", body).status_code)
    assert status == 200
    assert longest <= ATTENTIVE


def test_while_a_large_answer_is_written(server, document):
    document["bar"]["cells"], document["time"]["steps"] = 999, 990
    body = json.dumps(document).encode()
    longest, reply = waits(server, lambda: server.post("/v1/simulate?field=true", body))
    assert len(reply.content) > 15_000_000
    assert longest <= ATTENTIVE


def test_a_crowd(server):
    body = server.client.get("/v1/example").content
    best = None
    for _ in range(ROUNDS):
        watcher = started("watch", server.port, 6.0)
        found = finished(started("herd", server.port, CROWD, 1.0, body=body))
        asked = finished(watcher)
        longest = max(took for _, took, _ in asked)
        best = min(best or (longest, asked, found), (longest, asked, found))
        if longest <= IN_A_CROWD:
            break
    longest, asked, found = best
    assert {status for status, _, _ in asked} == {200}
    assert longest <= IN_A_CROWD
    assert {status for status, _, _ in found} <= {200, 503}
    assert all(retry for status, _, retry in found if status == 503)
    accepted = sorted(took for status, took, _ in found if status == 200)
    assert len(accepted) >= 20
    assert accepted[int(0.99 * len(accepted))] < ACCEPTED
    assert server.post("/v1/gradient", body).status_code == 200  # and afterwards all is well
