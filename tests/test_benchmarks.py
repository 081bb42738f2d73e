"""The benchmarks: the peers agree, and the two commands say what they should."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

import solver
from app.document import read_document
from benchmarks.__main__ import main
from benchmarks.clock import Effort, interleaved
from benchmarks.comparison import as_text, compare
from benchmarks.lecture import TRIAL, TRUE, LectureBar
from benchmarks.peers import PEERS
from benchmarks.peers.scipy_gttrf import temperatures
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


def dense_misfit(bar, d, a, b):
    """J by dense matrices, straight from the equations."""
    D = np.diag(np.full(bar.n, -2.0)) + np.eye(bar.n, k=1) + np.eye(bar.n, k=-1)
    D[0, 1] = 2.0
    A = np.eye(bar.n) - bar.dt * (a + b * bar.x)[:, None] * D * bar.n**2
    u, J = np.zeros(bar.n), 0.0
    for t, d_k in zip(bar.t, d, strict=True):
        f = np.exp(-50 * (bar.x - 0.3) ** 2) * (1 + np.sin(2 * np.pi * t))
        u = np.linalg.solve(A, u + bar.dt * f)
        J += (u[0] - d_k) ** 2
    return J


def dense_gradient(bar, d):
    """The gradient of `dense_misfit` by complex steps."""
    a, b = TRIAL
    h = 1e-30
    return [
        dense_misfit(bar, d, a + 1j * h, b).imag / h,
        dense_misfit(bar, d, a, b + 1j * h).imag / h,
    ]


@pytest.mark.parametrize("size", [(3, 1), (8, 5), (41, 30)])
@pytest.mark.parametrize("name", PEERS)
def test_peers_solve_the_lectures_bar(name, size):
    if not PEERS[name].installed:
        pytest.skip(f"{PEERS[name].library} is not installed")
    bar = LectureBar(*size)
    d = temperatures(bar, *TRUE) + bar.noise
    peer = PEERS[name].build(bar, d)
    assert peer.forward() == pytest.approx(dense_misfit(bar, d, *TRIAL), rel=1e-8)
    if peer.value_and_gradient is not None:
        J, gradient = peer.value_and_gradient()
        assert pytest.approx(dense_misfit(bar, d, *TRIAL), rel=1e-8) == J
        assert gradient == pytest.approx(dense_gradient(bar, d), rel=1e-8)


def test_comparison():
    comparison = compare(LectureBar(12, 8), Effort(rounds=2, seconds=0.0))
    assert set(comparison.rows) | set(comparison.missing) == set(PEERS)
    assert comparison.rounds == 2
    for row in comparison.rows.values():
        assert row.objective_error < 1e-8
        assert row.gradient_error is None or row.gradient_error < 1e-8
    ours = comparison.rows["kappafit"]
    march, scipy = (comparison.rows[name] for name in ("march", "scipy"))
    assert comparison.ratios(ours) == {
        "over_forward": ours.value_and_gradient_s / ours.forward_s,
        "over_march": ours.value_and_gradient_s / march.forward_s,
        "over_scipy": ours.value_and_gradient_s / scipy.value_and_gradient_s,
    }
    text = as_text(comparison)
    assert all(name in text for name in PEERS)
    assert ("not installed" in text) == bool(comparison.missing)


def test_peers_runs_pinned_and_says_what_is_missing():
    command = [sys.executable, "-m", "benchmarks", "peers", "--sizes", "6x4,5x3", "7x2", "--json"]
    done = subprocess.run([*command, *ONCE], cwd=ROOT, check=True, capture_output=True, text=True)
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(r["n"], r["m"]) for r in records] == [(6, 4), (5, 3), (7, 2)]
    for record in records:
        assert set(record["peers"]) | set(record["missing"]) == set(PEERS)
        assert record["rounds"] == 1
        assert (record["core"] is not None) == hasattr(os, "sched_setaffinity")


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


def test_calls_are_timed_in_turns():
    turns = []
    calls = {name: lambda name=name: turns.append(name) for name in "ab"}
    timing = interleaved(calls, Effort(rounds=3, seconds=0.0))
    assert turns == list("aabb") * 3  # each once to warm up and once on the clock
    assert timing.rounds == 3
    assert set(timing.medians) == {"a", "b"}


def test_rest_times_a_real_service() -> None:
    command = [sys.executable, "-m", "benchmarks", "rest", EXAMPLE, "--requests", "5", "--json"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=180)
    assert run.returncode == 0, run.stderr
    record = json.loads(run.stdout)
    assert record["status"] == "converged"
    assert 0.0 < record["service_median_s"] < record["median_s"] <= record["p95_s"] * 1.5
