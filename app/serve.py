"""Start the service and say where it is."""

from __future__ import annotations

import resource
import socket
import sys
from functools import partial

import uvicorn
from fastapi import FastAPI

from app.connections import Connection, Patience
from app.jobs.store import Store
from app.keys import are_needed
from app.logbook import Logbook
from app.main import create_app, open_store
from app.settings import Settings
from app.stopping import StoppingServer

AT_A_TIME = 100  # connections accepted before others are looked after again
KEEP_ALIVE = 60  # seconds in which an idle connection is kept
SPARE_FILES = 256  # beside connections: the store, workers, the log


def serve(host: str, port: int) -> None:
    """Listen until stopped. Raises OSError where it cannot listen, and as `open_store`."""
    listener, settings = listen(host, port), Settings()
    logbook = Logbook(settings.log_level, settings.log_format)
    store = open_store(settings)
    app = create_app(settings, host, store)
    allow_files(2 * settings.max_connections + SPARE_FILES)
    here = "127.0.0.1" if host in ("0.0.0.0", "::") else host
    address = f"[{here}]" if ":" in here else here
    base = f"http://{address}:{listener.getsockname()[1]}"
    sys.stdout.write(greeting(base, store if are_needed(settings.keys, host) else None))
    sys.stdout.flush()
    server = StoppingServer(config_of(app, settings), app.state.stop, settings.drain_seconds)
    server.run(sockets=[listener])
    logbook.close()


def greeting(base: str, keys: Store | None) -> str:
    """Where the service is and how it is asked; `keys` has the keys, None where none is needed."""
    lines = [f"kappafit on {base} (interactive documentation: {base}/docs); try", ""]
    key = "" if keys is None else " -H 'Authorization: Bearer KEY'"
    post = f"curl -s{key} {base}/v1/calibrate -H 'Content-Type: application/json' -d @-"
    lines += [f"curl -s {base}/v1/example | {post}", ""]
    if keys is not None and all(key.revoked for key in keys.keys()):
        lines += [
            "It wants a key, and there is none yet; make one here with",
            "",
            "kappafit keys add NAME",
            "",
            "(in a container: docker exec CONTAINER kappafit keys add NAME), or start it with",
            "KAPPAFIT_KEYS=off where nobody else can reach it.",
            "",
        ]
    return "\n".join(lines) + "\n"


def config_of(app: FastAPI, settings: Settings) -> uvicorn.Config:
    """How uvicorn serves `app`."""
    patience = Patience(
        settings.header_seconds,
        settings.write_seconds,
        settings.max_connections,
        app.state.metrics.rejected,
    )
    return uvicorn.Config(
        app,
        http=partial(Connection, patience),  # type: ignore[arg-type]  # called as a class is
        loop="asyncio",  # uvloop asks for the GIL at every event, and waits for who solves
        backlog=AT_A_TIME,
        ws="none",
        log_config=None,
        access_log=False,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=settings.stop_seconds,
        server_header=False,
    )


def allow_files(wanted: int) -> None:
    """Let this process have so many files open, connections among them, as far as it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if 0 <= soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def listen(host: str, port: int) -> socket.socket:
    """A socket on `host` and `port`; raises OSError where that cannot be had.

    The protocol is named because asyncio switches Nagle's delay off only where it is: without,
    every answer on a kept connection waits 40 ms for the client's acknowledgement.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    return listener
