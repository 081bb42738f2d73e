"""Which exception becomes which HTTP answer; always `application/problem+json`, never an echo."""

from __future__ import annotations

import logging
from collections.abc import Callable

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from numpy.linalg import LinAlgError
from starlette.exceptions import HTTPException

from app.body import BodyTooLarge, BodyTooSlow, WrongType
from app.jobs.foreman import QueueFull
from app.jobs.job import KeyReused, StoreUnavailable
from app.keys import CHALLENGE, Unauthorised
from app.problems import ProblemDetails, details_of, problem_details
from app.strict_json import NotJson
from app.work import Overloaded, TimeUp
from solver import InvalidExperiment, Problem, TrialError

log = logging.getLogger("kappafit")

Answer = tuple[ProblemDetails, dict[str, str]]


def install(app: FastAPI) -> None:
    """Give `app` an answer to every failure."""
    for kind, answer in ANSWERS.items():
        app.add_exception_handler(kind, _handler(answer))


def _handler(answer: Callable[[Request, Exception], Answer]) -> Callable[..., Response]:
    def handle(request: Request, error: Exception) -> Response:
        details, headers = answer(request, error)
        body = details.model_copy(update={"instance": request.url.path[:200]})
        return Response(
            body.model_dump_json(exclude_none=True, ensure_ascii=True),
            details.status,
            headers,
            "application/problem+json",
        )

    return handle


def _documents(_: Request, error: Exception) -> Answer:
    details = details_of(error)
    assert details is not None
    return details, {}


def _bad_query(_: Request, error: Exception) -> Answer:
    assert isinstance(error, RequestValidationError)
    problems = tuple(Problem(tuple(e["loc"]), e["type"], e["msg"]) for e in error.errors())
    return problem_details(422, "The query cannot be meant", "see errors", problems), {}


def _broken_down(request: Request, error: Exception) -> Answer:
    log.error("numbers broke down in %s", request.url.path, exc_info=error)
    return _documents(request, error)


def _simple(
    status: int, title: str, headers: dict[str, str] | None = None
) -> Callable[..., Answer]:
    def answer(_: Request, error: Exception) -> Answer:
        return problem_details(status, title, str(error) or title), headers or {}

    return answer


def _http(_: Request, error: Exception) -> Answer:
    assert isinstance(error, HTTPException)
    details = problem_details(error.status_code, str(error.detail), str(error.detail))
    kind = getattr(error, "type", details.type)
    return details.model_copy(update={"type": kind}), dict(error.headers or {})


def _unexpected(request: Request, error: Exception) -> Answer:
    log.error("unexpected failure of %s", request.url.path, exc_info=error)
    detail = "an error of the service, not of your document; it has been logged"
    return problem_details(500, "Internal error", detail), {}


ANSWERS: dict[type[Exception], Callable[[Request, Exception], Answer]] = {
    InvalidExperiment: _documents,
    RequestValidationError: _bad_query,
    TrialError: _documents,
    ArithmeticError: _broken_down,
    LinAlgError: _broken_down,
    NotJson: _documents,
    Unauthorised: _simple(401, "A key is needed", {"WWW-Authenticate": CHALLENGE}),
    WrongType: _simple(415, "Send what is read here"),
    BodyTooLarge: _simple(413, "The body is too large"),
    BodyTooSlow: _simple(408, "The body did not arrive in time", {"Connection": "close"}),
    Overloaded: _simple(503, "Too many requests are waiting", {"Retry-After": "2"}),
    TimeUp: _simple(503, "The solving time of a request is used up", {"Retry-After": "60"}),
    QueueFull: _simple(503, "Too many jobs are waiting", {"Retry-After": "30"}),
    KeyReused: _simple(422, "The Idempotency-Key is taken"),
    StoreUnavailable: _simple(503, "The job store cannot do it now", {"Retry-After": "5"}),
    HTTPException: _http,
    Exception: _unexpected,
}
