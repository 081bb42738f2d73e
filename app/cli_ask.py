"""The commands that ask a question of a document: on this machine, or of a service."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer
from pydantic import BaseModel

import solver
from app.answers import Answer, CheckAnswer, SimulationAnswer
from app.progress import watched
from app.remote.documents import as_sent
from app.service import At, Task, read_at
from app.terminal import answered, content, errors, show, stop

if TYPE_CHECKING:
    from app.client import Client

Reply = TypeVar("Reply", bound=BaseModel)

DocumentFile = Annotated[Path, typer.Argument(help="experiment document (JSON); - reads stdin")]
DataFile = Annotated[
    Path | None,
    typer.Option("--data", help="sensor log (CSV) for the document's columns, instead of its own"),
]
AsJson = Annotated[bool, typer.Option("--json", help="print the answer as JSON")]
Points = Annotated[
    list[str] | None,
    typer.Option("--at", help="value of an unknown, NAME=VALUE or JSON; may be repeated"),
]
Hessian = Annotated[bool, typer.Option("--hessian", help="the second derivatives too")]
Field = Annotated[bool, typer.Option(help="the whole bar at every step")]
Plot = Annotated[Path | None, typer.Option("--plot", help="draw to this file (png, pdf, svg)")]
Server = Annotated[
    str | None,
    typer.Option("--server", envvar="KAPPAFIT_SERVER", help="ask the service at this address"),
]
Key = Annotated[
    str | None,
    typer.Option("--key", envvar="KAPPAFIT_KEY", help="key of the service", show_default=False),
]


def calibrate(
    document: DocumentFile,
    data: DataFile = None,
    as_json: AsJson = False,
    plot: Plot = None,
    server: Server = None,
    key: Key = None,
) -> None:
    """Find the unknowns, with intervals, diagnostics and a proof of the gradient."""
    if plot and server:
        stop("--plot draws a fit that was made on this machine: leave out the server")
    plots = _plots(plot)

    def here(task: Task) -> Answer:
        with watched() as report:
            found = task.find(report)
        answer = task.report(found)
        if plots and plot:
            plots.calibration(found, plot)
        return answer

    show(
        _asked(
            *(document, data, server, key),
            here=here,
            there=lambda service, sent: service.calibrate(sent, progress=True),
        ),
        as_json,
    )


def gradient(
    document: DocumentFile,
    data: DataFile = None,
    at: Points = None,
    hessian: Hessian = False,
    as_json: AsJson = False,
    server: Server = None,
    key: Key = None,
) -> None:
    """Misfit and exact gradient at the start values, or at the given ones."""
    point = answered(lambda: read_points(at))
    answer = _asked(
        *(document, data, server, key),
        here=lambda task: task.gradient(point, hessian=hessian),
        there=lambda service, sent: service.gradient(sent, point, hessian=hessian),
    )
    show(answer, as_json)


def simulate(
    document: DocumentFile,
    data: DataFile = None,
    at: Points = None,
    field: Field = False,
    as_json: AsJson = False,
    server: Server = None,
    key: Key = None,
) -> None:
    """Computed temperatures at the sensors' times."""
    point = answered(lambda: read_points(at))

    def here(task: Task) -> SimulationAnswer:
        return task.simulate_field(point, sys.maxsize) if field else task.simulate(point)

    answer = _asked(
        *(document, data, server, key),
        here=here,
        there=lambda service, sent: service.simulate(sent, point, field=field),
    )
    show(answer, as_json)


def check(
    document: DocumentFile,
    data: DataFile = None,
    at: Points = None,
    as_json: AsJson = False,
    plot: Plot = None,
    server: Server = None,
    key: Key = None,
) -> None:
    """Prove the gradient: Taylor rate, dot product, finite differences over step sizes."""
    plots = _plots(plot)
    point = answered(lambda: read_points(at))
    answer: CheckAnswer = _asked(
        *(document, data, server, key),
        here=lambda task: task.check(point),
        there=lambda service, sent: service.check(sent, point),
    )
    if plots and plot:
        plots.error_curve(answer, plot)
    show(answer, as_json)


@contextmanager
def connected(server: str | None, key: str | None) -> Iterator[Client]:
    """The client of a service."""
    from app.client import Client, Patience

    try:
        client = Client(server, key, patience=Patience(attempts=4))
    except ValueError as error:
        stop(str(error))
    with client:
        yield client


def read_sent(document: Path, log: Path | None) -> bytes:
    """A document as it is sent, with the text of its logs."""
    source = sys.stdin.buffer.read() if str(document) == "-" else document
    instead = None if log is None else content(log)
    try:
        return answered(lambda: as_sent(source, instead))
    except OSError as error:
        stop(f"cannot read {error.filename}: {error.strerror}")


def read_points(points: list[str] | None) -> At:
    """``--at a=2 --at b=1`` or ``--at '{"a": 2}'``. Raises InvalidExperiment."""
    at: At = {}
    for point in points or []:
        name, equals, value = point.partition("=")
        if point.lstrip().startswith("{"):
            at |= read_at(point)
        elif equals:
            try:
                at[name.strip()] = float(value)
            except ValueError:
                stop(f"--at {point}: write NAME=VALUE with a number")
        else:
            stop(f"--at {point}: write NAME=VALUE")
    return at


def _asked(
    document: Path,
    data: Path | None,
    server: str | None,
    key: str | None,
    *,
    here: Callable[[Task], Reply],
    there: Callable[[Client, bytes], Reply],
) -> Reply:
    if server is None:
        task = _task(document, data)
        return answered(lambda: here(task))
    sent = read_sent(document, data)
    with connected(server, key) as service:
        return answered(lambda: there(service, sent))


def _task(document: Path, log: Path | None) -> Task:
    data = sys.stdin.buffer.read() if str(document) == "-" else content(document)
    instead = None if log is None else content(log)

    def read_file(name: str) -> bytes:
        """A log beside the document."""
        return content(document.parent / name)

    task = answered(lambda: Task(data, read_file=read_file, log=instead))
    if not solver.is_warm():
        with errors.status("compiling the kernels, once on this machine"):
            solver.warm_up()
    return task


def _plots(plot: Path | None) -> ModuleType | None:
    """The plotting module where a plot is wanted; asked for before any work is done."""
    if plot is None:
        return None
    try:
        from app import plots
    except ImportError:
        stop('--plot needs matplotlib: pip install "kappafit[plot]"')
    if plot.suffix.lower() not in plots.SUFFIXES:
        stop(f"--plot {plot}: the name must end in one of {', '.join(plots.SUFFIXES)}")
    if not plot.absolute().parent.is_dir():
        stop(f"--plot {plot}: there is no such folder")
    return plots
