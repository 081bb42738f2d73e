"""Many fits as one job: a bad one fails alone, by index; twice the workers do twice as many."""

from __future__ import annotations

import random
import time

from tests.faults.traffic import (
    SEED,
    answer_of,
    children_of,
    cpu_of,
    documents,
    ended,
    items_of,
    started,
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
    rates = {count: _rate(items, count) for count in (1, 2)}
    return {
        "items": items,
        "items per second": {count: round(rate, 1) for count, (rate, _) in rates.items()},
        "ratio": round(rates[2][0] / rates[1][0], 2),
        "CPU seconds of the workers": {count: round(cpu, 1) for count, (_, cpu) in rates.items()},
    }


def _rate(items, count):
    """Items per second of so many workers, and what they computed."""
    (document,) = documents(1)
    starts = [
        {"material": {"diffusivity": {"a": {"start": 0.5 + n / items}}}} for n in range(items)
    ]
    machines = Machines(count)
    with machines.parts, started(scheduler=machines.address) as server:
        for _ in range(2):  # all workers are there, and warm
            few = {"document": document, "items": starts[:: max(1, items // 40)]}
            ended(server, submit(server, few, "ensemble"))
        pids = [worker.pid for worker in machines.workers]
        before, began = cpu_of_all(pids), time.monotonic()
        place = submit(server, {"document": document, "items": starts}, "ensemble")
        job = ended(server, place, seconds=1800.0)
        took = time.monotonic() - began
        assert job["status"] == "successful"
        return items / took, cpu_of_all(pids) - before


def cpu_of_all(pids):
    """Seconds of computing of processes and their children."""
    return cpu_of([pid for one in pids for pid in (one, *children_of(one))])
