"""Matter that changes with temperature, as it is answered, printed and drawn."""

import json

import numpy as np
import pytest

from app.service import Task
from tests.documents import put, twin
from tests.test_cli import kappafit

TIMES = [10.0 * k for k in range(1, 31)]
HOT = {
    "bar": {"length": "10 cm", "cells": 20, "initial": "20 degC"},
    "time": {"end": "5 min", "steps": 60, "method": "sdirk2"},
    "material": {
        "conductivity": {"law": "linear", "of": "u", "a": 60.0, "b": -0.03},
        "heat_capacity": 3.6e6,
    },
    "left": {"kind": "flux", "value": "200 kW/m^2"},
    "sensors": [
        {"name": "face", "x": 0.0, "times": TIMES, "sigma": 0.5},
        {"name": "middle", "x": 0.05, "times": TIMES, "sigma": 0.5},
    ],
}
LAW = ("material", "conductivity")
NETWORK = {"law": "network", "of": "u", "unknown": "k", "widths": [8, 8], "start": "40 W/m/K"}


def conductivity(T):
    return 60.0 - 0.03 * np.asarray(T)


@pytest.fixture(scope="module")
def measured():
    """The readings of the bar, with a network to be found in the place of its law."""
    return put(twin(HOT, {}, noise=0.5), LAW, NETWORK) | {"fit": {"starts": 3}}


@pytest.fixture(scope="module")
def found(measured):
    return Task(json.dumps(measured).encode()).find()


@pytest.fixture(scope="module")
def answer(measured):
    return json.loads(Task(json.dumps(measured).encode()).calibrate().model_dump_json())


def test_the_curve_is_answered_with_its_band_over_the_temperatures_met(answer):
    curve = answer["estimates"]["k"]["curve"]
    low, high = curve["met"]
    assert curve["of"] == "u"
    assert low == pytest.approx(293.15, abs=1.0)  # the far end is still cold
    face = answer["fit"]["face"]["temperatures"]
    assert high == pytest.approx(max(face), abs=1e-6)  # the face is the hottest place, at the end
    T, k = np.array(curve["points"]), conductivity(curve["points"])
    met = (T >= low) & (T <= high)
    covered = (np.array(curve["lower"]) <= k) & (k <= np.array(curve["upper"]))
    assert met.sum() >= 30
    assert covered[met].mean() >= 0.9
    (drawn,) = answer["curves"]
    assert (drawn["of"], drawn["pointer"]) == ("u", "#/material/conductivity")
    assert (drawn["points"][0], drawn["points"][-1]) == (low, high)


def test_the_fitted_network_goes_into_a_document_as_it_is_answered(server, answer):
    law = answer["estimates"]["k"]["law"]
    assert law["weights"] == answer["estimates"]["k"]["weights"]
    assert len(law["weights"]) == 8 * 2 + 8 * 9 + 9
    sensors = server.post("/v1/simulate", put(HOT, LAW, law)).json()["sensors"]
    wrong = put(HOT, LAW, law | {"start": 1.001 * law["start"]})
    others = server.post("/v1/simulate", wrong).json()["sensors"]
    for name, fit in answer["fit"].items():
        expected = pytest.approx(fit["temperatures"], rel=1e-9)
        assert sensors[name]["temperatures"] == expected
        assert others[name]["temperatures"] != expected


def test_the_spread_of_the_starts_is_theirs_that_fit_as_well(found, answer):
    told = answer["estimates"]["k"]["spread"]
    values = np.array(answer["estimates"]["k"]["curve"]["values"])
    assert 2 <= told["starts"] <= 3
    lower, upper = np.array(told["lower"]), np.array(told["upper"])
    assert (lower <= values + 1e-9).all()
    assert (values <= upper + 1e-9).all()
    assert (upper > lower).any()
    assert found.networks["k"].starts == told["starts"]


def test_the_proof_tells_what_newton_left(answer):
    certificate = answer["certificate"]
    assert certificate["passed"]
    assert 0.0 < certificate["newton_residual"] <= 1e-12


def test_it_is_printed_over_the_temperatures_met(measured, answer, tmp_path):
    (tmp_path / "hot.json").write_text(json.dumps(measured))
    run = kappafit("calibrate", tmp_path / "hot.json")
    assert run.returncode == 0, run.stderr
    text = run.stdout.decode()
    assert "k at T / K" in text
    assert f"of {answer['estimates']['k']['spread']['starts']} starts" in text
    assert "Newton leaves" in text
    low, high = answer["estimates"]["k"]["curve"]["met"]
    rows = [line.split() for line in text.splitlines() if line[:1].isdigit()]
    points = answer["estimates"]["k"]["curve"]["points"]
    step = points[1] - points[0]
    assert low - step <= float(rows[0][0]) <= low
    assert high - 8 * step <= float(rows[-1][0]) <= high + step


def test_it_is_drawn_over_the_temperatures_met(found, monkeypatch, tmp_path):
    pytest.importorskip("matplotlib")
    from matplotlib.figure import Figure

    from app import plots

    figures = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, file, **_: figures.append(figure))
    plots.calibration(found, tmp_path / "unused.png")
    law = [axes for axes in figures[0].axes if axes.get_visible()][-1]
    assert law.get_xlabel() == "temperature / K"
    assert law.get_ylabel() == "conductivity / W/m/K"
    labels = [text.get_text() for text in law.get_legend().get_texts()]
    assert labels == ["95 %", f"of {found.networks['k'].starts} starts"]
    ((low, high),) = found.met
    assert law.lines[-1].get_xdata()[[0, -1]] == pytest.approx([low, high])


def test_a_law_of_place_has_no_temperatures_met():
    of_place = put(HOT, LAW, {"unknown": "k", "start": 40.0})
    answer = Task(json.dumps(twin(of_place, {"k": 50.0})).encode()).calibrate()
    assert answer.certificate.newton_residual is None
    assert answer.curves == []
