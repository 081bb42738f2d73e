"""Documents that cannot be meant, of curves, laws, ends, logs and several experiments.

Every refusal points into what was sent, and says no more of it than a few words.
"""

import copy
import json

import pytest

from tests.documents import linear, put, rich, twin
from tests.test_bad_input import refused

A = {"unknown": "a", "start": 0.5}
CURVE = {"unknown": "c", "start": [1.0, 1.0, 1.0]}
LAYERS = {"law": "layers", "edges": [0.3, 0.6], "values": [A, 1.0, 2.0]}
TABLE = {"law": "table", "points": [0.0, 0.5, 1.0], "values": [A, 1.0, 2.0]}
FLUX = {"kind": "flux", "value": {"times": [0.0, 0.5, 1.0], "values": CURVE}}
LAW, VALUE = ("material", "diffusivity"), ("left", "value")


@pytest.fixture(scope="module")
def single():
    return twin(linear(), {"a": 0.8, "b": 0.3})


@pytest.fixture(scope="module")
def joint(single):
    return {"experiments": [single, copy.deepcopy(single)]}


# (what is put where, pointer, code)
MEANING = [
    (("left",), {"kind": "flux", "coefficient": 1}, "#/left/coefficient", "unknown_key"),
    (("left",), {"kind": "flux", "value": 1, "ambient": 0}, "#/left/ambient", "unknown_key"),
    (("left",), {"kind": "temperature", "ambient": 0}, "#/left/ambient", "unknown_key"),
    (("left",), {"kind": "temperature"}, "#/left/value", "missing"),
    (("left",), {"kind": "convection", "value": 1}, "#/left/value", "unknown_key"),
    (("left",), {"kind": "convection", "ambient": 1}, "#/left/coefficient", "missing"),
    (("left",), {"kind": "convection", "coefficient": 1}, "#/left/ambient", "missing"),
    (
        ("left",),
        {"kind": "convection", "coefficient": -1, "ambient": 1},
        "#/left/coefficient",
        "negative",
    ),
    (("left",), {"value": 1.0}, "#/left", "not_available"),
    (("material", "conductivity"), 1.0, "#/material/diffusivity", "contradiction"),
    (("material", "heat_capacity"), 1.0, "#/material/diffusivity", "contradiction"),
    (("material",), {}, "#/material/diffusivity", "missing"),
    (("material",), {"conductivity": A}, "#/material/heat_capacity", "missing"),
    (("material",), {"heat_capacity": A}, "#/material/conductivity", "missing"),
    (
        ("material",),
        {"conductivity": A, "heat_capacity": 1.0, "form": "nondivergence"},
        "#/material/form",
        "contradiction",
    ),
    (("material", "exchange"), {"rate": -1.0}, "#/material/exchange/rate", "negative"),
    (("material", "exchange"), {"ambient": 1.0}, "#/material/exchange/rate", "missing"),
    ((*LAW, "of"), "t", "#/material/diffusivity/of", "literal_error"),
    (LAW, LAYERS | {"of": "u"}, "#/material/diffusivity/of", "literal_error"),
    ((*LAW, "a"), CURVE, "#/material/diffusivity/a/start", "type_error"),
    ((*LAW, "a", "start"), -1.0, "#/material/diffusivity/a/start", "start_outside_bounds"),
    ((*LAW, "b"), A | {"scale": "log", "start": -1}, "#/material/diffusivity/b/start", None),
    ((*LAW, "a", "scale"), "decades", "#/material/diffusivity/a/scale", "literal_error"),
    (LAW, {"law": "polynomial", "coefficients": []}, "#/material/diffusivity/coefficients", None),
    (LAW, {"law": "polynomial"}, "#/material/diffusivity/coefficients", "missing"),
    (LAW, LAYERS | {"edges": [0.3]}, "#/material/diffusivity/edges", "length_mismatch"),
    (LAW, LAYERS | {"edges": [0.6, 0.3]}, "#/material/diffusivity/edges/1", None),
    (LAW, LAYERS | {"edges": [0.3, 1.6]}, "#/material/diffusivity/edges", "edge_outside"),
    (LAW, LAYERS | {"values": CURVE | {"start": [1.0]}}, "#/material/diffusivity/edges", None),
    (LAW, LAYERS | {"values": [A, 0.0, 1.0]}, "#/material/diffusivity", None),
    (LAW, TABLE | {"values": [A, 1.0]}, "#/material/diffusivity/values", "length_mismatch"),
    (LAW, TABLE | {"points": [0.0, 0.5, 0.9]}, "#/material/diffusivity/points", "not_covered"),
    (LAW, TABLE | {"points": [0, 2, 1]}, "#/material/diffusivity/points/2", None),
    (LAW, TABLE | {"interpolation": "cubic"}, "#/material/diffusivity/interpolation", None),
    (LAW, TABLE | {"values": CURVE | {"start": 1.0}}, "#/material/diffusivity/values/start", None),
    (LAW, TABLE | {"values": [A, "warm", 1]}, "#/material/diffusivity/values/1", "type_error"),
    (VALUE, {"times": [0, 1], "values": CURVE}, "#/left/value/values", "length_mismatch"),
    (VALUE, {"times": [0, 0.9], "values": [0, 0]}, "#/left/value/times", "not_covered"),
    (VALUE, {"times": [0, 0, 1], "values": CURVE}, "#/left/value/times/1", None),
    (VALUE, {"x": [0, 1], "values": [0, 0]}, "#/left/value/x", "unknown_key"),
    (VALUE, {"expression": "x"}, "#/left/value/expression", "bad_expression"),
    (VALUE, {"expression": "1" * 1001}, "#/left/value/expression", "string_too_long"),
    (VALUE, {"column": "T"}, "#/left/value/column", "no_data"),
    (VALUE, {"colum": "T"}, "#/left/value/colum", "unknown_key"),
    (VALUE, {}, "#/left/value/times", "missing"),
    (("bar", "initial"), {"times": [0, 1], "values": [0, 0]}, "#/bar/initial/times", "unknown_key"),
    (("bar", "initial"), {"column": "T"}, "#/bar/initial/column", "unknown_key"),
    (("bar", "grading"), {"towards": "up", "ratio": 2.0}, "#/bar/grading/towards", None),
    (("bar", "grading"), {"towards": "left", "ratio": 1e9}, "#/bar/grading/ratio", None),
    (("bar", "grading"), {"towards": "left"}, "#/bar/grading/ratio", "missing"),
    (("source",), [{"history": 1.0}], "#/source/0/profile", "missing"),
    (("sensors", 0, "column"), "T", "#/sensors/0/column", "no_data"),
    (("sensors", 0, "x"), A, "#/sensors/0/x", "type_error"),
    (("sensors", 0, "sigma"), "small", "#/sensors/0/sigma", "type_error"),
    (("sensors", 0, "sigma"), [1e-3, True], "#/sensors/0/sigma/1", "type_error"),
    (("sensors", 0, "sigma"), ..., "#/sensors/0/sigma", "mixed_sigma"),
    (("data",), {"csv": "t,T\n0,1\n", "file": "T.csv"}, "#/data", "missing"),
    (("data",), {"file": "/etc/passwd"}, "#/data/file", "not_available"),
    (("fit",), {"prior": {"z": {"mean": 1, "sd": 1}}}, "#/fit/prior/z", "unknown_parameter"),
    (("fit",), {"prior": {"a": {"mean": 1, "sd": 0}}}, "#/fit/prior/a/sd", "out_of_range"),
    (("fit",), {"prior": {"a": {"mean": 1}}}, "#/fit/prior/a/sd", "missing"),
    (("fit",), {"smoothing": {"a": {}}}, "#/fit/smoothing/a", "unknown_parameter"),
    (("fit",), {"smoothing": {"a": {"order": 3}}}, "#/fit/smoothing/a/order", "out_of_range"),
    (("fit",), {"smoothing": {"a": {"weight": -1}}}, "#/fit/smoothing/a/weight", "out_of_range"),
    (("fit",), {"starts": 0}, "#/fit/starts", "out_of_range"),
    (("fit",), {"starts": 101}, "#/fit/starts", "out_of_range"),
    (("fit",), {"threshold": 0.0}, "#/fit/threshold", "out_of_range"),
    (("experiments",), [], "#/experiments", "too_short"),
]


