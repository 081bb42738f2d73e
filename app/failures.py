"""Which exception becomes which HTTP answer; always `application/problem+json`, never an echo."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from numpy.linalg import LinAlgError
from starlette.exceptions import HTTPException
from starlette.routing import Match
from starlette.types import Scope

from app.aside import ReaderLost
from app.body import BodyTooLarge, BodyTooSlow, WrongType
from app.jobs.foreman import QueueFull
from app.jobs.job import KeyReused, StoreUnavailable
from app.keys import CHALLENGE, Unauthorised
from app.logbook import logger
from app.problems import ProblemDetails, details_of, problem_details
from app.rates import TooOften
from app.requests import route_of
from app.strict_json import NotJson
from app.work import Overloaded, TimeUp
from solver import InvalidExperiment, Problem, TrialError

log = logger()

Answer = tuple[ProblemDetails, dict[str, str]]


def install(app: FastAPI) -> None:
    """Give `app` an answer to every failure."""
    for kind, answer in ANSWERS.items():
        app.add_exception_handler(kind, _handler(answer))


def unanswered(scope: Scope, error: BaseException) -> Response:
    """To what came to no route, to an error of ours, or to a request that outlasts the service."""
    if not isinstance(error, Exception):  # cancelled
        error = Stopping()
    return _answered(Request(scope), error, ANSWERS.get(type(error), _unexpected))


class Stopping(Exception):
    """The service is told to stop."""


def _handler(answer: Callable[[Request, Exception], Answer]) -> Callable[..., Response]:
    return lambda request, error: _answered(request, error, answer)


def _answered(
    request: Request, error: Exception, answer: Callable[[Request, Exception], Answer]
) -> Response:
    details, headers = answer(request, error)
    metrics, reason = getattr(request.app.state, "metrics", None), limit_of(error)
    if metrics is not None and reason is not None:
        metrics.rejected(reason)
    more = {"instance": request.scope["path"][:200], "request_id": request_id(request)}
    text = details.model_copy(update=more).model_dump_json(exclude_none=True, ensure_ascii=True)
    return Response(text, details.status, headers, "application/problem+json")


def request_id(request: Request) -> str | None:
    """As `app.requests` has given it."""
    return getattr(request.state, "request_id", None)


def limit_of(error: Exception) -> str | None:
    """The limit that was reached, if one was."""
    if isinstance(error, InvalidExperiment):
        return "work" if any(p.code in TOO_LARGE for p in error.problems) else None
    return LIMITS.get(type(error))


def _documents(_: Request, error: Exception) -> Answer:
    details = details_of(error)
    assert details is not None
    return details, {}


def _bad_query(_: Request, error: Exception) -> Answer:
    assert isinstance(error, RequestValidationError)
    problems = tuple(Problem(tuple(e["loc"]), e["type"], e["msg"]) for e in error.errors())
    return problem_details(422, "The query cannot be meant", "see errors", problems), {}


def _broken_down(request: Request, error: Exception) -> Answer:
    log.error("numbers broke down", route=route_of(request.scope), exc_info=error)
    return _documents(request, error)


def _simple(
    status: int, title: str, headers: dict[str, str] | None = None
) -> Callable[..., Answer]:
    def answer(_: Request, error: Exception) -> Answer:
        return problem_details(status, title, str(error) or title), headers or {}

    return answer


def _http(request: Request, error: Exception) -> Answer:
    assert isinstance(error, HTTPException)
    details = problem_details(error.status_code, str(error.detail), str(error.detail))
    kind, headers = getattr(error, "type", details.type), dict(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(sorted(_methods(request)))
    return details.model_copy(update={"type": kind}), headers


def _methods(request: Request) -> set[str]:
    """What a path knows; it may have several routes, of which the router names the first alone."""
    routes = (r for r in request.app.routes if r.matches(request.scope)[0] != Match.NONE)
    return {method for route in routes for method in getattr(route, "methods", ())}


def _overloaded(_: Request, error: Exception) -> Answer:
    assert isinstance(error, Overloaded)
    details = problem_details(503, "Too many requests are waiting", str(error))
    return details, {"Retry-After": str(error.retry_after)}


def _too_often(_: Request, error: Exception) -> Answer:
    assert isinstance(error, TooOften)
    return problem_details(429, "Too many requests", str(error)), error.headers


def _unexpected(request: Request, error: Exception) -> Answer:
    log.error("unexpected failure", route=route_of(request.scope), exc_info=error)
    detail = "an error of the service, not of your document; it has been logged"
    return problem_details(500, "Internal error", detail), {}


TOO_LARGE = {"problem_too_large", "answer_too_large"}
LIMITS: dict[type[Exception], str] = {
    BodyTooLarge: "body_size",
    BodyTooSlow: "slow_body",
    Overloaded: "busy",
    TimeUp: "time",
    QueueFull: "jobs",
    TooOften: "rate",
}
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
    TooOften: _too_often,
    Overloaded: _overloaded,
    Stopping: _simple(503, "The service is stopping", {"Retry-After": "5"}),
    ReaderLost: _simple(503, "The body cannot be read now", {"Retry-After": "5"}),
    TimeUp: _simple(503, "The solving time of a request is used up", {"Retry-After": "60"}),
    QueueFull: _simple(503, "Too many jobs are waiting", {"Retry-After": "30"}),
    KeyReused: _simple(422, "The Idempotency-Key is taken"),
    StoreUnavailable: _simple(503, "The job store cannot do it now", {"Retry-After": "5"}),
    HTTPException: _http,
    Exception: _unexpected,
}
