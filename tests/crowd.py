"""Clients in a process of their own, so that what is measured is the service's, not theirs.

``python -m tests.crowd watch PORT SECONDS`` asks /healthz every 10 ms, ``... herd PORT COUNT
SECONDS`` sends the document on stdin to /v1/gradient on COUNT connections opened within SECONDS.
Either prints JSON: of each request its status (0: cut off), seconds, and whether it may be retried.
"""

import asyncio
import json
import resource
import subprocess
import sys
import time

import uvloop

from tests.conftest import ROOT

PATIENCE = 30.0  # seconds


async def ask(reader, writer, request):
    """[status, seconds, whether there is a Retry-After]"""
    began = time.perf_counter()
    try:
        async with asyncio.timeout(PATIENCE):
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            fields = dict(line.split(b": ", 1) for line in head.lower().split(b"\r\n")[1:-2])
            await reader.readexactly(int(fields.get(b"content-length", b"0")))
    except (OSError, EOFError, TimeoutError):
        return [0, time.perf_counter() - began, False]
    return [int(head.split()[1]), time.perf_counter() - began, b"retry-after" in fields]


HEALTHZ = b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n"


async def watch(port, seconds):
    """One client that keeps its connection, and one that makes a new one for each question."""
    found, until = [], time.monotonic() + seconds

    async def keep():
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while time.monotonic() < until:
            found.append(await ask(reader, writer, HEALTHZ))
            await asyncio.sleep(0.01)
        writer.close()

    async def renew():
        while time.monotonic() < until:
            began = time.perf_counter()
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            status, _, again = await ask(reader, writer, HEALTHZ)
            found.append([status, time.perf_counter() - began, again])
            writer.close()
            await asyncio.sleep(0.01)

    await asyncio.gather(keep(), renew())
    return found


async def herd(port, count, seconds, body):
    """Many connections with one request each."""
    head = "POST /v1/gradient HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
    request = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body

    async def one(number):
        await asyncio.sleep(seconds * number / count)
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            return [0, 0.0, False]
        found = await ask(reader, writer, request)
        writer.close()
        return found

    return await asyncio.gather(*map(one, range(count)))


def started(*arguments, body=b""):
    """Such clients, at work."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.crowd", *map(str, arguments)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    process.stdin.write(body)
    process.stdin.close()
    return process


def finished(process):
    """What they found: (status, seconds, may be retried) of each request."""
    with process:
        return json.loads(process.stdout.read())


if __name__ == "__main__":
    kind, port, *numbers = sys.argv[1:]
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    if kind == "watch":
        work = watch(int(port), float(numbers[0]))
    else:
        work = herd(int(port), int(numbers[0]), float(numbers[1]), sys.stdin.buffer.read())
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        sys.stdout.write(json.dumps(runner.run(work)))
