"""The four questions one can ask of a document."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Annotated, TypeVar

from fastapi import APIRouter, Header, Query, Request, Response
from pydantic import BaseModel

from app.answer_text import text_of
from app.answers import Answer, CheckAnswer, GradientAnswer, SimulationAnswer
from app.aside import Read
from app.body import read_body
from app.document import read_document
from app.examples import example_bytes
from app.jobs.job import ENDED
from app.jobs.runner import look_at
from app.jobs.status import JobStatus
from app.keys import Holder
from app.prefer import preference
from app.routes.jobs import IdempotencyKey, accepted, new_job, result_of
from app.routes.openapi import DOCUMENT, PROBLEMS
from app.service import Pulse, Task, read_at
from app.settings import Settings
from solver import InvalidExperiment

router = APIRouter(prefix="/v1", tags=["experiments"])

Reply = TypeVar("Reply", bound=BaseModel)

At = Annotated[
    str | None,
    Query(
        description='values of unknowns as URL-encoded JSON, e.g. {"a": 2.0}; the rest start',
        openapi_examples={"start": {"value": ""}, "a": {"value": '{"a": 2.0}'}},
    ),
]
Hessian = Annotated[
    bool,
    Query(description="also the second derivatives of J, and what Gauss-Newton makes of them"),
]


@router.get("/example", operation_id="example", summary="A document that runs as it stands")
async def get_example() -> Response:
    """A bar with diffusivity a + b x and two sensors; send it to any call below."""
    return Response(example_bytes(), media_type="application/json")


async def _solve(request: Request, work: Callable[[Task], Reply]) -> Response:
    """Read the body, work on it in a thread, answer with JSON."""
    settings, aside = request.app.state.settings, request.app.state.aside
    data = await read_body(request, settings.max_body_bytes, settings.body_seconds)

    def run(pulse: Pulse) -> bytes:
        return text_of(work(Task(data, settings.limits, pulse, read=aside)))

    text = await request.app.state.workers.run(request, run)
    return Response(text, media_type="application/json")


@router.post(
    "/calibrate",
    operation_id="calibrate",
    summary="Find the unknowns",
    response_model=Answer,
    responses=PROBLEMS | {202: {"description": "became a job", "model": JobStatus}},
    openapi_extra=DOCUMENT,
)
async def calibrate(
    request: Request,
    holder: Holder,
    prefer: Annotated[str | None, Header(description="respond-async, or wait=SECONDS")] = None,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Estimates with intervals, identifiability, diagnostics, and a proof of the gradient.

    What takes long becomes a job (202), and so does what prefers to.
    """
    wish, settings = preference(prefer), request.app.state.settings
    aside = request.app.state.aside
    data = await read_body(request, settings.max_body_bytes, settings.body_seconds)

    def work(pulse: Pulse) -> bytes | None:
        """The answer, or None for a document of a job."""
        with suppress(TooLong):
            if not wish.asynchronous:
                return text_of(small_task(data, settings, pulse, aside).calibrate())
        look_at("calibrate", aside(pulse, read_document, data, settings.job_limits))
        return None

    text = await request.app.state.workers.run(request, work)
    if text is not None:
        return Response(text, media_type="application/json", headers=wish.applied)
    body = b'{"task":"calibrate","document":%b}' % data
    job = await new_job(request, holder, "calibrate", body, idempotency_key)
    if wish.wait is not None:
        job = await request.app.state.foreman.wait(job, wish.wait)
    if job.status in ENDED:
        result = await result_of(request, job)
        result.headers.update(wish.applied)
        return result
    return accepted(job, wish)


class TooLong(Exception):
    """The document is one for a job."""


def small_task(data: bytes, settings: Settings, pulse: Pulse, read: Read) -> Task:
    """A document small enough to be worked on while its sender waits. Raises TooLong."""
    try:
        return Task(data, settings.limits, pulse, read=read)
    except InvalidExperiment as error:
        if all(p.code == "problem_too_large" for p in error.problems):
            raise TooLong from None
        raise


@router.post(
    "/gradient",
    operation_id="gradient",
    summary="Misfit and gradient at a point",
    response_model=GradientAnswer,
    responses=PROBLEMS,
    openapi_extra=DOCUMENT,
)
async def gradient(
    request: Request, _: Holder, at: At = None, hessian: Hessian = False
) -> Response:
    """J and its exact gradient at the start values, or at `at`; with `hessian` its Hessian too."""
    return await _solve(request, lambda task: task.gradient(read_at(at), hessian=hessian))


@router.post(
    "/simulate",
    operation_id="simulate",
    summary="Computed temperatures",
    response_model=SimulationAnswer,
    responses=PROBLEMS,
    openapi_extra=DOCUMENT,
)
async def simulate(request: Request, _: Holder, at: At = None, field: bool = False) -> Response:
    """Readings of every sensor at its times, or with `field` the whole bar at every step."""
    most = request.app.state.settings.max_field_values
    if field:
        return await _solve(request, lambda task: task.simulate_field(read_at(at), most))
    return await _solve(request, lambda task: task.simulate(read_at(at)))


@router.post(
    "/check",
    operation_id="check",
    summary="Prove the gradient",
    response_model=CheckAnswer,
    responses=PROBLEMS,
    openapi_extra=DOCUMENT,
)
async def check(request: Request, _: Holder, at: At = None) -> Response:
    """Taylor rate, dot-product gap, gradient error, and finite differences over step sizes."""
    return await _solve(request, lambda task: task.check(read_at(at)))
