"""The README tells the truth: its code runs, its answer is the answer, its tables are complete."""

import contextlib
import io
import json
import re

import solver
from app.cli import cli
from app.settings import Settings
from tests.conftest import ROOT

README = (ROOT / "README.md").read_text()


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.S)


def test_the_first_screen_says_what_it_is_and_shows_a_call_and_an_answer():
    first_screen = "\n".join(README.splitlines()[:56])
    assert first_screen.startswith("# kappafit")
    assert "make run" in first_screen
    assert "curl -s" in first_screen
    assert '"estimates"' in first_screen
    assert "from solver import" in first_screen


def test_the_python_block_runs():
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(blocks("python")[0], "README.md", "exec"), {})  # our own text
    a = float(re.search(r"'a': ([0-9.]+)", out.getvalue()).group(1))
    assert 1.0 < a < 4.0


def test_the_shown_answer_is_the_answer(server, document):
    shown = json.loads(blocks("json")[0])
    answer = server.post("/v1/calibrate", document).json()
    for name, estimate in shown["estimates"].items():
        for key, value in estimate.items():
            assert json_close(answer["estimates"][name][key], value, 2e-3), (name, key)
    assert shown["status"] == answer["status"]
    assert shown["identifiability"]["verdict"] == answer["identifiability"]["verdict"]
    assert shown["certificate"]["passed"] == answer["certificate"]["passed"]
    assert not json_close(answer["estimates"]["a"]["value"], 1.9, 2e-3)


def json_close(actual, shown, tolerance):
    if isinstance(shown, list):
        return all(json_close(a, s, tolerance) for a, s in zip(actual, shown, strict=True))
    return abs(actual - shown) <= tolerance * abs(shown)


def test_the_shown_document_is_one(server):
    shown = next(json.loads(block) for block in blocks("json") if '"bar"' in block)
    assert server.post("/v1/simulate", shown).status_code == 200


def test_every_setting_command_law_end_and_method_is_named():
    for name in Settings.model_fields:
        assert f"`KAPPAFIT_{name.upper()}`" in README
    for command in cli.registered_commands:
        name = command.name or command.callback.__name__
        assert f"kappafit {name}" in README or name in ("serve", "warm-up")
    for name in (*solver.LAWS, *solver.BOUNDARIES, *solver.TABLEAUX):
        assert name in README
