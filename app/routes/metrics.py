"""Figures of the service, for Prometheus."""

from __future__ import annotations

from contextlib import suppress

from fastapi import APIRouter, HTTPException, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST

from app.jobs.job import StoreUnavailable

router = APIRouter(include_in_schema=False)


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """In Prometheus' text format; 404 where the setting `metrics` is off."""
    state = request.app.state
    if not state.settings.metrics:
        raise HTTPException(404, "there are no metrics here")
    state.metrics.forget_jobs()  # old counts would be wrong ones
    with suppress(StoreUnavailable):
        state.metrics.jobs(await state.archive.counts())
    return Response(state.metrics.text(), headers={"Content-Type": CONTENT_TYPE_LATEST})
