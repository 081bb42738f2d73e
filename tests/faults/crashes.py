"""The service is killed again and again while it has jobs: none is lost, none is done twice."""

from __future__ import annotations

import random
import tempfile
import time

from app.jobs.store import Store
from tests.conftest import Server
from tests.faults.traffic import (
    SEED,
    answer_of,
    children_of,
    documents,
    ended,
    is_alive,
    kill,
    submit,
    until,
)


def kills_of_the_service(kills, jobs):
    """Figures of so many kills at random moments while so many jobs are sent and done."""
    chance = random.Random(SEED)
    with tempfile.TemporaryDirectory(prefix="kappafit-crashes-") as folder:
        server = Server(data=folder).wait()
        wanted = {
            n: answer_of(server.post("/v1/calibrate", d)) for n, d in enumerate(documents(jobs))
        }
        orphans, accepted, left = 0.0, {}, list(enumerate(documents(jobs)))[::-1]
        for _ in range(kills):
            dies = time.monotonic() + chance.uniform(0.0, 3.0)
            while time.monotonic() < dies:
                if left:
                    _submit(server, left, accepted)
                else:
                    time.sleep(0.02)
            children = children_of(server.process.pid)
            kill(server)
            gone = until(lambda children=children: not any(map(is_alive, children)))
            orphans = max(orphans, gone)
            server = Server(data=folder).wait()
        while left:
            _submit(server, left, accepted)
        states = [ended(server, place)["status"] for place in accepted.values()]
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
        "successful": sum(state == "successful" for state in states),
        "listed": len(listed),
        "equal to the undisturbed": equal,
        "results of a job": sorted(set(rows)),
        "seconds that workers outlive their service, at most": round(orphans, 2),
    }


def _submit(server, left, accepted):
    """The same Idempotency-Key until it is accepted: a kill may have taken the answer only."""
    number, document = left[-1]
    accepted[number] = submit(server, document, headers={"Idempotency-Key": f"crash-{number}"})
    left.pop()