@pytest.mark.parametrize(
    ("path", "value", "pointer", "code"), MEANING, ids=[f"{c}-{p}" for *_, p, c in MEANING]
)
def test_a_document_that_makes_no_sense(server, single, path, value, pointer, code):
    reply = server.post("/v1/calibrate", put(single, path, value))
    refused(reply, 422)
    found = {error["pointer"]: error["code"] for error in reply.json()["errors"]}
    assert pointer in found, found
    assert code is None or found[pointer] == code
    assert server.post("/v1/gradient", single).status_code == 200  # it is the change


def test_what_needs_a_sigma(server, single):
    without = copy.deepcopy(single)
    for sensor in without["sensors"]:
        del sensor["sigma"]
    huber = without | {"fit": {"loss": "huber"}}
    refused(server.post("/v1/calibrate", huber), 422, "#/fit/threshold", "missing")
    assert server.post("/v1/gradient", single | {"fit": {"loss": "huber"}}).status_code == 200
    huber["fit"]["threshold"] = 0.01
    assert server.post("/v1/calibrate", huber).status_code == 200
    prior = without | {"fit": {"prior": {"a": {"mean": 1.0, "sd": 1.0}}}}
    refused(server.post("/v1/calibrate", prior), 422, "#/fit/prior", "missing_sigma")


