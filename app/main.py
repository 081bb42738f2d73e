"""The service: `create_app` puts settings, workers, routes and failures together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI

import app
import solver
from app import failures
from app.routes import ROUTERS
from app.routes.solve import with_own_schemas
from app.settings import Settings
from app.work import Workers

DESCRIPTION = """Temperatures measured on a heated bar in; the bar's thermal parameters out, with
exact gradients, honest uncertainties, and a proof of both. Every example below runs as it stands.
"""


def create_app(settings: Settings | None = None) -> FastAPI:
    """The ASGI application."""
    settings = settings or Settings()

    @asynccontextmanager
    async def lifespan(service: FastAPI) -> AsyncIterator[None]:
        service.state.settings = settings
        service.state.workers = Workers(
            settings.workers, settings.max_waiting, settings.request_seconds
        )
        service.state.warm = asyncio.get_running_loop().run_in_executor(None, solver.warm_up)
        yield
        service.state.workers.close()

    service = FastAPI(
        title="kappafit",
        version=app.__version__,
        description=DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    for router in ROUTERS:
        service.include_router(router)
    failures.install(service)
    plain_openapi = service.openapi

    def openapi() -> dict[str, Any]:
        if service.openapi_schema is None:
            service.openapi_schema = with_own_schemas(plain_openapi())
        return service.openapi_schema

    service.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend it
    return service
