"""Jobs as clients send them, and what can be seen of a service from outside."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import httpx

from app.examples import example
from tests.conftest import Server

SEED = 20261125
TICKS = os.sysconf("SC_CLK_TCK")


def documents(count, **sizes):
    """Fits of the example, each with another start; sizes: cells, steps."""
    for number in range(count):
        document = example("lecture")
        document["material"]["diffusivity"]["a"]["start"] = 0.5 + number / count
        document["bar"]["cells"] = sizes.get("cells", document["bar"]["cells"])
        document["time"]["steps"] = sizes.get("steps", document["time"]["steps"])
        yield document


def starting_points(count):
    """Items of an ensemble: where a fit of the example starts."""
    starts = ({"start": 0.5 + number / count} for number in range(count))
    return [{"material": {"diffusivity": {"a": start}}} for start in starts]


def endless():
    """A fit that takes minutes."""
    return next(documents(1, cells=4000, steps=50_000))


def tiny():
    """What is simulated in no time, in a request of 200 bytes."""
    document = {"bar": {"length": 1.0, "cells": 4}, "time": {"end": 1.0, "steps": 2}}
    return document | {"material": {"diffusivity": 1.0}, "sensors": [{"x": 0.0}]}


@contextmanager
def started(**settings):
    """A service that is ready; ended with the block, unless that killed it."""
    server = Server(**settings)
    try:
        yield server.wait()
    finally:
        server.stop()


def kill(server):
    """As the out-of-memory killer does it."""
    os.kill(server.process.pid, signal.SIGKILL)
    server.process.wait()
    server.stop()


def submit(server, document, task="calibrate", headers=None, **more):
    """Where the accepted job is."""
    request = {"task": task, "document": document} | more
    reply = sent(server, request, headers or {})
    assert reply.status_code == 202, reply.text
    return reply.headers["location"]


def sent(server, request, headers, tries=60):
    """The reply to a job, sent again where more clients wait than may on a busy machine."""
    for _ in range(tries):
        reply = server.post("/v1/jobs", request, headers=headers)
        if reply.status_code != 503 or reply.json()["title"] != "Too many requests are waiting":
            break
        time.sleep(float(reply.headers["retry-after"]))
    return reply


def ended(server, place, seconds=120.0, headers=None, every=0.05):
    """The job once it has ended."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        job = server.client.get(place, headers=headers or {}).json()
        if job.get("status") not in (None, "accepted", "running"):
            return job
        time.sleep(every)
    raise AssertionError(f"{place} did not end")


def answer_of(reply):
    """An answer without its provenance, which tells the time it took."""
    return without_time(reply.json())


def without_time(answer):
    return {key: value for key, value in answer.items() if key != "provenance"}


def items_of(reply):
    """The items of an ensemble's result: by index their answer or their problem."""
    return [
        without_time(one["answer"]) if "answer" in one else one["problem"]
        for one in json.loads(reply.content)["items"]
    ]


def children_of(pid):
    found = []
    for listed in Path(f"/proc/{pid}/task").glob("*/children"):
        found += [int(child) for child in listed.read_text().split()]
    return sorted(found)


def workers_of(server):
    """The worker processes of a service."""
    return [pid for pid in children_of(server.process.pid) if b"spawn_main" in command_of(pid)]


def command_of(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:  # it has just ended
        return b""


def is_alive(pid):
    """Whether a process is there and runs: not one that has ended and is only remembered."""
    return command_of(pid) != b""


def until(condition, seconds=60.0):
    """Wait for something to come true; how long it took."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, "it did not come true"
        time.sleep(0.02)
    return time.monotonic() - began


def cpu_of(pids):
    """Seconds of computing of processes so far."""
    stats = (Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids)
    return sum(int(fields[11]) + int(fields[12]) for fields in stats) / TICKS


def memory_of(pid):
    """Megabytes that a process has in memory; none where it has just ended."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def threads_of(pid):
    return len(os.listdir(f"/proc/{pid}/task"))


def open_files_of(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


class Watch:
    """Asks the service, from a thread, whether it is alive and ready, again and again.

    slowest: the longest answer of /healthz; unready: the longest time without a 200 of /readyz.
    """

    def __init__(self, server):
        self.slowest, self.unready, self.failures = 0.0, 0.0, 0
        self._url, self._stop = server.url, threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *failure):
        self._stop.set()
        self._thread.join()

    def _look(self):
        with httpx.Client(base_url=self._url, timeout=30.0) as client:
            ready = time.monotonic()
            while not self._stop.wait(0.05):
                asked = time.monotonic()
                try:
                    self.failures += client.get("/healthz").status_code != 200
                    self.slowest = max(self.slowest, time.monotonic() - asked)
                    is_ready = client.get("/readyz").status_code == 200
                except httpx.TransportError:
                    self.failures, is_ready = self.failures + 1, False
                now = time.monotonic()
                self.unready = max(self.unready, now - ready)
                ready = now if is_ready else ready
