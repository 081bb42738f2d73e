"""The log: one JSON object for each event, and nothing in it of what users send."""

import asyncio
import json
import logging
import os
import socket
import subprocess
import sys
import threading
import time
import warnings

import pytest

from app.logbook import OURS, WAITING_LINES, Logbook, adopt, event_of, logger, loop_failed
from tests.conftest import ROOT, Server

SECRET = "Sentinel7391"
FORGED = 'x\n{"event": "forged"}\r\x1b[31mred'


@pytest.fixture
def lines():
    """What is logged in this process: a function that closes the log and returns its lines."""
    hooks = warnings.showwarning, threading.excepthook, sys.unraisablehook
    options = "_srcfile", "logThreads", "logProcesses", "logMultiprocessing"
    before = {name: getattr(logging, name) for name in options}
    handlers = logging.getLogger().handlers[:]
    books, files = [], []

    def start(format="json", level="info"):
        reader, writer = os.pipe()
        files.append(writer)
        books.append(Logbook(level, format, writer))

        def close():
            books.pop().close()
            os.close(files.pop())
            with open(reader, encoding="ascii") as file:
                return file.read().splitlines()

        return close

    yield start
    assert not books
    warnings.showwarning, threading.excepthook, sys.unraisablehook = hooks
    logging.getLogger().handlers[:] = handlers
    for name, value in before.items():
        setattr(logging, name, value)
    for name in OURS:
        logging.getLogger(name).setLevel(logging.NOTSET)


def test_an_event_is_one_json_object(lines):
    close = lines()
    logger("kappafit.test").info("something happened", count=3, nothing=None)
    (line,) = close()
    event = json.loads(line)
    assert list(event) == ["time", "level", "event", "logger", "count"]
    assert event["time"].endswith("Z")
    assert abs(time.time() - to_seconds(event["time"])) < 10.0
    assert (event["level"], event["event"], event["count"]) == ("info", "something happened", 3)


def to_seconds(stamp):
    from datetime import datetime

    return datetime.fromisoformat(stamp.replace("Z", "+00:00")).timestamp()


@pytest.mark.parametrize("format", ["json", "text"])
def test_lines_cannot_be_forged(lines, format):
    close = lines(format)
    logger().warning("an event", field=FORGED)
    logger().warning(FORGED)
    logging.getLogger("kappafit.jobs").warning("words: %s", FORGED)
    logging.getLogger("foreign").warning(FORGED)
    written = close()
    assert len(written) == 4
    assert all(" " <= c <= "~" for line in written for c in line)
    if format == "json":
        assert json.loads(written[0])["field"] == FORGED


def test_exceptions_are_told_by_type_and_place(lines):
    close = lines()
    try:
        try:
            json.loads(SECRET)
        except ValueError as error:
            raise RuntimeError(SECRET) from error
    except RuntimeError:
        logging.getLogger("kappafit").exception("it failed")
    (event,) = map(json.loads, close())
    assert event["exception"] == "builtins.RuntimeError from json.decoder.JSONDecodeError"
    assert event["frames"][0].startswith("tests.test_logbook:")
    assert SECRET not in json.dumps(event)


def test_of_others_messages_the_template_alone(lines):
    close = lines()
    logging.getLogger("distributed.worker").warning("Compute Failed: args %r", [SECRET])
    logging.getLogger("uvicorn.error").warning("Cancel %s running task(s)", 3)
    logging.getLogger("foreign").info("not of interest")
    events = [json.loads(line)["event"] for line in close()]
    assert events == ["Compute Failed: args %r", "Cancel 3 running task(s)"]


def test_whatever_fails_on_its_own_is_logged_without_its_words(lines):
    close = lines()

    def fail():
        raise ValueError(SECRET)

    class Careless:
        def __del__(self):
            raise ValueError(SECRET)

    async def forgotten():
        asyncio.get_running_loop().set_exception_handler(loop_failed)
        asyncio.get_running_loop().call_soon(fail)
        await asyncio.sleep(0.01)

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    Careless()
    asyncio.run(forgotten())
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = sys.modules["app.logbook"]._warned
        warnings.warn(SECRET, stacklevel=1)
    written = close()
    assert SECRET not in "".join(written)
    events = [json.loads(line) for line in written]
    assert [e.get("exception") for e in events] == ["builtins.ValueError"] * 3 + [None]
    assert events[3]["category"] == "UserWarning"
    assert events[3]["place"].startswith("tests.test_logbook:")


def test_a_level_below_is_not_written(lines):
    close = lines(level="warning")
    logger().info("too little")
    logger().warning("enough")
    assert [json.loads(line)["event"] for line in close()] == ["enough"]


def test_a_library_with_handlers_of_its_own_is_adopted(lines):
    close = lines()
    its = logging.getLogger("obstinate.part")
    its.propagate = False
    its.addHandler(logging.StreamHandler(sys.stdout))
    its.warning("unheard")
    adopt("obstinate")
    its.warning("heard")
    assert [json.loads(line)["event"] for line in close()] == ["heard"]


