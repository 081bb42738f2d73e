"""``time``: misfit and gradient of an experiment document at its start values."""

from __future__ import annotations

import argparse
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from benchmarks.clock import Effort, interleaved, seconds_of
from benchmarks.machine import peak_rss_mb
from benchmarks.output import as_json, as_table, duration, say, times
from solver import Experiment, Objective, SolverError
from solver.validation import validate_for_data


@dataclass(frozen=True)
class Report:
    """What one document costs. Times in s; `first_call_s` is the first value and gradient.

    That first call compiles the kernels or loads them from their cache; the other times are medians
    over `runs` warm ones. `peak_rss_mb` counts units of 2^20 bytes.
    """

    objective: float
    gradient: dict[str, float]
    forward_s: float
    value_and_gradient_s: float
    first_call_s: float
    peak_rss_mb: float | None
    cells: int
    steps: int
    unknowns: int
    runs: int


def run(arguments: argparse.Namespace) -> None:
    """Time one document."""
    experiment = read(arguments.document)
    try:
        report = measure(experiment, Effort(arguments.rounds, arguments.seconds))
    except SolverError as error:
        raise SystemExit(f"{arguments.document}: {error}") from None
    say(as_json(asdict(report)) if arguments.json else as_text(report))


def read(path: Path) -> Experiment:
    """The experiment that a file describes; ends the program in words when it does not."""
    from app.document import read_document

    try:
        return read_document(path.read_bytes())
    except Exception as error:  # whatever is wrong with a document, its message says it
        raise SystemExit(f"{path}: {error}") from None


def measure(experiment: Experiment, effort: Effort) -> Report:
    """Value and gradient once cold, then many times warm."""
    validate_for_data(experiment)
    objective = Objective(experiment)
    theta = objective.parameters.start
    first_call_s = seconds_of(partial(objective.value_and_gradient, theta))
    J, gradient = objective.value_and_gradient(theta)
    forward, both = partial(objective.value, theta), partial(objective.value_and_gradient, theta)
    timing = interleaved({"forward": forward, "both": both}, effort)
    return Report(
        objective=J,
        gradient=dict(zip(objective.parameters.names, gradient.tolist(), strict=True)),
        forward_s=timing.medians["forward"],
        value_and_gradient_s=timing.medians["both"],
        first_call_s=first_call_s,
        peak_rss_mb=peak_rss_mb(),
        cells=experiment.bar.cells,
        steps=experiment.time.steps,
        unknowns=theta.size,
        runs=timing.rounds,
    )


def as_text(report: Report) -> str:
    """A table to read."""
    price = times(report.value_and_gradient_s / report.forward_s)
    memory = "-" if report.peak_rss_mb is None else f"{report.peak_rss_mb:.0f} MB"
    rows = [
        ["objective", f"{report.objective:.10g}"],
        *([f"d / d {name}", f"{slope:.10g}"] for name, slope in report.gradient.items()),
        ["forward", duration(report.forward_s)],
        ["value and gradient", duration(report.value_and_gradient_s)],
        ["... in forwards", price],
        ["first call", duration(report.first_call_s)],
        ["peak memory", memory],
    ]
    size = f"{report.cells} cells, {report.steps} steps, unknowns: {report.unknowns}"
    return f"{size}; medians of {report.runs} runs\n{as_table(rows)}"
