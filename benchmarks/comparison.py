"""``peers``: the lecture's bar by all peers side by side."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from benchmarks import report
from benchmarks.clock import Call, Effort, Timing, interleaved
from benchmarks.fresh import Fresh, start_fresh
from benchmarks.kinds import BOTH, FORWARD, problems
from benchmarks.lecture import TRUE, Array, LectureBar
from benchmarks.output import say
from benchmarks.peers import PEERS, Entry
from benchmarks.peers.peer import Peer

REFERENCE = "scipy"
AGREEMENT = 1e-7  # relative error of J or the gradient from which a peer is said to disagree
Answer = tuple[Any, Array | None]


@dataclass(frozen=True)
class Row:
    """One peer's results; errors are relative to the SciPy peer's, the largest of the entries."""

    name: str
    objective: Any
    objective_error: float
    gradient: Array | None
    gradient_error: float | None
    forward_s: float | None
    value_and_gradient_s: float | None
    fresh: Fresh | None

    @property
    def agrees(self) -> bool:
        """Whether J and the gradient are the reference's."""
        return max(self.objective_error, self.gradient_error or 0.0) < AGREEMENT


@dataclass(frozen=True)
class Comparison:
    """All peers on one problem of one bar.

    `missing` names those that are not installed, `lacking` those that do not solve the problem.
    """

    bar: LectureBar
    problem: str
    rows: dict[str, Row]
    missing: tuple[str, ...]
    lacking: tuple[str, ...]
    rounds: int

    def ratios(self, row: Row) -> dict[str, float | None]:
        """Over the row's own forward, over the bare march, and over the other programs.

        Of value and gradient where it was timed, else of the forward alone; C is its best variant.
        """
        march = self.rows.get("march")
        return {
            "over_forward": quotient(row.value_and_gradient_s, row.forward_s),
            "over_march": quotient(price(row), None if march is None else march.forward_s),
            "over_c": self.over_best(row, "c-"),
            "over_scipy": self.over_best(row, REFERENCE),
        }

    def over_best(self, row: Row, prefix: str, call: str | None = None) -> float | None:
        """A row's time over that of the fastest peer whose name begins with `prefix`.

        Both for the same call: the named one, else the dearest that the row has.
        """
        call = call or (FORWARD if row.value_and_gradient_s is None else BOTH)
        others = [seconds(r, call) for r in self.rows.values() if r.name.startswith(prefix)]
        return quotient(seconds(row, call), min((t for t in others if t), default=None))


def seconds(row: Row, call: str) -> float | None:
    """The median time of a call."""
    return row.forward_s if call == FORWARD else row.value_and_gradient_s


def price(row: Row) -> float | None:
    """The time of value and gradient, or of the forward where that is all there is."""
    return row.value_and_gradient_s or row.forward_s


def quotient(a: float | None, b: float | None) -> float | None:
    """a / b where both are there."""
    return a / b if a and b else None


def run(arguments: argparse.Namespace) -> None:
    """Compare at every size in every problem asked for; ends the program where peers disagree."""
    write = report.as_record if arguments.json else report.as_text
    effort, wrong = Effort(arguments.rounds, arguments.seconds), []
    for n, m in chain.from_iterable(arguments.sizes):
        for problem, calls in problems(arguments.kinds).items():
            found = compare(LectureBar(n, m), effort, problem, calls, children=arguments.children)
            say(write(found))
            wrong += [f"{r.name} ({problem}, {n}x{m})" for r in found.rows.values() if not r.agrees]
    if wrong:
        raise SystemExit(f"these do not agree with {REFERENCE}: {', '.join(wrong)}")


def compare(
    bar: LectureBar,
    effort: Effort,
    problem: str = "linear",
    calls: tuple[str, ...] = (FORWARD, BOTH),
    *,
    entries: Mapping[str, Entry] = PEERS,
    children: bool = False,
) -> Comparison:
    """Build all installed peers, take their answers, and time them in turns.

    With `children` each is started once more in a process of its own.
    """
    d = readings(bar, problem)
    here = {name: entry for name, entry in entries.items() if entry.installed}
    builds = {name: entry.builds() for name, entry in here.items()}
    built = {name: table[problem](bar, d) for name, table in builds.items() if problem in table}
    peers = {name: peer for name, peer in built.items() if any(timed(peer, calls))}
    answers = {name: answer(peer, calls) for name, peer in peers.items()}
    timing = interleaved(dict(calls_of(peers, calls)), effort)
    fresh = {name: start_fresh(name, problem, bar, d) for name in peers} if children else {}
    return Comparison(
        bar=bar,
        problem=problem,
        rows={
            name: row_of(name, answers[name], answers[REFERENCE], timing, fresh.get(name))
            for name in peers
        },
        missing=tuple(name for name in entries if name not in here),
        lacking=tuple(name for name in here if name not in peers),
        rounds=timing.rounds,
    )


def readings(bar: LectureBar, problem: str) -> Array:
    """What the sensor read, (m,)."""
    from benchmarks.peers import scipy_gttrf, scipy_newton

    march = scipy_newton if problem == "nonlinear" else scipy_gttrf
    return np.asarray(march.temperatures(bar, *TRUE) + bar.noise)


def answer(peer: Peer, calls: tuple[str, ...]) -> Answer:
    """J and the gradient, by the peer's first calls; both ways to J have to agree."""
    J = None if peer.forward is None else peer.forward()
    if peer.value_and_gradient is None or BOTH not in calls:
        return J, None
    again, gradient = peer.value_and_gradient()
    if J is not None and not np.isclose(again, J, rtol=1e-9, atol=0.0):
        raise ArithmeticError(f"J is {J!r} alone and {again!r} with its gradient")
    return again, gradient


def calls_of(peers: dict[str, Peer], calls: tuple[str, ...]) -> Iterator[tuple[str, Call]]:
    """Everything that is timed, by name."""
    for name, peer in peers.items():
        for call, function in timed(peer, calls).items():
            yield f"{name} {call}", function


def timed(peer: Peer, calls: tuple[str, ...]) -> dict[str, Call]:
    """Those of the calls that a peer has."""
    has = {FORWARD: peer.forward, BOTH: peer.value_and_gradient}
    return {call: function for call in calls if (function := has[call]) is not None}


def row_of(
    name: str, answer: Answer, reference: Answer, timing: Timing, fresh: Fresh | None
) -> Row:
    """One peer's answer beside the reference's, with its times."""
    return Row(
        name=name,
        objective=answer[0],
        objective_error=relative_error(answer[0], reference[0]),
        gradient=answer[1],
        gradient_error=None if answer[1] is None else relative_error(answer[1], reference[1]),
        forward_s=timing.medians.get(f"{name} {FORWARD}"),
        value_and_gradient_s=timing.medians.get(f"{name} {BOTH}"),
        fresh=fresh,
    )


def relative_error(values: Any, reference: Any) -> float:
    """The largest relative error of the entries."""
    return float(np.max(np.abs(np.subtract(values, reference) / reference)))
