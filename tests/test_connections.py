"""Slow, greedy and too many clients are dropped in time, and nobody else notices."""

import asyncio
import json
import socket
import threading
import time
from contextlib import closing, contextmanager
from functools import partial

import httpx
import pytest
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.connections import Connection, Patience
from app.main import create_app
from app.serve import config_of
from app.settings import Settings
from tests.conftest import Server

HEADER, BODY, WRITE, MOST = 1.0, 1.5, 1.5, 20
HEAD = b"POST /v1/gradient HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\n"


@pytest.fixture(scope="module")
def strict():
    started = Server(
        header_seconds=HEADER, body_seconds=BODY, write_seconds=WRITE, max_connections=MOST
    ).wait()
    yield started
    started.stop()


@contextmanager
def connected(server, **options):
    with closing(socket.socket()) as one:
        for option, value in options.items():
            one.setsockopt(socket.SOL_SOCKET, getattr(socket, option), value)
        one.settimeout(10.0)
        one.connect(("127.0.0.1", server.port))
        yield one


def received(one):
    """Everything until the other side closes; what it cut off counts as closed."""
    whole = bytearray()
    try:
        while chunk := one.recv(65536):
            whole += chunk
    except ConnectionError:
        pass
    return bytes(whole)


def drip(one, chunks, every=0.1):
    """Send slowly until the other side has closed: what it said, and after how many seconds."""
    began = time.monotonic()
    one.setblocking(False)
    said = bytearray()
    for chunk in chunks:
        try:
            one.send(chunk)
        except BlockingIOError:
            pass
        except ConnectionError:
            break
        try:
            more = one.recv(65536)
            if not more:
                break
            said += more
        except BlockingIOError:
            pass
        except ConnectionError:
            break
        time.sleep(every)
    return bytes(said), time.monotonic() - began


def status_of(answer):
    return int(answer.split(b" ", 2)[1])


def problem_of(answer):
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json" in head
    assert b"connection: close" in head
    return json.loads(body)


@contextmanager
def another(server):
    """Another client, who is served as ever in the meantime."""
    waits, done = [], threading.Event()

    def ask():
        with httpx.Client(base_url=server.url, timeout=5.0) as client:
            while not waits or not done.wait(0.05):
                began = time.monotonic()
                assert client.get("/healthz").status_code == 200
                waits.append(time.monotonic() - began)

    thread = threading.Thread(target=ask)
    thread.start()
    yield
    done.set()
    thread.join()
    assert max(waits) < 0.5


def endless(*first, then):
    yield from first
    for _ in range(200):
        yield then


@pytest.mark.parametrize(
    ("chunks", "status"),
    [
        (endless(b"GET /healthz HTTP/1.1\r\n", then=b"X-A: b\r\n"), 408),
        (endless(then=b"G"), 400),
        (endless(b"GET /", then=b"a"), 408),
        (endless(then=b"\r\n"), None),
        (endless(b"", then=b""), None),
    ],
    ids=["headers", "method", "path", "empty lines", "silence"],
)
def test_slow_headers(strict, chunks, status):
    with another(strict), connected(strict) as one:
        answer, seconds = drip(one, chunks)
    assert (status_of(answer) if answer else None) == status
    assert status == 400 or HEADER - 0.1 <= seconds < HEADER + 1.0
    if status:
        assert problem_of(answer)["status"] == status


def test_the_time_for_headers_begins_anew_with_each_request(strict):
    with connected(strict) as one:
        for _ in range(4):
            time.sleep(0.6 * HEADER)
            one.sendall(b"GET /healthz HTTP/1.1\r\nHost: h\r\n")
            time.sleep(0.2 * HEADER)
            one.sendall(b"\r\n")
            answer = b""
            while not answer.endswith(b"}"):
                answer += one.recv(65536)
            assert status_of(answer) == 200
        time.sleep(1.5 * HEADER)  # idle, which is another matter
        answer, seconds = drip(one, endless(b"GET /healthz HTTP/1.1\r\n", then=b"A: b\r\n"))
    assert status_of(answer) == 408
    assert seconds < HEADER + 1.0


def test_a_slow_body(strict):
    with another(strict), connected(strict) as one:
        head = HEAD + b"Content-Length: 1000\r\n\r\n"
        answer, seconds = drip(one, endless(head, then=b" "))
    assert status_of(answer) == 408
    assert problem_of(answer)["title"] == "The body did not arrive in time"
    assert BODY - 0.1 <= seconds < BODY + 1.5


def test_a_body_that_is_refused_cannot_be_sent_for_ever(strict):
    with another(strict), connected(strict) as one:
        head = HEAD + b"Content-Length: 900000000\r\n\r\n"
        answer, seconds = drip(one, endless(head, then=b" " * 1000))
    assert status_of(answer) == 413
    assert answer.count(b"HTTP/1.1") == 1
    assert seconds < HEADER + 1.0


