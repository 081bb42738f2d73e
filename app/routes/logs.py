"""Sensor logs: a CSV text in, a document to start from out."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from app.answer_text import text_of
from app.answers import StarterAnswer
from app.body import read_body
from app.keys import Holder
from app.routes.openapi import PROBLEMS
from app.service import Pulse, read_units, start_from

router = APIRouter(prefix="/v1", tags=["experiments"])

EXAMPLE = "time [h],T0 cm [degC],T5 cm [degC],T10 cm [degC]\n0,20.0,20.0,20.0\n1,21.5,20.4,20.0\n"
BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "text/csv": {
                "schema": {"type": "string"},
                "examples": {"wide": {"summary": "three thermometers", "value": EXAMPLE}},
            }
        },
    }
}
Mark = Annotated[str | None, Query(description="a number or a stamp, as in the log")]


@router.post(
    "/document",
    operation_id="document",
    summary="A document to start from",
    response_model=StarterAnswer,
    responses=PROBLEMS,
    openapi_extra=BODY,
)
async def document(
    request: Request,
    _: Holder,
    time: Annotated[str | None, Query(description="the column of the time")] = None,
    units: Annotated[
        str | None, Query(description="URL-encoded JSON {COLUMN: UNIT}; wins over the header")
    ] = None,
    start: Mark = None,
    end: Mark = None,
) -> Response:
    """Guess an experiment from a sensor log (CSV, wide or long); the notes say what to edit.

    The document carries the log and can be sent to `/v1/calibrate`.
    """
    settings = request.app.state.settings
    data = await read_body(request, settings.max_body_bytes, settings.body_seconds, "text/csv")

    def run(pulse: Pulse) -> bytes:
        known, aside = read_units(units), request.app.state.aside
        return text_of(aside(pulse, start_from, data, time=time, units=known, start=start, end=end))

    text = await request.app.state.workers.run(request, run)
    return Response(text, media_type="application/json")
