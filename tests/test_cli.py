"""The command `kappafit`, run as people run it."""

import json
import os
import re
import subprocess
import sys

import pytest

from tests.conftest import ROOT
from tests.documents import TRUTH, rich, twin
from tests.test_joint_documents import parts

EXAMPLE = ROOT / "app" / "examples" / "lecture.json"


def kappafit(*arguments, stdin=None, timeout=120, cwd=ROOT):
    command = [sys.executable, "-m", "app", *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(
        command, cwd=cwd, env=environment, input=stdin, capture_output=True, timeout=timeout
    )


def test_calibrate_prints_a_table():
    run = kappafit("calibrate", EXAMPLE)
    assert run.returncode == 0, run.stderr
    text = run.stdout.decode()
    row = re.search(r"^a\s+(\S+)\s+(\S+)\s+\[(\S+), (\S+)\]", text, re.M)
    value, error, lower, upper = map(float, row.groups())
    assert lower < value < upper
    assert error > 0
    assert "converged after" in text
    assert "determined: The data determine every unknown." in text
    assert "gradient proved" in text


def test_course_data_through_the_command_line(course, tmp_path):
    file = tmp_path / "course.json"
    file.write_text(json.dumps(course))
    run = kappafit("calibrate", file, "--json")
    answer = json.loads(run.stdout)
    assert run.returncode == 0
    assert abs(answer["estimates"]["a"]["value"] - 5.0) <= 1e-8
    assert abs(answer["estimates"]["b"]["value"] - 2.0) <= 1e-8
    assert answer["objective"] <= 1e-25


def test_standard_input_and_the_service_give_the_same_answer(server):
    run = kappafit("calibrate", "-", "--json", stdin=EXAMPLE.read_bytes())
    here, there = json.loads(run.stdout), server.post("/v1/calibrate", EXAMPLE.read_bytes()).json()
    for answer in (here, there):
        answer["provenance"].pop("seconds")
    assert here == there


def test_gradient_simulate_and_example():
    run = kappafit("gradient", EXAMPLE, "--at", "a=2", "--at", '{"b": 1.5}', "--json")
    answer = json.loads(run.stdout)
    assert answer["at"] == {"a": 2.0, "b": 1.5}
    assert "dJ / d unknown" in kappafit("gradient", EXAMPLE).stdout.decode()
    simulated = kappafit("simulate", EXAMPLE).stdout.decode()
    assert "T0: t / s" in simulated
    field = kappafit("simulate", EXAMPLE, "--field").stdout.decode()
    assert "51 times x 51 places" in field
    assert kappafit("example").stdout == EXAMPLE.read_bytes()


def test_curves_and_what_holds_them_are_printed(tmp_path):
    file = tmp_path / "rich.json"
    file.write_text(json.dumps(twin(rich(), TRUTH)))
    run = kappafit("calibrate", file, "--plot", tmp_path / "rich.png")
    assert run.returncode == 0, run.stderr
    text = run.stdout.decode()
    heading, T0 = re.search(r"^unknown.*formal error.*grid error.*$\n(^T0 .*$)", text, re.M).span(1)
    assert 299.9 < float(text[heading:T0].split()[1]) < 300.1
    curve = re.search(r"^q at t / s\s+estimate\s+95 % band\n((?:.*\[.*\]\n)+)", text, re.M).group(1)
    values = [float(row.split()[1]) for row in curve.splitlines()]
    assert values == pytest.approx(TRUTH["q"], abs=2.0)
    assert "held smooth with weight" in text
    assert "differences of order 2" in " ".join(text.split())
    assert "24 cells x 50 steps of tr-bdf2," in text
    assert "take more cells" in text  # a warning of the answer
    assert (tmp_path / "rich.png").stat().st_size > 100_000


def test_a_joint_fit_on_the_command_line(tmp_path):
    file = tmp_path / "joint.json"
    file.write_text(json.dumps({"experiments": parts()}))
    run = kappafit("calibrate", file)
    text = run.stdout.decode()
    assert run.returncode == 0, run.stderr
    assert "20 cells x 40 steps of backward-euler and 25 cells x 30 steps" in text
    assert re.search(r"^0/in .*\n0/out .*\n1/0 .*\n1/in ", text, re.M)
    simulated = kappafit("simulate", file, "--at", "a=2", "--at", "h=3", "--json")
    assert json.loads(simulated.stdout)["at"] == {"a": 2.0, "b": 0.1, "h": 3.0}
    refused = kappafit("simulate", file, "--field")
    assert refused.returncode == 2
    assert "#/experiments  a field is that of one experiment" in refused.stderr.decode()


def test_a_refusal_is_short_and_plain(document):
    document["bar"]["\x1b[31m" + "g" * 1_000_000] = 1.0
    document["sensors"] = [{"x": None}] * 500
    run = kappafit("calibrate", "-", stdin=json.dumps(document).encode())
    assert run.returncode == 2
    assert len(run.stderr) < 10_000
    assert b"\x1b[31mg" not in run.stderr
    assert run.stderr.count(b"type_error") == 19


def test_check_and_plots(tmp_path):
    pytest.importorskip("matplotlib")
    for command in ("calibrate", "check"):
        file = tmp_path / f"{command}.png"
        run = kappafit(command, EXAMPLE, "--plot", file)
        assert run.returncode == 0, run.stderr
        assert file.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
        assert file.stat().st_size > 20_000
    assert "gradient proved" in run.stdout.decode()
    assert "complex step" in run.stdout.decode()


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (b'{"bar": ', "not JSON"),
        (b'{"bar": {"lenght": 1}}', "did you mean 'length'?"),
        (b"", "empty"),
    ],
)
def test_what_is_wrong_is_said_on_stderr(document, words):
    run = kappafit("calibrate", "-", stdin=document)
    assert run.returncode == 2
    assert words in run.stderr.decode()
    assert run.stdout == b""


def test_bad_points_and_files():
    assert "cannot read" in kappafit("calibrate", "no such file").stderr.decode()
    run = kappafit("gradient", EXAMPLE, "--at", "a")
    assert run.returncode == 2
    assert "NAME=VALUE" in run.stderr.decode()
    run = kappafit("gradient", EXAMPLE, "--at", "c=1")
    assert run.returncode == 2
    assert "not an unknown" in run.stderr.decode()


def test_an_unconverged_fit_says_so(document, tmp_path):
    document["fit"] = {"max_iterations": 1}
    file = tmp_path / "short.json"
    file.write_text(json.dumps(document))
    run = kappafit("calibrate", file)
    assert run.returncode == 1
    assert "max_iterations" in run.stdout.decode()
    assert "raise fit.max_iterations" in " ".join(run.stdout.decode().split())


def test_help_names_every_command():
    text = kappafit("--help").stdout.decode()
    for command in (
        "calibrate",
        "gradient",
        "simulate",
        "check",
        "init",
        "serve",
        "example",
        "warm-up",
    ):
        assert command in text
