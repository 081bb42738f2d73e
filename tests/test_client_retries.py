"""What the client does where the network or the service fails: a server that fails as it is told.

Everything is done twice, by the client that waits and by the asynchronous one.
"""

import asyncio
import random
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from app.client import AsyncClient, AsyncJob, Client, Job, Patience, ServerProblem, Unreachable
from app.jobs.events import Event
from app.jobs.status import JobStatus
from app.remote import conversations
from app.remote.conversations import ANSWER as ANSWER_SECONDS
from app.remote.conversations import Conversations
from app.remote.event_stream import EventStream
from app.remote.exchange import Lost, Pause, Reply, Send, Talk
from app.remote.retries import LONGEST_PAUSE, retry_after
from tests.conftest import free_port
from tests.scripted import ANSWER, CUT, ID, JOB, Scripted, problem, reply, state, stream


@pytest.fixture
def scripted():
    server = Scripted()
    yield server
    server.close()


def quick(**more):
    return Patience(**{"attempts": 4, "first": 0.05, "chance": random.Random(1).random} | more)


@pytest.fixture(params=["sync", "async"])
def client(request, scripted):
    """`client(what, patience)`: what an (a)synchronous method gives, with events in a list."""

    def sync(what, patience):
        with Client(scripted.url, "kf_secret", patience=patience) as service:
            found = what(service)
            return list(found) if hasattr(found, "__next__") else found

    async def asynchronous(what, patience):
        async with AsyncClient(scripted.url, "kf_secret", patience=patience) as service:
            found = what(service)
            if hasattr(found, "__anext__"):
                return [event async for event in found]
            return await found

    def call(what, patience=None):
        patience = patience or quick()
        if request.param == "sync":
            return sync(what, patience)
        return asyncio.run(asynchronous(what, patience))

    return call


def gradient(service):
    return service.gradient({"bar": {}})


def test_a_busy_service_is_asked_again_when_it_says(scripted, client):
    scripted.script["/v1/gradient"] = [problem(503, Retry_After=1), problem(429), CUT, reply()]
    assert client(gradient).objective == 2.0
    first, second, third, fourth = scripted.times("/v1/gradient")
    assert 1.0 <= second - first < 1.5
    assert third - second < 0.5
    assert fourth - third < 0.5
    assert set(scripted.header("/v1/gradient", "Authorization")) == {"Bearer kf_secret"}


def test_a_date_is_measured_by_the_clock_of_the_service(scripted, client):
    skewed = datetime.now(UTC) - timedelta(hours=3)  # a clock that is three hours behind
    date, later = (format_datetime(t, usegmt=True) for t in (skewed, skewed + timedelta(seconds=1)))
    scripted.script["/v1/gradient"] = [problem(503, Retry_After=later, Date=date), reply()]
    assert client(gradient).objective == 2.0
    first, second = scripted.times("/v1/gradient")
    assert 1.0 <= second - first < 1.5


def test_attempts_and_time_are_bounded(scripted, client):
    scripted.script["/v1/gradient"] = [problem(503)]
    with pytest.raises(ServerProblem, match="503 Busy: come again") as caught:
        client(gradient)
    assert len(scripted.requests) == 4
    assert (caught.value.status, caught.value.request_id) == (503, "r1")
    scripted.script["/v1/gradient"] = [problem(503, Retry_After=3600)]
    began = time.monotonic()
    with pytest.raises(ServerProblem):
        client(gradient)
    assert time.monotonic() - began < 1.0
    assert len(scripted.requests) == 5


@pytest.mark.parametrize("status", [400, 401, 404, 413, 422, 500])
def test_a_refusal_is_not_asked_again(scripted, client, status):
    scripted.script["/v1/gradient"] = [problem(status), reply()]
    with pytest.raises(ServerProblem):
        client(gradient)
    assert len(scripted.requests) == 1


