"""The `Prefer` header (RFC 7240): whether a client wants to wait for an answer."""

from __future__ import annotations

import re
from dataclasses import dataclass

LONGEST_WAIT = 60.0  # seconds that a request is kept open for a job
WAIT = re.compile(r"wait\s*=\s*\"?(\d{1,6})\"?")


@dataclass(frozen=True)
class Preference:
    """asynchronous: answer with a job at once; wait: answer with it after so many seconds."""

    asynchronous: bool = False
    wait: float | None = None

    @property
    def applied(self) -> dict[str, str]:
        """The header that says what was heeded."""
        words = ["respond-async"] if self.asynchronous else []
        words += [] if self.wait is None else [f"wait={self.wait:g}"]
        return {"Preference-Applied": ", ".join(words)} if words else {}


def preference(header: str | None) -> Preference:
    """What a `Prefer` header asks for; what is not known in it is ignored, as the RFC has it."""
    words = [word.strip().lower() for word in (header or "").split(",")]
    waits = [found for word in words if (found := WAIT.fullmatch(word))]
    wait = min(float(waits[0][1]), LONGEST_WAIT) if waits else None
    return Preference("respond-async" in words, wait)
