"""The job store: what goes in comes out, forward only, in SQLite and in PostgreSQL alike."""

import re
import statistics
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.jobs import store as module
from app.jobs.job import ENDED, STATUSES, KeyReused, NewJob

BODY = b'{"task": "calibrate"}'


def new(holder="", **changes):
    return NewJob(**{"holder": holder, "task": "calibrate", "body": BODY} | changes)


def one(store, *args, **kwargs):
    (job,) = store.accept([new(*args, **kwargs)])
    return job


def brought_to(store, status):
    """A job of this status, the only one in the store."""
    job = one(store)
    if status != "accepted":
        assert store.start_next({}).id == job.id
    if status in ENDED:
        assert store.finish(job.id, status, message="once", problem={"title": "once"})
    return store.job(job.id, "")


def at_once(threads, call, times):
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(call, range(times)))


def test_an_accepted_job_is_there(store):
    before = time.time()
    job = one(store, "anna", pieces=3)
    assert re.fullmatch(r"[0-9a-f]{32}", job.id)
    assert (job.holder, job.task, job.status, job.pieces) == ("anna", "calibrate", "accepted", 3)
    assert before <= job.created == job.updated <= time.time()
    assert job == store.job(job.id, "anna")
    assert store.body(job.id) == BODY
    assert store.events(job.id) is None
    assert (store.results(job.id), store.pieces_done(job.id)) == ([], set())
    assert store.counts() == dict.fromkeys(STATUSES, 0) | {"accepted": 1}
    assert (store.queued(), store.queued("anna"), store.queued("")) == (1, 1, 0)


@pytest.mark.parametrize("id", ["", "0" * 32, "\0", "x" * 100_000, "é\ud800", "' OR 1=1 --"])
def test_what_never_was_is_not_there(store, id):
    one(store)
    assert store.job(id, "") is None


def test_a_job_is_its_holders_alone(store):
    annas, nobodys = one(store, "anna"), one(store)
    assert store.job(annas.id, "") is store.job(annas.id, "bert") is None
    assert store.job(nobodys.id, "anna") is None
    assert [job.id for job in store.jobs("", limit=9)] == [nobodys.id]
    assert [job.id for job in store.jobs("anna", limit=9)] == [annas.id]


@pytest.mark.parametrize("status", STATUSES)
def test_a_job_moves_forward_only(store, status):
    job = brought_to(store, status)
    assert store.keep(job.id, 0, b"r", 10) is (status == "running")
    if status != "accepted":
        assert store.start_next({}) is None
    if status in ENDED:
        assert not any(store.finish(job.id, end, message="twice") for end in ENDED)
        assert store.release() == 0
        assert store.job(job.id, "") == job
        assert store.results(job.id) == []
    for wrong in ("accepted", "running", "done"):
        with pytest.raises(ValueError, match="does not end as"):
            store.finish(job.id, wrong)


@pytest.mark.parametrize("end", ENDED)
@pytest.mark.parametrize("status", ["accepted", "running"])
def test_a_job_ends_from_where_it_is(store, status, end):
    job = brought_to(store, status)
    assert store.finish(job.id, end, message="a\0b\ud800", problem={"detail": "\0\ud800ü"})
    ended = store.job(job.id, "")
    assert (ended.status, ended.message, ended.problem["detail"]) == (end, "a?b?", "\0\ud800ü")
    assert ended.expires == ended.finished + 60.0
    assert ended.progress == (100 if end == "successful" else 0)


def test_results_come_in_order_and_once(store):
    job = brought_to(store, "running")
    for piece in (3, 0, 1, 0):
        assert store.keep(job.id, piece, b"%d" % piece, 10 * piece)
    assert store.pieces_done(job.id) == {0, 1, 3}
    assert store.finish(job.id, "successful", piece=2, body=b"2", events=b"[]")
    assert store.results(job.id) == [b"0", b"1", b"2", b"3"]
    assert store.events(job.id) == b"[]"
    with pytest.raises(KeyError):
        store.events("0" * 32)


def test_a_dismissed_job_keeps_no_results(store):
    job = brought_to(store, "running")
    store.keep(job.id, 0, b"r", 50)
    assert store.finish(job.id, "dismissed", piece=1, body=b"s")
    assert store.results(job.id) == []


