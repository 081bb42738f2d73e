"""Keys: who may use the service. Of a key's secret only the SHA-256 is kept."""

from __future__ import annotations

import hashlib
import secrets
import time
from dataclasses import dataclass

from sqlalchemy import Connection, insert, select, update
from sqlalchemy.exc import IntegrityError

from app.jobs import records

HINT = 6  # characters of a secret that are shown again


class NameTaken(Exception):
    """A key of this name is there already, and lives."""


@dataclass(frozen=True)
class Key:
    """A key as the store knows it.

    id: what its jobs belong to; hint: the first characters of the secret; times: seconds since
    1970, UTC.
    """

    id: str
    name: str
    hint: str
    created: float
    revoked: float | None = None


COLUMNS = [records.keys.c[name] for name in Key.__dataclass_fields__]
LIVES = records.keys.c.revoked.is_(None)


def hash_of(secret: str) -> str:
    """What is kept of a secret. Secrets are random and long: no salt, no slow hash is needed."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


def add(connection: Connection, name: str) -> str:
    """A new key's secret, to be shown once. Raises NameTaken."""
    secret = f"kf_{secrets.token_urlsafe(32)}"
    values = {"id": secrets.token_hex(16), "name": name, "created": time.time()}
    values |= {"hash": hash_of(secret), "hint": secret[:HINT]}
    try:
        connection.execute(insert(records.keys).values(values))
    except IntegrityError:
        raise NameTaken(f"there is a key named {name} already") from None
    return secret


def every(connection: Connection) -> list[Key]:
    """All keys, the revoked ones too, oldest first."""
    rows = connection.execute(select(*COLUMNS).order_by(records.keys.c.created))
    return [Key(**row) for row in rows.mappings()]


def revoke(connection: Connection, name: str) -> bool:
    """Whether a living key of that name was there."""
    living = update(records.keys).where(records.keys.c.name == name, LIVES)
    return connection.execute(living.values(revoked=time.time())).rowcount > 0


def find(connection: Connection, secret_hash: str) -> Key | None:
    """The living key with this hash of its secret."""
    wanted = select(*COLUMNS).where(records.keys.c.hash == secret_hash, LIVES)
    row = connection.execute(wanted).mappings().first()
    return Key(**row) if row else None
