"""``time``: misfit and gradient of an experiment document at its start values."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from benchmarks.clock import Effort, interleaved, seconds_of
from benchmarks.machine import peak_rss_mb
from benchmarks.output import as_json, as_table, duration, say, times
from solver import Objective, SolverError, Study
from solver.kernels import Array
from solver.parameters import Parameters
from solver.resolution import with_grid
from solver.validation import validate_for_data

Derivative = Callable[[Array], tuple[float, Array]]


@dataclass(frozen=True)
class Report:
    """What one document costs. Times in s; `first_call_s` is the first value and gradient.

    by: adjoint, or tangents (one for each unknown).

    That first call compiles the kernels or loads them from their cache; the other times are medians
    over `runs` warm ones. `peak_rss_mb` counts units of 2^20 bytes.
    """

    by: str
    objective: float
    gradient: dict[str, float | list[float]]
    forward_s: float
    value_and_gradient_s: float
    first_call_s: float
    peak_rss_mb: float | None
    cells: int
    steps: int
    experiments: int
    unknowns: int
    runs: int


def run(arguments: argparse.Namespace) -> None:
    """Time one document."""
    study = read(arguments.document)
    try:
        report = measure(study, Effort(arguments.rounds, arguments.seconds), arguments.by)
    except SolverError as error:
        raise SystemExit(f"{arguments.document}: {error}") from None
    say(as_json(asdict(report)) if arguments.json else as_text(report))


def read(path: Path) -> Study:
    """The study that a file describes; ends the program in words when it does not."""
    from app.document import read_document

    try:
        return read_document(path.read_bytes())
    except Exception as error:  # whatever is wrong with a document, its message says it
        raise SystemExit(f"{path}: {error}") from None


def measure(study: Study, effort: Effort, by: str = "adjoint") -> Report:
    """Value and gradient once cold, then many times warm."""
    validate_for_data(study)
    study = with_grid(study, Parameters.of(study).start)
    objective = Objective(study)
    theta, derivative = objective.parameters.start, DERIVATIVES[by](objective)
    first_call_s = seconds_of(partial(derivative, theta))
    J, gradient = derivative(theta)
    forward, both = partial(objective.value, theta), partial(derivative, theta)
    timing = interleaved({"forward": forward, "both": both}, effort)
    first = study.experiments[0].grid
    return Report(
        by=by,
        objective=J,
        gradient=objective.parameters.named(gradient),
        forward_s=timing.medians["forward"],
        value_and_gradient_s=timing.medians["both"],
        first_call_s=first_call_s,
        peak_rss_mb=peak_rss_mb(),
        cells=first.cells,
        steps=first.steps,
        experiments=len(study.experiments),
        unknowns=theta.size,
        runs=timing.rounds,
    )


def by_adjoint(objective: Objective) -> Derivative:
    """One forward and one adjoint march."""
    return objective.value_and_gradient


def by_tangents(objective: Objective) -> Derivative:
    """One tangent march for each unknown."""

    def value_and_gradient(theta: Array) -> tuple[float, Array]:
        r, R = objective.residuals_and_jacobian(theta)
        return float(r @ r), 2.0 * R.T @ r

    return value_and_gradient


DERIVATIVES = {"adjoint": by_adjoint, "tangents": by_tangents}


def as_text(report: Report) -> str:
    """A table to read."""
    price = times(report.value_and_gradient_s / report.forward_s)
    memory = "-" if report.peak_rss_mb is None else f"{report.peak_rss_mb:.0f} MB"
    rows = [
        ["objective", f"{report.objective:.10g}"],
        *([f"d / d {name}", _shown(slope)] for name, slope in report.gradient.items()),
        ["forward", duration(report.forward_s)],
        [f"value and gradient by {report.by}", duration(report.value_and_gradient_s)],
        ["... in forwards", price],
        ["first call", duration(report.first_call_s)],
        ["peak memory", memory],
    ]
    size = f"{report.cells} cells, {report.steps} steps, unknowns: {report.unknowns}"
    if report.experiments > 1:
        size = f"{report.experiments} experiments, the first of {size}"
    return f"{size}; medians of {report.runs} runs\n{as_table(rows)}"


def _shown(slope: float | list[float]) -> str:
    return f"{len(slope)} values" if isinstance(slope, list) else f"{slope:.10g}"
