"""What happens in a job, numbered, for those who watch it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

MOST = 20_000  # events of one job; of more the last ones are left out


@dataclass(frozen=True)
class Event:
    """Something that happened: numbered from 1, of a kind (iteration, items, status)."""

    number: int
    kind: str
    data: dict[str, Any]


class Log:
    """The events of one job, growing until it ends."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.ended = False
        self._more = asyncio.Event()

    def add(self, kind: str, data: dict[str, Any], *, last: bool = False) -> None:
        """Tell those who follow; after the `last` there is none."""
        if len(self.events) < MOST or last:
            self.events.append(Event(len(self.events) + 1, kind, data))
        self.ended = self.ended or last
        self._more.set()
        self._more = asyncio.Event()

    async def after(self, number: int) -> AsyncIterator[Event]:
        """The events after this number, as they happen, to the last."""
        while True:
            for event in self.events[number:]:
                yield event
                number = event.number
            if self.ended:
                return
            if number >= len(self.events):
                await self._more.wait()

    async def end(self) -> None:
        """Wait for the last event."""
        while not self.ended:
            await self._more.wait()

    def text(self, kind: str, data: dict[str, Any]) -> bytes:
        """All of it and a last event as JSON, for the store."""
        events = [*self.events, Event(len(self.events) + 1, kind, data)]
        return json.dumps([[e.number, e.kind, e.data] for e in events]).encode()


def read_events(text: bytes | None) -> list[Event]:
    """The events of a job that has ended, from the store."""
    return [Event(*event) for event in json.loads(text)] if text else []
