"""The tables of the store, as a new one has them; `migrations/` leads older ones to the same."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

metadata = MetaData()

# `body` and `events` come last: SQLite then reads the others without them.
jobs = Table(
    "jobs",
    metadata,
    Column("sequence", Integer, primary_key=True),
    Column("id", String(32), nullable=False, unique=True),
    Column("holder", String(32), nullable=False),
    Column("task", String(32), nullable=False),
    Column("status", String(10), nullable=False),
    Column("message", Text, nullable=False),
    Column("pieces", Integer, nullable=False),
    Column("progress", Integer, nullable=False),
    Column("created", Double, nullable=False),
    Column("updated", Double, nullable=False),
    Column("started", Double),
    Column("finished", Double),
    Column("idempotency_key", String(255)),
    Column("fingerprint", String(64), nullable=False),
    Column("problem", JSON(none_as_null=True)),
    Column("body", LargeBinary, nullable=False),
    Column("events", LargeBinary),
    UniqueConstraint("holder", "idempotency_key", name="one_job_per_idempotency_key"),
    CheckConstraint(
        "status IN ('accepted', 'running', 'successful', 'failed', 'dismissed')",
        name="status_is_known",
    ),
    Index("jobs_by_status", "status", "holder", "sequence"),
    Index("jobs_by_holder", "holder", "sequence"),
    Index("jobs_by_end", "finished"),
    sqlite_autoincrement=True,  # a sequence number is never given twice
)

results = Table(
    "results",
    metadata,
    Column("job", String(32), ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("piece", Integer, primary_key=True, autoincrement=False),
    Column("body", LargeBinary, nullable=False),
)

LIVES = text("revoked IS NULL")
keys = Table(
    "keys",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("name", String(64), nullable=False),
    Column("hash", String(64), nullable=False, unique=True),
    Column("hint", String(6), nullable=False),
    Column("created", Double, nullable=False),
    Column("revoked", Double),
    Index("living_names", "name", unique=True, sqlite_where=LIVES, postgresql_where=LIVES),
)
