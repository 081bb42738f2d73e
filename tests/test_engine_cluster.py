"""A cluster that is found by its scheduler's address, and a small machine."""

import os
import subprocess
import sys
import time

import pytest

from app.jobs import cluster
from app.jobs.cluster import ClusterSettings
from app.jobs.job import EngineLost, WorkerLost
from tests.conftest import ROOT
from tests.engines import Lessons, Running, piece, slow, told
from tests.machines import Machines

pytestmark = pytest.mark.faults


@pytest.fixture(scope="module")
def machines():
    found = Machines()
    with found.parts:
        yield found


def opened(running, seconds=30.0):
    """Open it as a foreman does: again and again."""

    def is_open():
        try:
            running.open()
        except EngineLost:
            time.sleep(0.2)
            return False
        return running.engine.idle() == 2

    running.until(is_open, seconds)


def test_a_scheduler_that_comes_back_is_found_again(machines, monkeypatch):
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 2.0)
    with Running(ClusterSettings(machines.address)) as running:
        opened(running)
        answer = told(running.run(piece("before")).result(60))
        flying = running.run(piece("flying", document=slow()))
        running.pid_of("flying")
        waiting = [running.run(piece("waits", document=slow())) for _ in range(2)]
        machines.lose_the_scheduler()
        for lost in (flying, *waiting):
            with pytest.raises(EngineLost):
                lost.result(10)
        assert running.engine.idle() == 0
        with pytest.raises(EngineLost):
            running.run(piece("too early")).result(10)
        with pytest.raises(EngineLost, match=str(machines.port)):
            running.open()
        with pytest.raises(EngineLost, match="looked for again"):
            running.open()
        machines.start()
        opened(running)
        assert told(running.run(piece("after")).result(60)) == answer


def test_a_scheduler_that_is_lost_between_two_jobs_is_missed(machines):
    """Dask's client would find the new one by itself, and hear nothing of its workers."""
    with Running(ClusterSettings(machines.address)) as running:
        opened(running)
        machines.lose_the_scheduler()
        machines.start()
        running.until(lambda: running.engine.idle() == 0, seconds=5.0)
        opened(running)
        assert running.run(piece("after")).result(60).status == "successful"


def test_attempts_are_counted_on_a_cluster_too(machines, tmp_path):
    with Running(ClusterSettings(machines.address)) as running:
        opened(running)
        running.client.register_plugin(Lessons())
        other = running.run(piece("sleeps", "sleep"))
        running.pid_of("sleeps")
        with pytest.raises(WorkerLost):
            running.run(piece("poison", "SIGKILL", task=str(tmp_path / "tries"))).result(60)
        assert (tmp_path / "tries").read_text() == 3 * "tried\n"
        assert other.result(60).status == "successful"
        running.until(lambda: running.engine.idle() == 2)


def test_a_small_machine_works_in_the_service_itself(monkeypatch):
    monkeypatch.setattr(cluster, "available_memory", lambda: 2**29)
    with Running(ClusterSettings(workers=4)).open() as running:
        assert running.engine.idle() == 1
        assert set(running.pids().values()) == {os.getpid()}
        assert running.run(piece("small")).result(60).status == "successful"
        stopped = running.run(piece("stopped", document=slow()))
        running.pid_of("stopped")
        running.wait(running.engine.cancel("stopped"))
        assert stopped.result(1).status == "dismissed"
        running.until(lambda: running.engine.idle() == 1, seconds=1.0)


@pytest.mark.parametrize(
    ("cores", "gibibytes", "workers"), [(2, 24, 2), (8, 24, 8), (8, 1, 1), (64, 8, 19), (1, 0.2, 1)]
)
def test_workers_go_by_cores_and_memory(cores, gibibytes, workers):
    assert cluster.workers_for(cores, int(gibibytes * 2**30)) == workers


def test_workers_end_with_a_service_that_is_killed():
    script = """
import sys, time
from app.jobs.cluster import ClusterSettings
from tests.engines import Lessons, Running, piece, slow
running = Running(ClusterSettings(workers=2)).open()
running.until(lambda: running.engine.idle() == 2)
running.run(piece("job", document=slow()))
running.pid_of("job")
print(*running.pids().values(), flush=True)
time.sleep(60)
"""
    command = [sys.executable, "-c", script]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as service:
        pids = [int(pid) for pid in service.stdout.readline().split()]
        service.kill()
    assert len(pids) == 2
    deadline = time.monotonic() + 5.0
    while any(os.path.exists(f"/proc/{pid}") for pid in pids):
        assert time.monotonic() < deadline
        time.sleep(0.05)
