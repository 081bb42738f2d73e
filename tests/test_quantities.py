"""Numbers with units: one experiment in SI and in the units that people use."""

import copy
import json
import time
from types import NoneType

import pytest

from app.document import read_document
from app.quantities import in_si
from app.service import Task
from solver import InvalidExperiment
from tests.documents import linear, put, same

SI = {
    "bar": {
        "length": 0.1,
        "cells": 10,
        "initial": {"x": [0.0, 0.05, 0.1], "values": [293.15, 298.15, 303.15]},
    },
    "time": {"end": 7200.0, "steps": 12},
    "material": {
        "conductivity": {
            "law": "table",
            "points": [0.0, 0.1],
            "values": [2.0, {"unknown": "k", "start": 3.0, "lower": 1.0, "upper": None}],
        },
        "heat_capacity": {"law": "layers", "edges": [0.04], "values": [2e6, 1e6]},
        "exchange": {
            "rate": 100.0,
            "ambient": {"times": [0.0, 7200.0], "values": [288.15, {"unknown": "T", "start": 290}]},
        },
    },
    "source": [
        {
            "profile": {"x": [0.0, 0.1], "values": [1e4, 2e4]},
            "history": {"times": [0.0, 7200.0], "values": [1.0, 0.5]},
        }
    ],
    "left": {
        "kind": "flux",
        "value": {
            "times": [0.0, 3600.0, 7200.0],
            "values": {"unknown": "q", "start": [100.0, 200.0, 300.0], "lower": -1e6},
        },
    },
    "right": {
        "kind": "convection",
        "coefficient": {"unknown": "h", "start": 10.0, "lower": 0.01, "scale": "log"},
        "ambient": {"unknown": "T_air", "start": 291.15},
    },
    "sensors": [
        {
            "x": 0.02,
            "times": [600.0 * i for i in range(1, 13)],
            "temperatures": [294.15 + 0.25 * i for i in range(11)] + [None],
            "sigma": 0.05,
        },
        {"x": 0.07, "times": [3600.0, 7200.0], "temperatures": [300.15, 303.15], "sigma": [0.1, 1]},
    ],
    "fit": {
        "prior": {
            "k": {"mean": 2.0, "sd": 0.5},
            "T": {"mean": 290.15, "sd": 2.0},
            "T_air": {"mean": 291.15, "sd": 0.5},
            "q": {"mean": 200.0, "sd": 1000.0},
        }
    },
}
UNITS = {
    "bar": {
        "length": "100 mm",
        "cells": 10,
        "initial": {
            "x": [0, 5, 10],
            "x_unit": "cm",
            "values": [20, "25 °C", "86 degF"],
            "unit": "degC",
        },
    },
    "time": {"end": "2 h", "steps": 12},
    "material": {
        "conductivity": {
            "law": "table",
            "points": [0, 100],
            "x_unit": "mm",
            "values": [2000, {"unknown": "k", "start": "0.03 W/cm/K", "lower": 1e3, "upper": None}],
            "unit": "mW/m/K",
        },
        "heat_capacity": {
            "law": "layers",
            "edges": ["4 cm"],
            "values": ["2 MJ/m3/K", "1 J/cm^3/K"],
        },
        "exchange": {
            "rate": "0.1 kW/m3/K",
            "ambient": {
                "times": [0, 120],
                "time_unit": "min",
                "values": [15.0, {"unknown": "T", "start": "290 K"}],
                "unit": "degC",
            },
        },
    },
    "source": [
        {
            "profile": {"x": ["0 m", "100 mm"], "values": [10, 20], "unit": "kW/m3"},
            "history": {"times": [0, 2], "time_unit": "h", "values": [1.0, 0.5]},
        }
    ],
    "left": {
        "kind": "flux",
        "value": {
            "times": ["0 s", "60 min", "2 h"],
            "values": {"unknown": "q", "start": [0.1, 0.2, "300 W/m2"], "lower": "-1 MW/m2"},
            "unit": "kW/m2",
        },
    },
    "right": {
        "kind": "convection",
        "coefficient": {
            "unknown": "h",
            "start": "1 mW/(cm^2 K)",
            "lower": "10 mW/m2/K",
            "scale": "log",
        },
        "ambient": {"unknown": "T_air", "start": "18 degC"},
    },
    "sensors": [
        {
            "x": "20 mm",
            "times": [10 * i for i in range(1, 13)],
            "time_unit": "min",
            "temperatures": [21 + 0.25 * i for i in range(11)] + [None],
            "unit": "degC",
            "sigma": "50 mK",
        },
        {
            "x": "7 cm",
            "times": [1, "2 h"],
            "time_unit": "h",
            "temperatures": [27, "303.15 K"],
            "unit": "degC",
            "sigma": [0.1, "1.8 delta_degF"],
        },
    ],
    "fit": {
        "prior": {
            "k": {"mean": "2 W/m/K", "sd": "500 mW/m/K"},
            "T": {"mean": "17 degC", "sd": "2 degC"},
            "T_air": {"mean": "18 degC", "sd": "0.5 K"},
            "q": {"mean": "0.2 kW/m2", "sd": 1000.0},
        }
    },
}
KINEMATIC_SI = {
    "material": {
        "diffusivity": {"law": "linear", "a": 2e-6, "b": 1e-6},
        "exchange": {"rate": 1e-4, "ambient": 290.15},
    },
    "source": [{"profile": 0.01, "history": 1.0}],
    "left": {"kind": "flux", "value": 1e-3},
    "right": {"kind": "convection", "coefficient": 1e-5, "ambient": 0},
}
KINEMATIC = {
    "material": {
        "diffusivity": {"law": "linear", "a": "2 mm2/s", "b": 1e-6},
        "exchange": {"rate": "0.36 1/h", "ambient": "17 degC"},
    },
    "source": [{"profile": "36 K/h", "history": 1.0}],
    "left": {"kind": "flux", "value": "1 K mm/s"},
    "right": {"kind": "convection", "coefficient": "0.01 mm/s", "ambient": 0},
}


