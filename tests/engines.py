"""A running engine for tests that are not asynchronous, and tasks that kill their worker."""

import asyncio
import json
import os
import signal
import threading
import time
from functools import partial

import numpy as np
from distributed import WorkerPlugin
from pydantic import BaseModel

from app.examples import example
from app.jobs import runner
from app.jobs.cluster import ClusterSettings
from app.jobs.engine import Engine
from app.jobs.job import Piece
from app.jobs.runner import Bounds
from app.limits import Limits

BOUNDS = Bounds(Limits(), 1_000_000)


class Running:
    """An engine in an event loop of its own, in a thread."""

    def __init__(self, settings=None, loop_factory=asyncio.new_event_loop):
        self.loop = loop_factory()
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()
        self.events = []
        self.engine = Engine(settings or ClusterSettings(workers=2), BOUNDS, self._heard)

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        try:
            self.wait(self.engine.close())
        finally:
            self.loop.call_soon_threadsafe(self.loop.stop)
            self.thread.join()
            self.loop.close()

    def _heard(self, job, event):
        self.events.append((job, event))

    def begin(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop)

    def wait(self, coroutine, seconds=60.0):
        return self.begin(coroutine).result(seconds)

    def open(self):
        self.wait(self.engine.open())
        return self

    def run(self, piece):
        """The future outcome of a piece."""
        return self.begin(self.engine.run(piece))

    @property
    def client(self):
        return self.engine._team._client

    def pids(self):
        """The workers' process ids by their address."""
        return self.client.run(os.getpid, on_error="ignore")

    def counts(self):
        """How many tasks every worker has, as the scheduler knows it."""
        return [len(tasks) for tasks in self.client.processing().values()]

    def until(self, condition, seconds=30.0):
        """Wait for something to come true; how long it took."""
        began = time.monotonic()
        while not condition():
            assert time.monotonic() - began < seconds, "it did not come true"
            time.sleep(0.02)
        return time.monotonic() - began

    def pid_of(self, job):
        """The process that runs a piece of this job."""
        found = []

        def looks():
            running = self.client.run(_runs, job, on_error="ignore")
            found[:] = [pid for pid in running.values() if pid]
            return bool(found)

        self.until(looks)
        return found[0]


def _runs(job):
    return os.getpid() if any(name == job for name, _ in runner._running) else None


def piece(job, task="calibrate", /, document=None, *, number=0, pieces=1, **options):
    body = {"task": task, "document": document or example("lecture"), "options": options}
    return Piece(job, number, pieces, json.dumps(body).encode())


def ensemble(job, items, *, number=0, pieces=1, document=None):
    whole = {"document": document or example("lecture"), "items": items}
    return piece(job, "ensemble", whole, number=number, pieces=pieces)


def slow():
    """A document whose fit takes a second or two."""
    document = example("lecture")
    document["bar"]["cells"], document["time"]["steps"] = 2000, 2000
    return document


def told(outcome):
    """An answer without what depends on when it was given."""
    answer = json.loads(outcome.body)
    answer["provenance"].pop("seconds")
    return answer


class Done(BaseModel):
    """The answer of the tasks below."""

    done: bool = True


def _killed_by(number, task, options, *_):
    """Says that it is tried, in the file that the option `task` names here."""
    with open(options.task, "a") as file:
        file.write("tried\n")
    os.kill(os.getpid(), number)
    time.sleep(10.0)


def _hog(*_):
    blocks = []
    while True:
        blocks.append(np.ones(2**22))  # 32 MB
        time.sleep(0.01)


def _sleep(task, *_):
    """Two seconds in which it can be stopped."""
    for _ in range(200):
        task.pulse()
        time.sleep(0.01)
    return Done()


def _forgetful(*_):
    raise MemoryError


def _broken(*_):
    raise AssertionError("something in the code")


KILLERS = {
    name: partial(_killed_by, getattr(signal, name)) for name in ("SIGKILL", "SIGSEGV", "SIGABRT")
}
TASKS = KILLERS | {"hog": _hog, "sleep": _sleep, "forgetful": _forgetful, "broken": _broken}


class Lessons(WorkerPlugin):
    """Teaches every worker the tasks above, also one that is started again."""

    def setup(self, worker):
        runner.TASKS.update(TASKS)
