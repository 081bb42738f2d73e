"""The body of a request: its type, its size and its patience, checked while it arrives."""

from __future__ import annotations

import asyncio

from fastapi import Request


class WrongType(Exception):
    """The content type is not the one that is read here, or the body is encoded."""


class BodyTooLarge(Exception):
    """More bytes than the limit, announced or sent."""


class BodyTooSlow(Exception):
    """The client took too long."""


async def read_body(
    request: Request, limit: int, seconds: float, kind: str = "application/json"
) -> bytes:
    """The body as bytes. Raises WrongType, BodyTooLarge or BodyTooSlow; then no more is read."""
    _require(request, kind)
    announced = request.headers.get("content-length", "")
    if announced.isascii() and announced.isdigit() and int(announced[:20]) > limit:
        raise BodyTooLarge(f"the body has {announced[:20]} bytes, the limit is {limit}")
    try:
        async with asyncio.timeout(seconds):
            return await _read(request, limit)
    except TimeoutError:
        raise BodyTooSlow(f"the body took longer than {seconds:g} s") from None


async def _read(request: Request, limit: int) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise BodyTooLarge(f"the body is larger than the limit of {limit} bytes")
    return bytes(body)


def _require(request: Request, wanted: str) -> None:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    like = wanted == "application/json" and kind.endswith("+json")
    if kind != wanted and not like:
        raise WrongType(f"the content type must be {wanted}")
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise WrongType("send the body without a content encoding")
