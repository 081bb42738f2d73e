"""Start the service and say where it is."""

from __future__ import annotations

import socket
import sys

import uvicorn

from app.main import create_app, open_store
from app.settings import Settings


def serve(host: str, port: int) -> None:
    """Listen until stopped; running requests get ten seconds to end.

    Raises OSError where it cannot listen, StoreRefused or StoreUnavailable without a job store.
    """
    listener, settings = listen(host, port), Settings()
    config = uvicorn.Config(
        create_app(settings, host, open_store(settings)),
        log_level="warning",
        timeout_keep_alive=60,
        timeout_graceful_shutdown=10,
        server_header=False,
    )
    here = "127.0.0.1" if host in ("0.0.0.0", "::") else host
    address = f"[{here}]" if ":" in here else here
    base = f"http://{address}:{listener.getsockname()[1]}"
    sys.stdout.write(
        f"kappafit on {base} (interactive documentation: {base}/docs); try\n\n"
        f"curl -s {base}/v1/example | "
        f"curl -s {base}/v1/calibrate -H 'Content-Type: application/json' -d @-\n\n"
    )
    sys.stdout.flush()
    uvicorn.Server(config).run(sockets=[listener])


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
