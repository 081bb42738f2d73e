"""A really started service, and the documents that the tests send it."""

import json
import os
import random
import re
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import closing, suppress
from functools import cache
from pathlib import Path

import httpx
import pytest

from app.jobs.store import Store
from solver import kept
from tests.experiments import course_readings

ROOT = Path(__file__).parents[1]
ALONE = {"postgres", "store", "store_url"}  # fixtures
BUSY = re.compile(
    r"^(?:from|import) (?:asyncio|concurrent|signal|socket|subprocess|threading|time|benchmarks"
    r"|tests\.(?:crowd|engines|faults|machines|postgres|scripted))\b",
    re.M,
)
# Whose limits of time, if they have any, leave room for another test beside.
ROOMY = {
    "test_architecture.py",
    "test_bad_logs.py",
    "test_cache.py",
    "test_cli.py",
    "test_cli_server.py",
    "test_client.py",
    "test_client_jobs.py",
    "test_columns.py",
    "test_contract.py",
    "test_crashes.py",
    "test_engine_cluster.py",
    "test_engine_encrypted.py",
    "test_engine_losses.py",
    "test_ensemble.py",
    "test_examples.py",
    "test_foreman.py",
    "test_job_accounts.py",
    "test_jobs.py",
    "test_kept.py",
    "test_keys.py",
    "test_keys_of_jobs.py",
    "test_log.py",
    "test_logbook.py",
    "test_march.py",
    "test_metrics.py",
    "test_packaging.py",
    "test_quantities.py",
    "test_store_files.py",
    "test_store_refused.py",
    "test_store_upgrades.py",
    "test_units.py",
}
LONGEST = ["test_contract.py", "test_twin_networks.py", "test_jobs.py"]


def pytest_collection_modifyitems(items):
    """Mark what can run beside others, file by file on all cores; the longest files come first."""
    place = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path.name, len(LONGEST)))
    for item in items:
        alone = ALONE & set(item.fixturenames) or BUSY.search(text_of(item.path))
        if (item.path.name in ROOMY or not alone) and not item.get_closest_marker("faults"):
            item.add_marker("beside")


@cache
def text_of(file):
    return file.read_text()


@pytest.fixture(autouse=True)
def nothing_kept():
    """What is made while a test has something patched must not be kept for the next."""
    yield
    kept.forget()


def free_port():
    """A free one among those that the system gives to nobody who asks for any."""
    for port in random.SystemRandom().sample(range(20_000, 32_000), 100):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("a hundred ports are taken")


class Server:
    """One service process on loopback, with a folder of its own unless it is given one.

    log: a file for what it logs; else that goes where nobody reads it. port: else a free one.
    """

    def __init__(self, log=None, port=None, **settings):
        self.folder = tempfile.TemporaryDirectory(prefix="kappafit-test-")
        settings = {"data": self.folder.name} | settings
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        environment = os.environ | {f"KAPPAFIT_{k.upper()}": str(v) for k, v in settings.items()}
        command = [sys.executable, "-m", "app", "serve", "--port", str(self.port)]
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=log or subprocess.STDOUT,
        )
        self.client = httpx.Client(base_url=self.url, timeout=60.0)

    def wait(self, seconds=240.0):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                ready = self.client.get("/readyz")
                if ready.status_code == 200:
                    return self
                if "failed" in ready.text:
                    break
            except httpx.TransportError:
                assert self.process.poll() is None, self.process.stdout.read().decode()
            time.sleep(0.1)
        self.stop()
        raise AssertionError("the service did not get ready")

    def post(self, path, document, **kwargs):
        content = document if isinstance(document, bytes) else json.dumps(document).encode()
        headers = {"Content-Type": "application/json"} | kwargs.pop("headers", {})
        return self.client.post(path, content=content, headers=headers, **kwargs)

    def stop(self):
        self.client.close()
        self.process.terminate()
        self.process.wait(timeout=30)
        self.process.stdout.close()
        self.folder.cleanup()


@pytest.fixture(scope="session")
def server():
    started = Server().wait()
    yield started
    started.stop()


def added_key(server, name):
    """A new key of a service."""
    run = subprocess.run(
        [sys.executable, "-m", "app", "keys", "add", name],
        cwd=ROOT,
        env=os.environ | {"KAPPAFIT_DATA": server.folder.name},
        capture_output=True,
        text=True,
        check=True,
    )
    return run.stdout.strip()


@pytest.fixture(scope="session")
def guarded():
    """A service that asks for keys, and takes what has more than 100 000 cell steps for a job."""
    started = Server(keys="on", max_cell_steps=100_000, job_workers=1).wait()
    started.key = added_key(started, "anna")
    yield started
    started.stop()


@pytest.fixture
def document():
    """The example, fresh for every test that changes it."""
    return json.loads((ROOT / "app" / "examples" / "lecture.json").read_text())


@pytest.fixture
def course():
    """The course's experiment with its data, as SOURCE.md describes it."""
    readings = course_readings().tolist()
    return {
        "bar": {"length": 1.0, "cells": 50},
        "time": {"end": 1.0, "steps": 50},
        "material": {
            "form": "nondivergence",
            "diffusivity": {
                "law": "linear",
                "of": "x",
                "a": {"unknown": "a", "start": 1.0},
                "b": {"unknown": "b", "start": 1.0},
            },
        },
        "source": [{"profile": {"expression": "exp(-50*(x-0.5)**2)"}}],
        "left": {"kind": "flux", "value": 0.0},
        "right": {"kind": "temperature", "value": 0.0},
        "sensors": [{"x": 0.0, "times": [k / 50 for k in range(51)], "temperatures": readings}],
    }


@pytest.fixture(scope="session")
def postgres():
    """A real PostgreSQL server; what needs it is skipped where this machine has none."""
    from tests.postgres import started

    server = started()
    yield server
    server.remove()


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request, tmp_path):
    """Where a new job store may be, of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'jobs.sqlite'}"
    return request.getfixturevalue("postgres").new_database()


@pytest.fixture
def store(store_url):
    """A new job store that is owned, of each kind."""
    with closing(Store.open(store_url, keep_seconds=60.0)) as opened:
        opened.own()
        yield opened
