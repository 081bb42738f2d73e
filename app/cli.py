"""The command `kappafit`: the service's questions asked of a file, and the service itself.

Exit codes: 0 answered; 1 the search did not converge or a certificate failed; 2 the document or
the command makes no sense.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Annotated, NoReturn, TypeVar

import typer
from numpy.linalg import LinAlgError
from pydantic import BaseModel
from rich.console import Console

import app
import solver
from app import cli_service, tables
from app.examples import example_bytes
from app.jobs.job import StoreRefused, StoreUnavailable
from app.logs import read_log, starter
from app.problems import BROKEN_DOWN, shown
from app.progress import watched
from app.service import At, Task, mark_of, read_at, units_of
from app.strict_json import NotJson, parse_json
from solver import InvalidExperiment, TrialError

cli = typer.Typer(
    name="kappafit",
    help="Find a heated bar's thermal parameters from measured temperatures.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
cli.add_typer(cli_service.keys, name="keys")
cli.command()(cli_service.settings)
errors = Console(stderr=True, highlight=False)

Result = TypeVar("Result")
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
Plot = Annotated[Path | None, typer.Option("--plot", help="draw to this file (png, pdf, svg)")]


@cli.command()
def calibrate(
    document: DocumentFile, data: DataFile = None, as_json: AsJson = False, plot: Plot = None
) -> None:
    """Find the unknowns, with intervals, diagnostics and a proof of the gradient."""
    plots = _plots(plot)
    task = _task(document, data)
    with watched() as report:
        found = _ask(lambda: task.find(report))
    answer = task.report(found)
    _show(answer, as_json, tables.calibration)
    if plots and plot:
        plots.calibration(found, plot)
    if answer.status != "converged" or not answer.certificate.passed:
        raise typer.Exit(1)


@cli.command()
def gradient(
    document: DocumentFile,
    data: DataFile = None,
    at: Points = None,
    hessian: Annotated[bool, typer.Option("--hessian", help="the second derivatives too")] = False,
    as_json: AsJson = False,
) -> None:
    """Misfit and exact gradient at the start values, or at the given ones."""
    task = _task(document, data)
    _show(_ask(lambda: task.gradient(_at(at), hessian=hessian)), as_json, tables.gradient)


@cli.command()
def simulate(
    document: DocumentFile,
    data: DataFile = None,
    at: Points = None,
    field: Annotated[bool, typer.Option(help="the whole bar at every step")] = False,
    as_json: AsJson = False,
) -> None:
    """Computed temperatures at the sensors' times."""
    task = _task(document, data)
    if field:
        answer = _ask(lambda: task.simulate_field(_at(at), sys.maxsize))
    else:
        answer = _ask(lambda: task.simulate(_at(at)))
    _show(answer, as_json, tables.simulation)


@cli.command()
def check(
    document: DocumentFile,
    data: DataFile = None,
    at: Points = None,
    as_json: AsJson = False,
    plot: Plot = None,
) -> None:
    """Prove the gradient: Taylor rate, dot product, finite differences over step sizes."""
    plots = _plots(plot)
    task = _task(document, data)
    answer = _ask(lambda: task.check(_at(at)))
    _show(answer, as_json, tables.check)
    if plots and plot:
        plots.error_curve(answer, plot)
    if not answer.certificate.passed:
        raise typer.Exit(1)


@cli.command()
def init(
    log: Annotated[Path, typer.Argument(help="sensor log: a CSV file, wide or long")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="write the document there, not to stdout")
    ] = None,
    time: Annotated[str | None, typer.Option(help="the column of the time")] = None,
    unit: Annotated[
        list[str] | None, typer.Option(help="COLUMN=UNIT, wins over the header; may be repeated")
    ] = None,
    units: Annotated[
        Path | None, typer.Option(help="side file with the units: JSON, {COLUMN: UNIT}")
    ] = None,
    start: Annotated[str | None, typer.Option(help="first row, a number or a stamp")] = None,
    end: Annotated[str | None, typer.Option(help="last row, a number or a stamp")] = None,
) -> None:
    """Write a document to start from, guessed from a sensor log; it says what to edit."""
    known = _units(units, unit)
    marks = {"start": mark_of(start), "end": mark_of(end)}
    content = _content(log)
    read = _ask(lambda: read_log(content, time=time, units=known, **marks))
    name = log if out is None or log.is_absolute() else os.path.relpath(log, out.parent)
    document, notes = _ask(lambda: starter(read, str(name)))
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    if out is None:
        sys.stdout.write(text)
    else:
        try:
            out.write_text(text, encoding="utf-8")
        except OSError as error:
            _stop(f"cannot write {out}: {error.strerror}")
    for note in notes:
        errors.print(f"- {note}", markup=False, soft_wrap=True)
    if out is not None:
        said = f"{out} written. Next: kappafit calibrate {out}"
        errors.print(said, markup=False, soft_wrap=True)


