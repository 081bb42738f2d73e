"""The benchmarks: the commands say what they should. The peers are in test_benchmarks_peers."""

import json
import subprocess
import sys
from itertools import groupby

import pytest

import solver
from app.document import read_document
from benchmarks.__main__ import main
from benchmarks.clock import Effort, interleaved
from benchmarks.machine import ALLOWED, all_cores, pinned_core
from tests.conftest import ROOT

EXAMPLE = str(ROOT / "app" / "examples" / "lecture.json")
ONCE = ["--rounds", "1", "--seconds", "0"]
TIME_KEYS = {
    "by",
    "experiments",
    "objective",
    "gradient",
    "forward_s",
    "value_and_gradient_s",
    "first_call_s",
    "peak_rss_mb",
    "cells",
    "steps",
    "unknowns",
    "runs",
}


def test_threads_are_settled_before_numpy_is_loaded():
    code = "import sys, benchmarks.__main__; sys.exit('numpy' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_time_as_json(document, tmp_path, capsys):
    path = tmp_path / "document.json"
    path.write_text(json.dumps(document))
    main(["time", str(path), "--json", *ONCE])
    (line,) = capsys.readouterr().out.splitlines()
    report = json.loads(line)
    assert set(report) == TIME_KEYS
    J, gradient = solver.value_and_gradient(read_document(path.read_bytes()))
    assert report["objective"] == pytest.approx(J, rel=1e-12)
    assert report["gradient"] == pytest.approx(gradient, rel=1e-12)
    assert report["cells"] == document["bar"]["cells"]
    assert report["steps"] == document["time"]["steps"]
    assert report["unknowns"] == len(gradient)
    assert report["runs"] == 1
    times = [report[key] for key in ("forward_s", "value_and_gradient_s", "first_call_s")]
    assert all(0.0 < seconds < 60.0 for seconds in times)
    assert report["peak_rss_mb"] is None or report["peak_rss_mb"] > 10.0


def test_time_as_text(document, tmp_path, capsys):
    path = tmp_path / "document.json"
    path.write_text(json.dumps(document))
    main(["time", str(path), *ONCE])
    text = capsys.readouterr().out
    for word in ("objective", "d / d a", "d / d b", "forward", "first call", "peak memory"):
        assert word in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["time"], "DOCUMENT.json"),
        (["time", "nowhere.json"], "there is no file 'nowhere.json'"),
        (["peers", "--sizes", "12"], "'12' is not a size"),
        (["peers", "--sizes", "2x5"], "at least 3x1"),
        (["peers", "--sizes", "5x3,-4x2"], "'-4x2' is not a size"),
        (["peers", "--rounds", "0"], "'0' is not a whole number of at least 1"),
        (["peers", "--seconds", "soon"], "'soon' is not a time in seconds"),
        (["peers", "--kinds", "speed"], "invalid choice: 'speed'"),
        (["scaling", "--largest", "0"], "'0' is not a whole number of at least 1"),
        (["scaling", "--plot", "curve.txt"], "'curve.txt' is no place for a picture"),
        (["scaling", "--plot", "nowhere/curve.svg"], "in a folder that is there"),
        (["race"], "invalid choice: 'race'"),
    ],
)
def test_bad_arguments_are_refused_in_words(words, message, capsys):
    with pytest.raises(SystemExit) as stop:
        main(words)
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bar": 1}, "#/bar"),
        ({"sensors": []}, "no sensor has a reading"),
        ({"material": {"diffusivity": 1.0}}, "no Number is unknown"),
    ],
)
def test_bad_documents_are_refused_in_words(change, message, document, tmp_path):
    path = tmp_path / "document.json"
    path.write_text(json.dumps(document | change))
    with pytest.raises(SystemExit, match=message):
        main(["time", str(path)])


def test_what_is_no_json_is_refused_in_words(tmp_path):
    path = tmp_path / "document.json"
    path.write_text("{")
    with pytest.raises(SystemExit, match=path.name):
        main(["time", str(path)])


def test_calls_are_timed_in_turns(monkeypatch):
    monkeypatch.setattr("benchmarks.clock.TURN", 0.0)
    turns = []
    calls = {name: lambda name=name: turns.append(name) for name in "ab"}
    timing = interleaved(calls, Effort(rounds=3, seconds=0.0))
    assert turns == list("aabb") * 3  # each once to warm up and once on the clock
    assert timing.rounds == 3
    assert set(timing.medians) == {"a", "b"}


def test_short_calls_are_repeated_before_it_is_the_next_ones_turn():
    turns = []
    calls = {name: lambda name=name: turns.append(name) for name in "ab"}
    interleaved(calls, Effort(rounds=2, seconds=0.0))
    assert [name for name, _ in groupby(turns)] == list("abab")
    assert min(turns.count(name) for name in "ab") > 100


def test_long_calls_are_not_warmed_up_again(monkeypatch):
    monkeypatch.setattr("benchmarks.clock.TURN", 0.0)
    monkeypatch.setattr("benchmarks.clock.LONG", 0.0)
    turns = []
    interleaved({"a": lambda: turns.append("a")}, Effort(rounds=3, seconds=0.0))
    assert len(turns) == 4


def test_scaling_as_json_and_drawn(tmp_path, capsys):
    plot = tmp_path / "scaling.svg"
    main(["scaling", "--largest", "100", "--plot", str(plot), "--json", *ONCE])
    curves = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [c["over"] for c in curves[:3]] == [
        "unknowns of the grid",
        "steps",
        "unknowns of the fit",
    ]
    assert curves[0]["sizes"] == [100]
    assert curves[2]["sizes"] == [2, 5, 10, 20, 50, 100]
    for curve in curves:
        assert len(curve["value_and_gradient_s"]) == len(curve["sizes"])
        assert all(0.0 < seconds < 60.0 for seconds in curve["value_and_gradient_s"])
    assert "<svg" in plot.read_text()


def test_scaling_as_text(capsys):
    main(["scaling", "--largest", "2", *ONCE])
    text = capsys.readouterr().out
    assert "unknowns of the fit" in text
    assert "steps" not in text  # there even the smallest size is larger


def test_all_cores_are_free_for_a_while():
    before = pinned_core()
    with all_cores():
        assert not ALLOWED or pinned_core() is None or len(ALLOWED) == 1
    assert pinned_core() == before


def test_rest_times_a_real_service() -> None:
    command = [sys.executable, "-m", "benchmarks", "rest", EXAMPLE, "--requests", "5", "--json"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=180)
    assert run.returncode == 0, run.stderr
    record = json.loads(run.stdout)
    assert record["status"] == "converged"
    assert 0.0 < record["service_median_s"] < record["median_s"] <= record["p95_s"] * 1.5
    assert 5.0 / record["per_second"] > 3.0 * record["median_s"]  # three of five took that or more
