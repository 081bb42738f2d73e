"""Workers that are lost: by a signal, by a piece that kills them, by their memory."""

import gc
import os
import signal

import dask
import pytest

from app.jobs import cluster
from app.jobs.cluster import ClusterSettings
from app.jobs.job import WorkerLost
from tests.engines import KILLERS, Lessons, Running, piece, slow, told

LIMIT = 700 * 2**20  # bytes of a worker


@pytest.fixture(scope="module")
def running():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cluster, "available_memory", lambda: cluster.SERVICE + 2 * LIMIT)
        with Running(ClusterSettings(workers=2)).open() as started:
            started.client.register_plugin(Lessons())
            started.until(lambda: started.engine.idle() == 2)
            yield started


@pytest.fixture(autouse=True)
def both_workers_are_back(running):
    yield
    running.until(lambda: running.engine.idle() == 2)


def blamed(caplog):
    """The jobs whose piece was lost with a worker, once for each attempt."""
    return [r.args[0] for r in caplog.records if r.msg.startswith("a worker was lost")]


def left(running):
    """The tasks that the scheduler still knows."""
    return running.client.run_on_scheduler(lambda dask_scheduler: list(dask_scheduler.tasks))


def kill(running, job):
    pid = running.pid_of(job)
    os.kill(pid, signal.SIGKILL)
    running.until(lambda: pid not in running.pids().values())


def test_a_piece_whose_worker_is_killed_is_done_again_and_ends_equal(running):
    whole = told(running.run(piece("whole", document=slow())).result(60))
    killed = running.run(piece("killed", document=slow()))
    other = running.run(piece("other", "sleep"))
    kill(running, "killed")
    assert told(killed.result(60)) == whole
    assert other.result(60).status == "successful"


@pytest.mark.parametrize("task", KILLERS)
def test_a_piece_that_kills_its_worker_fails_alone_after_three_attempts(
    running, task, tmp_path, caplog
):
    other = running.run(piece("sleeps", "sleep"))
    running.pid_of("sleeps")
    with pytest.raises(WorkerLost):
        running.run(piece("poison", task, task=str(tmp_path / "tries"))).result(60)
    assert (tmp_path / "tries").read_text() == 3 * "tried\n"
    assert other.result(60).status == "successful"
    assert blamed(caplog) == 3 * ["poison"]


def test_an_innocent_is_not_blamed_where_every_worker_dies(running, tmp_path, caplog):
    tries = [tmp_path / "one", tmp_path / "two"]
    poisons = [running.run(piece("poison", "SIGKILL", task=str(path))) for path in tries]
    innocents = [running.run(piece(f"innocent {i}")) for i in range(6)]
    for poison in poisons:
        with pytest.raises(WorkerLost):
            poison.result(60)
    assert [path.read_text() for path in tries] == [3 * "tried\n"] * 2
    assert [one.result(60).status for one in innocents] == ["successful"] * 6
    assert blamed(caplog) == 6 * ["poison"]


def test_what_a_lost_worker_did_is_forgotten_before_the_next_has_its_address(running, tmp_path):
    gc.disable()  # which would have it forgotten, some time
    try:
        with pytest.raises(WorkerLost):
            running.run(piece("poison", "SIGKILL", task=str(tmp_path / "tries"))).result(60)
        running.until(lambda: left(running) == [], seconds=0.5)
    finally:
        gc.enable()


def test_a_piece_that_takes_all_memory_fails_alone(running, caplog):
    other = running.run(piece("sleeps", "sleep"))
    running.pid_of("sleeps")
    with pytest.raises(WorkerLost):
        running.run(piece("hog", "hog")).result(60)
    assert other.result(60).status == "successful"
    assert blamed(caplog) == 3 * ["hog"]


@pytest.mark.parametrize("told", [signal.SIGINT, signal.SIGTERM])
def test_workers_leave_it_to_the_service_to_stop_when_all_are_told_to(running, caplog, told):
    job = running.run(piece("sleeps", "sleep"))
    os.kill(running.pid_of("sleeps"), told)
    assert job.result(60).status == "successful"
    assert blamed(caplog) == []


def test_memory_that_is_refused_and_what_is_unexpected_cost_no_worker(running):
    before = running.pids()
    forgetful = running.run(piece("forgetful", "forgetful")).result(60)
    assert (forgetful.status, forgetful.problem["title"]) == ("failed", "out_of_memory")
    broken = running.run(piece("broken", "broken")).result(60)
    assert (broken.status, broken.problem["title"]) == ("failed", "Internal error")
    assert "something in the code" not in str(broken.problem)
    assert running.pids() == before


def test_a_cancelled_piece_is_not_tried_again(running):
    job = running.run(piece("stopped", document=slow()))
    pid = running.pid_of("stopped")
    running.wait(running.engine.cancel("stopped"))
    os.kill(pid, signal.SIGKILL)
    assert job.result(1).status == "dismissed"
    running.until(lambda: pid not in running.pids().values())
    running.until(lambda: running.engine.idle() == 2)
    assert running.counts() == [0, 0]


def test_workers_that_stay_away_are_started_anew(running):
    nannies = running.engine._team._cluster.own.workers
    nanny = nannies[0]
    with dask.config.set({"distributed.deploy.lost-worker-timeout": "1s"}):
        running.wait(nanny.close())
        running.until(lambda: running.engine.idle() == 1)
        running.until(lambda: running.engine.idle() == 2)
    assert running.run(piece("after")).result(60).status == "successful"
    assert nanny not in nannies.values()
