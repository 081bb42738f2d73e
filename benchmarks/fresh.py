"""What a peer costs in a process of its own: its first answer, and its memory.

``python -m benchmarks.fresh NAME PROBLEM N M`` gets the readings d as its input, says a word when
the first answer is there, and then how much memory it took. The clock is the parent's and runs from
before the process is started: interpreter, imports, compiling (C, JAX) or loading from the cache
that the parent filled (kappafit) all count.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from benchmarks import machine

if TYPE_CHECKING:
    from benchmarks.lecture import Array, LectureBar

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Fresh:
    """Time in s until the first answer, and memory in units of 2^20 bytes (None: nothing tells)."""

    first_call_s: float
    memory_mb: float | None


def start_fresh(name: str, problem: str, bar: LectureBar, d: Array) -> Fresh:
    """Start a peer in a process of its own, on the cores of this one, and wait for it."""
    words = [name, problem, str(bar.n), str(bar.m)]
    began = perf_counter()
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.fresh", *words],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(d.tobytes())
        process.stdin.close()
        process.stdout.readline()
        first_call_s = perf_counter() - began
        memory = process.stdout.readline()
    if process.returncode != 0:
        raise SystemExit(f"{name} ({problem}) fails in a fresh process")
    return Fresh(first_call_s, json.loads(memory))


def main(words: list[str]) -> None:
    """Build the peer, take its answer twice."""
    import numpy as np

    from benchmarks.lecture import LectureBar
    from benchmarks.output import say
    from benchmarks.peers import PEERS

    name, problem, n, m = words
    entry, bar = PEERS[name], LectureBar(int(n), int(m))
    d = np.frombuffer(sys.stdin.buffer.read()).copy()
    entry.load_library()
    build = entry.builds()[problem]
    before = machine.rss_mb()
    peer = build(bar, d)
    call = peer.value_and_gradient or peer.forward
    assert call is not None
    call()
    say("answered")
    call()  # what is kept from the first call counts beside what the second one takes
    peak = machine.peak_rss_mb()
    say(json.dumps(None if before is None or peak is None else max(peak - before, 0.0)))


if __name__ == "__main__":
    machine.settle()
    main(sys.argv[1:])
