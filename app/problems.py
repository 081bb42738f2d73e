"""Errors as `application/problem+json` (RFC 9457), each with JSON pointers into what was sent."""

from __future__ import annotations

import difflib
from typing import Any, get_args

from numpy.linalg import LinAlgError
from pydantic import BaseModel, Field, ValidationError

from app.strict_json import NotJson, printable
from solver import InvalidExperiment, Problem, TrialError

MAX_ERRORS = 20

# What the solver's algebra cannot do with numbers that are in range one by one.
BROKEN_DOWN = "the numbers are too far apart to compute with: check the document's units"

CODES = {  # plainer words for pydantic's error types
    "finite_number": "number_out_of_range",
    "float_type": "type_error",
    "int_type": "type_error",
    "int_from_float": "type_error",
    "string_type": "type_error",
    "list_type": "type_error",
    "model_type": "type_error",
    "model_attributes_type": "type_error",
}


class ProblemItem(BaseModel):
    """One thing wrong, and where."""

    pointer: str = Field(examples=["#/sensors/0/times/3"])
    code: str = Field(examples=["times_not_increasing"])
    detail: str


class ProblemDetails(BaseModel):
    """An error answer (RFC 9457)."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    instance: str | None = None
    request_id: str | None = Field(default=None, description="as in X-Request-ID, and in the log")
    errors: list[ProblemItem] = []


def problem_details(
    status: int, title: str, detail: str, problems: tuple[Problem, ...] = (), instance: str = ""
) -> ProblemDetails:
    """The answer to a request that failed."""
    errors = shown(problems)
    return ProblemDetails(
        title=title, status=status, detail=_ascii(detail), instance=instance or None, errors=errors
    )


def details_of(error: Exception) -> ProblemDetails | None:
    """What is wrong with a document, by what was raised; None where that is not to be blamed."""
    match error:
        case NotJson():
            return problem_details(400, "Not JSON", str(error))
        case InvalidExperiment(problems=problems):
            detail = f"{len(problems)} problem(s) in the document; see errors"
            return problem_details(422, "The document cannot be meant", detail, problems)
        case TrialError(problem=problem):
            return problem_details(422, "The model has no answer", str(error), (problem,))
        case ArithmeticError() | LinAlgError():
            return problem_details(422, "The model has no answer", BROKEN_DOWN)
    return None


def shown(problems: tuple[Problem, ...]) -> list[ProblemItem]:
    """The first problems, safe to show to whoever sent the document."""
    return [
        ProblemItem(pointer=_ascii(p.pointer), code=p.code, detail=_ascii(p.detail))
        for p in problems[:MAX_ERRORS]
    ]


def problems_of(
    error: ValidationError, root: type[BaseModel], tagged: dict[str, type[BaseModel]]
) -> list[Problem]:
    """pydantic's findings as problems; `tagged` resolves the branches that its locations name."""
    found = error.errors(include_url=False, include_input=False, include_context=False)
    return [_problem(item, root, tagged) for item in found[:MAX_ERRORS]]


def _problem(item: Any, root: type[BaseModel], tagged: dict[str, type[BaseModel]]) -> Problem:
    kind, location = item["type"], item["loc"]
    place = tuple(part for part in location if not _is_tag(part))
    if kind == "extra_forbidden":
        known = list(_model_at(location[:-1], root, tagged).model_fields)
        return Problem(place, "unknown_key", _unknown_key(str(location[-1]), known))
    if kind == "missing":
        return Problem(place, "missing", f"the key {location[-1]!r} is required here")
    return Problem(place, CODES.get(kind, kind), item["msg"])


def _unknown_key(key: str, known: list[str]) -> str:
    nearest = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    hint = f"did you mean {nearest[0]!r}?" if nearest else f"known here: {', '.join(known)}"
    return f"unknown key {printable(key)}; {hint}"


def _model_at(
    location: tuple[Any, ...], root: type[BaseModel], tagged: dict[str, type[BaseModel]]
) -> type[BaseModel]:
    """The model that stands at a location: follow fields, and the branches that tags name."""
    model = root
    for part in location:
        if _is_tag(part):
            model = tagged.get(part, model)
        elif isinstance(part, str) and part in model.model_fields:
            model = _model_in(model.model_fields[part].annotation) or model
    return model


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    models = [arg for arg in get_args(annotation) if isinstance(arg, type)]
    return next((m for m in models if issubclass(m, BaseModel)), None)


def _is_tag(part: Any) -> bool:
    return isinstance(part, str) and part.startswith("<") and part.endswith(">")


def _ascii(text: str, limit: int = 300) -> str:
    """Printable ASCII of bounded length: what was sent cannot smuggle anything out again."""
    clean = "".join(c if " " <= c <= "~" else "?" for c in text[: limit + 1])
    return clean if len(clean) <= limit else f"{clean[:limit]}..."
