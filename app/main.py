"""The service: `create_app` puts settings, workers, jobs, routes and failures together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI

import app
from app import failures, logbook
from app.aside import Aside
from app.jobs.archive import Archive
from app.jobs.engine import Engine
from app.jobs.foreman import Foreman
from app.jobs.runner import Bounds
from app.jobs.store import Store
from app.keys import Keys, are_needed
from app.metrics import Metrics
from app.rates import rates_of
from app.requests import Requests
from app.routes import ROUTERS
from app.routes.openapi import with_headers, with_own_schemas
from app.settings import Settings
from app.stopping import Stop
from app.warming import WarmUp
from app.work import Room, Workers

DESCRIPTION = """Temperatures measured on a heated bar in; the bar's thermal parameters out, with
exact gradients, honest uncertainties, and a proof of both. Every example below runs as it stands.
"""


def create_app(
    settings: Settings | None = None, host: str = "127.0.0.1", store: Store | None = None
) -> FastAPI:
    """The ASGI application, to listen on `host`: elsewhere than on loopback it asks for keys.

    store: the job store, owned; else it opens its own as it starts, which may raise StoreRefused.
    """
    settings = settings or Settings()

    @asynccontextmanager
    async def lifespan(service: FastAPI) -> AsyncIterator[None]:
        state, loop = service.state, asyncio.get_running_loop()
        loop.set_exception_handler(logbook.loop_failed)
        state.settings = settings
        room = Room(settings.max_waiting, settings.wait_seconds, settings.request_seconds)
        state.workers = Workers(settings.workers, room, state.metrics)
        state.aside = Aside()
        warming = WarmUp()
        state.warm = loop.run_in_executor(None, warming.run)
        state.stop.hooks.append(warming.stop)
        owned = store or open_store(settings)
        state.archive = Archive(owned)
        state.keys = Keys(owned) if are_needed(settings.keys, host) else None
        state.rates = rates_of(settings.rate, keys=state.keys is not None)
        state.foreman = foreman_of(settings, state.archive, state.metrics)
        await state.foreman.start()
        state.stop.hooks.append(state.foreman.part)
        yield
        warming.stop()
        await state.foreman.close()
        state.workers.close()
        state.aside.close()

    service = FastAPI(
        title="kappafit",
        version=app.__version__,
        description=DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    service.state.stop, service.state.metrics = Stop(), Metrics()
    service.add_middleware(
        Requests,
        metrics=service.state.metrics,
        admit=lambda: service.state.workers.admit(),
        failed=failures.unanswered,
    )
    for router in ROUTERS:
        service.include_router(router)
    failures.install(service)
    plain_openapi = service.openapi

    def openapi() -> dict[str, Any]:
        if service.openapi_schema is None:
            service.openapi_schema = with_headers(with_own_schemas(plain_openapi()))
        return service.openapi_schema

    service.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend it
    return service


def open_store(settings: Settings) -> Store:
    """The job store, owned by this service. Raises StoreRefused or StoreUnavailable."""
    store = Store.open(settings.store_url, keep_seconds=settings.keep_seconds)
    try:
        store.own()
    except BaseException:
        store.close()
        raise
    return store


def foreman_of(settings: Settings, archive: Archive, metrics: Metrics) -> Foreman:
    """The foreman of a service, with its engine."""
    bounds = Bounds(settings.job_limits, settings.max_field_values)
    engine = Engine(settings.cluster, bounds, lambda job, event: foreman.heard(job, event))
    metrics.workers(engine.idle, engine.busy)
    foreman = Foreman(archive, engine, max_queued=settings.max_queued, ended=metrics.job_ended)
    return foreman
