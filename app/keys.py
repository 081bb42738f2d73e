"""Who asks: the key of a request, and whether one is needed.

A key is sent as `Authorization: Bearer KEY`, as `X-API-Key: KEY`, or as the password of HTTP Basic;
never in the address, which is logged on the way. Where keys are off, everyone is the holder "".
"""

from __future__ import annotations

import time
from ipaddress import ip_address
from typing import Annotated, Literal

from fastapi import Request, Security
from fastapi.security import (
    APIKeyHeader,
    HTTPAuthorizationCredentials,
    HTTPBasic,
    HTTPBasicCredentials,
    HTTPBearer,
)
from starlette.concurrency import run_in_threadpool

from app.jobs.job import StoreUnavailable
from app.jobs.keyring import hash_of
from app.jobs.store import Store
from app.rates import Rates, address_of, within_rate

REMEMBERED = 5.0  # seconds until the store is asked again; a revoked key works no longer than that
GUESSES = "60/minute"  # keys that are not known, from one address
CHALLENGE = 'Bearer realm="kappafit", Basic realm="kappafit"'
WANTED = "send a key as Authorization: Bearer KEY, as X-API-Key, or as the password of HTTP Basic"
UNKNOWN = "this key is not known here, or was revoked"

BEARER = HTTPBearer(auto_error=False, description="a key of `kappafit keys add`")
API_KEY = APIKeyHeader(name="X-API-Key", auto_error=False, description="the same key")
BASIC = HTTPBasic(auto_error=False, description="the key as password, with any user name")


class Unauthorised(Exception):
    """The request brings no key that is known."""


class Keys:
    """The holders of secrets, as the store knows them.

    What it said is remembered for a few seconds, and as long as it does not answer. Unknown keys
    are counted in `guesses`, by address; where there are too many, it is asked of no new one.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self.guesses = Rates(GUESSES, "unknown keys from one address")
        self._known: dict[str, tuple[str, float]] = {}  # by hash: the holder, and until when

    def may_be_asked(self, secret: str, address: str) -> bool:
        """Whether it was a key a moment ago, or its sender has not guessed too often."""
        return hash_of(secret) in self._known or self.guesses.has_room(address)

    async def holder(self, secret: str) -> str | None:
        """The id of the living key with this secret. Raises StoreUnavailable for a new one."""
        hashed = hash_of(secret)  # what is compared is a hash, so the time it takes tells nothing
        holder, until = self._known.get(hashed, (None, 0.0))
        if holder is None or time.monotonic() > until:
            holder = await self._ask(hashed, holder)
        return holder

    async def _ask(self, hashed: str, before: str | None) -> str | None:
        try:
            key = await run_in_threadpool(self._store.holder_of, hashed)
        except StoreUnavailable:
            if before is None:
                raise
            holder: str | None = before
        else:
            holder = key.id if key else None
        if holder is None:
            self._known.pop(hashed, None)
        else:
            self._known[hashed] = holder, time.monotonic() + REMEMBERED
        return holder


async def holder(
    request: Request,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Security(BEARER)],
    api_key: Annotated[str | None, Security(API_KEY)],
    basic: Annotated[HTTPBasicCredentials | None, Security(BASIC)],
) -> str:
    """The holder of a request, for routes to depend on; asks `app.state.keys`, None for no keys.

    Raises Unauthorised, TooOften, or StoreUnavailable where the store cannot say who this is.
    """
    keys: Keys | None = request.app.state.keys
    if keys is None:
        return within_rate(request, "")
    offered = (
        bearer.credentials if bearer else None,
        api_key,
        basic.password if basic else None,
    )
    secrets = [secret for secret in offered if secret]
    address = address_of(request)
    for secret in secrets:
        if keys.may_be_asked(secret, address) and (found := await keys.holder(secret)):
            return within_rate(request, found)
    if secrets:
        keys.guesses.allow(address)
    raise Unauthorised(UNKNOWN if secrets else WANTED)


Holder = Annotated[str, Security(holder)]


def are_needed(setting: Literal["auto", "on", "off"], host: str) -> bool:
    """Whether a service that listens on `host` asks for keys."""
    return setting == "on" or (setting == "auto" and not _is_loopback(host))


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:  # a name; who knows where it leads
        return False
