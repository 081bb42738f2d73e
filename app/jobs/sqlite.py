"""The store in a SQLite file."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, QueuePool, create_engine, event

from app.jobs.job import StoreRefused
from app.jobs.transaction import transaction
from app.jobs.upgrade import bring_up_to_date, is_behind

PATIENCE = 5.0  # seconds to wait for another process's write
OWNER_PATIENCE = 2.0  # seconds to wait for another service to end


class SQLiteFile:
    """A file with its write-ahead log beside it, and a second one whose lock says who owns it.

    The lock is one of SQLite's own. It ends with its process, however that ends, and a child of
    the process does not inherit it.
    """

    def __init__(self, url: URL) -> None:
        if not url.database or url.database == ":memory:":
            raise StoreRefused("the job store needs a file: sqlite:///FILE")
        self.file = Path(url.database).absolute()
        self.name = str(self.file)
        self.reader = _engine(self.file)
        self.writer = _engine(self.file, "BEGIN IMMEDIATE", pool_size=1, max_overflow=0)
        event.listen(self.writer, "connect", _log_ahead)
        self._lock: sqlite3.Connection | None = None

    def is_behind(self) -> bool:
        """Whether there is something to make or to migrate. Raises StoreRefused; writes nothing."""
        if not self.file.exists():
            if self._beside("-wal").exists():
                raise StoreRefused("the file is gone, its log -wal is there: put the file back")
            return True
        if self.file.stat().st_size == 0:
            raise StoreRefused("the file is empty; delete it to begin with a new job store")
        probe = _engine(f"{self.file.as_uri()}?mode=ro", query={"uri": "true"})
        try:
            with transaction(probe) as connection:
                if connection.exec_driver_sql("PRAGMA quick_check(1)").scalar() != "ok":
                    raise StoreRefused("the file is damaged; put a copy back or delete it")
                return is_behind(connection)
        finally:
            probe.dispose()

    def upgrade(self) -> None:
        """Make the file, or migrate it."""
        if self.file.exists():
            with transaction(self.writer) as connection:
                bring_up_to_date(connection)
        else:
            self._make()

    def own(self) -> None:
        """Be the one service of this file, until `disown`. Raises StoreRefused."""
        try:
            self.file.parent.mkdir(0o700, parents=True, exist_ok=True)
            self._lock = _exclusive(self._beside(".lock"))
        except OSError as error:
            raise StoreRefused(f"cannot make the folder: {error.strerror}") from None
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY:
                raise StoreRefused("another service owns this job store") from None
            raise StoreRefused(f"cannot write in the folder: {error}") from None

    def disown(self) -> None:
        """Let another service own it."""
        if self._lock:
            self._lock.close()
            self._lock = None

    def close(self) -> None:
        """Close what is open."""
        self.reader.dispose()
        self.writer.dispose()
        self.disown()

    def _beside(self, ending: str) -> Path:
        return self.file.with_name(self.file.name + ending)

    def _make(self) -> None:
        """Made aside and then moved: what is half made never stands under the store's name."""
        new = self._beside(".new")
        for old in new.parent.glob(f"{new.name}*"):
            old.unlink()
        engine = _engine(new)
        with transaction(engine) as connection:
            bring_up_to_date(connection)
        engine.dispose()
        new.replace(self.file)


def _engine(
    file: Path | str, begin: str = "BEGIN", query: dict[str, str] | None = None, **pool: int
) -> Engine:
    """Writers begin with BEGIN IMMEDIATE: else they fail at once where another has written."""
    engine = create_engine(
        URL.create("sqlite", database=str(file), query=query or {}),
        connect_args={"timeout": PATIENCE, "isolation_level": None},
        poolclass=QueuePool,
        pool_timeout=PATIENCE,
        hide_parameters=True,
        **pool,
    )
    event.listen(engine, "connect", _strictly)
    event.listen(engine, "begin", lambda connection: _begin(connection, begin))
    return engine


def _begin(connection: Connection, begin: str) -> None:
    connection.exec_driver_sql(begin)


def _strictly(connection: Any, _: object) -> None:
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = FULL")


def _log_ahead(connection: Any, _: object) -> None:
    connection.execute("PRAGMA journal_mode = WAL")


def _exclusive(file: Path) -> sqlite3.Connection:
    """A lock on `file`, held while the connection is open. Raises sqlite3.OperationalError."""
    lock = sqlite3.connect(
        file, timeout=OWNER_PATIENCE, isolation_level=None, check_same_thread=False
    )
    try:
        lock.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError:
        lock.close()
        raise
    return lock
