"""Is it alive, is it ready, what is it."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

import app
import solver
from app.jobs.job import StoreUnavailable

router = APIRouter(tags=["service"])


class Alive(BaseModel):
    """The process answers."""

    status: str = "ok"


class Version(BaseModel):
    """What runs here."""

    kappafit: str
    python: str
    numba: str
    numpy: str
    scipy: str
    laws: list[str]
    ends: list[str]
    time_methods: list[str]


@router.get("/healthz", operation_id="healthz", summary="Is the process alive")
async def healthz() -> Alive:
    """Touches nothing but the event loop."""
    return Alive()


@router.get(
    "/readyz",
    operation_id="readyz",
    summary="Can it be sent work",
    responses={503: {"description": "not now; the status says why", "model": Alive}},
)
async def readyz(request: Request, response: Response) -> Alive:
    """503 until every kernel has run once, while the job store is away, and before a stop."""
    obstacle = await _obstacle(request.app.state)
    if obstacle is None:
        return Alive()
    response.status_code = 503
    return Alive(status=obstacle)


async def _obstacle(state: Any) -> str | None:
    """Why the service should not be sent work, if it should not. Never asks the solver."""
    if state.stop.asked:
        return "stopping"
    if not state.warm.done():
        return "warming up"
    if state.warm.exception() is not None:
        return "warm-up failed, see the log"
    try:
        await state.archive.answers()
    except StoreUnavailable as error:
        return str(error)
    return None


@router.get("/version", operation_id="version", summary="What runs here")
async def get_version() -> Version:
    """Versions, and the registered laws, end conditions and time methods."""
    return Version(
        **app.versions(),
        laws=list(solver.LAWS),
        ends=list(solver.BOUNDARIES),
        time_methods=list(solver.TABLEAUX),
    )
