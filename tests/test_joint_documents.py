"""Joint fits over HTTP: several documents, one set of unknowns."""

import copy
import json

import numpy as np
import pytest

from tests.documents import linear, twin

TRUTH = {"a": 0.8, "b": 0.3, "h": 2.0}


def parts():
    """Two bars of one material: heated from the left, and cooled at the right by unknown air."""
    first, second = linear(), linear(cells=25, steps=30)
    second["bar"]["initial"] = 1.0
    second["left"]["value"] = 0.2
    second["right"] = {
        "kind": "convection",
        "coefficient": {"unknown": "h", "start": 1.0, "scale": "log"},
        "ambient": 0.0,
    }
    second["sensors"] = [
        {"x": 0.9, "times": [0.1 * k for k in range(1, 11)], "sigma": 2e-3},
        {"name": "in", "x": 0.2, "times": [0.5, 1.0], "sigma": 2e-3},
    ]
    shared = {"a": TRUTH["a"], "b": TRUTH["b"]}
    return [twin(first, shared, seed=1), twin(second, TRUTH, noise=2e-3, seed=2)]


@pytest.fixture(scope="module")
def joint():
    return {"experiments": parts()}


def post(server, path, document, at=None):
    reply = server.post(path, document, params={} if at is None else {"at": json.dumps(at)})
    assert reply.status_code == 200, reply.text
    return reply.json()


def test_the_misfit_is_the_sum(server, joint):
    both = post(server, "/v1/gradient", joint, TRUTH)
    first, second = joint["experiments"]
    one = post(server, "/v1/gradient", first, {"a": 0.8, "b": 0.3})
    other = post(server, "/v1/gradient", second, TRUTH)
    assert both["objective"] == pytest.approx(one["objective"] + other["objective"], rel=1e-12)
    for name in ("a", "b"):
        total = one["gradient"][name] + other["gradient"][name]
        assert both["gradient"][name] == pytest.approx(total, rel=1e-9)
        assert both["gradient"][name] != pytest.approx(one["gradient"][name], rel=1e-3)
    assert both["gradient"]["h"] == pytest.approx(other["gradient"]["h"], rel=1e-9)
    assert [grid["cells"] for grid in both["provenance"]["grid"]] == [20, 25]
    assert both["at"] == TRUTH


def test_more_is_known_together(server, joint):
    answer = post(server, "/v1/calibrate", joint)
    alone = [post(server, "/v1/calibrate", part) for part in joint["experiments"]]
    assert answer["status"] == "converged"
    assert answer["certificate"]["passed"]
    for name, truth in TRUTH.items():
        e = answer["estimates"][name]
        assert abs(e["value"] - truth) < 4.0 * e["standard_error"]
        errors = [a["estimates"][name] for a in alone if name in a["estimates"]]
        assert e["formal_standard_error"] < min(r["formal_standard_error"] for r in errors)
    assert list(answer["fit"]) == list(answer["residuals"]) == ["0/in", "0/out", "1/0", "1/in"]
    assert [curve["pointer"] for curve in answer["curves"]] == [
        "#/experiments/0/material/diffusivity",
        "#/experiments/1/material/diffusivity",
    ]
    grids = answer["provenance"]["grid"]
    assert [(g["cells"], g["steps"], g["method"]) for g in grids] == [
        (20, 40, "backward-euler"),
        (25, 30, "backward-euler"),
    ]
    assert len(answer["fit"]["1/0"]["times"]) == answer["residuals"]["1/0"]["readings"] == 10
    together = post(
        server, "/v1/gradient", joint, {n: answer["estimates"][n]["value"] for n in TRUTH}
    )
    assert together["objective"] == pytest.approx(answer["objective"], rel=1e-9)


def test_a_joint_fit_of_one_is_the_fit_itself(server, joint):
    single = joint["experiments"][1] | {"fit": {"prior": {"h": {"mean": 2.0, "sd": 1.0}}}}
    wrapped = copy.deepcopy(single)
    wrapped = {"fit": wrapped.pop("fit"), "experiments": [wrapped]}
    a, b = (post(server, "/v1/calibrate", document) for document in (single, wrapped))
    for key in ("estimates", "objective", "terms", "gradient", "history", "covariance", "start"):
        assert a[key] == b[key], key
    assert a["terms"]["prior"] > 0.0  # the joint document's own fit counts
    assert [a["provenance"]["grid"]] == b["provenance"]["grid"]
    assert {f"0/{name}": fit for name, fit in a["fit"].items()} == b["fit"]
    assert b["curves"][0]["pointer"] == "#/experiments/0/material/diffusivity"


def test_simulate_and_check(server, joint):
    both = post(server, "/v1/simulate", joint, TRUTH)["sensors"]
    assert list(both) == ["0/in", "0/out", "1/0", "1/in"]
    second = post(server, "/v1/simulate", joint["experiments"][1], TRUTH)["sensors"]
    assert both["1/0"] == second["0"]
    assert both["1/in"] == second["in"]
    assert both["0/in"] != both["1/in"]
    check = post(server, "/v1/check", joint)
    assert check["certificate"]["passed"]
    assert set(check["gradient"]) == set(TRUTH)
    assert min(check["error_curve"]["central"]) < 1e-5


def test_an_experiment_that_nobody_reads_adds_nothing(server, joint):
    first, second = copy.deepcopy(joint["experiments"])
    second["sensors"] = []
    both = {"experiments": [first, second]}
    alone = post(server, "/v1/gradient", first)
    together = post(server, "/v1/gradient", both)
    assert together["objective"] == pytest.approx(alone["objective"], rel=1e-12)
    assert together["gradient"]["h"] == 0.0
    answer = post(server, "/v1/calibrate", both)
    assert answer["identifiability"]["verdict"] == "not-identifiable"
    assert answer["estimates"]["h"]["interval"] is None
    assert answer["estimates"]["h"]["reason"]


def test_grids_are_chosen_for_each_experiment(server, joint):
    free = copy.deepcopy(joint)
    for part in free["experiments"]:
        part["bar"]["cells"] = part["time"]["steps"] = None
    del free["experiments"][1]["time"]["steps"]
    free["experiments"][1]["bar"]["cells"] = 25
    answer = post(server, "/v1/calibrate", free)
    first, second = answer["provenance"]["grid"]
    assert answer["discretisation"]["chosen"] is True
    assert second["cells"] == 25
    assert first["cells"] != 25
    assert first["method"] == second["method"] == "tr-bdf2"
    assert np.isfinite(answer["discretisation"]["relative_to_noise"])
