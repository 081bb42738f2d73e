"""What a client waits for: a warm calibration over HTTP on loopback, one request after another.

The service runs in a process of its own and is stopped at the end. Beside the whole wait stands
the part that the service spent on the document; the rest is HTTP, JSON and handing over between
threads. How many a second there are counts what the client does in between too: it runs on the
same cores.
"""

from __future__ import annotations

import argparse
import http.client
import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles
from typing import IO, Any

from benchmarks import output

READY_SECONDS = 120.0
WARM_UP = 20


def run(arguments: argparse.Namespace) -> None:
    """Measure and say."""
    record = measure(arguments.document, arguments.requests)
    if arguments.json:
        output.say(output.as_json(record))
        return
    output.say(
        f"{record['requests']} calibrations of {arguments.document} over HTTP: "
        f"median {output.duration(record['median_s'])}, "
        f"95 % within {output.duration(record['p95_s'])}, "
        f"{record['per_second']:.0f} a second; "
        f"of this the service worked {output.duration(record['service_median_s'])}"
    )


def measure(document: Path, requests: int) -> dict[str, Any]:
    """Start the service, warm it up, and time `requests` calibrations over one connection."""
    body = document.read_bytes()
    with service() as port:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        for _ in range(WARM_UP):
            calibrate(connection, body)
        began = time.perf_counter()
        waits, answers = zip(*(calibrate(connection, body) for _ in range(requests)), strict=True)
        seconds = time.perf_counter() - began
        connection.close()
    return {
        "requests": requests,
        "median_s": median(waits),
        "p95_s": quantiles(waits, n=20)[-1],
        "per_second": requests / seconds,
        "service_median_s": median(answer["provenance"]["seconds"] for answer in answers),
        "status": answers[-1]["status"],
        "objective": answers[-1]["objective"],
        "estimates": {name: e["value"] for name, e in answers[-1]["estimates"].items()},
    }


def calibrate(connection: http.client.HTTPConnection, body: bytes) -> tuple[float, Any]:
    """Seconds waited, and the answer."""
    began = time.perf_counter()
    connection.request("POST", "/v1/calibrate", body, {"Content-Type": "application/json"})
    response = connection.getresponse()
    data = response.read()
    waited = time.perf_counter() - began
    if response.status != 200:
        raise SystemExit(f"the service answered {response.status}: {data[:500]!r}")
    return waited, json.loads(data)


@contextmanager
def service() -> Iterator[int]:
    """A service on a free port of loopback, ready to answer; ended on leaving.

    Its log is shown where it does not get ready.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    command = [sys.executable, "-m", "app", "serve", "--port", str(port)]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=log)
        try:
            wait_until_ready(process, port, log)
            yield port
        finally:
            process.terminate()
            process.wait(timeout=30)


def wait_until_ready(process: subprocess.Popen[bytes], port: int, log: IO[bytes]) -> None:
    """Return once /readyz says yes; give up after a while, or when the process has ended."""
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/readyz")
            if connection.getresponse().status == 200:
                return
        except OSError:
            pass
        finally:
            connection.close()
        time.sleep(0.1)
    log.seek(0)
    raise SystemExit(f"the service did not get ready:\n{log.read().decode(errors='replace')}")
