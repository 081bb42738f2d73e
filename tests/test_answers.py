"""The answer of a document with much in it: recovered, whole, and consistent within itself."""

import copy
import json
from math import inf, nan

import numpy as np
import pytest

from app.answer_text import text_of
from app.answers import Curve
from tests.documents import KNOTS, TRUTH, linear, put, rich, twin, with_readings
from tests.test_bad_input import refused
from tests.test_service import finite

SCALARS = ["T0", "k", "C", "r", "s", "h"]


def simulated(server, document, at):
    reply = server.post("/v1/simulate", document, params={"at": json.dumps(at)})
    assert reply.status_code == 200, reply.text
    return reply.json()


@pytest.fixture(scope="module")
def document(server):
    """The rich document with data that the service has made."""
    readings = simulated(server, rich(), TRUTH)["sensors"]
    return with_readings(rich(), readings, noise=1e-3, seed=7)


@pytest.fixture(scope="module")
def answer(server, document):
    return server.post("/v1/calibrate", document).json()


def test_what_the_service_has_made_it_finds_again(answer):
    assert answer["status"] == "converged"
    assert answer["identifiability"]["verdict"] == "determined"
    for name in SCALARS:
        e = answer["estimates"][name]
        assert abs(e["value"] - TRUTH[name]) < 4.0 * e["standard_error"], name
        assert e["standard_error"] < 0.01 * TRUTH[name]  # or anything would do
    curve = answer["estimates"]["q"]["curve"]
    assert curve["points"] == KNOTS
    assert np.allclose(curve["values"], TRUTH["q"], atol=2.0)
    inside = np.array(curve["lower"]) < np.array(TRUTH["q"])
    assert (inside & (np.array(curve["upper"]) > np.array(TRUTH["q"]))).sum() >= 5
    assert not np.allclose(rich()["left"]["value"]["values"]["start"], TRUTH["q"], atol=2.0)


def test_the_terms_are_what_the_objective_is_made_of(answer):
    terms = answer["terms"]
    assert set(terms) == {"data", "prior", "smoothing"}
    assert sum(terms.values()) == pytest.approx(answer["objective"], rel=1e-12)
    assert min(terms.values()) > 0.0
    T0, knees = answer["estimates"]["T0"]["value"], answer["estimates"]["q"]["curve"]["values"]
    assert terms["prior"] == pytest.approx(((T0 - 299.15) / 5.0) ** 2, rel=1e-9)
    assert np.ptp(np.diff(knees)) > 0.0


def test_numbers_have_covariances_and_curves_have_bands(answer):
    assert answer["names"] == SCALARS
    covariance, correlation = np.array(answer["covariance"]), np.array(answer["correlation"])
    assert covariance.shape == correlation.shape == (6, 6)
    errors = [answer["estimates"][name]["standard_error"] for name in SCALARS]
    assert np.sqrt(np.diag(covariance)) == pytest.approx(errors, rel=1e-9)
    assert np.diag(correlation) == pytest.approx(np.ones(6))
    assert set(answer["estimates"]) == {*SCALARS, "q"}
    assert list(answer["gradient"]["q"]) == answer["gradient"]["q"]
    assert len(answer["gradient"]["q"]) == len(answer["start"]["gradient"]["q"]) == 6
    assert set(answer["history"][0]["parameters"]) == set(SCALARS)
    assert answer["sigma"] is None  # it was given
    assert finite(answer)


def test_formal_intervals_stand_beside_the_widened_ones(answer):
    for name in SCALARS:
        e = answer["estimates"][name]
        assert e["inflation"] >= 1.0
        widened = e["formal_standard_error"] * e["inflation"]
        assert e["standard_error"] == pytest.approx(widened, rel=1e-6)
        lower, upper = e["formal_interval"]
        assert e["interval"][0] <= lower < e["value"] < upper <= e["interval"][1]
        assert e["discretisation_error"] >= 0.0
        assert e["reason"] is None
    q = answer["estimates"]["q"]
    for low, formal, value in zip(
        q["curve"]["lower"], q["formal_lower"], q["curve"]["values"], strict=True
    ):
        assert low <= formal < value
    assert len(q["inflation"]) == len(q["discretisation_error"]) == 6


def test_smoothing_is_said(server, document, answer):
    chosen = answer["estimates"]["q"]["smoothing"]
    assert chosen["order"] == 2
    assert chosen["chosen_by"] == "discrepancy"
    assert 6.0 < chosen["effective_parameters"] <= 12.0
    given = put(document, ("fit", "smoothing", "q"), {"weight": 1e3, "order": 1})
    held = server.post("/v1/calibrate", given).json()
    assert held["estimates"]["q"]["smoothing"] == {
        "weight": 1e3,
        "order": 1,
        "chosen_by": "given",
        "effective_parameters": None,
        "remark": None,
    }
    stiffer = np.ptp(held["estimates"]["q"]["curve"]["values"])
    assert stiffer < np.ptp(answer["estimates"]["q"]["curve"]["values"])


