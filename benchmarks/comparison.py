"""``peers``: the lecture's bar by all peers side by side."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from benchmarks.clock import Call, Effort, Timing, interleaved
from benchmarks.lecture import TRUE, Array, LectureBar
from benchmarks.machine import pinned_core
from benchmarks.output import as_json, as_table, duration, say, times
from benchmarks.peers import PEERS
from benchmarks.peers.peer import Peer
from benchmarks.peers.scipy_gttrf import temperatures

REFERENCE = "scipy"
UNIT = "march"  # the forward march in which prices are expressed


@dataclass(frozen=True)
class Row:
    """One peer's results; errors are relative to the SciPy peer's, the largest of the entries."""

    name: str
    objective: float
    objective_error: float
    gradient: Array | None
    gradient_error: float | None
    forward_s: float
    value_and_gradient_s: float | None


@dataclass(frozen=True)
class Comparison:
    """All peers on one bar; `missing` names those that are not installed."""

    bar: LectureBar
    rows: dict[str, Row]
    missing: tuple[str, ...]
    rounds: int

    def ratios(self, row: Row) -> dict[str, float | None]:
        """Value and gradient over the row's own forward, the bare march, and SciPy's."""
        reference = self.rows[REFERENCE].value_and_gradient_s
        both = row.value_and_gradient_s
        return {
            "over_forward": both / row.forward_s if both else None,
            "over_march": both / self.rows[UNIT].forward_s if both else None,
            "over_scipy": both / reference if both and reference else None,
        }


def run(arguments: argparse.Namespace) -> None:
    """Compare at every size asked for."""
    write = as_record if arguments.json else as_text
    for n, m in chain.from_iterable(arguments.sizes):
        say(write(compare(LectureBar(n, m), Effort(arguments.rounds, arguments.seconds))))


def compare(bar: LectureBar, effort: Effort) -> Comparison:
    """Build all installed peers, take their answers, and time them in turns."""
    d = temperatures(bar, *TRUE) + bar.noise
    peers = {name: entry.build(bar, d) for name, entry in PEERS.items() if entry.installed}
    answers = {name: answer(peer) for name, peer in peers.items()}
    timing = interleaved(dict(calls_of(peers)), effort)
    reference = answers[REFERENCE]
    rows = {name: row_of(name, answers[name], reference, timing) for name in peers}
    missing = tuple(name for name in PEERS if name not in peers)
    return Comparison(bar, rows, missing, timing.rounds)


def answer(peer: Peer) -> tuple[float, Array | None]:
    """J and the gradient, by the peer's first calls; both ways to J have to agree."""
    forward = peer.forward()
    if peer.value_and_gradient is None:
        return forward, None
    J, gradient = peer.value_and_gradient()
    if not np.isclose(J, forward, rtol=1e-9, atol=0.0):
        raise ArithmeticError(f"J is {forward!r} alone and {J!r} with its gradient")
    return J, gradient


def calls_of(peers: dict[str, Peer]) -> Iterator[tuple[str, Call]]:
    """Everything that is timed, by name."""
    for name, peer in peers.items():
        yield f"{name} forward", peer.forward
        if peer.value_and_gradient is not None:
            yield f"{name} gradient", peer.value_and_gradient


def row_of(
    name: str,
    answer: tuple[float, Array | None],
    reference: tuple[float, Array | None],
    timing: Timing,
) -> Row:
    """One peer's answer beside the reference's, with its times."""
    return Row(
        name=name,
        objective=answer[0],
        objective_error=relative_error(answer[0], reference[0]),
        gradient=answer[1],
        gradient_error=None if answer[1] is None else relative_error(answer[1], reference[1]),
        forward_s=timing.medians[f"{name} forward"],
        value_and_gradient_s=timing.medians.get(f"{name} gradient"),
    )


def relative_error(values: Any, reference: Any) -> float:
    """The largest relative error of the entries."""
    return float(np.max(np.abs(np.subtract(values, reference) / reference)))


def as_record(comparison: Comparison) -> str:
    """One line of JSON."""
    return as_json(
        {
            "n": comparison.bar.n,
            "m": comparison.bar.m,
            "rounds": comparison.rounds,
            "core": pinned_core(),
            "missing": list(comparison.missing),
            "peers": {
                row.name: {
                    "objective": row.objective,
                    "objective_error": row.objective_error,
                    "gradient": None if row.gradient is None else row.gradient.tolist(),
                    "gradient_error": row.gradient_error,
                    "forward_s": row.forward_s,
                    "value_and_gradient_s": row.value_and_gradient_s,
                    **comparison.ratios(row),
                }
                for row in comparison.rows.values()
            },
        }
    )


HEADINGS = ("", "forward", "value+gradient", "/ forward", "/ march", "/ scipy", "gradient error")


def as_text(comparison: Comparison) -> str:
    """A table to read."""
    bar, core = comparison.bar, pinned_core()
    title = f"{bar.n} unknowns, {bar.m} steps; medians of {comparison.rounds} rounds, " + (
        "not pinned to a core" if core is None else f"pinned to core {core}"
    )
    table = as_table([list(HEADINGS), *(cells(comparison, r) for r in comparison.rows.values())])
    missing = f"not installed: {', '.join(comparison.missing)}\n" if comparison.missing else ""
    return f"{title}\n{table}\n{missing}"


def cells(comparison: Comparison, row: Row) -> list[str]:
    """One line of the table."""
    error = "-" if row.gradient_error is None else f"{row.gradient_error:.1e}"
    ratios = (times(ratio) for ratio in comparison.ratios(row).values())
    return [row.name, duration(row.forward_s), duration(row.value_and_gradient_s), *ratios, error]
