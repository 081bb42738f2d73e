"""What a peer can do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.lecture import Array


@dataclass(frozen=True)
class Peer:
    """J at the trial values, and J with its gradient (2,) where the peer has one."""

    forward: Callable[[], float]
    value_and_gradient: Callable[[], tuple[float, Array]] | None = None
