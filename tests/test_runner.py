"""What is done with a piece, without Dask."""

import json
import threading
import time

import pytest

from app.examples import example
from app.jobs import runner
from app.jobs.request import as_bytes
from app.jobs.runner import run
from app.service import Task
from tests.engines import BOUNDS, TASKS, ensemble, piece, slow

AT = {"a": 1.7, "b": 1.2}


def answer(*args, **kwargs):
    outcome = run(piece("job", *args, **kwargs), BOUNDS)
    assert (outcome.status, outcome.problem) == ("successful", None)
    return without_time(json.loads(outcome.body))


def problem(*args, **kwargs):
    outcome = run(piece("job", *args, **kwargs), BOUNDS)
    assert (outcome.status, outcome.body) == ("failed", b"")
    return outcome.problem


def without_time(found):
    found["provenance"].pop("seconds")
    return found


def of_service(ask):
    return without_time(json.loads(ask(Task(as_bytes(example("lecture")))).model_dump_json()))


@pytest.fixture
def with_lessons(monkeypatch):
    for name, task in TASKS.items():
        monkeypatch.setitem(runner.TASKS, name, task)


@pytest.mark.parametrize(
    ("task", "options", "ask"),
    [
        ("calibrate", {}, lambda task: task.calibrate()),
        ("gradient", {"at": AT}, lambda task: task.gradient(AT)),
        ("gradient", {"hessian": True}, lambda task: task.gradient({}, hessian=True)),
        ("simulate", {"at": AT}, lambda task: task.simulate(AT)),
        ("simulate", {"field": True}, lambda task: task.simulate_field({}, 10**6)),
        ("check", {"at": AT}, lambda task: task.check(AT)),
    ],
)
def test_every_task_answers_as_the_service_does(task, options, ask):
    assert answer(task, **options) == of_service(ask)


def test_there_is_a_test_of_every_task():
    assert set(runner.TASKS) == {"calibrate", "gradient", "simulate", "check"}


def test_an_answer_is_the_same_each_time_and_of_another_document_another():
    one = answer()
    assert one == answer()
    other = example("lecture") | {"fit": {"max_iterations": 2}}
    assert answer(document=other)["provenance"] != one["provenance"]


@pytest.mark.parametrize(
    ("task", "document", "options", "pointer", "code"),
    [
        ("none", {}, {}, "#/task", "unknown_task"),
        ("calibrate", {}, {"fields": True}, "#/options/fields", "unknown_key"),
        ("gradient", {}, {"hessian": 1}, "#/options/hessian", "bool_type"),
        ("gradient", {}, {"at": {"nobody": 1.0}}, "#/at/nobody", "unknown_parameter"),
        ("calibrate", {"bar": {"length": -1.0}}, {}, "#/bar/length", "out_of_range"),
        ("calibrate", {"bar": {"cells": 10**9}}, {}, "#/bar/length", "missing"),
        ("simulate", {"sensors": "\ud800"}, {}, "#/sensors", "type_error"),
    ],
)
def test_what_is_wrong_is_told_with_pointers(task, document, options, pointer, code):
    found = problem(task, document=example("lecture") | document, **options)
    assert found["status"] == 422
    assert (pointer, code) in {(e["pointer"], e["code"]) for e in found["errors"]}


def test_a_document_beyond_the_limits_is_refused():
    document = example("lecture")
    document["bar"]["cells"], document["time"]["steps"] = 10**6, 10**6
    assert problem(document=document)["errors"][0]["code"] == "problem_too_large"


def test_what_is_nested_too_deeply_is_no_fault_of_the_service(caplog):
    item = {}
    for _ in range(700):
        item = {"bar": item}
    found = json.loads(run(ensemble("job", [item, {}], document=item), BOUNDS).body)
    assert found[0]["problem"]["status"] in (400, 422)
    assert not [r for r in caplog.records if r.levelname == "ERROR"]


@pytest.mark.parametrize(
    ("task", "title"), [("forgetful", "out_of_memory"), ("broken", "Internal error")]
)
def test_what_goes_wrong_in_the_worker_is_an_outcome(with_lessons, caplog, task, title):
    found = problem(task)
    assert found["title"] == title
    assert "something in the code" not in json.dumps(found)
    logged = [r for r in caplog.records if r.exc_info]
    assert len(logged) == (title == "Internal error")


def test_items_fail_alone_by_index_and_shares_make_the_whole():
    items = [{"fit": {"max_iterations": n}} for n in range(1, 6)] + [{"bar": 1}, 7, None]
    whole = json.loads(run(ensemble("job", items), BOUNDS).body)
    shares = [run(ensemble("job", items, number=n, pieces=3), BOUNDS).body for n in range(3)]
    joined = [one for share in shares for one in json.loads(share)]
    assert [one["index"] for one in whole] == list(range(8))
    assert [sorted(one)[-1] for one in whole] == ["index"] * 5 + ["problem"] * 3
    for one, same in zip(whole, joined, strict=True):
        for found in (one, same):
            found.get("answer", {"provenance": {}})["provenance"].pop("seconds", None)
        assert one == same
    one_by_itself = answer(document=example("lecture") | items[2])
    assert whole[2]["answer"] == one_by_itself


def test_an_item_with_options_of_its_task():
    body = {"document": example("lecture"), "items": [{}]}
    outcome = run(piece("job", "ensemble", body, task="gradient", at=AT), BOUNDS)
    (found,) = json.loads(outcome.body)
    assert without_time(found["answer"]) == of_service(lambda task: task.gradient(AT))
    assert problem("ensemble", {"document": {}, "items": []})["errors"][0]["pointer"] == (
        "#/document/items"
    )


def test_words_on_progress_are_few_and_the_last_is_among_them():
    heard = []
    items = [{"fit": {"max_iterations": 2}}] * 200
    began = time.monotonic()
    run(ensemble("job", items), BOUNDS, heard.append)
    took = time.monotonic() - began
    assert heard[-1] == {"piece": 0, "done": 200, "of": 200}
    assert 2 <= len(heard) <= 2 + took / runner.TELL_EVERY
    steps = []
    run(piece("job"), BOUNDS, steps.append)
    assert steps[-1] == answer()["history"][-1]


@pytest.mark.parametrize("work", [piece("job", document=slow()), ensemble("job", [slow()] * 5)])
def test_a_dismissed_job_stops_at_once(work):
    outcomes = []
    thread = threading.Thread(target=lambda: outcomes.append(run(work, BOUNDS)))
    thread.start()
    while not runner._running:
        time.sleep(0.001)
    time.sleep(0.3)
    runner.dismiss("other")
    time.sleep(0.1)
    assert thread.is_alive()
    runner.dismiss("job")
    thread.join(0.5)
    assert [outcome.status for outcome in outcomes] == ["dismissed"]
    assert not runner._running
    runner.dismiss("job")  # too late, and of no consequence for the next
    assert run(piece("job"), BOUNDS).status == "successful"
