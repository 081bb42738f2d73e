"""Pieces on real workers: what comes back, what is heard, and how they are stopped."""

import asyncio
import json
import os
import time

import pytest
import uvloop

from app.examples import example
from app.jobs.cluster import ClusterSettings
from app.jobs.job import EngineLost
from app.jobs.request import as_bytes
from app.service import Task
from tests.engines import Running, ensemble, piece, slow, told


@pytest.fixture(scope="module")
def running():
    with Running().open() as started:
        started.until(lambda: started.engine.idle() == 2)
        yield started


def cpu_of(pid):
    """Seconds of computing of a process so far."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_an_answer_is_that_of_the_service_bit_for_bit(running):
    outcome = running.run(piece("same")).result(60)
    own = json.loads(Task(as_bytes(example("lecture"))).calibrate().model_dump_json())
    own["provenance"].pop("seconds")
    assert outcome.status == "successful"
    assert told(outcome) == own
    changed = example("lecture") | {"fit": {"max_iterations": 2}}
    assert told(running.run(piece("other", document=changed)).result(60)) != own


def test_a_bad_document_fails_with_pointers(running):
    document = example("lecture") | {"bar": {"length": -1.0}}
    outcome = running.run(piece("bad", document=document)).result(60)
    assert (outcome.status, outcome.body) == ("failed", b"")
    assert outcome.problem["status"] == 422
    assert [e["pointer"] for e in outcome.problem["errors"]] == ["#/bar/length"]


def test_iterations_are_heard_in_order_and_before_the_end(running):
    outcome = running.run(piece("heard")).result(60)
    events = [event for job, event in running.events if job == "heard"]
    answer = told(outcome)
    assert [e["iteration"] for e in events] == sorted({e["iteration"] for e in events})
    assert events[-1] == answer["history"][-1]
    assert set(events[0]) == {"iteration", "objective", "gradient_norm", "parameters"}


def test_a_bad_item_of_an_ensemble_fails_alone(running):
    items = [{}, {"bar": {"length": -1.0}}, {"fit": {"max_iterations": 2}}, 5]
    shares = [running.run(ensemble("items", items, number=n, pieces=2)) for n in range(2)]
    found = [one for share in shares for one in json.loads(share.result(60).body)]
    assert [one["index"] for one in found] == [0, 1, 2, 3]
    assert [sorted(one)[0] for one in found] == ["answer", "index", "answer", "index"]
    assert found[1]["problem"]["errors"][0]["pointer"] == "#/bar/length"
    assert found[2]["answer"]["status"] == "max_iterations"
    last = {e["piece"]: e for job, e in running.events if job == "items"}
    assert last == {n: {"piece": n, "done": 2, "of": 2} for n in range(2)}


def test_no_more_is_handed_out_than_there_are_workers(running):
    first = running.run(piece("first", document=slow()))
    running.until(lambda: running.engine.idle() == 1)
    others = [running.run(piece(f"other {i}", document=slow())) for i in range(2)]
    running.until(lambda: running.counts() == [1, 1])
    assert running.engine.idle() == 0
    assert all(one.result(60).status == "successful" for one in (first, *others))
    assert running.engine.idle() == 2


def test_a_job_that_is_cancelled_ends_and_frees_its_worker_within_a_second(running):
    pids = sorted(running.pids().values())
    stopped, other, third = (
        running.run(piece(job, document=slow())) for job in ("stopped", "other", "stopped")
    )
    running.pid_of("stopped"), running.pid_of("other")
    assert not third.done()  # it waits for a worker
    began = time.monotonic()
    running.wait(running.engine.cancel("stopped"))
    assert {stopped.result(1).status, third.result(1).status} == {"dismissed"}
    running.until(lambda: running.engine.idle() == 1, seconds=1.0)
    assert time.monotonic() - began < 1.0
    assert other.result(60).status == "successful"  # the other job was let be
    assert sorted(running.pids().values()) == pids  # and no worker was ended for it
    used = [cpu_of(pid) for pid in pids]
    time.sleep(1.0)
    assert sum(cpu_of(pid) for pid in pids) - sum(used) < 0.3
    assert set(running.client.run(pieces_here).values()) == {0}


def pieces_here():
    from app.jobs import runner

    return len(runner._running)


def test_cancelling_what_is_not_there_does_nothing(running):
    running.wait(running.engine.cancel("never"))
    assert running.run(piece("never")).result(60).status == "successful"


def test_a_caller_that_gives_up_frees_the_worker_too(running):
    left = running.run(piece("left", document=slow()))
    running.pid_of("left")
    left.cancel()
    running.until(lambda: running.engine.idle() == 2, seconds=1.0)


def test_workers_take_one_thread_each(running):
    names = ["KAPPAFIT_THREADS", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "NUMBA_NUM_THREADS"]
    found = running.client.run(environment, names).values()
    assert list(found) == [(dict.fromkeys(names, "1"), 1)] * 2
    assert "KAPPAFIT_THREADS" not in os.environ  # the service's own threads are its own matter


def environment(names):
    from solver.crew import cores

    return {name: os.environ.get(name) for name in names}, cores()


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_it_opens_once_and_leaves_nothing_behind(loop, tmp_path):
    settings = ClusterSettings(workers=1, folder=tmp_path)
    with Running(settings, loop) as running:
        opened = [running.begin(running.engine.open()) for _ in range(5)]
        for one in opened:
            one.result(60)
        assert running.run(piece("a")).result(60).status == "successful"
        (pid,) = running.pids().values()
        busy = running.run(piece("b", document=slow()))
        running.pid_of("b")
        began = time.monotonic()
        running.wait(running.engine.close())
        assert time.monotonic() - began < 5.0
        with pytest.raises(EngineLost):
            busy.result(1)
        assert not os.path.exists(f"/proc/{pid}")
        assert running.engine.idle() == 0
        with pytest.raises(EngineLost):
            running.run(piece("c")).result(1)
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".lock"]


def test_two_workers_share_the_work_and_do_no_more_than_one(running):
    """By the clock of the processors: the machine may have other work, too."""
    pids = running.pids().values()
    document = example("lecture")
    document["bar"]["cells"], document["time"]["steps"] = 400, 400
    pieces = [ensemble("timed", [{}] * 20, number=n, pieces=8, document=document) for n in range(8)]

    def seconds(at_once):
        before = [cpu_of(pid) for pid in pids]
        for first in range(0, len(pieces), at_once):
            together = [running.run(one) for one in pieces[first : first + at_once]]
            assert all(one.result(60).status == "successful" for one in together)
        return [cpu_of(pid) - was for pid, was in zip(pids, before, strict=True)]

    one, two = seconds(1), seconds(2)
    assert sum(two) < 1.5 * sum(one)
    assert min(two) > 0.3 * sum(two)
