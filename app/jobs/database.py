"""The database under the store: which kind, sound, and with the schema of this version."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from sqlalchemy import URL, Engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from app.jobs.job import StoreRefused, StoreUnavailable
from app.jobs.postgresql import PostgreSQL
from app.jobs.sqlite import SQLiteFile
from app.jobs.transaction import LASTING, transaction
from app.jobs.upgrade import VERSION_TABLE


class Database(Protocol):
    """A place for the store. `writer` has one connection, so writes come one after the other."""

    name: str
    reader: Engine
    writer: Engine

    def is_behind(self) -> bool:
        """Whether the schema is older than this program. Raises StoreRefused; writes nothing."""
        ...

    def upgrade(self) -> None:
        """Make the schema, or bring it up to date; asks for ownership."""
        ...

    def own(self) -> None:
        """Be the only one that owns this. Raises StoreRefused where another does."""
        ...

    def disown(self) -> None:
        """Let another own this."""
        ...

    def close(self) -> None:
        """Close all connections."""
        ...


KINDS: dict[str, Callable[[URL], Database]] = {
    "sqlite": SQLiteFile,
    "postgresql": PostgreSQL,
    "postgres": PostgreSQL,
}


def open_database(address: str) -> Database:
    """The database of a URL, ready for use.

    Raises StoreRefused, whose one line names the place and no password, or StoreUnavailable.
    """
    url = _parsed(address)
    database = KINDS[url.drivername.partition("+")[0]](url)
    try:
        _make_ready(database)
    except BaseException as error:
        database.close()
        if reason := _refusal(error):
            raise StoreRefused(f"job store {database.name}: {reason}") from None
        raise
    return database


def _refusal(error: BaseException) -> str | None:
    """Why a database cannot be used at all, in one line; None for what is not of that kind."""
    if isinstance(error, StoreUnavailable):
        return str(error) if str(error) in LASTING else None
    if isinstance(error, DBAPIError):
        return str(error.orig).partition("\n")[0]
    return str(error) if isinstance(error, StoreRefused) else None


def _make_ready(database: Database) -> None:
    if database.is_behind():
        database.own()
        if database.is_behind():  # still: no other was quicker
            database.upgrade()
        database.disown()
    with transaction(database.writer) as connection:  # changes nothing, but must be allowed to
        connection.exec_driver_sql(f"DELETE FROM {VERSION_TABLE} WHERE 1 = 0")


def _parsed(address: str) -> URL:
    try:
        url = make_url(address)
    except (ArgumentError, ValueError):
        raise StoreRefused("the address of the job store is no database URL") from None
    if url.drivername.partition("+")[0] not in KINDS:
        raise StoreRefused("a job store is kept in SQLite or in PostgreSQL")
    return url


def masked(address: str) -> str:
    """A database URL that may be shown: its passwords are hidden, wherever in it they stand."""
    try:
        url = make_url(address)
    except (ArgumentError, ValueError):
        return "***"
    secret = {name: "hidden" for name in url.query if "password" in name.lower()}
    return url.update_query_dict(secret).render_as_string(hide_password=True)
