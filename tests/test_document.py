"""The document becomes the experiment it describes; the schema follows the registries."""

import json

import numpy as np
import pytest

import solver
from app.curve_schema import BOUNDARY_PARTS, LAW_PARTS
from app.document import read_document
from app.limits import Limits, estimated_bytes
from app.schema import Document
from solver import InvalidExperiment
from solver.network import unknown_network
from tests.documents import linear, rich, same


def read(document, **limits):
    return read_document(json.dumps(document).encode(), Limits(**limits) if limits else None)


U = solver.Unknown
K = {"unknown": "k", "start": 2.0, "lower": 0.5, "upper": 9.0, "scale": "log"}
CURVE = {"unknown": "c", "start": [1.0, 2.0, 3.0], "lower": 0.1}
k, curve = U("k", 2.0, 0.5, 9.0, "log"), U("c", (1.0, 2.0, 3.0), 0.1)

LAWS = [  # JSON, the solver's law
    (3, 3.0),
    (K, k),
    ({"law": "constant", "a": K}, solver.Constant(k)),
    ({"law": "linear", "of": "x", "a": 1, "b": K}, solver.Linear(1.0, k)),
    ({"law": "polynomial", "coefficients": [1, 2.5]}, solver.Polynomial(np.array([1.0, 2.5]))),
    ({"law": "polynomial", "coefficients": [1, K]}, solver.Polynomial((1.0, k))),
    ({"law": "polynomial", "coefficients": CURVE}, solver.Polynomial(curve)),
    ({"law": "exponential", "a": K, "b": -1.0}, solver.Exponential(k, -1.0)),
    (
        {"law": "table", "points": [0, 0.5, 1], "values": CURVE, "interpolation": "monotone-cubic"},
        solver.Table([0.0, 0.5, 1.0], curve, "monotone-cubic"),
    ),
    ({"law": "table", "points": [0, 1], "values": [1, K]}, solver.Table([0.0, 1.0], (1.0, k))),
    (
        {"law": "layers", "edges": [0.2, 0.4], "values": [1, K, 3]},
        solver.Layers(np.array([0.2, 0.4]), (1.0, k, 3.0)),
    ),
    ({"law": "layers", "edges": [0.2, 0.4], "values": CURVE}, solver.Layers([0.2, 0.4], curve)),
    ({"law": "linear", "of": "u", "a": 1, "b": K}, solver.Linear(1.0, k, of="u")),
    (
        {"law": "network", "of": "u", "unknown": "net", "widths": [2, 3], "seed": 4, "start": 2.0},
        unknown_network("net", (2, 3), 4, of="u", level=2.0),
    ),
]
SERIES = [  # JSON, the solver's series
    (2, 2.0),
    (K, k),
    ({"expression": "sin(2*pi*t)"}, solver.Expression("sin(2*pi*t)", "t")),
    ({"times": [0, 1], "values": [3, 4]}, solver.Table([0.0, 1.0], [3.0, 4.0])),
    ({"times": [0, 1], "values": [3, K]}, solver.Table([0.0, 1.0], (3.0, k))),
    (
        {"times": [0, 0.5, 1], "values": CURVE, "interpolation": "monotone-cubic"},
        solver.Table([0.0, 0.5, 1.0], curve, "monotone-cubic"),
    ),
]


@pytest.mark.parametrize(("law", "expected"), LAWS)
def test_every_law(law, expected):
    document = linear()
    document["material"] = {"diffusivity": law, "form": "divergence"}
    material = read(document).material
    assert same(material, solver.Material(expected, "divergence"))
    assert not same(material, solver.Material(expected, "nondivergence"))
    document["material"] = {"conductivity": law, "heat_capacity": law}
    expected = solver.Material(conductivity=expected, heat_capacity=expected)
    assert same(read(document).material, expected)
    assert expected.divergence


def test_every_law_and_end_has_a_case_here():
    assert {law["law"] for law, _ in LAWS if isinstance(law, dict) and "law" in law} == {
        *solver.LAWS
    }
    assert set(solver.BOUNDARIES) == {"temperature", "flux", "convection"}


@pytest.mark.parametrize(("series", "expected"), SERIES)
def test_every_series_wherever_one_may_stand(series, expected):
    document = linear()
    document["left"] = {"kind": "convection", "coefficient": K, "ambient": series}
    document["right"] = {"kind": "temperature", "value": series}
    document["material"]["exchange"] = {"rate": K, "ambient": series}
    document["source"] = [{"profile": 1, "history": series}, {"profile": 2}]
    e = read(document)
    assert same(e.left, solver.Convection(k, expected))
    assert same(e.right, solver.Temperature(expected))
    assert same(e.material.exchange, solver.Exchange(k, expected))
    assert same(e.source, (solver.Source(1.0, expected), solver.Source(2.0, 1.0)))
    document["right"]["kind"] = "flux"
    assert same(read(document).right, solver.Flux(expected))
    assert not same(read(document).right, solver.Temperature(expected))


@pytest.mark.parametrize(("profile", "expected"), SERIES)
def test_every_profile_wherever_one_may_stand(profile, expected):
    if isinstance(profile, dict):  # the same of x
        profile = {{"times": "x"}.get(key, key): value for key, value in profile.items()}
    if "expression" in (profile if isinstance(profile, dict) else {}):
        profile, expected = {"expression": "x"}, solver.Expression("x", "x")
    document = linear()
    document["bar"]["initial"] = profile
    document["source"] = [{"profile": profile}]
    e = read(document)
    assert same(e.bar.initial, expected)
    assert same(e.source[0].profile, expected)