def test_a_restarted_service_takes_up_what_ran(store):
    job = brought_to(store, "running")
    store.keep(job.id, 0, b"r", 50)
    assert (store.release(), store.release()) == (1, 0)
    again = store.start_next({})
    assert (again.id, again.status, again.progress) == (job.id, "running", 50)
    assert store.pieces_done(job.id) == {0}
    assert again == store.job(job.id, "")


def test_lists_have_pages_newest_first(store):
    jobs = store.accept([new("anna")] * 7 + [new("bert")] * 3)
    store.finish(jobs[2].id, "failed")
    ids = [job.id for job in reversed(jobs[:7])]
    seen, after = [], None
    while page := store.jobs("anna", limit=3, after=after):
        seen += [job.id for job in page]
        after = page[-1].sequence
    assert seen == ids
    assert [job.id for job in store.jobs("anna", limit=9, status="failed")] == [jobs[2].id]
    assert len(store.jobs("anna", limit=9, status="accepted")) == 6


def test_the_holder_that_has_least_comes_next(store):
    jobs = store.accept([new("anna")] * 3 + [new("bert")] * 2 + [new("")])
    busy = Counter()
    order = []
    while job := store.start_next(busy):
        busy[job.holder] += 1
        order.append(job.holder)
    assert order == ["anna", "bert", "", "anna", "bert", "anna"]
    started = sorted(jobs, key=lambda job: store.job(job.id, job.holder).started)
    assert [job.sequence for job in started if job.holder == "anna"] == [1, 2, 3]


def test_the_next_of_ten_thousand_is_found_at_once(store):
    for batch in range(20):
        jobs = [new(f"holder {i % 10}", body=b"x" * 1000) for i in range(500)]
        store.accept(jobs if batch else jobs[:-1])
    seconds = []
    for _ in range(100):
        before = time.perf_counter()
        assert store.start_next({"holder 1": 3}) is not None
        seconds.append(time.perf_counter() - before)
    assert statistics.median(seconds) < 5e-3


def test_a_repeated_request_is_the_same_job(store):
    asked = new("anna", idempotency_key="k", fingerprint="f")
    first, second, other = store.accept(
        [asked, asked, new("anna", idempotency_key="k", fingerprint="g")]
    )
    assert first == second
    assert isinstance(other, KeyReused)
    bert = one(store, "bert", idempotency_key="k", fingerprint="f")
    assert bert.id != first.id
    store.finish(first.id, "failed")
    assert store.accept([asked]) == [store.job(first.id, "anna")]
    assert one(store, "anna", fingerprint="f").id != first.id  # without a key


def test_equal_keys_at_once_make_one_job(store):
    asked = new("anna", idempotency_key="k", fingerprint="f")
    answers = at_once(16, lambda _: store.accept([asked])[0], 100)
    assert len({job.id for job in answers}) == 1
    assert store.counts()["accepted"] == 1


def test_threads_never_start_or_end_a_job_twice(store):
    store.accept([new(f"holder {i % 3}") for i in range(60)])
    started = at_once(8, lambda _: store.start_next({}), 80)
    ids = [job.id for job in started if job]
    assert len(ids) == len(set(ids)) == 60
    ends = at_once(16, lambda i: store.finish(ids[i % 20], ENDED[i % 3]), 100)
    assert sum(ends) == 20


def test_ended_jobs_expire(store, monkeypatch):
    monkeypatch.setattr(module, "BATCH", 2)
    asked = [new("anna", idempotency_key=str(i), fingerprint="f") for i in range(7)]
    jobs = store.accept(asked)
    for _ in range(5):
        store.start_next({})
    for job in jobs[:5]:
        store.finish(job.id, "successful", piece=0, body=b"r")
    assert store.expire(time.time() + 59) == 0
    assert store.expire(time.time() + 61) == 5
    assert [job.id for job in store.jobs("anna", limit=9)] == [jobs[6].id, jobs[5].id]
    assert all(store.results(job.id) == [] for job in jobs)
    again = store.accept(asked[:1])[0]
    assert again.id != jobs[0].id
    assert again.sequence > jobs[6].sequence


def test_all_of_a_group_is_accepted_or_nothing(store):
    with pytest.raises(Exception, match=r"NOT NULL|not-null"):
        store.accept([new(), new(task=None)])
    assert store.counts()["accepted"] == 0
