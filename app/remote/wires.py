"""Conversations over httpx: one wire that waits, and one that does not."""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from contextlib import aclosing, closing
from typing import Any

import httpx

import app
from app.remote.exchange import (
    Effect,
    Listen,
    Lost,
    More,
    Pause,
    Reply,
    Result,
    Send,
    Steps,
    Talk,
    Tell,
)

CONNECT = 10.0  # seconds until a connection must stand
KEY = re.compile(r"[\x21-\x7e]+")

Hear = Callable[[Any], None]


def ignore(told: Any) -> None:
    """Hear nothing."""


class Wire:
    """Leads one conversation: does what it asks for."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http
        self._stream: httpx.Response | None = None
        self._chunks: Iterator[bytes] = iter(())

    def run(self, steps: Steps[Result], hear: Hear = ignore) -> Result:
        """Its result, at its end."""
        talk = Talk(steps)
        with closing(self.told(talk)) as told:
            for what in told:
                hear(what)
        return talk.result

    def told(self, talk: Talk[Any]) -> Generator[Any, None, None]:
        """What it tells, as it goes on to its end."""
        try:
            effect = talk.next()
            while effect is not None:
                if isinstance(effect, Tell):
                    yield effect.what
                    effect = talk.next()
                else:
                    effect = talk.next(self._do(effect))
        finally:
            talk.close()
            self._hang_up()

    def _do(self, effect: Effect) -> Reply | Lost | bytes | None:
        try:
            match effect:
                case Send():
                    return _reply(self._http.send(_request(self._http, effect)))
                case Listen():
                    return self._listen(effect)
                case More():
                    return next(self._chunks, None)
                case Pause():
                    time.sleep(effect.seconds)
        except httpx.RequestError as error:
            return _lost(error)
        return None

    def _listen(self, effect: Listen) -> Reply:
        self._hang_up()
        stream = self._http.send(_stream_request(self._http, effect), stream=True)
        self._stream, self._chunks = stream, stream.iter_bytes()
        return Reply(stream.status_code, stream.headers)

    def _hang_up(self) -> None:
        if self._stream is not None:
            self._stream.close()


class AsyncWire:
    """The same, for asyncio."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self._stream: httpx.Response | None = None
        self._chunks: AsyncIterator[bytes]

    async def run(self, steps: Steps[Result], hear: Hear = ignore) -> Result:
        """Its result, at its end."""
        talk = Talk(steps)
        async with aclosing(self.told(talk)) as told:
            async for what in told:
                hear(what)
        return talk.result

    async def told(self, talk: Talk[Any]) -> AsyncGenerator[Any, None]:
        """What it tells, as it goes on to its end."""
        try:
            effect = talk.next()
            while effect is not None:
                if isinstance(effect, Tell):
                    yield effect.what
                    effect = talk.next()
                else:
                    effect = talk.next(await self._do(effect))
        finally:
            talk.close()
            await self._hang_up()

    async def _do(self, effect: Effect) -> Reply | Lost | bytes | None:
        try:
            match effect:
                case Send():
                    return _reply(await self._http.send(_request(self._http, effect)))
                case Listen():
                    return await self._listen(effect)
                case More():
                    return await anext(self._chunks, None)
                case Pause():
                    await asyncio.sleep(effect.seconds)
        except httpx.RequestError as error:
            return _lost(error)
        return None

    async def _listen(self, effect: Listen) -> Reply:
        await self._hang_up()
        stream = await self._http.send(_stream_request(self._http, effect), stream=True)
        self._stream, self._chunks = stream, stream.aiter_bytes()
        return Reply(stream.status_code, stream.headers)

    async def _hang_up(self) -> None:
        if self._stream is not None:
            await self._stream.aclose()


def address(server: str | None) -> str:
    """Of a service, by default `KAPPAFIT_SERVER`. Raises ValueError."""
    named = server or os.environ.get("KAPPAFIT_SERVER")
    if not named:
        raise ValueError("which service? give its address, or set KAPPAFIT_SERVER")
    try:
        url = httpx.URL(named)
    except httpx.InvalidURL as error:
        raise ValueError(f"{named} is no address: {error}") from None
    if url.scheme not in ("http", "https") or not url.host:
        raise ValueError(f"{named} is no address: write http://HOST:PORT")
    if url.userinfo:
        raise ValueError("an address is logged and shown: give the key by itself, not in there")
    return named.rstrip("/")


def connection(server: str, key: str | None, timeout: float) -> dict[str, Any]:
    """What httpx's clients are made with; the key by default is `KAPPAFIT_KEY`.

    Raises ValueError, which does not show the key.
    """
    headers = {"User-Agent": f"kappafit/{app.__version__}"}
    secret = (key or os.environ.get("KAPPAFIT_KEY", "")).strip()
    if secret:
        if not KEY.fullmatch(secret):
            raise ValueError("there are characters in the key that no key has: copy it once more")
        headers["Authorization"] = f"Bearer {secret}"
    return {"base_url": server, "headers": headers, "timeout": _timeout(timeout)}


def _request(http: httpx.Client | httpx.AsyncClient, effect: Send) -> httpx.Request:
    timeout = http.timeout if effect.seconds is None else _timeout(effect.seconds)
    body, headers = effect.body, dict(effect.headers)
    return http.build_request(
        effect.method, effect.path, content=body, headers=headers, timeout=timeout
    )


def _stream_request(http: httpx.Client | httpx.AsyncClient, effect: Listen) -> httpx.Request:
    timeout = _timeout(effect.seconds)
    return http.build_request("GET", effect.path, headers=dict(effect.headers), timeout=timeout)


def _timeout(seconds: float) -> httpx.Timeout:
    return httpx.Timeout(seconds, connect=min(CONNECT, seconds))


def _reply(response: httpx.Response) -> Reply:
    return Reply(response.status_code, response.headers, response.content)


def _lost(error: httpx.RequestError) -> Lost:
    return Lost(str(error) or type(error).__name__)