SECOND = ("experiments", 1)
OF_SEVERAL = [
    ((*SECOND, "fit"), {}, "#/experiments/1/fit", "contradiction"),
    (
        (*SECOND, "material", "diffusivity", "a", "start"),
        0.7,
        "#/experiments/1/material/diffusivity/a",
        "unknown_disagrees",
    ),
    (
        (*SECOND, "material", "diffusivity", "a", "upper"),
        7,
        "#/experiments/1/material/diffusivity/a",
        "unknown_disagrees",
    ),
    (
        (*SECOND, "left"),
        FLUX | {"value": {"unknown": "a", "start": 0.5}},
        "#/experiments/1/left/value",
        "unknown_disagrees",
    ),
    ((*SECOND, "bar", "length"), -1.0, "#/experiments/1/bar/length", "out_of_range"),
    ((*SECOND, "bar", "lenght"), 1.0, "#/experiments/1/bar/lenght", "unknown_key"),
    ((*SECOND, "bar", "length"), "1 K", "#/experiments/1/bar/length", "bad_unit"),
    ((*SECOND, "sensors", 0, "x"), 2.0, "#/experiments/1/sensors/0/x", "sensor_outside"),
    ((*SECOND, "sensors", 0, "column"), "T", "#/experiments/1/sensors/0/column", "no_data"),
    ((*SECOND, "sensors", 0, "sigma"), ..., "#/experiments/1/sensors/0/sigma", "mixed_sigma"),
    (
        (*SECOND, "left", "value"),
        {"expression": "x"},
        "#/experiments/1/left/value/expression",
        None,
    ),
    ((*SECOND, "data"), {"file": "T.csv"}, "#/experiments/1/data/file", "not_available"),
    (SECOND, 3, "#/experiments/1", "type_error"),
    (("experiments",), {}, "#/experiments", "type_error"),
    (("experiments",), [], "#/experiments", "too_short"),
    (("sensors",), [], "#/sensors", "unknown_key"),
    (("data",), {"csv": "t,T\n0,1\n"}, "#/data", "unknown_key"),
    (("fit",), {"prior": {"z": {"mean": 1, "sd": 1}}}, "#/fit/prior/z", "unknown_parameter"),
]


@pytest.mark.parametrize(
    ("path", "value", "pointer", "code"), OF_SEVERAL, ids=[f"{c}-{p}" for *_, p, c in OF_SEVERAL]
)
def test_a_joint_document_that_makes_no_sense(server, joint, path, value, pointer, code):
    reply = server.post("/v1/calibrate", put(joint, path, value))
    refused(reply, 422)
    found = {error["pointer"]: error["code"] for error in reply.json()["errors"]}
    assert pointer in found, found
    assert code is None or found[pointer] == code


