"""What happens in a job, as server-sent events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Header, Request, Response
from fastapi.responses import StreamingResponse

from app.jobs.events import Event, read_events
from app.jobs.store import Store
from app.keys import Holder
from app.routes.jobs import Id, found
from app.routes.openapi import ASKED, problems

router = APIRouter(tags=["jobs"])

FIELD = {"type": "string"}
EVENT = {"type": "object", "properties": {"id": FIELD, "event": FIELD, "data": FIELD}}
STREAM = {"content": {"text/event-stream": {"schema": EVENT}}}
KEEP_ALIVE = 15.0  # seconds after which a comment is sent to who watches a job


@router.get(
    "/v1/jobs/{id}/events",
    operation_id="watchJob",
    summary="What happens in a job",
    response_class=StreamingResponse,
    responses=problems(*ASKED) | {200: STREAM},
)
async def watch(
    request: Request,
    holder: Holder,
    id: Id,
    last_event_id: Annotated[
        str | None, Header(description="resume after this event", max_length=20)
    ] = None,
) -> Response:
    """Server-sent events: every iteration of a fit as it happens, items done, changes of status."""
    job = await found(request, id, holder)
    seen = int(last_event_id) if last_event_id and last_event_id.isdecimal() else 0
    growing = request.app.state.foreman.log_of(job.id)
    if growing is not None:
        events = growing.after(seen)
    else:
        ended = read_events(await request.app.state.archive(Store.events, job.id))
        events = _past(ended or [Event(1, "status", {"status": job.status})], seen)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(_streamed(events), 200, headers, "text/event-stream")


async def _past(events: list[Event], seen: int) -> AsyncIterator[Event]:
    for event in events:
        if event.number > seen:
            yield event


async def _streamed(events: AsyncIterator[Event]) -> AsyncIterator[bytes]:
    """As server-sent events, with a sign of life where nothing happens."""
    coming = asyncio.ensure_future(anext(events, None))
    try:
        while True:
            done, _ = await asyncio.wait({coming}, timeout=KEEP_ALIVE)
            if not done:
                yield b": waiting\n\n"
                continue
            event = coming.result()
            if event is None:
                return
            data = json.dumps(event.data)
            yield f"id: {event.number}\nevent: {event.kind}\ndata: {data}\n\n".encode()
            coming = asyncio.ensure_future(anext(events, None))
    finally:
        coming.cancel()