def test_grid_and_fit():
    document = linear(None, None)
    document["bar"]["grading"] = {"towards": "both", "ratio": 5}
    document["fit"] = {
        "loss": "huber",
        "threshold": 2,
        "method": "l-bfgs-b",
        "max_iterations": 7,
        "prior": {"a": {"mean": 1, "sd": 0.5}},
        "smoothing": {"q": {"weight": 3, "order": 2}, "p": {}},
        "starts": 4,
        "memory": 1_000_000,
    }
    e = read(document)
    assert e.bar == solver.Bar(1.0, None, 0.0, solver.Grading("both", 5.0))
    assert e.time == solver.Time(1.0, None, None)
    assert e.time.scheme == "tr-bdf2"
    assert e.fit == solver.Fit(
        loss="huber",
        threshold=2.0,
        method="l-bfgs-b",
        max_iterations=7,
        prior={"a": solver.Prior(1.0, 0.5)},
        smoothing={"q": solver.Smoothing(3.0, 2), "p": solver.Smoothing(None, 1)},
        starts=4,
        memory=1_000_000,
    )
    assert read(linear()).time.scheme == "backward-euler"
    assert read(linear()).fit == solver.Fit()


def test_several_experiments_are_a_joint_fit():
    first, second = linear(), rich()
    fit = second.pop("fit")
    joint = read({"experiments": [first, second], "fit": fit})
    assert isinstance(joint, solver.Joint)
    assert same(joint.experiments[0], read(first))
    assert same(joint.experiments[1], read(second))
    assert joint.fit == read(rich()).fit
    assert not same(joint.experiments[0], joint.experiments[1])
    assert list(solver.starts(joint)) == ["a", "b", "T0", "k", "C", "r", "s", "q", "h"]


def test_everything_arrives(document):
    document["bar"]["initial"] = {"x": [0.0, 1.0], "values": [1.0, 2.0]}
    document["left"] = {"kind": "flux", "value": {"expression": "sin(t)"}}
    document["right"] = {"kind": "temperature", "value": {"unknown": "end", "start": 2.0}}
    document["sensors"][0]["temperatures"][3] = None
    document["material"]["diffusivity"]["b"]["scale"] = "log"
    e = read(document)
    assert e.bar.initial.value(np.array([0.5])) == pytest.approx(1.5)
    assert e.left.value.variable == "t"
    assert e.right.value == solver.Unknown("end", 2.0)
    assert e.material.diffusivity == solver.Linear(
        solver.Unknown("a", 1.0, 0.01, 100.0), solver.Unknown("b", 1.0, scale="log")
    )
    assert np.isnan(e.sensors[0].temperatures[3])
    assert e.sensors[0].present.sum() == 24
    assert solver.starts(e) == {"a": 1.0, "b": 1.0, "end": 2.0}


def test_a_number_stands_for_the_constant_law(document):
    document["material"]["diffusivity"] = {"unknown": "kappa", "start": 2.0}
    by_number = solver.value_and_gradient(read(document))
    document["material"]["diffusivity"] = {
        "law": "constant",
        "a": {"unknown": "kappa", "start": 2.0},
    }
    assert solver.value_and_gradient(read(document)) == by_number


def test_defaults_are_an_insulated_bar(document):
    del document["left"], document["right"], document["bar"]["initial"]
    e = read(document)
    assert e.left == e.right == solver.Flux(0.0)
    assert e.bar.initial == 0.0


def test_every_registered_law_and_end_is_in_the_schema():
    assert set(LAW_PARTS) == set(solver.LAWS)
    assert set(BOUNDARY_PARTS) == set(solver.BOUNDARIES)
    schema = json.dumps(Document.model_json_schema())
    for name in (*solver.LAWS, *solver.BOUNDARIES):
        assert f'"{name}"' in schema


def test_limits_grow_with_what_is_asked_for(document):
    small = Document.model_validate(document)
    document["time"]["steps"] *= 100
    large = Document.model_validate(document)
    assert estimated_bytes(large, 2) > 10 * estimated_bytes(small, 2)
    assert estimated_bytes(small, 10) > estimated_bytes(small, 2)
    read(document)
    with pytest.raises(InvalidExperiment, match="beyond the limit of 1000"):
        read(document, cell_steps=1000)
    with pytest.raises(InvalidExperiment, match="2 unknowns are beyond"):
        read(document, unknowns=1)
    with pytest.raises(InvalidExperiment, match="MiB"):
        read(document, bytes=1000)


def test_the_limits_of_a_joint_fit_are_those_of_its_sum():
    part = linear()
    read({"experiments": [part]}, cell_steps=1000)  # 20 cells x 40 steps
    with pytest.raises(InvalidExperiment, match="#/experiments/1/bar/cells: 3 experiments"):
        read({"experiments": [part, linear(30), part]}, cell_steps=1000)
    with pytest.raises(InvalidExperiment, match="#/experiments/0/bar/cells: 1 experiments"):
        read({"experiments": [part]}, cell_steps=100)
    with pytest.raises(InvalidExperiment, match="#/experiments/1/time/steps"):
        read({"experiments": [part, linear(30)]}, bytes=1000)
    assert len(solver.starts(read({"experiments": [part] * 3}, unknowns=2))) == 2


def test_the_estimate_of_memory_is_near_the_truth(document):
    """The arrays of a march with tangents, counted while they are made."""
    import tracemalloc

    document["bar"]["cells"], document["time"]["steps"] = 400, 20_000
    e = read(document)
    objective = solver.Objective(e)
    objective.value_and_gradient(objective.parameters.start)
    tracemalloc.start()
    objective = solver.Objective(e)
    objective.value_and_gradient(objective.parameters.start)
    objective.jacobian(objective.parameters.start)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    estimate = estimated_bytes(Document.model_validate(document), 2)
    assert 0.3 * peak < estimate < 4.0 * peak