def test_curves_say_where_they_stand(document, answer):
    pointers = [curve["pointer"] for curve in answer["curves"]]
    assert pointers == [
        "#/bar/initial",
        "#/material/conductivity",
        "#/material/heat_capacity",
        "#/source/0/profile",
        "#/left/value",
    ]
    for curve in answer["curves"]:
        part = document
        for step in curve["pointer"].split("/")[1:]:
            part = part[int(step) if isinstance(part, list) else step]
        assert isinstance(part, dict)
        lengths = {len(curve[key]) for key in ("points", "values", "lower", "upper")}
        assert lengths == {101}
    conductivity = answer["curves"][1]
    x = np.array(conductivity["points"])
    k = answer["estimates"]["k"]["value"]
    assert conductivity["values"] == pytest.approx(k + 3.0 * x + 20.0 * x**2)
    assert (x[0], x[-1]) == (0.0, pytest.approx(0.1))
    half = np.subtract(conductivity["upper"], conductivity["values"])
    assert half == pytest.approx(1.96 * answer["estimates"]["k"]["standard_error"], rel=0.01)


def test_grid_error_and_discrepancy(server, answer):
    assert answer["discretisation"]["chosen"] is False
    assert answer["discretisation"]["cells"] > answer["discretisation"]["steps"] > 0.0
    assert answer["discretisation"]["relative_to_noise"] > 1.0  # 24 cells, 1 mK
    assert any("take more cells" in warning for warning in answer["warnings"])
    assert answer["discrepancy"]["dominates"] is False  # the data have the same grid's error
    assert answer["discrepancy"]["faulty_sensor"] is None
    fine = twin(linear(cells=160, steps=400), {"a": 0.8, "b": 0.3})
    coarse = server.post("/v1/calibrate", put(fine, ("bar", "cells"), 4)).json()
    assert coarse["discrepancy"]["dominates"] is True
    assert coarse["discrepancy"]["inflation"] > 2.0
    a = coarse["estimates"]["a"]
    assert a["standard_error"] == pytest.approx(a["inflation"] * a["formal_standard_error"])
    assert a["inflation"] > 1.5
    assert a["interval"][0] < a["formal_interval"][0] < a["formal_interval"][1] < a["interval"][1]


def test_a_grid_that_is_left_out_is_chosen_and_said(server):
    free = twin(linear(None, None), {"a": 0.8, "b": 0.3})
    chosen = server.post("/v1/calibrate", free).json()
    grid = chosen["provenance"]["grid"]
    assert chosen["discretisation"]["chosen"] is True
    assert grid["method"] == "tr-bdf2"
    assert grid["dx"] == pytest.approx(1.0 / grid["cells"])
    assert grid["dt"] == pytest.approx(1.0 / grid["steps"])
    assert chosen["discretisation"]["relative_to_noise"] < 0.2
    rougher = copy.deepcopy(free)
    for sensor in rougher["sensors"]:
        sensor["sigma"] = 0.05
    assert (
        server.post("/v1/calibrate", rougher).json()["provenance"]["grid"]["cells"]
        < (grid["cells"])
    )
    for name, truth in (("a", 0.8), ("b", 0.3)):
        e = chosen["estimates"][name]
        assert abs(e["value"] - truth) < 4.0 * e["standard_error"] < 0.2
    field = server.post("/v1/simulate?field=true", free).json()
    assert len(field["field"]["x"]) == field["provenance"]["grid"]["cells"] + 1
    assert len(field["field"]["times"]) == field["provenance"]["grid"]["steps"] + 1


def test_points_with_curves(server, document):
    def gradient(at):
        return server.post("/v1/gradient", document, params={"at": json.dumps(at)})

    level, listed = gradient({"q": 700.0}).json(), gradient({"q": [700.0] * 6}).json()
    assert level["gradient"] == listed["gradient"]
    assert level["at"] == listed["at"]
    assert level["at"]["q"] == [700.0] * 6
    assert level["at"]["h"] == 5.0
    assert gradient({}).json()["objective"] != level["objective"]
    for wrong in ([], [700.0] * 5, [700.0] * 7):
        refused(gradient({"q": wrong}), 422, "#/at/q", "length_mismatch")
    refused(gradient({"k": [1.0, 2.0]}), 422, "#/at/k", "length_mismatch")
    refused(gradient({"q": [700.0] * 5 + [None]}), 422, "#/at/q", "type_error")
    refused(gradient({"q": [[700.0] * 6]}), 422, "#/at/q", "type_error")
    refused(gradient({"q": [1e300] * 6}), 422, "#/at", "out_of_range")
    refused(gradient({"q[0]": 700.0}), 422, "#/at/q[0]", "unknown_parameter")


def test_gradient_and_check_of_curves(server, document):
    at = {"q": TRUTH["q"]}
    there = server.post("/v1/gradient", document, params={"at": json.dumps(at)}).json()
    slopes = []
    for step in (1.0, -1.0):
        moved = {"q": [v + step * (i == 2) for i, v in enumerate(TRUTH["q"])]}
        reply = server.post("/v1/gradient", document, params={"at": json.dumps(moved)})
        slopes.append(reply.json()["objective"])
    central = (slopes[0] - slopes[1]) / 2.0  # exact: J is quadratic in a flux
    assert there["gradient"]["q"][2] == pytest.approx(central, rel=1e-6)
    assert there["gradient"]["q"][3] != pytest.approx(central, rel=1e-3)
    check = server.post("/v1/check", document, params={"at": json.dumps(at)}).json()
    assert check["certificate"]["passed"]
    assert check["at"]["q"] == TRUTH["q"]
    assert check["gradient"] == there["gradient"]


def test_figures_that_do_not_exist_are_null():
    curve = Curve(points=[0.0, 1.0], values=[2.0, 3.0], lower=[1.5, nan], upper=[None, inf])
    assert json.loads(text_of(curve))["lower"] == [1.5, None]
    assert json.loads(text_of(curve))["upper"] == [None, None]
