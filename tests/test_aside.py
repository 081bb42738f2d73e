"""Large bodies are read in another process; what goes wrong there goes no further."""

import json
import os
import pickle
import signal
import time
from pathlib import Path

import pytest

from app.answer_text import PIECE, text_of
from app.answers import FieldAnswer, SensorReadings, SimulationAnswer
from app.aside import LARGE, Aside, ReaderLost, read_here
from app.document import read_document
from app.examples import example_bytes
from app.service import Task
from solver import Cancelled, InvalidExperiment, Problem, TrialError
from solver.model import no_pulse
from tests.conftest import Server
from tests.documents import hot, linear, rich, same
from tests.test_service import cpu_seconds


@pytest.fixture
def aside():
    opened = Aside()
    yield opened
    opened.close()


def process_of(data):
    return os.getpid()


def fall(data):
    os.kill(os.getpid(), signal.SIGKILL)


def fall_once(data, file):
    if not os.path.exists(file):
        open(file, "w").close()
        fall(data)
    return len(data)


def sleep(data, seconds):
    time.sleep(seconds)


def padded(data, size=LARGE):
    return data.ljust(size)


def test_only_what_is_large_is_read_elsewhere(aside):
    assert aside(no_pulse, process_of, b" " * (LARGE - 1)) == os.getpid()
    elsewhere = aside(no_pulse, process_of, b" " * LARGE)
    assert elsewhere not in (os.getpid(), None)
    assert aside(no_pulse, process_of, b" " * LARGE) == elsewhere  # it stays


@pytest.mark.parametrize("document", [rich(), linear(), hot()], ids=["rich", "linear", "hot"])
def test_documents_come_back_as_they_are_read_here(aside, document):
    data = padded(json.dumps(document).encode())
    here = read_here(no_pulse, read_document, data)
    assert same(aside(no_pulse, read_document, data), here)
    wrong = padded(json.dumps(document | {"left": {"kind": "open"}, "unheard_of": 1}).encode())
    with pytest.raises(InvalidExperiment) as elsewhere:
        aside(no_pulse, read_document, wrong)
    with pytest.raises(InvalidExperiment) as at_home:
        read_here(no_pulse, read_document, wrong)
    assert elsewhere.value.problems == at_home.value.problems


@pytest.mark.parametrize(
    "error",
    [
        InvalidExperiment(Problem(("a", 1), "code", "detail"), Problem((), "other", "words")),
        TrialError(("a",), "code", "detail"),
        Cancelled(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_survive_the_way(error):
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))


def test_a_process_that_is_lost_is_replaced(aside, tmp_path):
    size = len(padded(b""))
    assert aside(no_pulse, fall_once, padded(b""), str(tmp_path / "fell")) == size
    with pytest.raises(ReaderLost):
        aside(no_pulse, fall, padded(b""))
    assert aside(no_pulse, process_of, padded(b"")) != os.getpid()


def test_who_reads_can_be_stopped(aside):
    began = time.monotonic()
    aside(no_pulse, process_of, padded(b""))

    def pulse():
        if time.monotonic() - began > 0.5:
            raise Cancelled

    began = time.monotonic()
    with pytest.raises(Cancelled):
        aside(pulse, sleep, padded(b""), 3.0)
    assert time.monotonic() - began < 2.0


def test_the_process_ends_with_a_service_that_is_killed():
    server = Server().wait()
    try:
        body = padded(example_bytes())
        assert server.post("/v1/gradient", body).status_code == 200
        readers = [pid for pid in children(server.process.pid) if is_python(pid)]
        assert readers
        os.kill(readers[-1], signal.SIGKILL)  # and another takes its place
        assert server.post("/v1/gradient", body).status_code == 200
        left = children(server.process.pid)
        server.process.kill()
        deadline = time.monotonic() + 10.0
        while any(is_python(pid) for pid in left) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not any(is_python(pid) for pid in left)
    finally:
        server.stop()


def children(pid):
    lists = Path(f"/proc/{pid}/task").glob("*/children")  # each thread has its own
    return [int(child) for listed in lists for child in listed.read_text().split()]


def is_python(pid):
    """Whether it lives."""
    try:
        return cpu_seconds(pid) >= 0.0 and b"python" in open_command(pid)
    except FileNotFoundError:
        return False


def open_command(pid):
    with open(f"/proc/{pid}/cmdline", "rb") as line:
        return line.read()


def test_a_text_in_pieces_is_the_same_text():
    answer = Task(example_bytes()).calibrate()
    assert text_of(answer) == answer.model_dump_json().encode()
    numbers = [0.1 * k for k in range(3 * PIECE)]
    large = SimulationAnswer(
        sensors={
            'a "name"\n\u00e9': SensorReadings(times=numbers, temperatures=[]),
            "b": SensorReadings(times=[1.0], temperatures=numbers),
        },
        field=FieldAnswer(x=[1.0], times=[], temperatures=[numbers, numbers[:3], []]),
        at={"a": 1.0, "curve": numbers},
        provenance=answer.provenance,
    )
    assert text_of(large) == large.model_dump_json().encode()
    assert text_of(large.model_copy(update={"at": {}})).count(b'"at":{}') == 1