def test_nobody_waits_for_a_reader_who_has_stopped(lines):
    reader, writer = os.pipe()
    close = lines()
    book = Logbook("info", "json", writer)
    began = time.monotonic()
    for number in range(WAITING_LINES + 3000):
        logger().info("filling a pipe that nobody reads", number=number)
    assert time.monotonic() - began < 5.0
    os.set_blocking(reader, False)
    said, deadline = b"", time.monotonic() + 20.0
    while b"lines of the log were lost" not in said and time.monotonic() < deadline:
        try:
            said += os.read(reader, 1 << 20)
        except BlockingIOError:
            time.sleep(0.01)
        logger().info("on it goes")
    assert b"lines of the log were lost: nobody read them" in said
    threading.Thread(target=lambda: [time.sleep(0), os.close(reader)]).start()
    book.close()
    os.close(writer)
    close()


def test_a_record_that_cannot_be_shown_is_said_so():
    record = logging.LogRecord("kappafit", logging.INFO, "", 0, "%d", ("no number",), None)
    with pytest.raises(TypeError):
        event_of(record)


@pytest.fixture(scope="module")
def sent(tmp_path_factory):
    """The log of a service that was sent the sentinel everywhere, and its answers."""
    log = tmp_path_factory.mktemp("log") / "log.jsonl"
    with log.open("wb") as file:
        server = Server(log=file, log_level="debug", keys="on").wait()
        try:
            key = new_key(server)
            send_everywhere(server, key)
        finally:
            server.stop()
    return log.read_text(), key


def new_key(server, name="someone"):
    made = subprocess.run(
        [sys.executable, "-m", "app", "keys", "add", name],
        cwd=ROOT,
        env=os.environ | {"KAPPAFIT_DATA": server.folder.name},
        capture_output=True,
        text=True,
        check=True,
    )
    return made.stdout.strip()


def send_everywhere(server, key):
    example = server.client.get("/v1/example").json()
    headers = {"X-Secret": SECRET, "Authorization": f"Bearer {key}", "X-Request-ID": "mine-1"}
    for path in ("/v1/gradient", "/v1/simulate", "/v1/calibrate", "/v1/check"):
        for document in (
            example | {SECRET: 1},
            example | {"bar": {"length": SECRET}},
            renamed(example),
            f'{{"{SECRET}'.encode(),
            json.dumps(example).replace("0.0", "1e308").encode(),
        ):
            server.post(f"{path}?at={SECRET}&x={SECRET}", document, headers=headers)
            server.post(path, document, headers=headers)
    server.post("/v1/document", SECRET.encode(), headers=headers | {"Content-Type": "text/csv"})
    job = {"task": "calibrate", "document": renamed(example)}
    reply = server.post("/v1/jobs", job, headers=headers | {"Idempotency-Key": SECRET})
    server.client.get(f"/v1/jobs/{SECRET}", headers=headers)
    for _ in range(100):
        if server.client.get(reply.headers["Location"], headers=headers).json().get("finished"):
            break
        time.sleep(0.1)
    server.client.get(f"/{SECRET}?{SECRET}", headers={"X-Request-ID": f"{SECRET}!"})
    server.post("/v1/gradient", example, headers={"X-API-Key": SECRET})
    with socket.create_connection(("127.0.0.1", server.port)) as one:
        one.sendall(f"{SECRET} {SECRET}\r\n\r\n".encode())
        one.recv(1000)


def renamed(example):
    """With the sentinel as the name of a sensor and of an unknown."""
    text = json.dumps(example).replace('"T0"', f'"{SECRET}"').replace('"a"', f'"{SECRET}"', 1)
    return json.loads(text.replace(f'"{SECRET}": {{', '"a": {'))


def test_nothing_that_was_sent_is_in_the_log(sent):
    text, key = sent
    assert SECRET not in text
    assert key not in text
    assert key.split("_")[-1][:12] not in text
    events = [json.loads(line) for line in text.splitlines()]
    assert sum(event["event"] == "request" for event in events) > 45
    assert any(event["level"] == "debug" and event["route"] == "/readyz" for event in events)


def test_a_request_is_told_by_route_and_holder(sent):
    text, _ = sent
    events = [json.loads(line) for line in text.splitlines()]
    job = next(event for event in events if event.get("route") == "/v1/jobs/{id}")
    assert (job["method"], job["status"], job["request_id"]) == ("GET", 404, "mine-1")
    lost = next(event for event in events if event.get("route") == "none")
    assert len(lost["request_id"]) == 16
    posts = [event for event in events if event.get("route") == "/v1/gradient"]
    assert all(0.0 < event["seconds"] < 60.0 and event["bytes"] > 0 for event in posts)
    assert {event["status"] for event in posts} >= {200, 400, 401, 422}


def test_standard_error_holds_the_log_alone(sent):
    text, _ = sent
    assert all(line.startswith('{"time": "2') for line in text.splitlines())
