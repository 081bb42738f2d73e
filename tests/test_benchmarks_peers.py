"""The benchmarks' peers: all of them solve the same problems, and who does not is found out."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np
import pytest

from benchmarks import comparison
from benchmarks.__main__ import main
from benchmarks.clock import Effort
from benchmarks.comparison import compare, readings
from benchmarks.kinds import BOTH, FORWARD, KINDS, problems
from benchmarks.lecture import TRIAL, LectureBar, pairs, settled
from benchmarks.peers import PEERS, Entry
from benchmarks.report import as_record, as_text
from tests.conftest import ROOT

ONCE = ["--rounds", "1", "--seconds", "0"]
AT_ONCE = Effort(rounds=1, seconds=0.0)
PROBLEMS = tuple(problems(list(KINDS)))
ABLE = [(name, p) for name, entry in PEERS.items() for p in PROBLEMS if p in entry.builds()]
SINGLE = [(name, problem) for name, problem in ABLE if problem != "ensemble"]
C = [name for name in PEERS if name.startswith("c-")]


def dense_misfit(bar, d, a, b, problem):
    """J by dense matrices, straight from the equations."""
    D = np.diag(np.full(bar.n, -2.0)) + np.eye(bar.n, k=1) + np.eye(bar.n, k=-1)
    D[0, 1] = 2.0
    D *= bar.n**2
    u, J = np.zeros(bar.n), 0.0
    for t, d_k in zip(bar.t, d, strict=True):
        right = u + bar.dt * np.exp(-50 * (bar.x - 0.3) ** 2) * (1 + np.sin(2 * np.pi * t))
        for _ in range(10 if problem == "nonlinear" else 1):
            kappa = a + b * (u if problem == "nonlinear" else bar.x)
            slope = np.diag(b * (D @ u)) if problem == "nonlinear" else 0.0
            A = np.eye(bar.n) - bar.dt * (kappa[:, None] * D + slope)
            u = np.linalg.solve(A, right - bar.dt * slope @ u if np.ndim(slope) else right)
        J += (u[0] - d_k) ** 2
    return J


def dense(bar, d, ab, problem):
    """J and its gradient, by complex steps."""
    (a, b), h = ab, 1e-30
    steps = ((a + 1j * h, b), (a, b + 1j * h))
    gradient = [dense_misfit(bar, d, *step, problem).imag / h for step in steps]
    return dense_misfit(bar, d, a, b, problem), np.array(gradient)


def build(name, problem, bar):
    """A peer and its readings; skips what is not installed."""
    if not PEERS[name].installed:
        pytest.skip(f"{PEERS[name].needs} is not installed")
    d = readings(bar, problem)
    return PEERS[name].builds()[problem](bar, d), d


@pytest.mark.parametrize("size", [(3, 1), (8, 5), (41, 30)])
@pytest.mark.parametrize(("name", "problem"), SINGLE)
def test_peers_solve_the_lectures_bar(name, problem, size):
    bar = LectureBar(*size)
    peer, d = build(name, problem, bar)
    J, gradient = dense(bar, d, TRIAL, problem)
    assert peer.forward() == pytest.approx(J, rel=1e-8)
    if peer.value_and_gradient is not None:
        again, found = peer.value_and_gradient()
        assert again == pytest.approx(J, rel=1e-8)
        assert found == pytest.approx(gradient, rel=1e-8)


@pytest.mark.parametrize("name", [name for name, problem in ABLE if problem == "ensemble"])
def test_peers_solve_an_ensemble(name):
    bar = LectureBar(9, 6)
    peer, d = build(name, "ensemble", bar)
    J, gradients = peer.value_and_gradient()
    assert J.shape == (64,)
    assert gradients.shape == (64, 2)
    for i in (0, 1, 7, 8, 63):
        expected = dense(bar, d, pairs()[i], "ensemble")
        assert J[i] == pytest.approx(expected[0], rel=1e-8)
        assert gradients[i] == pytest.approx(expected[1], rel=1e-7)


@pytest.mark.parametrize(("name", "problem"), [able for able in ABLE if able[0] in C])
def test_c_agrees_with_scipy(name, problem):
    bar = LectureBar(150, 100)
    peer, d = build(name, problem, bar)
    J, gradient = PEERS["scipy"].builds()[problem](bar, d).value_and_gradient()
    again, found = peer.value_and_gradient()
    np.testing.assert_allclose(again, J, rtol=1e-9)
    np.testing.assert_allclose(found, gradient, rtol=1e-9)
    if peer.forward is not None:
        assert peer.forward() == pytest.approx(J, rel=1e-9)


@pytest.mark.parametrize("problem", PROBLEMS)
def test_c_is_given_other_bars_and_more_pairs_than_lanes(problem, monkeypatch):
    monkeypatch.setattr("benchmarks.peers.c_bar.pairs", lambda: pairs(13))
    monkeypatch.setattr("benchmarks.peers.scipy_gttrf.pairs", lambda: pairs(13))
    for size in ((30, 20), (5, 4), (60, 7)):  # scratch grows, is too large, grows again
        bar = LectureBar(*size)
        peer, d = build(C[0], problem, bar)
        J, gradient = PEERS["scipy"].builds()[problem](bar, d).value_and_gradient()
        again, found = peer.value_and_gradient()
        np.testing.assert_allclose(again, J, rtol=1e-9)
        np.testing.assert_allclose(found, gradient, rtol=1e-9)


def test_c_leaves_the_other_peers_arithmetic_alone():
    code = (
        "import sys, numpy as np; from benchmarks.lecture import LectureBar; "
        "from benchmarks.peers import PEERS; bar = LectureBar(5, 4); "
        "[build(bar, bar.s) for build in PEERS['c-adjoint'].builds().values()]; "
        "sys.exit(bool(np.full(9, 1e-310)[3] * 0.5 == 0.0))"
    )
    build(C[0], "linear", LectureBar(5, 4))  # or skip
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


@pytest.mark.parametrize("problem", PROBLEMS)
def test_comparison(problem):
    found = compare(LectureBar(12, 8), Effort(rounds=2, seconds=0.0), problem)
    assert set(found.rows) | set(found.missing) | set(found.lacking) >= set(PEERS)
    assert found.rounds == 2
    assert all(row.agrees for row in found.rows.values())
    assert all((row.gradient_error or 0.0) < 1e-8 for row in found.rows.values())
    text = as_text(found)
    assert all(name in text for name in found.rows)
    assert ("not installed" in text) == bool(found.missing)
    assert set(json.loads(as_record(found))["peers"]) == set(found.rows)


def test_ratios():
    found = compare(LectureBar(12, 8), AT_ONCE)
    ours = found.rows["kappafit"]
    both = ours.value_and_gradient_s
    best = min(
        (found.rows[name].value_and_gradient_s for name in C if name in found.rows), default=0
    )
    assert found.ratios(ours) == {
        "over_forward": both / ours.forward_s,
        "over_march": both / found.rows["march"].forward_s,
        "over_c": both / best if best else None,
        "over_scipy": both / found.rows["scipy"].value_and_gradient_s,
    }
    assert found.ratios(found.rows["march"])["over_march"] == 1.0


def test_only_what_was_asked_for_is_timed():
    found = compare(LectureBar(5, 4), AT_ONCE, "linear", (BOTH,))
    assert "march" not in found.rows
    assert all(row.forward_s is None for row in found.rows.values())
    found = compare(LectureBar(5, 4), AT_ONCE, "linear", (FORWARD,))
    assert all(row.value_and_gradient_s is None for row in found.rows.values())
    assert problems(["gradient", "ensemble"]) == {"linear": (BOTH,), "ensemble": (BOTH,)}


@dataclass(frozen=True)
class Spoilt:
    """A peer whose gradient is off by a relative 1e-6."""

    entry: Entry
    installed = True

    def builds(self):
        return {name: self.spoil(build) for name, build in self.entry.builds().items()}

    def spoil(self, build):
        def spoilt(bar, d):
            peer = build(bar, d)

            def both():
                J, gradient = peer.value_and_gradient()
                return J, gradient * (1.0 + 1e-6)

            return replace(peer, value_and_gradient=both)

        return spoilt


@pytest.mark.parametrize("problem", PROBLEMS)
def test_a_wrong_gradient_is_found_out(problem, monkeypatch, capsys):
    entries = {"scipy": PEERS["scipy"], "spoilt": Spoilt(PEERS["scipy"])}
    found = compare(LectureBar(12, 8), AT_ONCE, problem, entries=entries)
    assert found.rows["scipy"].agrees
    assert not found.rows["spoilt"].agrees
    assert found.rows["spoilt"].gradient_error == pytest.approx(1e-6, rel=1e-3)
    assert as_text(found).count("WRONG") == 1
    monkeypatch.setattr(comparison, "compare", lambda *_, **__: found)
    with pytest.raises(SystemExit, match=rf"not agree with scipy: spoilt \({problem}, 5x4\)"):
        main(["peers", "--sizes", "5x4", "--kinds", *kinds_of(problem), *ONCE])
    assert "WRONG" in capsys.readouterr().out


def kinds_of(problem):
    """A kind that asks for the problem."""
    return [kind for kind, (of, _) in KINDS.items() if of == problem][:1]


def test_peers_runs_pinned_and_says_what_is_missing():
    command = [sys.executable, "-m", "benchmarks", "peers", "--sizes", "6x4,5x3", "7x2", "--json"]
    done = subprocess.run(
        [*command, "--no-children", *ONCE], cwd=ROOT, check=True, capture_output=True, text=True
    )
    records = [json.loads(line) for line in done.stdout.splitlines()]
    sizes = [(6, 4), (5, 3), (7, 2)]
    assert [(r["n"], r["m"], r["problem"]) for r in records] == list(
        chain.from_iterable([(n, m, problem) for problem in PROBLEMS] for n, m in sizes)
    )
    for record in records:
        names = set(record["peers"]) | set(record["missing"]) | set(record["lacking"])
        assert names >= set(PEERS) - {"march"}
        assert record["rounds"] == 1
        assert (record["core"] is not None) == hasattr(os, "sched_setaffinity")


def test_children_tell_memory_and_first_call():
    entries = {name: PEERS[name] for name in ("scipy", C[0])}
    found = compare(LectureBar(300, 200), AT_ONCE, entries=entries, children=True)
    for row in found.rows.values():
        assert 0.01 < row.fresh.first_call_s < 60.0
    trajectory = 300 * 200 * 8 / 2**20
    if (memory := found.rows["scipy"].fresh.memory_mb) is not None:
        assert trajectory < memory < 100.0
    assert "first call: from the start" in as_text(found)


def test_newton_stops_when_the_next_change_would_be_small_enough():
    assert settled(1e-13, 0.0)
    assert not settled(1e-11, 0.0)
    assert settled(1e-8, 1e-4)  # the next one: 1e-16
    assert not settled(1e-4, 1e-2)  # the next one: 1e-8
    assert not settled(1e-11, 2e-11)  # no faster than linear
