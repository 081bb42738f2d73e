"""What a job is: a task on a document, accepted once and ended once.

Status words are those of OGC API - Processes: a job is `accepted`, then `running`, and ends as
`successful`, `failed` or `dismissed`. It moves forward only, but for a restarted service, which
takes what was running for accepted.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

ACCEPTED, RUNNING = "accepted", "running"
SUCCESSFUL, FAILED, DISMISSED = "successful", "failed", "dismissed"
ENDED = (SUCCESSFUL, FAILED, DISMISSED)
STATUSES = (ACCEPTED, RUNNING, *ENDED)


@dataclass(frozen=True)
class NewJob:
    """A job that is asked for.

    holder: the id of the key that asks, "" where keys are off; body: the request, JSON; pieces: how
    many parts it is done in; fingerprint: SHA-256 of what was asked, to tell a repeated request
    from another under the same `idempotency_key`.
    """

    holder: str
    task: str
    body: bytes
    pieces: int = 1
    idempotency_key: str | None = None
    fingerprint: str = ""


@dataclass(frozen=True)
class Job:
    """A job as the store knows it, without its body and results.

    id: 32 hexadecimal digits, random; times: seconds since 1970, UTC; progress: 0 to 100;
    problem: problem details (RFC 9457) of a failed job; sequence: its place in the order of
    acceptance.
    """

    id: str
    sequence: int
    holder: str
    task: str
    status: str
    message: str
    pieces: int
    progress: int
    created: float
    updated: float
    started: float | None = None
    finished: float | None = None
    expires: float | None = None
    problem: dict[str, Any] | None = None


@dataclass(frozen=True)
class Piece:
    """A part of a job that one worker does: of an ensemble its share of the items, else all.

    number: from 0, of so many `pieces`; body: the job's.
    """

    job: str
    number: int
    pieces: int
    body: bytes = field(repr=False)  # what Dask is given it may log

    def share(self, items: int) -> range:
        """Which of so many items are this piece's."""
        return range(self.number * items // self.pieces, (self.number + 1) * items // self.pieces)


class StoreUnavailable(Exception):
    """The store cannot be written or read now: try again later. The text says why."""


class StoreRefused(Exception):
    """The store cannot be used at all, and was left as it is. The text says why, in one line."""


class KeyReused(Exception):
    """The Idempotency-Key stands for another request."""


class WorkerLost(Exception):
    """The worker that did a piece was lost, in every attempt."""


class EngineLost(Exception):
    """The scheduler is gone, and what it was told with it; this counts as no attempt."""
