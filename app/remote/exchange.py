"""The words of a conversation: what it asks to be done, and what it is told of that."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

Result = TypeVar("Result")


@dataclass(frozen=True)
class Send:
    """Send a request; what comes of it is a Reply, or Lost.

    seconds: how long an answer is waited for; None: as long as the client has it.
    """

    method: str
    path: str
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    seconds: float | None = None


@dataclass(frozen=True)
class Listen:
    """Open a stream, Lost after so many `seconds` of silence; comes as a Reply without a body."""

    path: str
    headers: Mapping[str, str]
    seconds: float


@dataclass(frozen=True)
class More:
    """The next bytes of the stream; None at its end."""


@dataclass(frozen=True)
class Pause:
    """Wait."""

    seconds: float


@dataclass(frozen=True)
class Tell:
    """Hand something to who listens: an Event of a job, or one of many jobs."""

    what: Any


@dataclass(frozen=True)
class Reply:
    """An answer over HTTP; the names of `headers` are found in any case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(frozen=True)
class Lost:
    """There was no answer, or its end is missing."""

    reason: str


Effect = Send | Listen | More | Pause | Tell
Steps = Generator[Effect, Any, Result]


class Talk(Generic[Result]):
    """A conversation under way; `result` is there once `next` has nothing more to be done."""

    result: Result

    def __init__(self, steps: Steps[Result]) -> None:
        self._steps = steps

    def next(self, came: Reply | Lost | bytes | None = None) -> Effect | None:
        """What is to be done, given what came of the last; None at the end."""
        try:
            return self._steps.send(came)
        except StopIteration as end:
            self.result = end.value
            return None

    def close(self) -> None:
        """Leave it where it is."""
        self._steps.close()
