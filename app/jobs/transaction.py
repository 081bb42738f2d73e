"""A transaction on the store's database, and in words what it means when that fails."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionFree

from app.jobs.job import StoreUnavailable

FULL = "the disk of the job store is full"
READ_ONLY = "the job store cannot be written"
BUSY = "the job store is busy"
CLOSED = "the job store cannot be opened"
DAMAGED = "the job store is damaged"
SILENT = "the job store does not answer"
LASTING = {READ_ONLY, CLOSED, DAMAGED}  # waiting does not help

# By SQLite's primary result code. What is not here is a mistake of this program.
SQLITE = {
    sqlite3.SQLITE_FULL: FULL,
    sqlite3.SQLITE_READONLY: READ_ONLY,
    sqlite3.SQLITE_PERM: READ_ONLY,
    sqlite3.SQLITE_CANTOPEN: CLOSED,
    sqlite3.SQLITE_IOERR: "the disk of the job store fails",
    sqlite3.SQLITE_BUSY: BUSY,
    sqlite3.SQLITE_LOCKED: BUSY,
    sqlite3.SQLITE_CORRUPT: DAMAGED,
    sqlite3.SQLITE_NOTADB: DAMAGED,
}
# By SQLSTATE of PostgreSQL. Any other operational error means that the connection is gone.
POSTGRESQL = {
    "53100": FULL,
    "25006": READ_ONLY,
    "53300": BUSY,  # too many connections
    "55P03": BUSY,  # a lock was not to be had in time
    "57014": BUSY,  # a statement took too long
    "40001": BUSY,
    "40P01": BUSY,
    "XX001": DAMAGED,
    "XX002": DAMAGED,
}


@contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """All of it is on disk at the end, or nothing is done.

    Raises StoreUnavailable where the database cannot do it now; its cause is the driver's error,
    without the statement and what was to be written.
    """
    try:
        with engine.begin() as connection:
            yield connection
    except NoConnectionFree:
        raise StoreUnavailable(BUSY) from None
    except DBAPIError as error:
        reason = reason_of(error)
        if reason is None:
            raise
        raise StoreUnavailable(reason) from error.orig


def reason_of(error: DBAPIError) -> str | None:
    """Why the database cannot, naming no path and no password; None for a mistake of ours."""
    if isinstance(error.orig, sqlite3.Error):
        return SQLITE.get(getattr(error.orig, "sqlite_errorcode", 0) & 0xFF)
    if isinstance(error, OperationalError | InterfaceError | InternalError):
        return POSTGRESQL.get(getattr(error.orig, "sqlstate", None) or "", SILENT)
    return None
