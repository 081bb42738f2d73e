"""Workers and schedulers are killed while the service has jobs: it stays up, and all jobs end."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections import Counter
from contextlib import ExitStack

from tests.faults.traffic import (
    SEED,
    Watch,
    answer_of,
    documents,
    ended,
    is_alive,
    items_of,
    started,
    starting_points,
    submit,
    until,
    workers_of,
)
from tests.machines import Machines

KINDS = 12  # different fits
MIDDLE = {"cells": 400, "steps": 400}  # sizes of a fit of some tenths of a second


def kills_of_workers(kills):
    """Figures of so many kills of worker processes, at random moments, while jobs come and go."""
    asked = list(documents(KINDS, **MIDDLE))
    with started(job_workers=2) as server:
        wanted = [answer_of(server.post("/v1/calibrate", document)) for document in asked]
        ended(server, submit(server, asked[0]))
        stop, places = threading.Event(), []
        load = threading.Thread(target=_keep_sending, args=(server, asked, places, stop))
        with Watch(server) as watch:
            load.start()
            _kill_workers(server, kills)
            stop.set()
            load.join()
            states = [ended(server, place)["status"] for place in places]
        equal = sum(
            answer_of(server.client.get(f"{place}/result")) == wanted[number % KINDS]
            for number, (place, state) in enumerate(zip(places, states, strict=True))
            if state == "successful"
        )
        assert server.process.poll() is None
    return {
        "kills": kills,
        "jobs": len(places),
        "ended as": dict(Counter(states)),
        "equal to the undisturbed": equal,
        "slowest /healthz, s": round(watch.slowest, 3),
        "longest without /readyz, s": round(watch.unready, 3),
        "failed looks": watch.failures,
    }


def _keep_sending(server, asked, places, stop):
    """As many jobs as keep four waiting."""
    waiting = []
    while not stop.is_set():
        while len(waiting) < 6:
            places.append(submit(server, asked[len(places) % KINDS]))
            waiting.append(places[-1])
        listed = server.client.get("/v1/jobs?limit=100").json()["jobs"]
        open_ = {job["id"] for job in listed if job["status"] in ("accepted", "running")}
        waiting = [place for place in waiting if place.rsplit("/", 1)[1] in open_]
        time.sleep(0.05)


def _kill_workers(server, kills):
    chance = random.Random(SEED)
    for _ in range(kills):
        until(lambda: workers_of(server))
        time.sleep(chance.uniform(0.0, 1.0))
        pids = workers_of(server)
        if pids:
            kill(chance.choice(pids))


def kill(pid):
    os.kill(pid, signal.SIGKILL)
    until(lambda: not is_alive(pid))


def loss_of_a_worker_in_a_batch(items):
    """Figures of an ensemble during which one of two workers is killed."""
    batch = _batch(items)
    with started(job_workers=2) as server:
        undisturbed = _done(server, submit(server, batch, "ensemble"))
        place = submit(server, batch, "ensemble")
        until(lambda: server.client.get(place).json()["progress"] > 20)
        kill(workers_of(server)[0])
        disturbed = _done(server, place)
    return {"items": len(disturbed), "equal to the undisturbed": disturbed == undisturbed}


def loss_of_the_scheduler_in_a_batch(items, seconds):
    """Figures of an ensemble during which the scheduler of a cluster is away for so long."""
    batch, machines, parts = _batch(items), Machines(), ExitStack()
    with parts, machines.parts:
        server = parts.enter_context(started(scheduler=machines.address))
        undisturbed = _done(server, submit(server, batch, "ensemble"))
        place = submit(server, batch, "ensemble")
        until(lambda: server.client.get(place).json()["progress"] > 20)
        with Watch(server) as watch:
            machines.lose_the_scheduler()
            time.sleep(seconds)
            during = server.client.get(place).json()
            waiting = submit(server, batch, "ensemble")
            machines.start()
            back = time.monotonic()
            disturbed = _done(server, place)
            took = time.monotonic() - back
            later = _done(server, waiting)
    return {
        "items": len(disturbed),
        "equal to the undisturbed": disturbed == undisturbed == later,
        "status while it was away": during["status"],
        "progress while it was away": during["progress"],
        "seconds from its return to the end": round(took, 1),
        "slowest /healthz, s": round(watch.slowest, 3),
    }


def _batch(items):
    """An ensemble of equal fits but for where they start; each of some tenths of a second."""
    first, *_ = documents(1, **MIDDLE)
    return {"document": first, "items": starting_points(items)}


def _done(server, place):
    assert ended(server, place)["status"] == "successful"
    return items_of(server.client.get(f"{place}/result"))
