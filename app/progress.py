"""Progress bars on stderr for what takes long enough to be watched."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import log10, nan
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from app.jobs.events import Event
from solver.scaling import Report

PATIENCE = 1.0  # seconds before anything is shown

Show = Callable[..., None]


@contextmanager
def watched() -> Iterator[Report]:
    """A `report` for `solver.calibrate` that shows each iteration once the fit takes its time."""
    with _fit_bar() as show:
        yield lambda i: show(i.number, i.objective, i.gradient_norm)


@contextmanager
def job_bar(items: int | None = None) -> Iterator[Callable[[Event], None]]:
    """What shows the events of a job: the iterations of a fit, or an ensemble's `items` done."""
    done: dict[int, int] = {}  # items, by piece
    with _fit_bar() as iterated, _items_bar(items) as counted:

        def show(event: Event) -> None:
            data = event.data
            if event.kind == "iteration":
                iterated(data["iteration"], data["objective"], data["gradient_norm"])
            elif event.kind == "items":
                done[data["piece"]] = data["done"]
                counted(completed=sum(done.values()))

        yield show


@contextmanager
def _fit_bar() -> Iterator[Callable[[int, float, float], None]]:
    """Shows an iteration: its number, J and gradient norm.

    The bar is the fall of the gradient norm on a logarithmic scale, full at 1e-10 of the first.
    """
    number = TextColumn("iteration {task.fields[iteration]}")
    objective = TextColumn("J = {task.fields[objective]:.6g}")
    first = 0.0
    with _bar(number, objective, total=10.0, iteration=0, objective=nan) as show:

        def iterated(iteration: int, objective: float, gradient_norm: float) -> None:
            nonlocal first
            first = first or gradient_norm
            decades = _decades(first, gradient_norm)
            show(completed=decades, iteration=iteration, objective=objective)

        yield iterated


@contextmanager
def _items_bar(items: int | None) -> Iterator[Show]:
    of = "" if items is None else f" of {items}"
    with _bar(TextColumn(f"{{task.completed}}{of} items"), total=items) as show:
        yield show


@contextmanager
def _bar(
    before: TextColumn, *after: TextColumn, total: float | None, **fields: Any
) -> Iterator[Show]:
    """A bar between columns, there once something has happened and `PATIENCE` is over."""
    columns = (SpinnerColumn(), before, BarColumn(bar_width=30), *after, TimeElapsedColumn())
    console = Console(stderr=True)
    progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    task = progress.add_task("", total=total, **fields)
    began = time.monotonic()

    def show(**now: Any) -> None:
        if time.monotonic() - began > PATIENCE and not progress.live.is_started:
            progress.start()
        progress.update(task, **now)

    try:
        yield show
    finally:
        progress.stop()


def _decades(first: float, now: float) -> float:
    return min(max(log10(first / now), 0.0), 10.0) if first > 0.0 and now > 0.0 else 0.0
