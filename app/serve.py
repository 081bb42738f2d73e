"""Start the service and say where it is."""

from __future__ import annotations

import sys

import uvicorn

from app.main import create_app


def serve(host: str, port: int) -> None:
    """Listen until stopped; running requests get ten seconds to end."""
    here = "127.0.0.1" if host in ("0.0.0.0", "::") else host
    base = f"http://{f'[{here}]' if ':' in here else here}:{port}"
    sys.stdout.write(
        f"kappafit on {base} (interactive documentation: {base}/docs); try\n\n"
        f"curl -s {base}/v1/example | "
        f"curl -s {base}/v1/calibrate -H 'Content-Type: application/json' -d @-\n\n"
    )
    sys.stdout.flush()
    uvicorn.run(
        create_app(),
        host=host,
        port=port,
        log_level="warning",
        timeout_keep_alive=60,
        timeout_graceful_shutdown=10,
        server_header=False,
    )
