"""The command `kappafit`: the service's questions asked of a file, and the service itself.

Exit codes: 0 answered; 1 the search did not converge or a certificate failed; 2 the document or
the command makes no sense.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

import app
import solver
from app import cli_ask, cli_jobs, cli_service
from app.examples import example_bytes
from app.jobs.job import StoreRefused, StoreUnavailable
from app.logs import read_log, starter
from app.service import mark_of, units_of
from app.strict_json import NotJson, parse_json
from app.terminal import answered, content, errors, stop

cli = typer.Typer(
    name="kappafit",
    help="Find a heated bar's thermal parameters from measured temperatures.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for question in (cli_ask.calibrate, cli_ask.gradient, cli_ask.simulate, cli_ask.check):
    cli.command()(question)
cli.command()(cli_jobs.submit)
cli.add_typer(cli_jobs.jobs, name="jobs")
cli.add_typer(cli_service.keys, name="keys")
cli.command()(cli_service.settings)


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
    rows = content(log)
    read = answered(lambda: read_log(rows, time=time, units=known, **marks))
    name = log if out is None or log.is_absolute() else os.path.relpath(log, out.parent)
    document, notes = answered(lambda: starter(read, str(name)))
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    if out is None:
        sys.stdout.write(text)
    else:
        try:
            out.write_text(text, encoding="utf-8")
        except OSError as error:
            stop(f"cannot write {out}: {error.strerror}")
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
        stop(f"cannot listen on {host}, port {port}: {error.strerror}")
    except (StoreRefused, StoreUnavailable) as error:
        stop(str(error))


def main() -> None:
    """The console script."""
    try:
        cli()
    except (StoreRefused, StoreUnavailable) as error:
        stop(str(error))
    except KeyboardInterrupt:
        stop("stopped", 130)


def _units(side_file: Path | None, pairs: list[str] | None) -> dict[str, str]:
    """Units by column, of a side file and of ``--unit COLUMN=UNIT``, which wins."""
    units: dict[str, str] = {}
    if side_file is not None:
        try:
            parsed = parse_json(content(side_file))
        except NotJson as error:
            stop(f"{side_file}: not JSON: {error}")
        units = answered(lambda: units_of(parsed))
    for pair in pairs or []:
        column, equals, unit = pair.rpartition("=")
        if not equals:
            stop(f"--unit {pair}: write COLUMN=UNIT")
        units[column] = unit
    return units
