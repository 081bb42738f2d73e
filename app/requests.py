"""What happens to every request, around its answer: an id, a line in the log, the figures.

A pure ASGI middleware: it costs a few hundredths of a millisecond, and streams stay streams.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections.abc import Callable

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars, clear_contextvars

from app.logbook import logger
from app.metrics import Metrics

Failed = Callable[[Scope, BaseException], Response]

WELL_FORMED = re.compile(rb"[A-Za-z0-9._-]{1,64}")
QUIET = {"/healthz", "/readyz", "/metrics"}  # asked every few seconds: logged as debug
GONE = 499  # status of a request whose client did not wait for the answer
UNKNOWN_ROUTE = "none"

log = logger("kappafit.requests")


class Requests:
    """The middleware.

    `admit` raises where a POST has no prospect of being worked on: to say so must cost little.
    `failed` answers that, and what nobody else has: an error, or a cancelled request.
    """

    def __init__(
        self, app: ASGIApp, metrics: Metrics, admit: Callable[[], None], failed: Failed
    ) -> None:
        self._app, self._metrics, self._admit, self._failed = app, metrics, admit, failed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status, size = time.perf_counter(), GONE, 0
        id = request_id_of(scope["headers"])
        scope.setdefault("state", {})["request_id"] = id
        clear_contextvars()  # a pipelined request runs in the context of the one before it
        bind_contextvars(request_id=id)

        async def send_on(message: Message) -> None:
            nonlocal status, size
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", id.encode())]
            else:
                size += len(message.get("body", b""))
            await send(message)

        self._metrics.request_began()
        try:
            if scope["method"] == "POST":
                self._admit()
            await self._app(scope, receive, send_on)
        except (Exception, asyncio.CancelledError) as error:
            if status != GONE:
                raise
            await self._failed(scope, error)(scope, receive, send_on)
        finally:
            self._note(scope, status, size, time.perf_counter() - began)

    def _note(self, scope: Scope, status: int, size: int, seconds: float) -> None:
        route = route_of(scope)
        self._metrics.request_ended(scope["method"], route, status, seconds)
        say = log.debug if route in QUIET else log.info
        say(
            "request",
            method=scope["method"],
            route=route,
            status=status,
            seconds=round(seconds, 6),
            bytes=size,
            holder=scope["state"].get("holder") or None,
        )


def request_id_of(headers: list[tuple[bytes, bytes]]) -> str:
    """The id that the client sent, where it is well formed, or a new one."""
    for name, value in headers:
        if name == b"x-request-id" and WELL_FORMED.fullmatch(value):
            return value.decode()
    return secrets.token_hex(8)


def route_of(scope: Scope) -> str:
    """The template of the path, never the path."""
    path: str = getattr(scope.get("route"), "path", UNKNOWN_ROUTE)
    return path