def close(a, b, tolerance=1e-15):
    """Whether two JSON values agree but for round-off of their numbers."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(close(a[k], b[k], tolerance) for k in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(close(x, y, tolerance) for x, y in zip(a, b, strict=True))
    if isinstance(a, str | bool | NoneType) or isinstance(b, str | bool | NoneType):
        return a == b
    return abs(a - b) <= tolerance * max(abs(a), abs(b))


def test_in_si_is_what_it_would_have_been_in_si():
    before = copy.deepcopy(UNITS)
    assert close(in_si(UNITS), SI)
    assert before == UNITS  # what was given is not changed
    assert in_si(SI) == SI
    assert close(in_si(KINEMATIC), KINEMATIC_SI)
    assert not close(in_si(put(UNITS, ("bar", "length"), "101 mm")), SI)
    joint = in_si({"experiments": [UNITS, KINEMATIC], "fit": UNITS["fit"]})
    assert close(joint["experiments"][0], in_si(UNITS) | {"fit": UNITS["fit"]})
    assert close(joint["experiments"][1], KINEMATIC_SI)
    assert close(joint["fit"], SI["fit"])


@pytest.mark.parametrize(
    ("law", "si"),
    [
        ("2 mm2/s", 2e-6),
        ({"unknown": "k", "start": "2 mm2/s"}, {"unknown": "k", "start": 2e-6}),
        ({"law": "constant", "a": "0.02 cm^2/s"}, {"law": "constant", "a": 2e-6}),
        ({"law": "exponential", "a": "2 mm²/s", "b": 1}, {"law": "exponential", "a": 2e-6, "b": 1}),
    ],
)
def test_laws(law, si):
    assert close(in_si({"material": {"diffusivity": law}}), {"material": {"diffusivity": si}})
    with pytest.raises(InvalidExperiment, match="a conductivity is wanted here"):
        in_si({"material": {"conductivity": law}})


def test_equal_answers_in_any_units():
    def answers(document):
        task = Task(json.dumps(document).encode())
        replies = task.gradient({}), task.simulate({}), task.calibrate()
        return [json.loads(reply.model_dump_json()) for reply in replies]

    (slope, readings, fit), (slope_2, readings_2, fit_2) = answers(SI), answers(UNITS)
    assert close(slope["objective"], slope_2["objective"], 1e-12)
    assert close(slope["gradient"], slope_2["gradient"], 1e-12)
    assert close(readings["sensors"], readings_2["sensors"], 1e-12)
    assert close(slope["at"], slope_2["at"])
    for key in ("estimates", "objective", "terms", "covariance", "fit", "residuals", "curves"):
        assert close(fit[key], fit_2[key], 1e-9), key  # a search multiplies round-off
    warmer = put(UNITS, ("right", "ambient", "start"), "19 degC")
    (other, _, _) = answers(warmer)
    assert not close(other["objective"], slope["objective"], 1e-6)


def test_null_sigma_beside_a_unit_is_to_be_estimated():
    document = linear()
    document["sensors"] = [{"x": 0.5, "times": [1.0], "temperatures": [20], "unit": "degC"}]
    for sigma in ({}, {"sigma": None}):
        document["sensors"][0] |= sigma
        (sensor,) = read_document(json.dumps(document).encode()).sensors
        assert sensor.sigma is None
        assert sensor.temperatures[0] == pytest.approx(293.15)


LIST = [1.0, 2.0]
# (what is put where in UNITS, pointer, code)
REFUSED = [
    (("bar", "length"), "100 K", "#/bar/length", "bad_unit"),
    (("bar", "length"), "100 mmm", "#/bar/length", "bad_unit"),
    (("bar", "length"), "1e5", "#/bar/length", "type_error"),
    (("bar", "length"), "", "#/bar/length", "type_error"),
    (("bar", "length"), "1e400 mm", "#/bar/length", "bad_unit"),
    (("bar", "length"), "1 __import__('os')", "#/bar/length", "bad_unit"),
    (("bar", "cells"), "10 mm", "#/bar/cells", "type_error"),
    (("bar", "initial"), "20 mm", "#/bar/initial", "bad_unit"),
    (("bar", "initial", "unit"), "W", "#/bar/initial/unit", "bad_unit"),
    (("bar", "initial", "unit"), 3, "#/bar/initial/unit", "type_error"),
    (("bar", "initial", "unit"), "", "#/bar/initial/unit", "bad_unit"),
    (("bar", "initial", "x_unit"), "s", "#/bar/initial/x_unit", "bad_unit"),
    (("bar", "initial", "time_unit"), "s", "#/bar/initial/time_unit", "unknown_key"),
    (("bar", "initial", "values", 1), "25", "#/bar/initial/values/1", "type_error"),
    (("bar", "initial", "values", 1), "25 m", "#/bar/initial/values/1", "bad_unit"),
    (("bar", "initial", "values", 1), True, "#/bar/initial/values/1", "type_error"),
    (("bar", "initial", "values", 1), LIST, "#/bar/initial/values/1", "type_error"),
    (("bar", "initial", "values", 0), 1e308, "#/bar/initial/values/0", "not_finite"),
    (("bar", "initial", "values", 0), 10**400, "#/bar/initial/values/0", "type_error"),
    (("bar", "initial", "values"), [LIST, LIST], "#/bar/initial/values/0", "type_error"),
    (("material", "conductivity", "unit"), "mm2/s", "#/material/conductivity/unit", "bad_unit"),
    (
        ("material", "conductivity"),
        {"law": "linear", "a": 1.0, "b": 0.0, "unit": "mW/m/K"},
        "#/material/conductivity/unit",
        "unknown_key",
    ),
    (("material", "conductivity"), "1 mm2/s", "#/material/conductivity", "bad_unit"),
    (("material", "heat_capacity"), "1 J/kg/K", "#/material/heat_capacity", "bad_unit"),
    (("material", "exchange", "rate"), "1 1/s", "#/material/exchange/rate", "bad_unit"),
    (("source", 0, "profile", "unit"), "K/s", "#/source/0/profile/unit", "bad_unit"),
    (("source", 0, "history"), "2 W", "#/source/0/history", "type_error"),
    (("left", "value", "unit"), "K mm/s", "#/left/value/unit", "bad_unit"),
    (("left", "value", "values", "lower"), "3 K", "#/left/value/values/lower", "bad_unit"),
    (("left", "value", "values", "start", 1), "3 K", "#/left/value/values/start/1", "bad_unit"),
    (("left", "value", "values", "start"), LIST, "#/left/value/values", "length_mismatch"),
    (("sensors", 0, "x"), "2 s", "#/sensors/0/x", "bad_unit"),
    (("sensors", 0, "sigma"), "5 mm", "#/sensors/0/sigma", "bad_unit"),
    (("sensors", 0, "unit"), "mm", "#/sensors/0/unit", "bad_unit"),
    (("sensors", 0, "time_unit"), "K", "#/sensors/0/time_unit", "bad_unit"),
    (("sensors", 0, "temperatures", 3), "warm", "#/sensors/0/temperatures/3", "type_error"),
    (("sensors", 1, "sigma", 1), "1 mm", "#/sensors/1/sigma/1", "bad_unit"),
    (("fit", "prior", "T_air", "sd"), "1 W", "#/fit/prior/T_air/sd", "bad_unit"),
    (("fit", "prior", "k", "mean"), "1 mm2/s", "#/fit/prior/k/mean", "bad_unit"),
    (("fit", "prior", "nobody"), {"mean": "1 K", "sd": 1}, "#/fit/prior/nobody/mean", "type_error"),
]


@pytest.mark.parametrize(
    ("path", "value", "pointer", "code"), REFUSED, ids=[f"{c}-{p}" for *_, p, c in REFUSED]
)
def test_units_that_do_not_fit(path, value, pointer, code):
    with pytest.raises(InvalidExperiment) as error:
        Task(json.dumps(put(UNITS, path, value)).encode()).simulate({})
    assert (pointer, code) in {(p.pointer, p.code) for p in error.value.problems}
    assert len({p.pointer for p in error.value.problems}) == len(error.value.problems)


def test_a_million_wrong_units_take_no_long_time():
    document = linear()
    document["sensors"] = [{"x": 0.5, "times": ["1 zz"] * 150_000}] * 2
    began = time.process_time()
    with pytest.raises(InvalidExperiment) as error:
        read_document(json.dumps(document).encode())
    assert [p.pointer for p in error.value.problems] == [f"#/sensors/{i}/times/0" for i in (0, 1)]
    assert time.process_time() - began < 5.0


def test_strings_and_lists_of_units_read_alike():
    by_list, by_item = copy.deepcopy(UNITS), copy.deepcopy(UNITS)
    by_item["sensors"][0]["times"] = [f"{10 * i} min" for i in range(1, 13)]
    del by_item["sensors"][0]["time_unit"]
    first, second = (read_document(json.dumps(d).encode()) for d in (by_list, by_item))
    assert same(first.sensors, second.sensors)
