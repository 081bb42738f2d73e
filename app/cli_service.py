"""Commands for those who run a service: its keys and its settings."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from app.jobs.store import Store
    from app.settings import Settings

keys = typer.Typer(help="Keys of the service: add, list, revoke.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="whose key it is: 1 to 64 letters, digits, . _ @ -")]
NAME = re.compile(r"[A-Za-z0-9._@-]{1,64}")


@keys.command()
def add(name: Name) -> None:
    """Make a key and print it. It is not kept and cannot be shown again."""
    from app.jobs.keyring import NameTaken

    if not NAME.fullmatch(name):
        raise typer.BadParameter("a name has 1 to 64 letters, digits, or . _ @ -")
    with _store() as store:
        try:
            sys.stdout.write(f"{store.add_key(name)}\n")
        except NameTaken as error:
            raise typer.BadParameter(str(error)) from None


@keys.command("list")
def list_keys() -> None:
    """Print the keys, by their first characters."""
    table = Table("name", "key", "made", "revoked", box=None)
    with _store() as store:
        for key in store.keys():
            table.add_row(key.name, f"{key.hint}...", _day(key.created), _day(key.revoked))
    Console(highlight=False, markup=False).print(table)


@keys.command()
def revoke(name: Name) -> None:
    """Revoke a key; a running service takes it for 5 s more."""
    with _store() as store:
        if not store.revoke_key(name):
            raise typer.BadParameter(f"there is no key named {name}")


def settings() -> None:
    """Print the settings as they are, passwords masked."""
    for name, value in read_settings().shown().items():
        sys.stdout.write(f"{name}={value}\n")


def read_settings() -> Settings:
    """The settings of the environment. Raises typer.BadParameter, which names the wrong ones."""
    from app.settings import Settings

    try:
        return Settings()
    except ValidationError as error:
        wrong = (f"KAPPAFIT_{str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors())
        raise typer.BadParameter("; ".join(wrong)) from None


@contextmanager
def _store() -> Iterator[Store]:
    """The store, also beside a service that owns it."""
    from app.jobs.store import Store

    settings = read_settings()
    store = Store.open(settings.store_url, keep_seconds=settings.keep_seconds)
    try:
        yield store
    finally:
        store.close()


def _day(when: float | None) -> str:
    return "" if when is None else time.strftime("%Y-%m-%d %H:%M", time.localtime(when))
