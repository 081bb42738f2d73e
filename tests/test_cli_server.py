"""The command line and a service with keys: the same words and exit codes as on this machine."""

import json
import os
import re
import signal
import subprocess
import sys
from contextlib import ExitStack, suppress
from functools import partial

import pytest
from typer.testing import CliRunner

from app.cli import cli
from tests.conftest import ROOT, free_port
from tests.test_columns import LOG, logged

EXAMPLE = ROOT / "app" / "examples" / "lecture.json"


def kappafit(*arguments, stdin=None, **settings):
    """A run of the command; settings are environment variables without their KAPPAFIT_."""
    names = ("server", "key")
    environment = {f"KAPPAFIT_{name.upper()}": settings.get(name) for name in names}
    environment |= {"COLUMNS": "120"}
    return CliRunner().invoke(cli, [*map(str, arguments)], input=stdin, env=environment)


@pytest.fixture
def there(guarded):
    """The command, asking the service."""
    return lambda *arguments, **more: kappafit(
        *arguments, **({"server": guarded.url, "key": guarded.key} | more)
    )


def without_time(text):
    return re.sub(r"\d+ ms|\"seconds\": [\d.e-]+", "", text)


@pytest.mark.parametrize(
    "command",
    [
        ["calibrate"],
        ["gradient", "--at", "a=2", "--hessian"],
        ["simulate", "--field"],
        ["check", "--json"],
    ],
    ids=lambda command: command[0],
)
def test_the_same_is_printed_as_on_this_machine(there, command):
    name, *options = command
    here, remote = kappafit(name, EXAMPLE, *options), there(name, EXAMPLE, *options)
    assert (remote.exit_code, remote.stderr) == (here.exit_code, here.stderr) == (0, "")
    assert without_time(remote.stdout) == without_time(here.stdout)
    assert len(remote.stdout) > 50


def test_what_is_large_is_printed_alike(guarded, document, tmp_path):
    document["bar"]["cells"] = document["time"]["steps"] = 400
    document["fit"] = {"max_iterations": 1}
    file = tmp_path / "large.json"
    file.write_text(json.dumps(document))
    here = kappafit("calibrate", file)
    remote = kappafit("calibrate", file, "--server", guarded.url, "--key", guarded.key)
    assert without_time(remote.stdout) == without_time(here.stdout)
    assert (remote.exit_code, here.exit_code) == (1, 1)


def test_logs_are_sent_along(there, tmp_path):
    (tmp_path / "T.csv").write_text(LOG)
    (tmp_path / "other.csv").write_text(LOG.replace("20.0", "19.0"))
    file = tmp_path / "bar.json"
    file.write_text(json.dumps(logged() | {"data": {"file": "T.csv"}}))
    seen = set()
    for options in ([], ["--data", tmp_path / "other.csv"]):
        here, remote = kappafit("gradient", file, *options), there("gradient", file, *options)
        assert (remote.exit_code, remote.stdout) == (0, here.stdout)
        seen.add(remote.stdout)
    assert len(seen) == 2
    (tmp_path / "T.csv").unlink()
    here, remote = kappafit("gradient", file), there("gradient", file)
    assert (remote.exit_code, remote.stderr) == (2, here.stderr)
    assert "cannot read" in remote.stderr


@pytest.mark.parametrize("document", ['{"bar": {"lenght": 1}}', '{"bar": ', ""])
def test_mistakes_are_said_in_the_same_words(there, document):
    here = kappafit("calibrate", "-", stdin=document)
    remote = there("calibrate", "-", stdin=document)
    assert (remote.exit_code, remote.stderr) == (here.exit_code, here.stderr)
    assert here.exit_code == 2


def test_what_is_missing_is_said_in_one_line(guarded):
    nowhere = f"http://127.0.0.1:{free_port()}"
    for words, settings in (
        (f"no answer from {nowhere} in 4 attempts", {"server": nowhere, "key": "kf_hidden"}),
        ("a key is made by `kappafit keys add NAME`", {"server": guarded.url}),
        ("this key is not known here", {"server": guarded.url, "key": "kf_hidden"}),
        ("write http://HOST:PORT", {"server": "127.0.0.1:8000"}),
        ("copy it once more", {"server": guarded.url, "key": "kf hidden"}),
    ):
        run = kappafit("gradient", EXAMPLE, **settings)
        assert run.exit_code == 2
        assert run.stderr.startswith("kappafit: ")
        assert words in run.stderr
        assert run.stderr.count("\n") == 1
        assert "hidden" not in run.stderr
    run = kappafit("jobs", "list")
    assert (run.exit_code, run.stderr.count("\n")) == (2, 1)
    assert "set KAPPAFIT_SERVER" in run.stderr


def test_a_key_is_not_shown_in_help(there):
    for command in (["calibrate"], ["submit"], ["jobs", "list"]):
        run = there(*command, "--help", key="kf_hidden")
        assert "KAPPAFIT_KEY" in run.stdout
        assert "hidden" not in run.stdout + run.stderr


