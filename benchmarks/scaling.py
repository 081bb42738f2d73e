"""``scaling``: how the cost of kappafit grows, over one size at a time.

The grid's unknowns n, the steps m, the unknowns of the fit (kappa a table of x with so many unknown
values, by the adjoint), the members of an ensemble, and its threads. All but the last on one core.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from functools import partial

import numpy as np

from benchmarks import machine
from benchmarks.clock import Call, Effort, interleaved
from benchmarks.kinds import BOTH, FORWARD
from benchmarks.lecture import TRIAL, Array, LectureBar, pairs
from benchmarks.output import as_json, as_table, duration, say
from benchmarks.peers import kappafit, scipy_gttrf
from solver import Objective, Table, Unknown

SIDE = 500  # n while m grows, and m while n grows
SQUARE = LectureBar(1000, 1000)  # while the unknowns of the fit grow
MEMBERS = 64  # of the ensemble on several threads
GRID = (100, 200, 500, 1000, 2000, 5000, 10000, 20000)
UNKNOWNS = (2, 5, 10, 20, 50, 100, 200, 500, 1000)
ENSEMBLES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


@dataclass(frozen=True)
class Sweep:
    """One size that grows: its name, its values, and the calls to time at each."""

    over: str
    setting: str
    sizes: tuple[int, ...]
    calls: Callable[[int], dict[str, Call]]
    problem: str = "linear"
    all_cores: bool = False


@dataclass(frozen=True)
class Curve:
    """What a sweep found: a time in s for each size, of value and gradient and of the value."""

    over: str
    setting: str
    sizes: tuple[int, ...]
    forward_s: tuple[float, ...] | None
    value_and_gradient_s: tuple[float, ...]


def run(arguments: argparse.Namespace) -> None:
    """Time all sweeps that the solver can do, say them, and draw them if asked to."""
    effort, curves = Effort(arguments.rounds, arguments.seconds), []
    for sweep in sweeps():
        if sweep.problem in kappafit.BUILDS and sweep.sizes[0] <= arguments.largest:
            curve = measure(sweep, arguments.largest, effort)
            say(as_json(asdict(curve)) if arguments.json else as_text(curve))
            curves.append(curve)
    if arguments.plot is not None:
        from benchmarks import scaling_plot

        scaling_plot.draw(curves, arguments.plot)


def sweeps() -> list[Sweep]:
    """Everything that can grow."""
    side, square = f"{SIDE}", f"{SQUARE.n} x {SQUARE.m}"
    threads = tuple(range(1, (len(machine.ALLOWED) or 1) + 1))
    members = f"{SIDE} x {SIDE}, {MEMBERS} members"
    return [
        Sweep("unknowns of the grid", f"{side} steps", GRID, lambda n: bar_calls(n, SIDE)),
        Sweep("steps", f"{side} unknowns of the grid", GRID, lambda m: bar_calls(SIDE, m)),
        Sweep("unknowns of the fit", square, UNKNOWNS, table_calls),
        Sweep("members", f"{SIDE} x {SIDE}, one thread", ENSEMBLES, ensemble_calls, "ensemble"),
        Sweep("threads", members, threads, thread_calls, "ensemble", all_cores=True),
    ]


def measure(sweep: Sweep, largest: int, effort: Effort) -> Curve:
    """Time every size, one after the other."""
    sizes = tuple(size for size in sweep.sizes if size <= largest)
    with machine.all_cores() if sweep.all_cores else nullcontext():
        found = [interleaved(sweep.calls(size), effort).medians for size in sizes]
    forward = tuple(medians[FORWARD] for medians in found if FORWARD in medians)
    both = tuple(medians[BOTH] for medians in found)
    return Curve(sweep.over, sweep.setting, sizes, forward or None, both)


def bar_calls(n: int, m: int) -> dict[str, Call]:
    """The lecture's bar."""
    bar = LectureBar(n, m)
    peer = kappafit.linear(bar, readings(bar))
    assert peer.forward is not None
    assert peer.value_and_gradient is not None
    return {FORWARD: peer.forward, BOTH: peer.value_and_gradient}


def table_calls(unknowns: int) -> dict[str, Call]:
    """The diffusivity by so many unknown values along the bar."""
    a, b = TRIAL
    points = np.linspace(0.0, 1.0, unknowns)
    kappa = Table(points, Unknown("kappa", tuple(a + b * points)))
    objective = Objective(kappafit.experiment(SQUARE, readings(SQUARE), kappa))
    theta = objective.parameters.start
    return {
        FORWARD: partial(objective.value, theta),
        BOTH: partial(objective.value_and_gradient, theta),
    }


def ensemble_calls(members: int, threads: int = 1) -> dict[str, Call]:
    """So many pairs (a, b) at once."""
    from solver import Ensemble

    bar = LectureBar(SIDE, SIDE)
    study = kappafit.experiment(bar, readings(bar), kappafit.law("x"))
    return {BOTH: partial(Ensemble(study, threads=threads).value_and_gradient, pairs(members))}


def thread_calls(threads: int) -> dict[str, Call]:
    """The same ensemble on so many threads."""
    return ensemble_calls(MEMBERS, threads)


def readings(bar: LectureBar) -> Array:
    """What the sensor read, (m,)."""
    return scipy_gttrf.temperatures(bar, 1.0, 2.0) + bar.noise


def as_text(curve: Curve) -> str:
    """A table to read."""
    forward = curve.forward_s or (None,) * len(curve.sizes)
    rows = [
        [str(size), duration(value), duration(both)]
        for size, value, both in zip(curve.sizes, forward, curve.value_and_gradient_s, strict=True)
    ]
    return f"{curve.setting}\n{as_table([[curve.over, 'value', 'value+gradient'], *rows])}\n"
