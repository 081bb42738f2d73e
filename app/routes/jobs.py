"""Jobs: work that outlives a request."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Annotated

from fastapi import APIRouter, Header, HTTPException, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from app.body import read_body
from app.document import study_of
from app.jobs.foreman import Foreman
from app.jobs.job import ENDED, FAILED, STATUSES, SUCCESSFUL, Job, NewJob
from app.jobs.request import pieces_for, read_request, within
from app.jobs.runner import ENSEMBLE, TASKS, look_at, require_task
from app.jobs.status import JobList, JobStatus, Link, status_of
from app.jobs.store import Store
from app.keys import Holder
from app.prefer import Preference
from app.routes.openapi import ASKED, JOB, PROBLEMS, problems
from app.service import Pulse
from app.settings import Settings
from solver import InvalidExperiment, Problem

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

SOON = {"Retry-After": "1"}
NOT_READY = "http://www.opengis.net/def/exceptions/ogcapi-processes-1/1.0/result-not-ready"

RESULT = {"description": "as of the task's call", "content": {"application/json": {}}}

Id = Annotated[str, Field(description="32 hexadecimal digits", max_length=64)]
IdempotencyKey = Annotated[
    str | None,
    Header(
        description="the same key with the same body is the same job, however often it is sent",
        min_length=1,
        max_length=255,
        pattern=r"^[\x21-\x7e]+$",
    ),
]


def accepted(job: Job, heeded: Preference) -> Response:
    """202, and where to look."""
    headers = {"Location": f"/v1/jobs/{job.id}"} | SOON | heeded.applied
    return Response(_json(status_of(job)), 202, headers, "application/json")


@router.post(
    "",
    operation_id="submitJob",
    summary="Have something done",
    status_code=202,
    response_model=JobStatus,
    responses=PROBLEMS,
    openapi_extra=JOB,
)
async def submit(
    request: Request, holder: Holder, idempotency_key: IdempotencyKey = None
) -> Response:
    """Accepted as soon as it is on disk: it is done whatever happens to the service.

    The answer's Location is where to ask; its /result is the answer of the call of the same name.
    """
    settings: Settings = request.app.state.settings
    data = await read_body(request, settings.max_body_bytes, settings.body_seconds)

    def look(pulse: Pulse) -> tuple[str, int]:
        found: tuple[str, int] = request.app.state.aside(pulse, looked_at, data, settings)
        return found

    task, pieces = await request.app.state.workers.run(request, look)
    job = await new_job(request, holder, task, data, idempotency_key, pieces)
    return accepted(job, Preference())


async def new_job(
    request: Request,
    holder: str,
    task: str,
    body: bytes,
    idempotency_key: str | None,
    pieces: int = 1,
) -> Job:
    """Submit it. Raises QueueFull, KeyReused or StoreUnavailable."""
    foreman: Foreman = request.app.state.foreman
    fingerprint = hashlib.sha256(body).hexdigest()
    return await foreman.submit(NewJob(holder, task, body, pieces, idempotency_key, fingerprint))


def looked_at(data: bytes, settings: Settings) -> tuple[str, int]:
    """The task and how many pieces it is done in. Raises InvalidExperiment.

    An ensemble's items are not looked at: a bad one fails alone.
    """
    asked = read_request(data)
    require_task(asked.task, ("task",), (*TASKS, ENSEMBLE))
    if asked.task != ENSEMBLE:
        with within(("document",)):
            look_at(asked.task, study_of(asked.document, settings.job_limits))
        return asked.task, 1
    require_task(asked.options.task, ("options", "task"), tuple(TASKS))
    items = len((asked.shared, asked.items)[1])
    if items > settings.max_items:
        detail = f"{items} items are beyond the limit of {settings.max_items}: send several jobs"
        raise InvalidExperiment(Problem(("document", "items"), "problem_too_large", detail))
    return asked.task, pieces_for(items)


@router.get("", operation_id="listJobs", summary="Your jobs", responses=problems(*ASKED))
async def list_jobs(
    request: Request,
    holder: Holder,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
    after: Annotated[
        str | None, Query(description="of the next link", pattern="^[0-9]{1,18}$")
    ] = None,
    status: Annotated[str | None, Query(json_schema_extra={"enum": list(STATUSES)})] = None,
) -> JobList:
    """Newest first; the link `next` leads on."""
    if status is not None and status not in STATUSES:
        detail = f"there is no such status; known: {', '.join(STATUSES)}"
        raise InvalidExperiment(Problem(("query", "status"), "unknown_status", detail))
    before = None if after is None else int(after)
    some = await request.app.state.archive(
        Store.jobs, holder, limit=limit + 1, after=before, status=status
    )
    shown = some[:limit]
    links = [Link(href="/v1/jobs", rel="self")]
    if len(some) > limit:
        chosen = "" if status is None else f"&status={status}"
        next_page = f"/v1/jobs?limit={limit}&after={shown[-1].sequence}{chosen}"
        links.append(Link(href=next_page, rel="next"))
    return JobList(jobs=[status_of(job) for job in shown], links=links)


@router.get(
    "/{id}",
    operation_id="getJob",
    summary="How a job is getting on",
    response_model=JobStatus,
    responses=problems(*ASKED),
)
async def get_job(request: Request, holder: Holder, id: Id) -> Response:
    """accepted, running, successful, failed or dismissed."""
    job = await found(request, id, holder)
    return Response(_json(status_of(job)), 200, _soon(job), "application/json")


@router.get(
    "/{id}/result",
    operation_id="getJobResult",
    summary="The answer of a job",
    response_class=StreamingResponse,
    responses=problems(*ASKED) | {200: RESULT},
)
async def get_result(request: Request, holder: Holder, id: Id) -> Response:
    """What the call of the task's name answers; of an ensemble {items: [{index, answer}]}.

    404 until the job has ended as successful; of a failed job its problem.
    """
    return await result_of(request, await found(request, id, holder))


async def result_of(request: Request, job: Job) -> Response:
    """The answer of a job, or the problem it failed with. Raises NotReady."""
    if job.status == FAILED and job.problem is not None:
        headers = {"Content-Type": "application/problem+json"}
        return Response(json.dumps(job.problem), job.problem.get("status", 500), headers)
    if job.status != SUCCESSFUL:
        raise NotReady(f"the job is {job.status}", _soon(job))
    pieces = await request.app.state.archive(Store.results, job.id)
    headers = {"Cache-Control": "private, immutable", "ETag": f'"{job.id}"'}
    return StreamingResponse(_whole(job, pieces), 200, headers, "application/json")


class NotReady(HTTPException):
    """There is no result, or not yet."""

    def __init__(self, detail: str, headers: dict[str, str]) -> None:
        super().__init__(404, detail, headers)
        self.type = NOT_READY


@router.delete("/{id}", operation_id="dismissJob", summary="Stop a job", responses=problems(*ASKED))
async def dismiss(request: Request, holder: Holder, id: Id) -> JobStatus:
    """The job, dismissed; one that has ended stays as it is."""
    job = await request.app.state.foreman.dismiss(id, holder)
    if job is None:
        raise _unknown()
    return status_of(job)


async def found(request: Request, id: str, holder: str) -> Job:
    """The holder's job. Raises HTTPException (404)."""
    job: Job | None = await request.app.state.foreman.find(id, holder)
    if job is None:
        raise _unknown()
    return job


def _unknown() -> HTTPException:
    """Another's job is not told from one that never was."""
    return HTTPException(404, "there is no such job")


def _soon(job: Job) -> dict[str, str]:
    return {} if job.status in ENDED else SOON


def _json(model: BaseModel) -> str:
    return model.model_dump_json(exclude_none=True)


def _whole(job: Job, pieces: list[bytes]) -> Iterator[bytes]:
    """The result of a job's pieces; those of an ensemble are lists to be joined."""
    if job.task != ENSEMBLE:
        yield from pieces
        return
    yield b'{"items":['
    for number, piece in enumerate(pieces):
        yield (b"," if number else b"") + piece[1:-1]
    yield b"]}"
