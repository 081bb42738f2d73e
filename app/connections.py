"""Connections that wait for no slow client: a stricter form of uvicorn's HTTP protocol.

uvicorn knows an idle connection only. Here a request's headers are bounded in time and size, a
client that does not read its answer is dropped, and so are connections beyond a number. The body's
time and size are checked where it is read (`app.body`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from app.problems import problem_details

HEADER_BYTES = 65_536
PROGRESS = 65_536  # bytes that a client must read of its answer within `write_seconds`
PROBES = (b"/healthz", b"/readyz", b"/metrics")  # answered however many connections there are


@dataclass(frozen=True)
class Patience:
    """What is borne from clients.

    header_seconds: for a request's line and headers; write_seconds: for `PROGRESS` in reading the
    answer; connections: that are served at a time, as many again are told so, more are cut;
    refused: hears of each refusal, one word.
    """

    header_seconds: float = 10.0
    write_seconds: float = 30.0
    connections: int = 1000
    refused: Callable[[str], None] = lambda reason: None


@dataclass(frozen=True)
class Refusal:
    """An answer that ends its connection; also an ASGI application that gives it."""

    reason: str
    status: HTTPStatus
    title: str
    detail: str
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = field(init=False)

    def __post_init__(self) -> None:
        details = problem_details(self.status, self.title, self.detail)
        object.__setattr__(self, "body", details.model_dump_json(exclude_none=True).encode())

    @property
    def all_headers(self) -> list[tuple[bytes, bytes]]:
        """Those of the answer, and those that every problem has."""
        kind = (b"content-type", b"application/problem+json")
        length = (b"content-length", b"%d" % len(self.body))
        return [kind, length, (b"connection", b"close"), *self.headers]

    @property
    def raw(self) -> bytes:
        """The whole answer as it is sent."""
        first = f"HTTP/1.1 {self.status.value} {self.status.phrase}\r\n".encode()
        lines = (b"%b: %b\r\n" % header for header in self.all_headers)
        return first + b"".join(lines) + b"\r\n" + self.body

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        start = {"type": "http.response.start", "status": self.status.value}
        await send(start | {"headers": self.all_headers})
        await send({"type": "http.response.body", "body": self.body})


NOT_HTTP = Refusal("malformed", HTTPStatus.BAD_REQUEST, "Not HTTP", "the request is malformed")
TOO_LARGE = Refusal(
    "large_headers",
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    "The headers are too large",
    f"a request's line and headers may have {HEADER_BYTES} bytes",
)


class Connection(HttpToolsProtocol):
    """One client's connection."""

    def __init__(self, patience: Patience, **of_uvicorn: Any) -> None:
        super().__init__(**of_uvicorn)
        self._patience = patience
        self._header_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        self._in_headers, self._header_bytes = False, 0
        self._unsent = 0
        self._crowded = False

    # As uvicorn's protocol narrows asyncio's transport, which the types of asyncio do not allow.
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        count, most = len(self.connections), self._patience.connections
        self._crowded = count > most
        if count > 2 * most:
            self._patience.refused("connections")
            transport.abort()
        else:
            self._expect_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._drop_header_timer()
        self._drop_write_timer()

    def data_received(self, data: bytes) -> None:
        if (
            self._header_timer is None and self._is_idle()
        ):  # also where it goes on with a refused body
            self._expect_headers()
        began_before = self._in_headers
        super().data_received(data)
        if began_before and self._in_headers:
            self._header_bytes += len(data)
            if self._header_bytes > HEADER_BYTES:
                self._refuse(TOO_LARGE)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_headers, self._header_bytes = True, 0

    def on_headers_complete(self) -> None:
        self._in_headers = False
        self._drop_header_timer()
        refusal = self._objection()
        if refusal is not None:
            self._patience.refused(refusal.reason)
            self.app = refusal
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        self._refuse(NOT_HTTP)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._expect_progress()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._drop_write_timer()

    def _is_idle(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is None or cycle.response_complete

    def _objection(self) -> Refusal | None:
        """To a request whose headers are there."""
        if sum(len(name) + len(value) for name, value in self.headers) > HEADER_BYTES:
            return TOO_LARGE
        if self._crowded and self.url.partition(b"?")[0] not in PROBES:
            return crowded(self._patience.connections)
        return None

    def _expect_headers(self) -> None:
        wait = self._patience.header_seconds
        self._header_timer = self.loop.call_later(wait, self._headers_are_late)

    def _headers_are_late(self) -> None:
        self._header_timer = None
        if self._in_headers:
            self._refuse(slow_headers(self._patience.header_seconds))
        else:
            self.transport.close()

    def _drop_header_timer(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None

    def _refuse(self, refusal: Refusal) -> None:
        """Answer what is not a request yet, and close; at once where an answer is on its way."""
        if self.transport.is_closing():
            return
        self._patience.refused(refusal.reason)
        if self._is_idle():
            self.transport.write(refusal.raw)
            self.transport.close()
        else:
            self.transport.abort()

    def _expect_progress(self) -> None:
        self._unsent = self.transport.get_write_buffer_size()
        wait = self._patience.write_seconds
        self._write_timer = self.loop.call_later(wait, self._look_at_progress)

    def _look_at_progress(self) -> None:
        if self.transport.get_write_buffer_size() > self._unsent - PROGRESS:
            self._patience.refused("slow_reader")
            self.transport.abort()
        else:
            self._expect_progress()

    def _drop_write_timer(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None


def crowded(most: int) -> Refusal:
    """The answer to a connection beyond the number."""
    return Refusal(
        "connections",
        HTTPStatus.SERVICE_UNAVAILABLE,
        "Too many connections",
        f"{most} connections are open, the limit of this service: try again, and keep one open",
        ((b"retry-after", b"2"),),
    )


def slow_headers(seconds: float) -> Refusal:
    """The answer to a request that does not get going."""
    return Refusal(
        "slow_headers",
        HTTPStatus.REQUEST_TIMEOUT,
        "The headers did not arrive in time",
        f"the request's line and headers took longer than {seconds:g} s",
    )
