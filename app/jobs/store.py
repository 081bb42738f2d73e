"""Jobs and keys on disk: what was accepted is there after any crash.

Every method is one transaction and may be called from any thread. Each raises StoreUnavailable
where the database cannot do it now; the same store works again as soon as the database does.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Select, Update, delete, func, insert, select, update

from app.jobs import keyring
from app.jobs.database import Database, open_database
from app.jobs.job import (
    ACCEPTED,
    DISMISSED,
    ENDED,
    RUNNING,
    STATUSES,
    SUCCESSFUL,
    Job,
    KeyReused,
    NewJob,
)
from app.jobs.keyring import Key
from app.jobs.records import jobs, results
from app.jobs.transaction import transaction

COLUMNS = [jobs.c[name] for name in Job.__dataclass_fields__ if name in jobs.c]
ID = re.compile(r"[0-9a-f]{32}")
BATCH = 500  # jobs that one transaction deletes


class Store:
    """The job store. Make it with `open`; a service also owns it."""

    def __init__(self, database: Database, keep_seconds: float) -> None:
        self._database = database
        self._keep = keep_seconds

    @classmethod
    def open(cls, url: str, *, keep_seconds: float) -> Store:
        """The store at a database URL, made or brought up to date where needed.

        keep_seconds: how long an ended job is kept. Raises StoreRefused where this is no store or
        cannot be written, and StoreUnavailable where PostgreSQL does not answer.
        """
        return cls(open_database(url), keep_seconds)

    def own(self) -> None:
        """Be the one service of this store until `close`. Raises StoreRefused if another is."""
        self._database.own()

    def close(self) -> None:
        """Close all connections and give up ownership."""
        self._database.close()

    def accept(self, new: Sequence[NewJob]) -> list[Job | KeyReused]:
        """Take jobs in, all in one transaction; when this returns, they are on disk.

        Where the holder has used an Idempotency-Key before, the job of then is the answer, or
        KeyReused if it was asked for something else.
        """
        with self._write() as connection:
            return [self._accept(connection, job) for job in new]

    def job(self, id: str, holder: str) -> Job | None:
        """The holder's job; None where there is none, or it is another's."""
        if not ID.fullmatch(id):
            return None
        wanted = select(*COLUMNS).where(jobs.c.id == id, jobs.c.holder == holder)
        with self._read() as connection:
            row = connection.execute(wanted).mappings().first()
        return self._job(row) if row else None

    def jobs(
        self, holder: str, *, limit: int, after: int | None = None, status: str | None = None
    ) -> list[Job]:
        """The holder's jobs, newest first; `after`: only those before this sequence number."""
        wanted = select(*COLUMNS).where(jobs.c.holder == holder)
        if after is not None:
            wanted = wanted.where(jobs.c.sequence < after)
        if status is not None:
            wanted = wanted.where(jobs.c.status == status)
        with self._read() as connection:
            rows = connection.execute(wanted.order_by(jobs.c.sequence.desc()).limit(limit))
            return [self._job(row) for row in rows.mappings()]

    def body(self, id: str) -> bytes:
        """The request of a job. Raises KeyError where there is no such job."""
        return self._blob(id, "body") or b""

    def events(self, id: str) -> bytes | None:
        """What happened in a job that has ended, as it was given to `finish`. Raises KeyError."""
        return self._blob(id, "events")

    def counts(self) -> dict[str, int]:
        """How many jobs there are, by status."""
        wanted = select(jobs.c.status, func.count()).group_by(jobs.c.status)
        with self._read() as connection:
            found = {status: number for status, number in connection.execute(wanted)}
        return {status: found.get(status, 0) for status in STATUSES}

    def answer(self) -> None:
        """Nothing, but that the store answers. Raises StoreUnavailable."""
        with self._read() as connection:
            connection.execute(select(jobs.c.sequence).limit(1)).first()

    def queued(self, holder: str | None = None) -> int:
        """How many jobs wait, of one holder or of all."""
        wanted = select(func.count()).where(jobs.c.status == ACCEPTED)
        if holder is not None:
            wanted = wanted.where(jobs.c.holder == holder)
        with self._read() as connection:
            return connection.scalar(wanted) or 0

    def start_next(self, busy: Mapping[str, int], *, below: int | None = None) -> Job | None:
        """The next job, now running: the oldest of the holder that has least.

        busy: how much each holder has running. Of equals the one who waits longest comes first.
        below: None where no holder that waits has less than this running.
        """
        with self._write() as connection:
            waiting = connection.execute(WAITING).all()
            if not waiting:
                return None
            has, sequence = min((busy.get(holder, 0), oldest) for holder, oldest in waiting)
            if below is not None and has >= below:
                return None
            this = jobs.c.sequence == sequence
            row = connection.execute(select(*COLUMNS).where(this)).mappings().one()
            now = time.time()
            change = {"status": RUNNING, "started": now, "updated": now}
            connection.execute(update(jobs).where(this).values(change))
        return replace(self._job(row), status=RUNNING, started=now, updated=now)

    def keep(self, id: str, piece: int, body: bytes, progress: int) -> bool:
        """Keep the result of a piece; False, and nothing kept, where the job does not run."""
        with self._write() as connection:
            change = _of(id, RUNNING).values(progress=progress, updated=time.time())
            if not connection.execute(change).rowcount:
                return False
            _keep(connection, id, piece, body)
        return True

    def pieces_done(self, id: str) -> set[int]:
        """The pieces whose results are kept."""
        with self._read() as connection:
            return set(connection.scalars(select(results.c.piece).where(results.c.job == id)))

    def results(self, id: str) -> list[bytes]:
        """The results of a job's pieces, in order."""
        wanted = select(results.c.body).where(results.c.job == id).order_by(results.c.piece)
        with self._read() as connection:
            return list(connection.scalars(wanted))

    def finish(
        self,
        id: str,
        status: str,
        *,
        message: str = "",
        problem: dict[str, Any] | None = None,
        piece: int | None = None,
        body: bytes | None = None,
        events: bytes | None = None,
    ) -> bool:
        """End a job, with the result `body` of its last `piece`; True if it was this call.

        A job ends once: False where it has ended before, and nothing is changed then. A dismissed
        job's results are dropped.
        """
        if status not in ENDED:
            raise ValueError(f"a job does not end as {status}")
        now = time.time()
        change: dict[str, Any] = {"status": status, "problem": problem}
        change |= {"message": _storable(message), "events": events}
        change |= {"updated": now, "finished": now}
        change |= {"progress": 100} if status == SUCCESSFUL else {}
        with self._write() as connection:
            if not connection.execute(_of(id, ACCEPTED, RUNNING).values(change)).rowcount:
                return False
            if status == DISMISSED:
                connection.execute(delete(results).where(results.c.job == id))
            elif piece is not None and body is not None:
                _keep(connection, id, piece, body)
        return True

    def release(self) -> int:
        """Take what was running for accepted again, after a restart; how many there were."""
        again = {"status": ACCEPTED, "started": None, "updated": time.time()}
        with self._write() as connection:
            return connection.execute(
                update(jobs).where(jobs.c.status == RUNNING).values(again)
            ).rowcount

    def expire(self, now: float) -> int:
        """Delete what ended more than `keep_seconds` before `now`; how many there were."""
        old = select(jobs.c.sequence).where(jobs.c.finished < now - self._keep).limit(BATCH)
        gone = 0
        while True:
            with self._write() as connection:
                batch = connection.execute(delete(jobs).where(jobs.c.sequence.in_(old))).rowcount
            gone += batch
            if batch < BATCH:
                return gone

    def add_key(self, name: str) -> str:
        """A new key's secret, to be shown once. Raises NameTaken."""
        with self._write() as connection:
            return keyring.add(connection, name)

    def keys(self) -> list[Key]:
        """All keys, the revoked ones too, oldest first."""
        with self._read() as connection:
            return keyring.every(connection)

    def revoke_key(self, name: str) -> bool:
        """Whether a living key of that name was there; it is none any more."""
        with self._write() as connection:
            return keyring.revoke(connection, name)

    def holder_of(self, secret_hash: str) -> Key | None:
        """The living key with this SHA-256 of its secret."""
        with self._read() as connection:
            return keyring.find(connection, secret_hash)

    def _read(self) -> AbstractContextManager[Connection]:
        return transaction(self._database.reader)

    def _write(self) -> AbstractContextManager[Connection]:
        return transaction(self._database.writer)

    def _job(self, row: Mapping[Any, Any]) -> Job:
        end = row["finished"]
        return Job(**row, expires=None if end is None else end + self._keep)

    def _blob(self, id: str, column: str) -> bytes | None:
        with self._read() as connection:
            row = connection.execute(select(jobs.c[column]).where(jobs.c.id == id)).first()
        if row is None:
            raise KeyError(id)
        found: bytes | None = row[0]
        return found

    def _accept(self, connection: Connection, new: NewJob) -> Job | KeyReused:
        if new.idempotency_key is not None:
            same = select(*COLUMNS, jobs.c.fingerprint).where(
                jobs.c.holder == new.holder, jobs.c.idempotency_key == new.idempotency_key
            )
            row = connection.execute(same).mappings().first()
            if row:
                return self._repeated(dict(row), new)
        now = time.time()
        values = vars(new) | {"id": secrets.token_hex(16), "created": now, "updated": now}
        values |= {"status": ACCEPTED, "message": "", "progress": 0}
        key = connection.execute(insert(jobs).values(values)).inserted_primary_key
        assert key is not None
        known = {name: values[name] for name in Job.__dataclass_fields__ if name in values}
        return Job(**known, sequence=key[0])

    def _repeated(self, row: dict[str, Any], new: NewJob) -> Job | KeyReused:
        if row.pop("fingerprint") != new.fingerprint:
            return KeyReused("this Idempotency-Key was used for another request")
        return self._job(row)