def test_what_is_no_service_of_ours_is_said_to_be(scripted, client):
    for answer in (reply(200, "<html>"), reply(302, "", Location="/login"), reply(404, "<html>")):
        scripted.script["/v1/gradient"] = [answer]
        with pytest.raises(ServerProblem, match="Not understood"):
            client(gradient)
    assert len(scripted.requests) == 3


def test_an_answer_that_is_cut_off_is_asked_for_again(scripted, client):
    scripted.script["/v1/gradient"] = [reply(body=ANSWER[:30], hold=0), reply()]
    assert client(gradient).objective == 2.0


def test_who_answers_too_late_is_asked_again(scripted):
    scripted.script["/v1/gradient"] = [reply(body="", hold=5.0), reply()]
    began = time.monotonic()
    with Client(scripted.url, patience=quick(), timeout=0.3) as service:
        assert service.gradient({}).objective == 2.0
    assert 0.3 <= time.monotonic() - began < 2.0


def test_where_nothing_answers_it_says_where_and_how_often():
    url = f"http://127.0.0.1:{free_port()}"
    with (
        Client(url, "kf_secret", patience=quick(attempts=3)) as service,
        pytest.raises(Unreachable, match=rf"no answer from {url} in 3 attempts: .*refused") as said,
    ):
        service.gradient({})
    assert "kf_secret" not in str(said.value)


def test_one_idempotency_key_for_all_attempts_of_a_call(scripted, client):
    scripted.script["/v1/jobs"] = [CUT, problem(503), state("accepted")]
    assert client(lambda service: service.submit("gradient", {})).id == ID
    assert client(lambda service: service.submit("gradient", {})).id == ID
    *first, second = scripted.header("/v1/jobs", "Idempotency-Key")
    assert len(first) == 3
    assert len(set(first)) == 1
    assert second not in first
    client(lambda service: service.submit("gradient", {}, idempotency_key="mine"))
    assert scripted.header("/v1/jobs", "Idempotency-Key")[-1] == "mine"


def watched(seconds=None):
    """The events of the job `ID`, which is known already."""
    known = JobStatus.model_validate_json(state("accepted")[2])

    def events(service):
        kind = AsyncJob if isinstance(service, AsyncClient) else Job
        return kind(service._speak, service._http, known).events(seconds)

    return events


def followed(client, scripted, events, states):
    """The events that are told, given the answers of the job's stream and of its state."""
    scripted.script |= {JOB: states, f"{JOB}/events": events}
    return [
        (event.number, event.kind, event.data.get("status", event.data.get("k")))
        for event in client(watched())
    ]


RUNNING, STEP, DONE = (
    (1, "status", {"status": "running"}),
    (2, "iteration", {"k": 0}),
    (3, "status", {"status": "successful"}),
)
TOLD = [(1, "status", "running"), (2, "iteration", 0), (3, "status", "successful")]


def test_a_stream_that_breaks_off_is_taken_up_after_the_last_event(scripted, client):
    events = [stream(RUNNING, hold=0), CUT, stream(STEP, DONE)]
    states = [state(), state(), state(), state("successful")]
    assert followed(client, scripted, events, states) == TOLD
    assert scripted.header(f"{JOB}/events", "Last-Event-ID") == ["0", "1", "1"]


def test_a_job_without_a_stream_is_asked_for(scripted, client):
    events = [reply(502, "<html>")]
    states = [state("accepted", None), state(), problem(503), CUT, state("successful")]
    assert followed(client, scripted, events, states) == [(1, "status", "successful")]
    assert len(scripted.times(JOB)) == 5


def test_a_silent_stream_is_left(scripted, client, monkeypatch):
    monkeypatch.setattr(conversations, "SILENCE", 0.2)
    events = [stream(RUNNING, hold=3.0), stream(STEP, DONE)]
    began = time.monotonic()
    assert followed(client, scripted, events, [state(), state(), state("successful")]) == TOLD
    assert time.monotonic() - began < 2.0


