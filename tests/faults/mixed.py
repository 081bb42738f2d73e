"""Every kind of client at once, for minutes: no 5xx, and the service does not grow."""

from __future__ import annotations

import json
import random
import socket
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx

from tests.documents import linear, put, twin
from tests.faults.losses import kill
from tests.faults.traffic import (
    SEED,
    Watch,
    children_of,
    documents,
    ended,
    memory_of,
    open_files_of,
    starting_points,
    threads_of,
    workers_of,
)
from tests.test_bad_documents import MEANING
from tests.test_liveness import HOSTILE, readings

CLIENTS = 6
LOOK_EVERY = 2.0  # seconds
KILL_EVERY = 30.0  # seconds between the losses of a worker


class Client:
    """Does one thing after another, each chosen at random; `said` counts kinds and statuses."""

    def __init__(self, server, seed):
        self.said = Counter()
        self._server, self._chance = server, random.Random(seed)
        self._right = list(documents(20))
        self._single = twin(linear(), {"a": 0.8, "b": 0.3})
        self._large = readings(self._right[0], 100_000)
        self._http = httpx.Client(base_url=server.url, timeout=60.0)
        self._kinds = {
            self.fits: 30,
            self.asks: 30,
            self.errs: 30,
            self.is_hostile: 2,
            self.sends_much: 1,
            self.takes_much: 2,
            self.is_cut_off: 10,
            self.has_a_job: 10,
            self.watches: 4,
            self.changes_its_mind: 8,
            self.has_many: 2,
            self.looks_around: 20,
        }

    def work(self, until):
        kinds, weights = zip(*self._kinds.items(), strict=True)
        with self._http:
            while time.monotonic() < until:
                self._chance.choices(kinds, weights)[0]()

    def _ask(self, method, path, body=None):
        content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        try:
            reply = self._http.request(method, path, content=content, headers=headers)
        except httpx.TransportError as error:
            self.said[type(error).__name__] += 1
            raise
        self.said[reply.status_code] += 1
        return reply

    def fits(self):
        self._ask("POST", "/v1/calibrate", self._chance.choice(self._right))

    def asks(self):
        path = self._chance.choice(["gradient", "gradient?hessian=true", "simulate", "check"])
        self._ask("POST", f"/v1/{path}", self._chance.choice(self._right))

    def errs(self):
        path, value, *_ = self._chance.choice(MEANING)
        self._ask("POST", "/v1/calibrate", put(self._single, path, value))

    def is_hostile(self):
        self._ask("POST", "/v1/gradient", self._chance.choice(list(HOSTILE.values())))

    def sends_much(self):
        self._ask("POST", "/v1/gradient", self._large)

    def takes_much(self):
        (document,) = documents(1, cells=400, steps=400)
        self._ask("POST", "/v1/simulate?field=true", document)

    def is_cut_off(self):
        """In the middle of its request, or of the answer."""
        body = json.dumps(self._chance.choice(self._right)).encode()
        head = f"POST /v1/calibrate HTTP/1.1\r\nHost: h\r\nContent-Length: {len(body)}\r\n"
        request = f"{head}Content-Type: application/json\r\n\r\n".encode() + body
        with socket.create_connection(("127.0.0.1", self._server.port)) as line:
            line.sendall(request[: self._chance.randrange(1, 2 * len(request))])
            time.sleep(0.01 * self._chance.random())

    def has_a_job(self):
        place = self._submitted("calibrate", document=self._chance.choice(self._right))
        ended(self._server, place)
        self._ask("GET", f"{place}/result")

    def watches(self):
        place = self._submitted("calibrate", document=self._chance.choice(self._right))
        self._ask("GET", f"{place}/events")

    def changes_its_mind(self):
        (document,) = documents(1, cells=1000, steps=1000)
        place = self._submitted("calibrate", document=document)
        time.sleep(0.3 * self._chance.random())
        self._ask("DELETE", place)

    def has_many(self):
        batch = {"document": self._right[0], "items": starting_points(30)}
        place = self._submitted("ensemble", document=batch)
        ended(self._server, place)
        self._ask("GET", f"{place}/result")

    def looks_around(self):
        pages = ["/", "/metrics", "/healthz", "/readyz", "/v1/jobs", "/openapi.json", "/none"]
        self._ask("GET", self._chance.choice(pages))

    def _submitted(self, task, **request):
        reply = self._ask("POST", "/v1/jobs", {"task": task} | request)
        assert reply.status_code == 202, reply.text
        return reply.headers["location"]


def mixed_load(server, seconds, warm):
    """Figures of so many seconds of all that clients do, the first `warm` of them not measured."""
    until = time.monotonic() + seconds
    clients = [Client(server, SEED + number) for number in range(CLIENTS)]
    seen, killed = [], time.monotonic()
    with Watch(server) as watch, ThreadPoolExecutor(CLIENTS) as threads:
        work = [threads.submit(client.work, until) for client in clients]
        while time.monotonic() < until:
            time.sleep(LOOK_EVERY)
            seen.append(_sizes(server))
            pids = workers_of(server)
            if pids and time.monotonic() - killed > KILL_EVERY:
                kill(pids[0])
                killed = time.monotonic()
        for one in work:
            one.result()  # raises what went wrong with a client
    measured = seen[int(warm / LOOK_EVERY) :]
    third = len(measured) // 3
    said = sum((client.said for client in clients), Counter())
    return {
        "seconds": seconds,
        "requests": said.total(),
        "statuses": {str(status): said[status] for status in sorted(said, key=str)},
        "slowest /healthz, s": round(watch.slowest, 3),
        "failed looks": watch.failures,
        "of the service: first and last third, at most": {
            name: [max(one[name] for one in part) for part in (measured[:third], measured[-third:])]
            for name in measured[0]
        },
    }


def _sizes(server):
    pid = server.process.pid
    every = [pid, *children_of(pid)]
    return {
        "MB": round(memory_of(pid)),
        "MB with its processes": round(sum(memory_of(one) for one in every)),
        "threads": threads_of(pid),
        "open files": open_files_of(pid),
    }
