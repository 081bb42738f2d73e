"""Server-sent events, out of bytes that come in any pieces."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from app.jobs.events import Event

BLANK_LINE = re.compile(rb"\r?\n\r?\n")


@dataclass
class EventStream:
    """What has come of an event whose end has not."""

    rest: bytes = b""

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """The events that are complete with these bytes; comments are passed over."""
        *blocks, self.rest = BLANK_LINE.split(self.rest + chunk)
        for block in blocks:
            event = _event(block.decode("utf-8", "replace"))
            if event is not None:
                yield event


def _event(block: str) -> Event | None:
    fields: dict[str, str] = {}
    for line in re.split(r"\r?\n", block):
        name, _, value = line.partition(":")
        before = f"{fields[name]}\n" if name in fields else ""
        fields[name] = before + value.removeprefix(" ")
    try:
        data = json.loads(fields["data"])
        return Event(int(fields["id"]), fields.get("event", "message"), data)
    except (KeyError, ValueError):  # a comment, or nothing that a service of ours says
        return None