def test_a_slow_reader_of_a_large_answer(strict, document):
    document["bar"]["cells"], document["time"]["steps"] = 499, 999
    body = json.dumps(document).encode()
    path = b"POST /v1/simulate?field=true HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
    request = path + b"Content-Length: %d\r\n\r\n" % len(body) + body
    with another(strict), connected(strict, SO_RCVBUF=4096) as one:
        one.sendall(request)
        began, read = time.monotonic(), one.recv(1)
        while time.monotonic() - began < 10.0 and is_open(strict, one):
            read += one.recv(100)
            time.sleep(0.1)
        seconds = time.monotonic() - began
    assert read.startswith(b"HTTP/1.1 200 ")
    assert WRITE - 0.2 < seconds < 2 * WRITE + 2.0
    with connected(strict) as one:  # a reader who reads gets it all
        one.sendall(request.replace(b"Host", b"Connection: close\r\nHost"))
        assert len(received(one)) > 8_000_000


def is_open(server, one):
    """Whether the service's side of this connection is."""
    ends = {f":{server.port:04X}", f":{one.getsockname()[1]:04X}"}
    with open("/proc/net/tcp") as table:
        rows = [line.split() for line in table][1:]
    known = [row[3] for row in rows if {row[1][-5:], row[2][-5:]} == ends]
    return known == ["01", "01"]


def test_a_flood_of_headers(strict):
    line = b"X-Filler: " + b"a" * 990 + b"\r\n"
    with another(strict), connected(strict) as one:
        chunks = endless(b"GET /healthz HTTP/1.1\r\nHost: h\r\n", then=line * 20)
        answer, seconds = drip(one, chunks, every=0.01)
    assert seconds < HEADER
    assert not answer or status_of(answer) == 431
    for size, status in ((60, 200), (70, 431)):
        with connected(strict) as one:
            one.sendall(b"GET /healthz HTTP/1.1\r\nConnection: close\r\n" + size * line + b"\r\n")
            answer = received(one)
        assert status_of(answer) == status
    assert problem_of(answer)["title"] == "The headers are too large"


def test_what_is_not_http(strict):
    with connected(strict) as one:
        one.sendall(b"this is not HTTP\r\n\r\n")
        assert problem_of(received(one))["status"] == 400


def test_too_many_connections(strict):
    kept = httpx.Client(base_url=strict.url, timeout=5.0)
    assert kept.get("/version").status_code == 200
    idle = [socket.create_connection(("127.0.0.1", strict.port)) for _ in range(MOST)]
    try:
        time.sleep(0.2)
        began = time.monotonic()
        refused = httpx.get(f"{strict.url}/version", timeout=5.0)
        assert time.monotonic() - began < 0.5
        assert refused.status_code == 503
        assert refused.headers["retry-after"] == "2"
        assert refused.headers["content-type"] == "application/problem+json"
        assert f"{MOST} connections" in refused.json()["detail"]
        assert httpx.get(f"{strict.url}/healthz", timeout=5.0).status_code == 200
        assert kept.get("/version").status_code == 200  # who was there before is served
        idle += [socket.create_connection(("127.0.0.1", strict.port)) for _ in range(MOST + 5)]
        with pytest.raises(httpx.TransportError):
            httpx.get(f"{strict.url}/healthz", timeout=5.0)
    finally:
        for one in idle:
            one.close()
    time.sleep(0.2)
    assert kept.get("/version").status_code == 200
    assert httpx.get(f"{strict.url}/version", timeout=5.0).status_code == 200
    kept.close()


class Transport:
    """What the protocol needs of a transport, without a network."""

    def get_extra_info(self, name):
        return None

    def is_closing(self):
        return False

    def write(self, data=b""):
        pass

    pause_reading = resume_reading = write


async def answering(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"{}"})


async def seconds_of(config, count=1000):
    """What a request and its answer take of the protocol."""
    state = uvicorn.server.ServerState()
    loop = asyncio.get_running_loop()
    protocol = config.http_protocol_class(
        config=config, server_state=state, app_state={}, _loop=loop
    )
    protocol.connection_made(Transport())
    sent = HEAD + b"Content-Length: 2\r\n\r\n{}"
    began = time.process_time()  # others on the machine do not count
    for _ in range(count):
        protocol.data_received(sent)
        while not protocol.cycle.response_complete:
            await asyncio.sleep(0)
    return (time.process_time() - began) / count


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_what_it_costs_in_both_event_loops(loop):
    plain, ours = (
        uvicorn.Config(answering, http=http, loop=loop, log_config=None, access_log=False)
        for http in (HttpToolsProtocol, partial(Connection, Patience()))
    )
    plain.load()
    ours.load()

    async def more():
        rounds = [(await seconds_of(ours), await seconds_of(plain)) for _ in range(15)]
        return min(mine for mine, _ in rounds) - min(its for _, its in rounds)

    with asyncio.Runner(loop_factory=plain.get_loop_factory()) as runner:
        assert runner.run(more()) < 20e-6


def test_the_settings_reach_the_connections():
    settings = Settings(header_seconds=3.0, write_seconds=4.0, max_connections=5)
    config = config_of(create_app(settings), settings)
    (patience,) = config.http.args
    assert (patience.header_seconds, patience.write_seconds, patience.connections) == (3.0, 4.0, 5)