def _waiting() -> Select[Any]:
    """Each holder that waits, with its oldest job: leaps along the index, however many wait."""
    accepted = jobs.c.status == ACCEPTED
    first = select(func.min(jobs.c.holder).label("holder")).where(accepted)
    holders = first.cte("holders", recursive=True)
    there = holders.c.holder.is_not(None)
    after = first.where(jobs.c.holder > holders.c.holder).scalar_subquery()
    holders = holders.union_all(select(after).where(there))
    oldest = select(func.min(jobs.c.sequence)).where(accepted, jobs.c.holder == holders.c.holder)
    return select(holders.c.holder, oldest.scalar_subquery()).where(holders.c.holder.is_not(None))


WAITING = _waiting()


def _storable(text: str) -> str:
    """Text that every database takes: without NUL and what UTF-8 has not."""
    return text.replace("\0", "?").encode("utf-8", "replace").decode()


def _of(id: str, *statuses: str) -> Update:
    return update(jobs).where(jobs.c.id == id, jobs.c.status.in_(statuses))


def _keep(connection: Connection, id: str, piece: int, body: bytes) -> None:
    """A piece that was done twice gives the same result, so the later one may stand."""
    connection.execute(delete(results).where(results.c.job == id, results.c.piece == piece))
    connection.execute(insert(results).values(job=id, piece=piece, body=body))
