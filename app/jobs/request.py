"""What is asked of a job: a task, the document it is done on, and the options of the task."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

from pydantic import Field, ValidationError

from app.curve_schema import Part
from app.problems import problems_of
from app.strict_json import parse_json
from solver import InvalidExperiment, Problem

PER_PIECE = 64  # most items of an ensemble that a worker gets at a time
FEWEST_PIECES = 8  # of an ensemble, so that several workers end at about the same time


class Options(Part):
    """As the call of the same name takes them."""

    at: dict[str, float | list[float]] = Field(
        default={}, description="gradient, simulate, check: values of unknowns; the rest start"
    )
    hessian: bool = Field(default=False, description="gradient: the second derivatives too")
    field: bool = Field(default=False, description="simulate: the whole bar at every step")
    task: str = Field(default="calibrate", description="ensemble: what is done with every item")


class JobRequest(Part):
    """A job to be done. Results are asked for at its /result."""

    task: str = Field(description="calibrate, gradient, simulate, check or ensemble")
    document: Annotated[
        dict[str, Any],
        Field(
            description="an experiment document; of an ensemble {document, items}, each item a "
            "partial document that is laid over the document"
        ),
    ]
    options: Options = Field(default_factory=Options)

    @property
    def items(self) -> list[Any]:
        """Of an ensemble its items. Raises InvalidExperiment where they are not a list."""
        items = self.document.get("items")
        if not isinstance(items, list) or not items:
            place = ("document", "items")
            detail = "an ensemble is {document: DOC, items: [partial documents]}, one item at least"
            raise InvalidExperiment(Problem(place, "type_error", detail))
        return items

    @property
    def shared(self) -> Any:
        """The document that an ensemble's items are laid over. Raises InvalidExperiment."""
        document = self.document.get("document")
        unknown = sorted(self.document.keys() - {"document", "items"})
        if not isinstance(document, dict) or unknown:
            place = ("document", *unknown[:1]) if unknown else ("document", "document")
            code = "unknown_key" if unknown else "type_error"
            detail = "an ensemble is {document: DOC, items: [partial documents]} and nothing else"
            raise InvalidExperiment(Problem(place, code, detail))
        return document


def read_request(body: bytes) -> JobRequest:
    """The request in a job's body. Raises NotJson or InvalidExperiment."""
    parsed = parse_json(body)
    if not isinstance(parsed, dict):
        detail = 'a job is {"task": ..., "document": ...}'
        raise InvalidExperiment(Problem((), "type_error", detail))
    try:
        return JobRequest.model_validate(parsed)
    except ValidationError as error:
        raise InvalidExperiment(*problems_of(error, JobRequest, {})) from None


@contextmanager
def within(place: tuple[str, ...]) -> Iterator[None]:
    """Problems of what stands at `place` point into the whole."""
    try:
        yield
    except InvalidExperiment as error:
        raise InvalidExperiment(
            *(Problem((*place, *p.place), p.code, p.detail) for p in error.problems)
        ) from None


def pieces_for(items: int) -> int:
    """In how many pieces so many items are done."""
    return max(-(-items // PER_PIECE), min(items, FEWEST_PIECES))


def as_bytes(document: Any) -> bytes:
    """A document as JSON, the same for the same document."""
    return json.dumps(document, separators=(",", ":")).encode()


def laid_over(document: Any, over: Any) -> Any:
    """`over` laid over a document: objects merge, all else is replaced."""
    if not (isinstance(document, dict) and isinstance(over, dict)):
        return over
    return document | {key: laid_over(document.get(key), value) for key, value in over.items()}
