"""Many fits as one job: a bad one fails alone, by index; twice the workers do twice as many."""

from __future__ import annotations

import random
from datetime import datetime

from tests.faults.traffic import (
    SEED,
    answer_of,
    children_of,
    cpu_of,
    documents,
    ended,
    items_of,
    started,
    starting_points,
    submit,
)
from tests.machines import Machines

BAD = [  # parts of documents that no experiment can have
    {"bar": {"length": -1.0}},
    {"bar": {"cells": 0}},
    {"sensors": []},
    {"time": {"steps": 10**12}},
    7,
]


def bad_items(server, items, bad):
    """Figures of an ensemble of so many items, of which some are bad."""
    chance = random.Random(SEED)
    places = sorted(chance.sample(range(items), bad))
    asked = [{"fit": {"max_iterations": 1}}] * items
    for number, place in enumerate(places):
        asked[place] = BAD[number % len(BAD)]
    (document,) = documents(1)
    alone = answer_of(server.post("/v1/calibrate", document | {"fit": {"max_iterations": 1}}))
    place = submit(server, {"document": document, "items": asked}, "ensemble")
    job = ended(server, place)
    found = items_of(server.client.get(f"{place}/result"))
    failed = [index for index, one in enumerate(found) if one.get("status") in (400, 422)]
    return {
        "items": len(found),
        "status": job["status"],
        "failed, by index, are the bad": failed == places,
        "failed": len(failed),
        "equal to one alone": sum(one == alone for one in found),
    }


def gain_of_workers(items):
    """Items per second of an ensemble of fits, on a cluster of one worker and of two."""
    found = {count: _rate(items, count) for count in (1, 2)}
    rates = {count: items / one["seconds"] for count, one in found.items()}
    return {
        "items": items,
        "items per second": {count: round(rate, 1) for count, rate in rates.items()},
        "ratio": round(rates[2] / rates[1], 2),
        "seconds, and of these computing": {
            count: {name: round(seconds, 1) for name, seconds in one.items()}
            for count, one in found.items()
        },
    }


def _rate(items, count):
    """Seconds that so many workers took for so many items, and what everybody computed."""
    (document,) = documents(1)
    starts = starting_points(items)
    machines = Machines(count)
    with machines.parts, started(scheduler=machines.address) as server:
        batch, quick = {"document": document, "items": starts}, {"options": {"task": "simulate"}}
        for _ in range(2):  # all workers are there, and warm, and what reads large bodies, too
            ended(server, submit(server, batch, "ensemble", **quick))
        parts = {
            "workers": [worker.pid for worker in machines.workers],
            "scheduler": [machines.scheduler.pid],
            "service": [server.process.pid],
        }
        before = {name: cpu_of_all(pids) for name, pids in parts.items()}
        place = submit(server, batch, "ensemble")
        job = ended(server, place, seconds=1800.0, every=1.0)  # who looks takes time from them
        computed = {name: cpu_of_all(pids) - before[name] for name, pids in parts.items()}
        assert job["status"] == "successful"
    began, end = (datetime.fromisoformat(job[name]) for name in ("started", "finished"))
    return {"seconds": (end - began).total_seconds()} | computed


def cpu_of_all(pids):
    """Seconds of computing of processes and their children."""
    return cpu_of([pid for one in pids for pid in (one, *children_of(one))])
