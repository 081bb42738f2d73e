"""Is it alive, is it ready, what is it."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

import app
import solver

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
    summary="Are the kernels compiled",
    responses={503: {"description": "still warming up, or stopping", "model": Alive}},
)
async def readyz(request: Request, response: Response) -> Alive:
    """503 until every kernel has run once, and from when the service is told to stop."""
    warm, stop = request.app.state.warm, request.app.state.stop
    if stop.asked:
        response.status_code = 503
        return Alive(status="stopping")
    if warm.done() and warm.exception() is None:
        return Alive()
    response.status_code = 503
    return Alive(status="warm-up failed, see the log" if warm.done() else "warming up")


@router.get("/version", operation_id="version", summary="What runs here")
async def get_version() -> Version:
    """Versions, and the registered laws, end conditions and time methods."""
    return Version(
        **app.versions(),
        laws=list(solver.LAWS),
        ends=list(solver.BOUNDARIES),
        time_methods=list(solver.TABLEAUX),
    )
