"""The service is killed again and again while it has jobs: none is lost, none is done twice."""

from __future__ import annotations

import json
import os
import random
import signal
import tempfile
import time

from app.jobs.store import Store
from tests.conftest import ROOT, Server

SEED = 20261125


def documents(count):
    """Fits of the example, each with another start."""
    document = json.loads((ROOT / "app" / "examples" / "lecture.json").read_text())
    law = document["material"]["diffusivity"]
    for number in range(count):
        law["a"]["start"] = 0.5 + number / count
        yield json.loads(json.dumps(document))


def answer_of(reply):
    """An answer without its provenance, which tells the time it took."""
    return {key: value for key, value in reply.json().items() if key != "provenance"}


def kill(server):
    """As the out-of-memory killer does it."""
    os.kill(server.process.pid, signal.SIGKILL)
    server.process.wait()
    server.stop()


def kills_of_the_service(kills, jobs):
    """Figures of so many kills at random moments while so many jobs are sent and done."""
    chance = random.Random(SEED)
    with tempfile.TemporaryDirectory(prefix="kappafit-crashes-") as folder:
        server = Server(data=folder).wait()
        wanted = {
            n: answer_of(server.post("/v1/calibrate", d)) for n, d in enumerate(documents(jobs))
        }
        accepted, left = {}, list(enumerate(documents(jobs)))[::-1]
        for _ in range(kills):
            dies = time.monotonic() + chance.uniform(0.0, 3.0)
            while time.monotonic() < dies:
                if left:
                    _submit(server, left, accepted)
                else:
                    time.sleep(0.02)
            kill(server)
            server = Server(data=folder).wait()
        while left:
            _submit(server, left, accepted)
        states = {number: _ended(server, place) for number, place in accepted.items()}
        equal = sum(
            answer_of(server.client.get(f"{place}/result")) == wanted[number]
            for number, place in accepted.items()
        )
        listed = server.client.get("/v1/jobs?limit=1000").json()["jobs"]
        server.stop()
        store = Store.open(f"sqlite:///{folder}/jobs.sqlite", keep_seconds=1e9)
        rows = [len(store.results(place.rsplit("/", 1)[1])) for place in accepted.values()]
        store.close()
    return {
        "kills": kills,
        "accepted": len(accepted),
        "successful": sum(state == "successful" for state in states.values()),
        "listed": len(listed),
        "equal to the undisturbed": equal,
        "results of a job": sorted(set(rows)),
    }


def _submit(server, left, accepted):
    """The same Idempotency-Key until it is accepted: a kill may have taken the answer only."""
    number, document = left[-1]
    headers = {"Idempotency-Key": f"crash-{number}"}
    reply = server.post("/v1/jobs", {"task": "calibrate", "document": document}, headers=headers)
    assert reply.status_code == 202, reply.text
    accepted[number] = reply.headers["location"]
    left.pop()


def _ended(server, place, seconds=120.0):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        state = server.client.get(place).json()["status"]
        if state not in ("accepted", "running"):
            return state
        time.sleep(0.05)
    raise AssertionError(f"{place} did not end")
