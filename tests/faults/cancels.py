"""Jobs are cancelled at random moments: each ends once, and what worked on it works no more."""

from __future__ import annotations

import random
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from tests.faults.traffic import (
    SEED,
    cpu_of,
    documents,
    ended,
    endless,
    submit,
    until,
    workers_of,
)

WINDOW = 0.1  # seconds over which computing is measured


def random_cancels(server, jobs, one_by_one):
    """Figures of so many jobs of which most are cancelled, then of some long ones alone."""
    ended(server, submit(server, next(documents(1))))
    chances = [random.Random(SEED + number) for number in range(jobs)]
    with ThreadPoolExecutor(16) as clients:
        told = list(clients.map(lambda chance: _one(server, chance), chances))
    waited = until(lambda: all(_is_over(server, place) for place, _ in told), seconds=300.0)
    finals = [_final(server, place) for place, _ in told]
    busy = [_seconds_until_idle(server) for _ in range(one_by_one)]
    cancelled = [said for _, said in told if said is not None]
    return {
        "jobs": jobs,
        "cancelled": len(cancelled),
        "ended as": dict(Counter(states[0] for states in finals)),
        "more than one end": sum(len(set(states)) != 1 for states in finals),
        "answer to DELETE not the end": sum(
            said not in (None, states[0]) for (_, said), states in zip(told, finals, strict=True)
        ),
        "seconds until the last had ended": round(waited, 2),
        "seconds until the CPU was free, at most": round(max(busy), 2),
    }


def _one(server, chance):
    """Send a job and, of five times four, cancel it; where it is, and what DELETE answered."""
    size = chance.choice([{}, {"cells": 1000, "steps": 1000}])
    place = submit(server, next(documents(1, **size)))
    time.sleep(chance.choice([0.0, 0.02, 0.2, 1.0]) * chance.random())
    if chance.random() < 0.2:
        return place, None
    return place, server.client.delete(place).json()["status"]


def _is_over(server, place):
    return server.client.get(place).json()["status"] not in ("accepted", "running")


def _final(server, place):
    """What is said of a job's end: by itself, by its last event, by whether it has a result."""
    state = server.client.get(place).json()["status"]
    text = server.client.get(f"{place}/events").text
    ends = [s for s in ("successful", "failed", "dismissed") if f'"status": "{s}"' in text]
    has_result = server.client.get(f"{place}/result").status_code == 200
    assert has_result == (state == "successful"), place
    return [state, *ends]


def _seconds_until_idle(server):
    """From the DELETE of a long job until its worker computes nothing."""
    place = submit(server, endless())
    pids = workers_of(server)
    until(lambda: _share(pids) > 0.5)
    began = time.monotonic()
    assert server.client.delete(place).json()["status"] == "dismissed"
    until(lambda: _share(pids) <= 0.2)
    return time.monotonic() - began


def _share(pids):
    """The part of a core that processes take."""
    began, before = time.monotonic(), cpu_of(pids)
    time.sleep(WINDOW)
    return (cpu_of(pids) - before) / (time.monotonic() - began)
