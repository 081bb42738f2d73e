"""The store in a PostgreSQL database."""

from __future__ import annotations

from typing import Any

from sqlalchemy import URL, Engine, create_engine, event

from app.jobs.job import StoreRefused, StoreUnavailable
from app.jobs.transaction import transaction
from app.jobs.upgrade import bring_up_to_date, is_behind

OWNER = 0x6B61707061666974  # the number of the advisory lock: "kappafit" in ASCII
TAKE = f"""
SET lock_timeout = '2s';
SELECT pg_advisory_lock({OWNER});
RESET lock_timeout
"""
LOCK_NOT_AVAILABLE = "55P03"

# A server that is gone holds no thread longer than 5 s, and a client that is gone no lock for long.
PATIENCE: dict[str, Any] = {
    "connect_timeout": 2,
    "tcp_user_timeout": 2500,
    "keepalives": 1,
    "keepalives_idle": 2,
    "keepalives_interval": 1,
    "keepalives_count": 2,
    "options": " ".join(
        f"-c {setting}"
        for setting in (
            "synchronous_commit=on",
            "statement_timeout=5s",
            "lock_timeout=4s",
            "idle_in_transaction_session_timeout=10s",
            "tcp_keepalives_idle=5",
            "tcp_keepalives_interval=2",
            "tcp_keepalives_count=3",
        )
    ),
}


class OwnedByAnother(StoreUnavailable):
    """Another service holds the lock of this database."""


class PostgreSQL:
    """A database of one's own.

    All writes go over one connection, and that holds the lock which says who owns the store. So
    what is written is written by the owner, also after the database was away.
    """

    def __init__(self, url: URL) -> None:
        self.name = f"{url.host or 'local'}/{url.database or ''}"
        self.reader = _engine(url, pool_size=5)
        self.writer = _engine(url, pool_size=1, max_overflow=0)
        event.listen(self.writer, "connect", self._take)
        self._owned = False

    def is_behind(self) -> bool:
        """Whether there is something to make or to migrate. Raises StoreRefused; writes nothing."""
        with transaction(self.reader) as connection:
            return is_behind(connection)

    def upgrade(self) -> None:
        """Make the tables, or migrate them, however long it takes."""
        with transaction(self.writer) as connection:
            connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
            bring_up_to_date(connection)

    def own(self) -> None:
        """Be the one service of this database, until `disown`. Raises StoreRefused."""
        self._owned = True
        self.writer.dispose()
        try:
            with transaction(self.writer):
                pass
        except OwnedByAnother as error:
            self.disown()
            raise StoreRefused(str(error)) from None

    def disown(self) -> None:
        """Let another service own it."""
        self._owned = False
        self.writer.dispose()

    def close(self) -> None:
        """Close the connections."""
        self.reader.dispose()
        self.writer.dispose()

    def _take(self, connection: Any, _: object) -> None:
        """Take the lock with a new connection, before it is used."""
        if not self._owned:
            return
        try:
            connection.execute(TAKE)
            connection.commit()
        except Exception as error:
            connection.close()
            if getattr(error, "sqlstate", None) == LOCK_NOT_AVAILABLE:
                raise OwnedByAnother("another service owns this job store") from None
            raise


def _engine(url: URL, **pool: int) -> Engine:
    return create_engine(
        url.set(drivername="postgresql+psycopg"),
        connect_args={name: value for name, value in PATIENCE.items() if name not in url.query},
        pool_pre_ping=True,
        pool_timeout=5.0,
        hide_parameters=True,
        **pool,
    )
