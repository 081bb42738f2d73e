"""A job that runs: what of it is done, out with workers, or left."""

from __future__ import annotations

from app.jobs.events import Log
from app.jobs.job import Job, Piece


class Work:
    """A running job: which of its pieces are left, and in flight."""

    def __init__(self, job: Job, body: bytes, done: set[int], log: Log) -> None:
        self.job, self.body, self.log = job, body, log
        self.left = [number for number in reversed(range(job.pieces)) if number not in done]
        self.flying: set[int] = set()

    def take(self) -> Piece:
        """The next piece, from now on in flight."""
        number = self.left.pop()
        self.flying.add(number)
        return Piece(self.job.id, number, self.job.pieces, self.body)

    def give_back(self, number: int) -> None:
        """It was not done and must be handed out again."""
        self.left.append(number)

    @property
    def progress(self) -> int:
        """Of its pieces, in percent; full only once it has ended."""
        undone = len(self.left) + len(self.flying)
        return min(99, 100 * (self.job.pieces - undone) // self.job.pieces)
