"""What happens in a job, numbered, for those who watch it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

MOST = 20_000  # events of one job; of more the last ones are left out
INTERRUPTED = "interrupted"  # said in place of a status where the service stops before the job ends


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
        self._parted = False
        self._more = asyncio.Event()

    def add(self, kind: str, data: dict[str, Any], *, last: bool = False) -> None:
        """Tell those who follow; after the `last` there is none."""
        if len(self.events) < MOST or last:
            self.events.append(Event(len(self.events) + 1, kind, data))
        self.ended = self.ended or last
        self._tell()

    def part(self) -> None:
        """Let go of those who follow: the job goes on, but this service does not."""
        self._parted = True
        self._tell()

    async def after(self, number: int) -> AsyncIterator[Event]:
        """The events after this number, as they happen, to the last.

        Who is let go of before that hears so under the number it has: it can resume there.
        """
        while True:
            for event in self.events[number:]:
                yield event
                number = event.number
            if self.ended:
                return
            if self._parted:
                yield Event(number, "status", {"status": INTERRUPTED})
                return
            if number >= len(self.events):
                await self._more.wait()

    async def end(self) -> None:
        """Wait for the last event, or until one is let go of."""
        while not (self.ended or self._parted):
            await self._more.wait()

    def text(self, kind: str, data: dict[str, Any]) -> bytes:
        """All of it and a last event as JSON, for the store."""
        events = [*self.events, Event(len(self.events) + 1, kind, data)]
        return json.dumps([[e.number, e.kind, e.data] for e in events]).encode()

    def _tell(self) -> None:
        self._more.set()
        self._more = asyncio.Event()


def read_events(text: bytes | None) -> list[Event]:
    """The events of a job that has ended, from the store."""
    return [Event(*event) for event in json.loads(text)] if text else []
