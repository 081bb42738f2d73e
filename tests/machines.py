"""A Dask cluster as on several machines: a scheduler and workers, each a process of its own."""

import os
import subprocess
import sys
from contextlib import ExitStack, contextmanager

from tests.conftest import ROOT, free_port


@contextmanager
def dask(*arguments):
    """A process of Dask's command line, in the repository."""
    command = [sys.executable, "-m", "dask", *arguments, "--no-dashboard"]
    environment = os.environ | {"KAPPAFIT_THREADS": "1", "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(20)


class Machines:
    """A scheduler and machines with a worker each, which end with it."""

    def __init__(self, count=2):
        self.count = count
        self.port = free_port()
        self.address = f"tcp://127.0.0.1:{self.port}"
        self.parts = ExitStack()
        self.start()

    def start(self):
        scheduler = ("--host", "127.0.0.1", "--port", str(self.port))
        worker = ("--nthreads", "1", "--preload", "app.jobs.runner", "--death-timeout", "60")
        self.scheduler = self.parts.enter_context(dask("scheduler", *scheduler))
        self.workers = [
            self.parts.enter_context(dask("worker", self.address, *worker))
            for _ in range(self.count)
        ]

    def lose_the_scheduler(self):
        self.scheduler.kill()
        self.scheduler.wait()
