"""The store cannot be written for a while: that is said, and nothing that was accepted is lost."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter

import httpx

from tests.faults.traffic import (
    Watch,
    answer_of,
    documents,
    ended,
    started,
    submit,
    tiny,
    until,
)

SLOW = {"cells": 2000, "steps": 2000}  # a fit of some seconds


def full_disk(folder):
    """Figures of a service whose data `folder`, on a small file system, is full for a while."""
    filler = folder / "filler"
    with started(data=folder / "data", job_workers=2) as server:
        (slow,) = documents(1, **SLOW)
        first = submit(server, slow)
        ended(server, first)
        wanted = answer_of(server.client.get(f"{first}/result"))
        running = submit(server, slow)
        until(lambda: server.client.get(running).json()["status"] == "running")
        _fill(filler)
        refusals = [server.post("/v1/jobs", _padded()) for _ in range(40)]
        refused = [reply for reply in refusals if reply.status_code != 202]
        listed = server.client.get(running).json()["status"]
        time.sleep(4.0)  # the fit comes to its end, which cannot be written
        filler.unlink()
        back = time.monotonic()
        until(lambda: server.post("/v1/jobs", _padded()).status_code == 202, seconds=30.0)
        accepted_after = time.monotonic() - back
        job = ended(server, running)
        ended_after = time.monotonic() - back
        equal = answer_of(server.client.get(f"{running}/result")) == wanted
        taken = [r.headers["location"] for r in refusals if r.status_code == 202]
        states = Counter(ended(server, place)["status"] for place in taken)
    return {
        "refused with": _kinds(refused),
        "status of the running job meanwhile": listed,
        "it ended as": job["status"],
        "equal to the undisturbed": equal,
        "accepted before it was full, ended as": dict(states),
        "seconds until accepting again": round(accepted_after, 2),
        "seconds until the running job had ended": round(ended_after, 2),
    }


def _fill(file):
    """Write until there is no room."""
    with file.open("wb", buffering=0) as full:
        try:
            while True:
                full.write(b"x" * 4096)
        except OSError:
            pass


def _padded():
    """A job of 40 kB, most of which says nothing."""
    return b" " * 40_000 + json.dumps({"task": "simulate", "document": tiny()}).encode()


def _kinds(replies):
    return sorted(
        {
            f"{reply.status_code} {reply.headers['content-type']} "
            f"Retry-After {reply.headers.get('retry-after')}: {reply.json()['detail']}"
            for reply in replies
        }
    )


def postgres_away(postgres, seconds):
    """Figures of a service whose PostgreSQL is killed, and started again after so many seconds."""
    with started(database_url=postgres.new_database(), job_workers=2) as server:
        ended(server, submit(server, tiny(), "simulate"))
        load = Load(server)
        with load, Watch(server) as watch:
            time.sleep(1.0)
            postgres.kill()
            time.sleep(seconds)
            postgres.start()
            back = time.monotonic()
            until(lambda: load.accepted and load.accepted[-1][0] > back, seconds=30.0)
            time.sleep(1.0)
        states = Counter(ended(server, place)["status"] for _, place in load.accepted)
        assert server.process.poll() is None
    first = min(moment for moment, _ in load.accepted if moment > back)
    return {
        "seconds away": seconds,
        "accepted": len(load.accepted),
        "ended as": dict(states),
        "refused with": _kinds(load.refused),
        "refused": len(load.refused),
        "slowest refusal, s": round(max(load.took, default=0.0), 2),
        "seconds from its return to the next accepted job": round(first - back, 2),
        "slowest /healthz, s": round(watch.slowest, 3),
    }


class Load:
    """Jobs that are sent, by four clients, twenty in a second or fewer."""

    def __init__(self, server):
        self.accepted, self.refused, self.took = [], [], []
        self._url, self._stop = server.url, threading.Event()
        self._threads = [threading.Thread(target=self._send) for _ in range(4)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *failure):
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _send(self):
        request = {"task": "simulate", "document": tiny()}
        with httpx.Client(base_url=self._url, timeout=30.0) as client:
            while not self._stop.wait(0.2):
                asked = time.monotonic()
                reply = client.post("/v1/jobs", json=request)
                if reply.status_code == 202:
                    self.accepted.append((time.monotonic(), reply.headers["location"]))
                else:
                    self.took.append(time.monotonic() - asked)
                    self.refused.append(reply)
