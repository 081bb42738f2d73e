"""What the routes that read and write by themselves say of it in the OpenAPI description."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from app.examples import example
from app.jobs.request import JobRequest
from app.problems import ProblemDetails
from app.schema import Document, JointDocument

REFERENCE = "#/components/schemas/{model}"
OWN: tuple[type[BaseModel], ...] = (Document, JointDocument, JobRequest, ProblemDetails)

FAILURES = {
    400: "not JSON",
    401: "a key is needed, or this one is not known",
    404: "there is no such thing, or not yet",
    408: "the body did not arrive in time",
    409: "contradicts what is there",
    413: "the body is too large",
    415: "not sent as JSON",
    422: "the document cannot be meant, or asks for too much",
    429: "too many requests of this key",
    500: "an error of the service",
    503: "too busy, or the solving time is used up",
}
# Calls that take a document, and those that ask for something by its name.
SENT = (400, 401, 408, 413, 415, 422, 429, 503)
ASKED = (401, 404, 422, 429, 503)


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Responses that are problem+json."""
    schema = {"$ref": REFERENCE.format(model="ProblemDetails")}
    return {
        status: {
            "description": f"problem+json: {FAILURES[status]}",
            "content": {"application/problem+json": {"schema": schema}},
        }
        for status in statuses
    }


PROBLEMS = problems(*SENT)


def sent(*models: str, examples: dict[str, Any]) -> dict[str, Any]:
    """A JSON body that is one of `models`; `examples`: {name: (summary, value)}."""
    schema = {"anyOf": [{"$ref": REFERENCE.format(model=model)} for model in models]}
    shown = {name: {"summary": said, "value": value} for name, (said, value) in examples.items()}
    content = {"application/json": {"schema": schema, "examples": shown}}
    return {"requestBody": {"required": True, "content": content}}


LECTURE = "a bar with diffusivity a + b x, two sensors, 0.1 mK noise"
DOCUMENT = sent("Document", "JointDocument", examples={"lecture": (LECTURE, example("lecture"))})
JOB = sent(
    "JobRequest",
    examples={
        "calibrate": (LECTURE, {"task": "calibrate", "document": example("lecture")}),
        "ensemble": (
            "twice the same bar, once from two starts",
            {
                "task": "ensemble",
                "document": {
                    "document": example("lecture"),
                    "items": [{}, {"fit": {"starts": 2}}],
                },
            },
        ),
    },
)


# Headers of answers, by what they are named there, and the statuses that have them.
HEADERS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "X-Request-ID": ("string", "as it was sent, where well formed, or a new one; the log's", ()),
    "Retry-After": ("integer", "seconds until it may be tried again", ("202", "429", "503")),
    "RateLimit-Limit": ("integer", "calls within the window of the rate", ("429",)),
    "RateLimit-Remaining": ("integer", "of these, how many are left", ("429",)),
    "RateLimit-Reset": ("integer", "seconds until there is room again", ("429",)),
}


def with_headers(openapi: dict[str, Any]) -> dict[str, Any]:
    """Add the headers of all answers."""
    openapi.setdefault("components", {})["headers"] = {
        name: {"description": words, "schema": {"type": kind}}
        for name, (kind, words, _) in HEADERS.items()
    }
    for item in openapi["paths"].values():
        for operation in item.values():
            for status, response in operation["responses"].items():
                response["headers"] = response.get("headers", {}) | {
                    name: {"$ref": f"#/components/headers/{name}"}
                    for name, (_, _, statuses) in HEADERS.items()
                    if not statuses or status in statuses
                }
    return openapi


def with_own_schemas(openapi: dict[str, Any]) -> dict[str, Any]:
    """Add to the OpenAPI components what the routes read and write by themselves."""
    schemas = openapi.setdefault("components", {}).setdefault("schemas", {})
    for model in OWN:
        schema = model.model_json_schema(ref_template=REFERENCE)
        schemas.update(schema.pop("$defs", {}) | {model.__name__: schema})
    return openapi
