"""How the service stops: it says so, takes no more, ends what it has begun, and then is gone."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import FrameType

import uvicorn

WAITING_CONNECTIONS = 2048
CLOSING_SECONDS = 15.0  # in which store, workers and threads must be let go


@dataclass
class Stop:
    """Whether the service stops; `hooks` are called on the event loop once it begins to."""

    asked: bool = False
    hooks: list[Callable[[], None]] = field(default_factory=list)


class StoppingServer(uvicorn.Server):
    """On SIGTERM /readyz answers 503 for `drain_seconds`, so that no more is sent here.

    Then no connection is accepted any more, and what was begun is answered within the grace of
    `config`. A second signal ends the process at once.
    """

    def __init__(self, config: uvicorn.Config, stop: Stop, drain_seconds: float) -> None:
        super().__init__(config)
        self._stop, self._drain_seconds = stop, drain_seconds
        self._until: float | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn, which takes `backlog` connections at a time; more may wait for that."""
        await super().startup(sockets)
        for listener in sockets or []:
            listener.listen(WAITING_CONNECTIONS)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self._stop.asked:
            signal.signal(sig, signal.SIG_DFL)
            os.kill(os.getpid(), sig)
        self._stop.asked = True
        wait = self._drain_seconds if sig == signal.SIGTERM else 0.0
        self._until = time.monotonic() + wait
        grace = wait + (self.config.timeout_graceful_shutdown or 0) + CLOSING_SECONDS
        signal.setitimer(signal.ITIMER_REAL, grace)  # ends what does not end by itself
        if sig == signal.SIGINT:
            super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        """Whether to stop now."""
        while self._stop.asked and self._stop.hooks:
            self._stop.hooks.pop()()
        drained = self._until is not None and time.monotonic() >= self._until
        return await super().on_tick(counter) or drained
