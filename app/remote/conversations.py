"""The conversations: ask a question, submit a job, watch it, fetch its result.

Every request may be sent again. A question changes nothing, and what makes a job carries an
Idempotency-Key, which is the same in all attempts.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any
from urllib.parse import quote, urlencode
from uuid import uuid4

from app.jobs.events import Event
from app.jobs.job import ENDED, FAILED, SUCCESSFUL
from app.jobs.status import JobList, JobStatus
from app.remote.documents import Document, as_json, as_sent
from app.remote.errors import JobDismissed, JobFailed, ServerProblem, Unreachable, problem_of
from app.remote.event_stream import EventStream
from app.remote.exchange import Listen, Lost, More, Pause, Reply, Send, Steps, Tell
from app.remote.results import TASKS, Model, read, read_result
from app.remote.retries import AGAIN, Patience, retry_after

JOBS = "/v1/jobs"
PAGE = 100  # jobs that are listed at a time
POLL = 1.0  # seconds between two looks at a job whose events do not come
SILENCE = 40.0  # seconds; a service that is alive says something every 15
ANSWER = 30.0  # seconds; how a job is getting on is said at once
SLACK = 1.0  # seconds by which an answer may outlast who waits for it

Options = dict[str, Any]
At = dict[str, Any] | None


@dataclass(frozen=True)
class Conversations:
    """With the service at the address `server`."""

    server: str
    patience: Patience = field(default_factory=Patience)

    def question(
        self, answer: type[Model], document: Document, at: At = None, **flags: bool
    ) -> Steps[Model]:
        """The answer, also where it takes a job: a 202 is followed to its end.

        What is too large to be asked becomes a job, too (of a calibration the service makes one).
        """
        task, data = TASKS[answer], as_sent(document)
        options = ({"at": at} if at else {}) | {name: True for name, on in flags.items() if on}
        path = f"/v1/{task}"
        try:
            reply: Reply = yield from self._asked(_post(path + _query(options), data))
        except ServerProblem as problem:
            if task == "calibrate" or not _is_too_large(problem):
                raise
            job = yield from self.submit(task, data, options)
        else:
            where = self._where("POST", path)
            if reply.status != 202:
                return read(answer, where, reply)
            job = read(JobStatus, where, reply)
        job = yield from self.watch(job.id)
        result: Model = yield from self.result(job)
        return result

    def submit(
        self, task: str, document: Document, options: Options, idempotency_key: str | None = None
    ) -> Steps[JobStatus]:
        """The job, accepted."""
        parts = as_json(task), as_sent(document), as_json(options)
        body = b'{"task":%b,"document":%b,"options":%b}' % parts
        request = _post(JOBS, body, idempotency_key)
        return self._job(request, (yield from self._asked(request)))

    def ensemble(
        self,
        document: Document,
        items: Iterable[Document],
        options: Options,
        idempotency_key: str | None,
    ) -> Steps[JobStatus]:
        """The job, accepted."""
        sent = as_sent(document), b",".join(as_sent(item) for item in items)
        whole = b'{"document":%b,"items":[%b]}' % sent
        return (yield from self.submit("ensemble", whole, options, idempotency_key))

    def job(self, id: str, patience: Patience | None = None) -> Steps[JobStatus]:
        """How it is getting on."""
        patience = patience or self.patience
        seconds = min(ANSWER, max(patience.seconds, SLACK))
        request = Send("GET", _place(id), seconds=seconds)
        return self._job(request, (yield from self._asked(request, patience)))

    def cancel(self, id: str) -> Steps[JobStatus]:
        """The job, dismissed unless it had ended."""
        request = Send("DELETE", _place(id))
        return self._job(request, (yield from self._asked(request)))

    def jobs(self, status: str | None, limit: int | None) -> Steps[None]:
        """Tells of every job, newest first, of no more than `limit`."""
        asked = {"limit": str(min(limit or PAGE, PAGE))} | ({"status": status} if status else {})
        path, told = f"{JOBS}?{urlencode(asked)}", 0
        while path:
            reply = yield from self._asked(Send("GET", path))
            page = read(JobList, self._where("GET", JOBS), reply)
            for job in page.jobs:
                if told == limit:
                    return
                told += 1
                yield Tell(job)
            path = next((link.href for link in page.links if link.rel == "next"), "")

    def result(self, job: JobStatus) -> Steps[Any]:
        """What a job has found that has ended. Raises JobFailed or JobDismissed."""
        if job.status == FAILED:
            raise JobFailed(job)
        if job.status != SUCCESSFUL:
            raise JobDismissed(job)
        path = f"{_place(job.id)}/result"
        reply = yield from self._asked(Send("GET", path))
        return read_result(job.task, self._where("GET", path), reply)

    def watch(self, id: str, timeout: float | None = None) -> Steps[JobStatus]:
        """Tells of all events of a job; the job as it has ended.

        Where the stream of events breaks off it is taken up again after the last event; where
        there is none, the job is asked for every second. Raises TimeoutError.
        """
        until = float("inf") if timeout is None else time.monotonic() + timeout
        patience = replace(self.patience, attempts=1_000_000, seconds=self.patience.outage)
        before: JobStatus = yield from self.job(id)
        seen, told = 0, ""
        while True:
            seen, told = yield from self._heard(id, seen, told, until)
            left = until - time.monotonic()
            within = replace(patience, seconds=max(min(left, patience.seconds), 0.0))
            now: JobStatus = yield from self.job(id, within)
            if now.status != told and now.status in ENDED:
                yield Tell(Event(seen + 1, "status", {"status": now.status}))
            if now.status in ENDED:
                return now
            if left <= 0.0:
                raise TimeoutError(f"job {id} is {now.status}, {now.progress} %, after {timeout} s")
            if now.started != before.started and before.started is not None:
                seen = 0  # the service has started anew, and the numbers of events with it
            before = now
            yield Pause(min(POLL, left))

    def _heard(self, id: str, seen: int, told: str, until: float) -> Steps[tuple[int, str]]:
        """Tells of events after number `seen`; the last number, and the last status told of."""
        silence = min(SILENCE, max(until - time.monotonic(), SLACK))
        headers = {"Accept": "text/event-stream", "Last-Event-ID": str(seen)}
        reply: Reply | Lost = yield Listen(f"{_place(id)}/events", headers, silence)
        if isinstance(reply, Lost) or reply.status != 200:
            return seen, told
        stream = EventStream()
        while isinstance(chunk := (yield More()), bytes):
            for event in stream.feed(chunk):
                if event.data.get("status") == "interrupted":
                    return 0, told
                seen, told = event.number, event.data.get("status", told)
                yield Tell(event)
            if until - time.monotonic() + SLACK < silence:
                break  # to be opened again, for less
        return seen, told

    def _asked(self, request: Send, patience: Patience | None = None) -> Steps[Reply]:
        """The reply, after as many attempts as it takes. Raises ServerProblem or Unreachable."""
        patience, began = patience or self.patience, time.monotonic()
        for attempt in count(1):
            reply: Reply | Lost = yield request
            headers = {} if isinstance(reply, Lost) else reply.headers
            if isinstance(reply, Reply) and reply.status not in AGAIN:
                break
            pause = patience.pause(attempt, retry_after(headers))
            late = time.monotonic() - began + pause > patience.seconds
            if attempt >= patience.attempts or late:
                break
            yield Pause(pause)
        if isinstance(reply, Lost):
            times = "1 attempt" if attempt == 1 else f"{attempt} attempts"
            said = f"no answer from {self.server} in {times}: {reply.reason}"
            raise Unreachable(f"{said}; does a service run there? `kappafit serve` starts one")
        if not 200 <= reply.status < 300:
            raise problem_of(self._where(request.method, request.path), reply)
        return reply

    def _job(self, request: Send, reply: Reply) -> JobStatus:
        return read(JobStatus, self._where(request.method, request.path), reply)

    def _where(self, method: str, path: str) -> str:
        return f"{method} {self.server}{path.partition('?')[0]}"


def _place(id: str) -> str:
    return f"{JOBS}/{quote(id, safe='')}"


def _query(options: Options) -> str:
    texts = {name: as_json(value).decode() for name, value in options.items()}
    return f"?{urlencode(texts)}" if texts else ""


def _post(path: str, body: bytes, idempotency_key: str | None = None) -> Send:
    key = {"Idempotency-Key": idempotency_key or str(uuid4())}
    return Send("POST", path, body, {"Content-Type": "application/json"} | key)


def _is_too_large(problem: ServerProblem) -> bool:
    codes = {error.code for error in problem.errors}
    return problem.status == 422 and codes == {"problem_too_large"}