def test_plots_that_need_the_fit_are_refused(there, tmp_path):
    run = there("calibrate", EXAMPLE, "--plot", tmp_path / "fit.png")
    assert run.exit_code == 2
    assert "--plot draws a fit that was made on this machine" in run.stderr
    run = there("check", EXAMPLE, "--plot", tmp_path / "check.png")
    assert run.exit_code == 0
    assert (tmp_path / "check.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def submitted(there, *arguments):
    run = there("submit", *arguments)
    assert run.exit_code == 0, run.stderr
    id = run.stdout.strip()
    assert re.fullmatch("[0-9a-f]{32}", id)
    assert f"kappafit jobs watch {id}" in run.stderr
    return id


def test_a_job_from_its_submission_to_its_result(there):
    once = ("--idempotency-key", "of the command line")
    assert there("submit", EXAMPLE, *once).exit_code == 2  # no blanks in a key
    id = submitted(there, EXAMPLE, "--idempotency-key", "command-line")
    assert submitted(there, EXAMPLE, "--idempotency-key", "command-line") == id
    watched = there("jobs", "watch", id)
    assert (watched.exit_code, watched.stderr) == (0, "")
    assert "successful" in watched.stdout
    shown = json.loads(there("jobs", "show", id, "--json").stdout)
    assert (shown["id"], shown["status"], shown["progress"]) == (id, "successful", 100)
    listed = there("jobs", "list", "--status", "successful", "--limit", "1").stdout
    assert re.search(rf"^{id} +calibrate +successful +100 ", listed, re.M)
    result = there("jobs", "result", id)
    assert without_time(result.stdout) == without_time(kappafit("calibrate", EXAMPLE).stdout)
    unknown = there("jobs", "show", "0" * 32)
    assert (unknown.exit_code, "there is no such job" in unknown.stderr) == (2, True)


def test_an_ensemble_from_a_file(there, tmp_path):
    items = tmp_path / "items.json"
    items.write_text('[{}, {"bar": {"cells": -1}}]')
    id = submitted(there, EXAMPLE, "--items", items)
    result = there("jobs", "result", id)
    assert result.exit_code == 1  # since one has no answer
    assert re.search(r"^0 +converged +43\.22\d+ +a = 1\.997\d+ ± 0\.011, b = ", result.stdout, re.M)
    assert re.search(r"^1 +problem .*#/bar/cells at least 2 cells", result.stdout, re.M)
    whole = json.loads(there("jobs", "result", id, "--json").stdout)
    assert [item["index"] for item in whole["items"]] == [0, 1]
    items.write_text('{"bar": {}}')
    wrong = there("submit", EXAMPLE, "--items", items)
    assert (wrong.exit_code, "write a list" in wrong.stderr) == (2, True)


def test_a_job_goes_on_when_it_is_no_longer_watched(guarded, there, document, tmp_path):
    document["bar"]["cells"], document["time"]["steps"] = 2000, 20_000
    file = tmp_path / "long.json"
    file.write_text(json.dumps(document | {"fit": {"starts": 8}}))
    id = submitted(there, file)
    said = watched_on_a_terminal(guarded, id)
    assert "iteration" in said
    assert "J = " in said
    assert f"the job goes on: kappafit jobs cancel {id} stops it" in said
    assert "running" in there("jobs", "show", id).stdout
    assert "dismissed" in there("jobs", "cancel", id).stdout
    stopped = there("jobs", "watch", id)
    assert (stopped.exit_code, "dismissed" in stopped.stdout) == (1, True)
    none = there("jobs", "result", id)
    assert (none.exit_code, "it has no result" in none.stderr) == (2, True)


def watched_on_a_terminal(server, id):
    """What is written to a terminal until Ctrl-C, which comes once there is a progress bar."""
    ours, theirs = os.openpty()
    settings = {"KAPPAFIT_SERVER": server.url, "KAPPAFIT_KEY": server.key}
    environment = os.environ | settings | {"COLUMNS": "200", "TERM": "xterm"}
    command = [sys.executable, "-m", "app", "jobs", "watch", id]
    heeding = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # which a shell's & ignores
    with (
        subprocess.Popen(
            command, cwd=ROOT, env=environment, stderr=theirs, preexec_fn=heeding
        ) as watch,
        ExitStack() as in_any_case,
    ):
        in_any_case.callback(watch.kill)
        os.close(theirs)
        said = b""
        while b"iteration" not in said:
            said += os.read(ours, 4096)
        watch.send_signal(signal.SIGINT)
        with suppress(OSError):  # the other end is closed
            while True:
                said += os.read(ours, 4096)
        watch.wait(timeout=30)
    os.close(ours)
    assert watch.returncode == 130
    return said.decode()


def test_it_is_the_same_in_a_process_of_its_own(guarded):
    command = [sys.executable, "-m", "app", "calibrate", EXAMPLE, "--json"]
    options = ["--server", guarded.url, "--key", guarded.key]
    run = subprocess.run([*command, *options], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (run.returncode, run.stderr) == (0, "")
    assert without_time(run.stdout) == without_time(kappafit("calibrate", EXAMPLE, "--json").stdout)
