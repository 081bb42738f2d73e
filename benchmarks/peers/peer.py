"""What a peer can do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmarks.lecture import Array, LectureBar


@dataclass(frozen=True)
class Peer:
    """J at the trial values, and J with its gradient (2,), where the peer has them.

    Of an ensemble J is (E,) and the gradients are (E, 2).
    """

    forward: Callable[[], Any] | None
    value_and_gradient: Callable[[], tuple[Any, Array]] | None = None


Build = Callable[[LectureBar, Array], Peer]  # from the bar and its readings (m,)
