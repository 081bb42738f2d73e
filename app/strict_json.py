"""JSON as RFC 8259 has it: UTF-8, no NaN or Infinity, no key twice, bounded depth and digits."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any, NoReturn


class NotJson(ValueError):
    """The bytes are not a JSON text; the message says where and why."""


def parse_json(data: bytes) -> Any:
    """The value of a JSON text. Raises NotJson."""
    if not data.strip():
        raise NotJson("the body is empty; send an experiment document as JSON")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise NotJson(f"not UTF-8 at byte {error.start}") from None
    try:
        return json.loads(text, parse_constant=_refuse, object_pairs_hook=_distinct)
    except json.JSONDecodeError as error:
        raise NotJson(f"{error.msg} at line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise NotJson("nested too deeply") from None
    except NotJson:
        raise
    except ValueError:  # an integer of thousands of digits
        raise NotJson("a number has too many digits") from None


def _refuse(token: str) -> NoReturn:
    raise NotJson(f"{token} is not JSON; write null where a reading is missing")


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        counts = Counter(name for name, _ in pairs)
        twice = next(name for name, count in counts.items() if count > 1)
        raise NotJson(f"the key {printable(twice)} stands twice in one object")
    return value


def printable(text: str, limit: int = 64) -> str:
    """`text` safe to show: ASCII, at most `limit` characters."""
    shown = ascii(text[:limit])
    return shown if len(text) <= limit else f"{shown}..."
