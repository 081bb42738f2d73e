"""What jobs leave behind: lines of the log, figures, and memory once they have begun."""

import json
import time

import pytest

from tests.conftest import Server
from tests.test_jobs import ended, long, submitted
from tests.test_metrics import figures, value

IDLE_BYTES = 300e6


@pytest.fixture(scope="module")
def accounted(tmp_path_factory):
    log = tmp_path_factory.mktemp("log") / "log.jsonl"
    with log.open("wb") as file:
        server = Server(log=file, job_workers=1).wait()
        yield server, log
        server.stop()


def resident(pid):
    with open(f"/proc/{pid}/status") as status:
        (kilobytes,) = (line.split()[1] for line in status if line.startswith("VmRSS"))
    return 1024 * int(kilobytes)


def has_loaded(package, pid):
    """Whether a process has compiled code of a package in its memory."""
    with open(f"/proc/{pid}/maps") as maps:
        return any(f"/site-packages/{package}/" in line for line in maps)


def lines(log, **fields):
    """The events of the log that have these fields."""
    time.sleep(0.3)  # lines are written a moment later
    events = map(json.loads, log.read_text().splitlines())
    return [event for event in events if fields.items() <= event.items()]


def shown(server, *states):
    found = figures(server)
    return tuple(value(found, "workers", state=state) for state in states)


def test_jobs_are_accounted_for(accounted, document):
    server, log = accounted
    assert resident(server.process.pid) < IDLE_BYTES
    assert not has_loaded("tornado", server.process.pid)  # which comes with Dask
    assert shown(server, "idle", "busy") == (0.0, 0.0)

    location = submitted(server, document)
    id = location.rpartition("/")[2]
    ended(server, location)
    assert has_loaded("tornado", server.process.pid)  # so the check above can fail
    (accepted,) = lines(log, event="job accepted", job=id)
    assert (accepted["level"], accepted["logger"]) == ("info", "kappafit.jobs")
    (request,) = lines(log, event="request", status=202)
    assert request["request_id"] == accepted["request_id"]
    (started,) = lines(log, event="job started", job=id)
    assert (started["task"], started["left"]) == ("calibrate", 1)
    (end,) = lines(log, event="job ended", job=id)
    assert end["status"] == "successful"
    assert 0.0 <= end["waited"] < 60.0
    assert 0.0 < end["ran"] < 60.0
    deadline = time.monotonic() + 5.0
    while shown(server, "idle", "busy") != (1.0, 0.0):
        assert time.monotonic() < deadline
        time.sleep(0.05)

    location = submitted(server, long(document))
    while server.client.get(location).json()["status"] != "running":
        time.sleep(0.05)
    time.sleep(0.3)
    assert shown(server, "idle", "busy") == (0.0, 1.0)
    waits = submitted(server, document)
    for one in (location, waits):
        server.client.delete(one)
    ends = [event["status"] for event in lines(log, event="job ended")]
    assert ends == ["successful", "dismissed", "dismissed"]
    assert len(lines(log, event="job started")) == 2

    time.sleep(5.0)  # for which counts are remembered
    found = figures(server)
    counts = {s: value(found, "jobs", status=s) for s in ("accepted", "successful", "dismissed")}
    assert counts == {"accepted": 0.0, "successful": 1.0, "dismissed": 2.0}
    assert value(found, "jobs_ended_total", status="dismissed") == 2.0
    assert value(found, "job_run_seconds_count") == 3.0
