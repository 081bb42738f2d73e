"""Commands for the jobs of a service: submit one, and list, show, watch, cancel what there is."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import BaseModel
from rich.console import Console
from rich.table import Table

from app.cli_ask import (
    AsJson,
    DataFile,
    DocumentFile,
    Field,
    Hessian,
    Key,
    Points,
    Server,
    connected,
    read_points,
    read_sent,
)
from app.jobs.job import FAILED, SUCCESSFUL
from app.jobs.status import JobStatus
from app.remote.results import Items
from app.strict_json import parse_json
from app.terminal import answered, content, errors, show, stop

jobs = typer.Typer(
    help="Jobs of a service: list, show, result, watch, cancel.", no_args_is_help=True
)

Id = Annotated[str, typer.Argument(metavar="ID", help="of the job, as submit prints it")]


def submit(
    document: DocumentFile,
    task: Annotated[str, typer.Option(help="calibrate, gradient, simulate or check")] = "calibrate",
    items: Annotated[
        Path | None,
        typer.Option(help="JSON list of partial documents: the task on each, laid over DOCUMENT"),
    ] = None,
    data: DataFile = None,
    at: Points = None,
    hessian: Hessian = False,
    field: Field = False,
    idempotency_key: Annotated[
        str | None, typer.Option(help="the same key is the same job, however often it is sent")
    ] = None,
    server: Server = None,
    key: Key = None,
) -> None:
    """Have a service do something in its own time, and print the job's id."""
    options: dict[str, Any] = {"at": answered(lambda: read_points(at))}
    options |= {"hessian": hessian, "field": field, "idempotency_key": idempotency_key}
    sent, parts = read_sent(document, data), None if items is None else _parts(items)
    with connected(server, key) as service:
        if parts is None:
            job = answered(lambda: service.submit(task, sent, **options))
        else:
            job = answered(lambda: service.ensemble(sent, parts, task=task, **options))
    sys.stdout.write(f"{job.id}\n")
    errors.print(f"{job.status}; see: kappafit jobs watch {job.id}", markup=False, soft_wrap=True)


@jobs.command("list")
def list_jobs(
    status: Annotated[
        str | None, typer.Option(help="accepted, running, successful, failed or dismissed")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="no more than so many")] = 20,
    server: Server = None,
    key: Key = None,
) -> None:
    """Print your jobs, newest first."""
    table = Table("job", "task", "status", "%", "accepted", "", box=None, pad_edge=False)
    with connected(server, key) as service:
        found = answered(lambda: list(service.jobs(status=status, limit=limit)))
    for job in found:
        s = job.state
        table.add_row(s.id, s.task, s.status, str(s.progress), _moment(s.created), s.message)
    Console(highlight=False, markup=False).print(table)


@jobs.command("show")
def show_job(id: Id, as_json: AsJson = False, server: Server = None, key: Key = None) -> None:
    """Print how a job is getting on."""
    with connected(server, key) as service:
        _print(answered(lambda: service.job(id)).state, as_json)


@jobs.command()
def result(id: Id, as_json: AsJson = False, server: Server = None, key: Key = None) -> None:
    """Print the answer of a job, once it has ended."""
    with connected(server, key) as service:
        answer = answered(lambda: service.job(id).result(progress=True))
    show(answer if isinstance(answer, BaseModel) else Items(items=answer), as_json)


@jobs.command()
def watch(id: Id, server: Server = None, key: Key = None) -> None:
    """Show a job's progress until it has ended, and how; exit code 1 unless successful."""
    with connected(server, key) as service:
        try:
            job = answered(lambda: service.job(id).wait(progress=True))
        except KeyboardInterrupt:
            stop(f"no longer watched; the job goes on: kappafit jobs cancel {id} stops it", 130)
    _print(job.state, as_json=False)
    if job.status != SUCCESSFUL:
        raise typer.Exit(1)


@jobs.command()
def cancel(id: Id, server: Server = None, key: Key = None) -> None:
    """Stop a job; one that has ended stays as it is."""
    with connected(server, key) as service:
        _print(answered(lambda: service.job(id).cancel()).state, as_json=False)


def _parts(file: Path) -> list[bytes | dict[str, object]]:
    """The items of an ensemble."""
    parts = answered(lambda: parse_json(content(file)))
    if not isinstance(parts, list) or not parts:
        stop(f"--items {file}: write a list of partial documents, [{{...}}, {{...}}]")
    return parts


def _print(job: JobStatus, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(job.model_dump_json(indent=2, exclude_none=True) + "\n")
        return
    ran = f", ended {_moment(job.finished)}" if job.finished else f", {job.progress} %"
    said = f": {job.message}" if job.status == FAILED else ""
    sys.stdout.write(f"{job.task} {job.id}\n")
    sys.stdout.write(f"{job.status}{said} (accepted {_moment(job.created)}{ran})\n")


def _moment(when: datetime) -> str:
    return f"{when.astimezone():%Y-%m-%d %H:%M:%S}"
