"""What a worker does with a piece of a job. What goes wrong with a document is an outcome, too.

The same piece has the same outcome, bit for bit but for the time it took, on any worker and however
often: a piece whose worker was lost is simply done again.
"""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import BaseModel

import solver
from app.jobs.job import DISMISSED, FAILED, SUCCESSFUL, Piece
from app.jobs.request import JobRequest, Options, as_bytes, laid_over, read_request
from app.limits import Limits
from app.problems import ProblemDetails, details_of, problem_details
from app.reporting import step_of
from app.service import Pulse, Task
from solver import Cancelled, InvalidExperiment, Parameters, Problem
from solver.experiment import Study
from solver.scaling import Iteration
from solver.validation import validate, validate_for_data, validate_for_fit

log = logging.getLogger("kappafit.jobs")

Tell = Callable[[dict[str, Any]], None]
Do = Callable[[Task, Options, int, Tell], BaseModel]

TOPIC = "kappafit"  # under which Dask passes on what is told of pieces
TELL_EVERY = 0.25  # seconds between two words on an ensemble

_running: dict[tuple[str, int], threading.Event] = {}  # pieces, and whether they shall stop


def _calibrate(task: Task, options: Options, most: int, tell: Tell) -> BaseModel:
    parameters = Parameters.of(task.study)

    def report(iteration: Iteration) -> None:
        tell(step_of(iteration, parameters).model_dump())

    return task.calibrate(report)


def _simulate(task: Task, options: Options, most: int, tell: Tell) -> BaseModel:
    if options.field:
        return task.simulate_field(options.at, most)
    return task.simulate(options.at)


# What can be done with one document; `most` is how many temperatures a field may have.
TASKS: dict[str, Do] = {
    "calibrate": _calibrate,
    "gradient": lambda task, options, most, tell: task.gradient(
        options.at, hessian=options.hessian
    ),
    "simulate": _simulate,
    "check": lambda task, options, most, tell: task.check(options.at),
}
ENSEMBLE = "ensemble"

# What a document must mean for a task; for others it must have readings to compare with.
MUST: dict[str, Callable[[Study], None]] = {"calibrate": validate_for_fit, "simulate": validate}


def look_at(task: str, study: Study) -> None:
    """Raise InvalidExperiment where the task cannot be done on this study."""
    MUST.get(task, validate_for_data)(study)


@dataclass(frozen=True)
class Bounds:
    """What one document of a job may ask for."""

    limits: Limits
    max_field_values: int


@dataclass(frozen=True)
class Outcome:
    """How a piece ended.

    `successful` with the answer as JSON, `failed` with a problem (RFC 9457), or `dismissed`.
    """

    status: str
    body: bytes = b""
    problem: dict[str, Any] | None = None


def work(piece: Piece, bounds: Bounds) -> Outcome:
    """`run` in a Dask worker, which passes on what it tells under `TOPIC`."""
    from distributed import get_worker

    worker = get_worker()

    def tell(event: dict[str, Any]) -> None:
        worker.log_event(TOPIC, {"job": piece.job, "told": event})

    return run(piece, bounds, tell)


def run(piece: Piece, bounds: Bounds, tell: Tell = lambda event: None) -> Outcome:
    """Do a piece; `tell` hears of every iteration, or now and then of the items done."""
    try:
        with _stoppable(piece) as pulse:
            _warm()
            pulse()
            request = read_request(piece.body)
            if request.task == ENSEMBLE:
                with _now_and_then(tell) as heard:
                    body = _share(piece, request, bounds, pulse, heard)
            else:
                body = _answer(request, request.document, bounds, pulse, tell).encode()
    except Cancelled:
        return Outcome(DISMISSED)
    except Exception as error:
        return failed(error)
    return Outcome(SUCCESSFUL, body)


def failed(error: Exception) -> Outcome:
    """The outcome of a piece that raised something."""
    return Outcome(FAILED, problem=_problem(error).model_dump(exclude_none=True))


def dismiss(job: str) -> None:
    """Have this process stop what it does for a job, at the next pulse."""
    for (name, _), stop in list(_running.items()):
        if name == job:
            stop.set()


def dask_setup(worker: Any) -> None:
    """What Dask calls in a worker process that was told to ``--preload app.jobs.runner``."""
    if worker.nanny:  # which ends this process, in its own time, when all are told to stop
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    worker.executors["default"].submit(_warm)


@contextmanager
def _stoppable(piece: Piece) -> Iterator[Pulse]:
    """A pulse that raises Cancelled once the job is dismissed."""
    stop = _running[piece.job, piece.number] = threading.Event()

    def pulse() -> None:
        if stop.is_set():
            raise Cancelled

    try:
        yield pulse
    finally:
        del _running[piece.job, piece.number]


@contextmanager
def _now_and_then(tell: Tell) -> Iterator[Tell]:
    """Passes on what is told, every `TELL_EVERY` seconds, and the last."""
    held: list[dict[str, Any]] = []
    due = time.monotonic()

    def heard(event: dict[str, Any]) -> None:
        nonlocal due
        held[:] = [event]
        if time.monotonic() >= due:
            due = time.monotonic() + TELL_EVERY
            tell(held.pop())

    try:
        yield heard
    finally:
        for event in held:
            tell(event)


def require_task(name: str, place: tuple[str, ...], known: tuple[str, ...]) -> None:
    """Raise InvalidExperiment where there is no such task."""
    if name not in known:
        detail = f"there is no such task; known: {', '.join(known)}"
        raise InvalidExperiment(Problem(place, "unknown_task", detail))


def _answer(
    request: JobRequest,
    document: Any,
    bounds: Bounds,
    pulse: Pulse,
    tell: Tell,
    name: str | None = None,
) -> str:
    """The answer to one document, as JSON."""
    name = name or request.task
    require_task(name, ("task",), tuple(TASKS))
    task = Task(as_bytes(document), bounds.limits, pulse)
    return TASKS[name](task, request.options, bounds.max_field_values, tell).model_dump_json()


def _share(piece: Piece, request: JobRequest, bounds: Bounds, pulse: Pulse, tell: Tell) -> bytes:
    """The answers to a piece's items, or their problems: a bad item fails alone. JSON, a list."""
    shared, items = request.shared, request.items
    share, found = piece.share(len(items)), list[str]()
    for index in share:
        pulse()
        try:
            document = laid_over(shared, items[index])
            text = _answer(request, document, bounds, pulse, _nobody, request.options.task)
            found.append(f'{{"index":{index},"answer":{text}}}')
        except Cancelled:
            raise
        except Exception as error:
            problem = _problem(error).model_dump_json(exclude_none=True)
            found.append(f'{{"index":{index},"problem":{problem}}}')
        tell({"piece": piece.number, "done": len(found), "of": len(share)})
    return f"[{','.join(found)}]".encode()


def _nobody(event: dict[str, Any]) -> None:
    """Hears nothing."""


def _problem(error: Exception) -> ProblemDetails:
    if isinstance(error, RecursionError):
        return problem_details(400, "Not JSON", "nested too deeply")
    if isinstance(error, MemoryError):
        detail = "the worker has not enough memory for this: take fewer cells, steps or readings"
        return problem_details(422, "out_of_memory", detail)
    details = details_of(error)
    if details is None:
        log.error("a piece of a job failed", exc_info=error)
        detail = "an error of the service, not of your document; it has been logged"
        return problem_details(500, "Internal error", detail)
    return details


@cache
def _warm() -> None:
    solver.warm_up()
