"""A progress bar on stderr for fits that take long enough to be watched."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from math import log10

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from solver.scaling import Iteration, Report

PATIENCE = 1.0  # seconds before anything is shown


@contextmanager
def watched() -> Iterator[Report]:
    """A `report` for `solver.calibrate` that shows each iteration once the fit takes its time.

    The bar is the fall of the gradient norm on a logarithmic scale, full at 1e-10 of the first.
    """
    columns = (
        SpinnerColumn(),
        TextColumn("iteration {task.fields[iteration]}"),
        BarColumn(bar_width=30),
        TextColumn("J = {task.fields[objective]:.6g}"),
        TimeElapsedColumn(),
    )
    progress = Progress(*columns, console=Console(stderr=True), transient=True)
    task = progress.add_task("fit", total=10.0, iteration=0, objective=float("nan"))
    began, first = time.monotonic(), [0.0]

    def report(iteration: Iteration) -> None:
        first[0] = first[0] or iteration.gradient_norm
        if time.monotonic() - began > PATIENCE and not progress.live.is_started:
            progress.start()
        progress.update(
            task,
            completed=_decades(first[0], iteration.gradient_norm),
            iteration=iteration.number,
            objective=iteration.objective,
        )

    try:
        yield report
    finally:
        progress.stop()


def _decades(first: float, now: float) -> float:
    return min(max(log10(first / now), 0.0), 10.0) if first > 0.0 and now > 0.0 else 0.0