@pytest.mark.parametrize("interrupted", [True, False])
def test_a_service_that_starts_anew_counts_events_anew(scripted, client, interrupted):
    last = (3, "status", {"status": "interrupted"})
    before = stream(RUNNING, STEP, last) if interrupted else stream(RUNNING, STEP, hold=0)
    later = "2026-11-25T12:00:09Z"
    states = [state(), state(started=later), state("successful", later)]
    told = followed(client, scripted, [before, stream(RUNNING, STEP, DONE)], states)
    assert told == TOLD[:2] + TOLD
    assert scripted.header(f"{JOB}/events", "Last-Event-ID") == ["0", "0"]


def test_who_waits_is_patient_with_an_outage_and_no_longer_than_was_said(scripted, client):
    events, outage = [stream(RUNNING, hold=0), CUT], [CUT] * 8
    states = [state(), *outage, state("successful")]
    patience = quick(attempts=2, first=0.01)
    scripted.script |= {JOB: states, f"{JOB}/events": events}
    told = client(watched(), patience)
    assert [event.data["status"] for event in told] == ["running", "successful"]
    scripted.script |= {JOB: [state()], f"{JOB}/events": [CUT]}
    began = time.monotonic()
    with pytest.raises(TimeoutError, match=f"job {ID} is running, 0 %, after 1.5 s"):
        client(watched(1.5), patience)
    assert 1.5 <= time.monotonic() - began < 2.0


def test_a_conversation_needs_no_network():
    talk = Talk(Conversations("http://bar.example", quick(first=0.0)).job(ID))
    request = Send("GET", JOB, seconds=ANSWER_SECONDS)
    assert talk.next() == request
    assert talk.next(Reply(503, {"Retry-After": "7"})) == Pause(7.0)
    assert talk.next() == request
    assert talk.next(Lost("reset")) == Pause(0.0)
    assert talk.next() == request
    assert talk.next(Reply(200, {}, state()[2].encode())) is None
    assert talk.result.id == ID


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("2", 2.0),
        (" 07 ", 7.0),
        ("Wed, 25 Nov 2026 12:00:05 GMT", 5.0),
        ("Wed, 25 Nov 2026 11:00:00 GMT", 0.0),
        *((nonsense, None) for nonsense in ("", "-1", "1.5", "soon", "\u0662", "31 Foo 99999")),
    ],
)
def test_retry_after_is_seconds_or_a_date(header, seconds):
    headers = {"Retry-After": header, "Date": "Wed, 25 Nov 2026 12:00:00 GMT"}
    assert retry_after(headers) == seconds


def test_pauses_grow_spread_and_are_never_shorter_than_asked_for():
    most = Patience(first=0.5, chance=lambda: 1.0)
    assert [most.pause(k, None) for k in (1, 2, 3, 10)] == [0.5, 1.0, 2.0, LONGEST_PAUSE]
    assert Patience(chance=lambda: 0.0).pause(5, 3.0) == 3.0
    assert most.pause(1_000_000, 3.0) == 3.0 + LONGEST_PAUSE
    some = Patience(chance=random.Random(7).random)
    pauses = [some.pause(2, None) for _ in range(50)]
    assert len(set(pauses)) == 50
    assert max(pauses) <= 1.0


def test_events_come_in_any_pieces():
    text = (
        ': hello\r\n\r\nid: 1\r\nevent: status\r\ndata: {"status":\r\ndata: "läuft"}\r\n\r\n'
        "id:2\nevent:items\ndata:{}\n\ndata: no number\n\nid: 3\ndata: {broken\n\nid: 4\nda"
    ).encode()
    wanted = [Event(1, "status", {"status": "läuft"}), Event(2, "items", {})]
    for size in (1, 2, 3, 7, len(text)):
        parser = EventStream()
        pieces = [text[i : i + size] for i in range(0, len(text), size)]
        assert [event for piece in pieces for event in parser.feed(piece)] == wanted
        assert parser.rest == b"id: 4\nda"
