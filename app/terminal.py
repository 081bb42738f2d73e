"""What all commands have in common: how they read, answer, and say what is wrong."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import typer
from numpy.linalg import LinAlgError
from pydantic import BaseModel
from rich.console import Console

from app import tables
from app.answers import Answer, CheckAnswer, GradientAnswer, SimulationAnswer
from app.problems import BROKEN_DOWN, shown
from app.remote.errors import JobFailed, RemoteError, ServerProblem, lines
from app.remote.results import Items
from app.strict_json import NotJson
from solver import InvalidExperiment, TrialError

Result = TypeVar("Result")

errors = Console(stderr=True, highlight=False)

TABLES: dict[type[BaseModel], Callable[[Console, Any], None]] = {
    Answer: tables.calibration,
    GradientAnswer: tables.gradient,
    SimulationAnswer: tables.simulation,
    CheckAnswer: tables.check,
    Items: tables.ensemble,
}


def content(file: Path) -> bytes:
    """What is in a file."""
    try:
        return file.read_bytes()
    except OSError as error:
        stop(f"cannot read {file}: {error.strerror}")


def answered(question: Callable[[], Result]) -> Result:
    """The answer, or the problems in words and exit code 2; the same words for a service's."""
    try:
        return question()
    except NotJson as error:
        stop(f"not JSON: {error}")
    except InvalidExperiment as error:
        stop(lines(shown(error.problems)))
    except TrialError as error:
        stop(f"the model has no answer there: {error}")
    except (ArithmeticError, LinAlgError):
        stop(f"the model has no answer: {BROKEN_DOWN}")
    except ServerProblem as error:
        stop(lines(error.errors) if error.errors else str(error))
    except JobFailed as error:
        stop(lines(error.problem.errors) if error.problem.errors else str(error))
    except RemoteError as error:
        stop(str(error))


def show(answer: BaseModel, as_json: bool) -> None:
    """Print an answer, and end with 1 where it is none to build on."""
    if as_json:
        sys.stdout.write(answer.model_dump_json(indent=2) + "\n")
    else:
        TABLES[type(answer)](Console(highlight=False, markup=False), answer)
    if not _is_good(answer):
        raise typer.Exit(1)


def stop(message: str, code: int = 2) -> NoReturn:
    """End with a message."""
    errors.print(f"kappafit: {message}", style="red", markup=False, soft_wrap=True)
    raise SystemExit(code)


def _is_good(answer: BaseModel | None) -> bool:
    """Whether it is there, the search has converged, and the gradient is proved."""
    if isinstance(answer, Items):
        return all(_is_good(item.answer) for item in answer.items)
    if isinstance(answer, Answer):
        return answer.status == "converged" and answer.certificate.passed
    return answer.certificate.passed if isinstance(answer, CheckAnswer) else answer is not None
