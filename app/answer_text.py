"""An answer as JSON, written in pieces between which other threads can run.

pydantic writes a million numbers in one call, and nothing else happens in the process meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel
from pydantic_core import to_json

HOLDERS = (list, dict, BaseModel)
PIECE = 20_000  # numbers, about a millisecond


def text_of(answer: BaseModel) -> bytes:
    """The same as `model_dump_json`, which small answers come from."""
    if _count(answer) < PIECE:
        return answer.model_dump_json().encode()
    return b"".join(_pieces(answer))


def _count(value: Any) -> int:
    """About how many values there are in lists, which are all that can be long."""
    if isinstance(value, list):
        return len(value) * (len(value[0]) if value and isinstance(value[0], list) else 1)
    parts = value.__dict__ if isinstance(value, BaseModel) else value
    return sum([_count(part) for part in parts.values() if isinstance(part, HOLDERS)])


def _pieces(value: Any) -> Iterator[bytes]:
    match value:
        case BaseModel():
            yield from _object(value.__dict__)
        case dict():
            yield from _object(value)
        case [list() as first, *_]:
            yield from _list(value, max(1, PIECE // (len(first) + 1)))
        case list() if len(value) > PIECE:
            yield from _list(value, PIECE)
        case _:
            yield to_json(value, inf_nan_mode="null")


def _object(items: dict[str, Any]) -> Iterator[bytes]:
    before = b"{"
    for name, value in items.items():
        yield before + to_json(name) + b":"
        yield from _pieces(value)
        before = b","
    yield b"}" if items else b"{}"


def _list(items: list[Any], count: int) -> Iterator[bytes]:
    for start in range(0, len(items), count):
        yield b"," if start else b"["
        yield to_json(items[start : start + count], inf_nan_mode="null")[1:-1]
    yield b"]"