@cli.command()
def example() -> None:
    """Print a document that runs as it stands."""
    sys.stdout.write(example_bytes().decode())


@cli.command("warm-up")
def warm_up() -> None:
    """Compile the kernels into the cache, so that the next start is quick."""
    solver.warm_up()


@cli.command()
def version() -> None:
    """Print the version."""
    sys.stdout.write(f"{app.__version__}\n")


@cli.command()
def serve(
    host: Annotated[str, typer.Option(help="address to listen on")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="port to listen on")] = 8000,
) -> None:
    """Start the service."""
    from app.serve import serve as run

    try:
        run(host, port)
    except OSError as error:
        _stop(f"cannot listen on {host}, port {port}: {error.strerror}")
    except (StoreRefused, StoreUnavailable) as error:
        _stop(str(error))


def main() -> None:
    """The console script."""
    try:
        cli()
    except (StoreRefused, StoreUnavailable) as error:
        _stop(str(error))
    except KeyboardInterrupt:
        _stop("stopped", 130)


def _task(document: Path, log: Path | None = None) -> Task:
    data = sys.stdin.buffer.read() if str(document) == "-" else _content(document)

    instead = None if log is None else _content(log)

    def read_file(name: str) -> bytes:
        """A log beside the document."""
        return _content(document.parent / name)

    task = _ask(lambda: Task(data, read_file=read_file, log=instead))
    if not solver.is_warm():
        with errors.status("compiling the kernels, once on this machine"):
            solver.warm_up()
    return task


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        _stop(f"cannot read {file}: {error.strerror}")


def _units(side_file: Path | None, pairs: list[str] | None) -> dict[str, str]:
    """Units by column, of a side file and of ``--unit COLUMN=UNIT``, which wins."""
    units: dict[str, str] = {}
    if side_file is not None:
        try:
            parsed = parse_json(_content(side_file))
        except NotJson as error:
            _stop(f"{side_file}: not JSON: {error}")
        units = _ask(lambda: units_of(parsed))
    for pair in pairs or []:
        column, equals, unit = pair.rpartition("=")
        if not equals:
            _stop(f"--unit {pair}: write COLUMN=UNIT")
        units[column] = unit
    return units


def _ask(question: Callable[[], Result]) -> Result:
    """The answer, or the problems in words and exit code 2."""
    try:
        return question()
    except NotJson as error:
        _stop(f"not JSON: {error}")
    except InvalidExperiment as error:
        _stop("\n".join(f"{p.pointer}  {p.detail}  ({p.code})" for p in shown(error.problems)))
    except TrialError as error:
        _stop(f"the model has no answer there: {error}")
    except (ArithmeticError, LinAlgError):
        _stop(f"the model has no answer: {BROKEN_DOWN}")


def _show(answer: Reply, as_json: bool, table: Callable[[Console, Reply], None]) -> None:
    if as_json:
        sys.stdout.write(answer.model_dump_json(indent=2) + "\n")
    else:
        table(Console(highlight=False, markup=False), answer)


def _at(points: list[str] | None) -> At:
    """``--at a=2 --at b=1`` or ``--at '{"a": 2}'``."""
    at: At = {}
    for point in points or []:
        name, equals, value = point.partition("=")
        if point.lstrip().startswith("{"):
            at |= read_at(point)
        elif equals:
            try:
                at[name.strip()] = float(value)
            except ValueError:
                _stop(f"--at {point}: write NAME=VALUE with a number")
        else:
            _stop(f"--at {point}: write NAME=VALUE")
    return at


def _plots(plot: Path | None) -> ModuleType | None:
    """The plotting module where a plot is wanted; asked for before any work is done."""
    if plot is None:
        return None
    try:
        from app import plots
    except ImportError:
        _stop('--plot needs matplotlib: pip install "kappafit[plot]"')
    if plot.suffix.lower() not in plots.SUFFIXES:
        _stop(f"--plot {plot}: the name must end in one of {', '.join(plots.SUFFIXES)}")
    if not plot.absolute().parent.is_dir():
        _stop(f"--plot {plot}: there is no such folder")
    return plots


def _stop(message: str, code: int = 2) -> NoReturn:
    errors.print(f"kappafit: {message}", style="red", markup=False, soft_wrap=True)
    raise SystemExit(code)
