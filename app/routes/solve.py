"""The four questions one can ask of a document."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel

from app.answers import Answer, CheckAnswer, GradientAnswer, SimulationAnswer
from app.body import read_body
from app.examples import example, example_bytes
from app.problems import ProblemDetails
from app.schema import Document, JointDocument
from app.service import Task, read_at

router = APIRouter(prefix="/v1", tags=["experiments"])

Reply = TypeVar("Reply", bound=BaseModel)

REFERENCE = "#/components/schemas/{model}"

FAILURES = {
    400: "not JSON",
    408: "the body did not arrive in time",
    413: "the body is too large",
    415: "not sent as JSON",
    422: "the document cannot be meant, or asks for too much",
    503: "too busy, or the solving time is used up",
}
PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {
        "description": f"problem+json: {words}",
        "content": {
            "application/problem+json": {
                "schema": {"$ref": REFERENCE.format(model="ProblemDetails")}
            }
        },
    }
    for status, words in FAILURES.items()
}
BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "anyOf": [
                        {"$ref": REFERENCE.format(model=model)}
                        for model in ("Document", "JointDocument")
                    ]
                },
                "examples": {
                    "lecture": {
                        "summary": "a bar with diffusivity a + b x, two sensors, 0.1 mK noise",
                        "value": example("lecture"),
                    }
                },
            }
        },
    }
}
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
    settings = request.app.state.settings
    data = await read_body(request, settings.max_body_bytes, settings.body_seconds)

    def run(pulse: Callable[[], None]) -> str:
        return work(Task(data, settings.limits, pulse)).model_dump_json()

    text = await request.app.state.workers.run(request, run)
    return Response(text, media_type="application/json")


@router.post(
    "/calibrate",
    operation_id="calibrate",
    summary="Find the unknowns",
    response_model=Answer,
    responses=PROBLEMS,
    openapi_extra=BODY,
)
async def calibrate(request: Request) -> Response:
    """Estimates with intervals, identifiability, diagnostics, and a proof of the gradient."""
    return await _solve(request, lambda task: task.calibrate())


@router.post(
    "/gradient",
    operation_id="gradient",
    summary="Misfit and gradient at a point",
    response_model=GradientAnswer,
    responses=PROBLEMS,
    openapi_extra=BODY,
)
async def gradient(request: Request, at: At = None, hessian: Hessian = False) -> Response:
    """J and its exact gradient at the start values, or at `at`; with `hessian` its Hessian too."""
    return await _solve(request, lambda task: task.gradient(read_at(at), hessian=hessian))


@router.post(
    "/simulate",
    operation_id="simulate",
    summary="Computed temperatures",
    response_model=SimulationAnswer,
    responses=PROBLEMS,
    openapi_extra=BODY,
)
async def simulate(request: Request, at: At = None, field: bool = False) -> Response:
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
    openapi_extra=BODY,
)
async def check(request: Request, at: At = None) -> Response:
    """Taylor rate, dot-product gap, gradient error, and finite differences over step sizes."""
    return await _solve(request, lambda task: task.check(read_at(at)))


def with_own_schemas(openapi: dict[str, Any]) -> dict[str, Any]:
    """Add to the OpenAPI components what the routes read and write by themselves."""
    schemas = openapi.setdefault("components", {}).setdefault("schemas", {})
    for model in (Document, JointDocument, ProblemDetails):
        schema = model.model_json_schema(ref_template=REFERENCE)
        schemas.update(schema.pop("$defs", {}) | {model.__name__: schema})
    return openapi
