"""A service whose kernels are not compiled yet: it is alive, does not grow, and can be stopped."""

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress

import httpx

from solver.kernels import cache_folder
from tests.conftest import ROOT, Server
from tests.faults.traffic import children_of, command_of, is_alive, until


def compiler_of(server):
    """The process that compiles for it."""
    found = [pid for pid in children_of(server.process.pid) if b"warm-up" in command_of(pid)]
    return found[0] if found else None


def is_warming_up(server):
    with suppress(httpx.TransportError):  # it does not listen yet
        return "warming up" in server.client.get("/readyz").text


def test_what_compiles_is_another_process_and_ends_with_the_service(tmp_path):
    log = tmp_path / "log"
    with log.open("wb") as file:
        server = Server(log=file, cache=tmp_path / "cache")
        try:
            until(lambda: compiler_of(server))
            until(lambda: is_warming_up(server))
            pid = compiler_of(server)
            began = time.monotonic()
            server.process.send_signal(signal.SIGTERM)
            assert server.process.wait(timeout=20) == 0
            assert time.monotonic() - began < 5.0
            until(lambda: not is_alive(pid), seconds=5.0)
        finally:
            server.stop()
    text = log.read_text()
    assert "compiling the kernels" in text
    assert "Traceback" not in text


def test_a_service_only_loads_what_was_compiled(server):
    assert compiler_of(server) is None


def test_what_is_shed_is_not_missed(tmp_path):
    """A kernel that is compiled after others were shed gives the same."""
    script = """
import numpy as np
from solver import Objective, kept, warm
from solver.kernels import march
from tests.experiments import course
def value():
    kept.forget()
    objective = Objective(course(np.linspace(0.0, 1.0, 51), sigma=0.1))
    return objective.value_and_gradient(objective.parameters.start)
warm.warm_up()
before, loaded = value(), list(march.forward.overloads.values())
march.forward.recompile()
march.adjoint.recompile()
assert all(one not in loaded for one in march.forward.overloads.values())
after = value()
np.testing.assert_allclose(after[0], before[0], rtol=1e-13)
np.testing.assert_allclose(after[1], before[1], rtol=1e-11)
"""
    cache = shutil.copytree(cache_folder().parent, tmp_path / "cache")
    environment = os.environ | {"KAPPAFIT_CACHE": str(cache)}
    run = subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=environment, timeout=120)
    assert run.returncode == 0