def test_a_joint_fit_without_readings(server, joint):
    silent = copy.deepcopy(joint)
    for part in silent["experiments"]:
        part["sensors"] = []
    reply = server.post("/v1/calibrate", silent)
    refused(reply, 422, "#/experiments/0/sensors", "no_readings")
    few = copy.deepcopy(joint)
    for part in few["experiments"]:
        part["sensors"] = [{"x": 0.5, "times": [1.0], "temperatures": [None]}]
    few["experiments"][1]["sensors"][0]["temperatures"] = [1.0]
    reply = server.post("/v1/calibrate", few)
    refused(reply, 422, "#/experiments/0/sensors", "too_few_readings")
    refused(server.post("/v1/simulate?field=true", joint), 422, "#/experiments", "not_available")


def objects(part, place=()):
    """Every object of a JSON value with its place, but those whose keys are names."""
    if isinstance(part, dict):
        if place[-1:] not in (("prior",), ("smoothing",), ("units",)):
            yield place, part
        for key, value in part.items():
            yield from objects(value, (*place, key))
    elif isinstance(part, list):
        for index, item in enumerate(part):
            yield from objects(item, (*place, index))


def test_an_unknown_key_anywhere_gets_the_nearest_name(server):
    first, second = rich(), linear()
    fit = first.pop("fit")
    document = {"experiments": [first, second], "fit": fit}
    asked = 0
    for place, part in objects(document):
        for key in part:
            wrong = key + key[-1]
            reply = server.post("/v1/simulate", put(document, (*place, wrong), part[key]))
            pointer = "#" + "".join(f"/{step}" for step in (*place, wrong))
            refused(reply, 422, pointer, "unknown_key")
            (error,) = [e for e in reply.json()["errors"] if e["pointer"] == pointer]
            assert f"did you mean '{key}'?" in error["detail"], error
            asked += 1
    assert asked > 80


GARBAGE = "g" * 1_000_000
LONG = [
    (("bar", GARBAGE), 1.0),
    (("bar", "length"), GARBAGE),
    (("bar", "length"), f"1 {GARBAGE}"),
    (("left", "kind"), GARBAGE),
    (VALUE, {"expression": GARBAGE}),
    (VALUE, {"expression": "g" * 999}),
    (VALUE, {"times": [0, 1], "values": [0, 1], "unit": GARBAGE}),
    (VALUE, {"times": [0, 1], "values": [0, 1], "interpolation": GARBAGE}),
    (VALUE, {"times": [0, 1], "values": [0, 1], GARBAGE: 1}),
    (VALUE, {"column": GARBAGE}),
    ((*LAW, "law"), GARBAGE),
    ((*LAW, "a", "unknown"), GARBAGE),
    (("time", "method"), GARBAGE),
    (("sensors", 0, "name"), GARBAGE),
    (("sensors", 0, "column"), GARBAGE),
    (("sensors", 0, "temperatures"), [GARBAGE]),
    (("fit",), {"loss": GARBAGE}),
    (("fit",), {"method": GARBAGE}),
    (("fit",), {"prior": {GARBAGE: {"mean": 1, "sd": 1}}}),
    (("data",), {"csv": GARBAGE}),
    (("data",), {"csv": f"t,{GARBAGE}\n0,1\n"}),
    (("data",), {"csv": "t,T\n0,1\n", "units": {GARBAGE: "K"}}),
    (("data",), {"csv": "t,T\n0,1\n", "units": {"T": GARBAGE}}),
    (("data",), {"csv": "t,T\n0,1\n", "time": GARBAGE}),
    (("data",), {"csv": "t,T\n0,1\n", "start": GARBAGE}),
    (("data",), {"file": GARBAGE}),
]


@pytest.fixture(scope="module")
def reads(server):
    """The service, with the process that reads large bodies: it starts with the first of them."""
    server.post("/v1/calibrate", b" " * 100_000 + b"{}")
    return server


@pytest.mark.parametrize(("path", "value"), LONG, ids=[str(i) for i in range(len(LONG))])
def test_a_million_letters_are_not_sent_back(reads, single, path, value):
    reply = reads.post("/v1/calibrate", put(single, path, value))
    refused(reply, 422)
    assert len(reply.content) < 3000
    assert reply.elapsed.total_seconds() < 2.0


def test_a_million_readings_that_are_none_stop_at_the_first(server, single):
    body = json.dumps(put(single, ("sensors", 0, "temperatures"), ["x"] * 300_000)).encode()
    reply = server.post("/v1/calibrate", body)
    refused(reply, 422, "#/sensors/0/temperatures/0", "type_error")
    assert reply.elapsed.total_seconds() < 5.0
