"""Columns of a log in a document are what the same numbers written out are."""

import json
import time

import numpy as np
import pytest

import solver
from app.columns import with_columns
from app.document import read_document
from app.limits import Limits
from solver import InvalidExperiment
from tests.documents import linear, put, same

LOG = """time [min],T_in [degC],T_mid [K],bare,q [kW/m2],qk [K m/s],air [degC],volt [V],power [%]
0,20.0,293.5,1.0,0.5,0.1,15.0,3,0
1,21.0,,2.0,0.6,0.2,16.0,4,50
2,22.0,294.5,3.0,0.7,0.3,,5,100
3,,295.5,4.0,0.8,0.4,18.0,6,100
4,24.0,296.5,5.0,0.9,0.5,19.0,7,100
"""
MINUTES = [0.0, 60.0, 120.0, 180.0, 240.0]


def logged():
    """A bar of which all that was measured stands in the log."""
    return {
        "data": {"csv": LOG},
        "bar": {"length": 0.1, "cells": 8, "initial": 293.0},
        "time": {"steps": 8},
        "material": {
            "conductivity": {"unknown": "k", "start": 2.0},
            "heat_capacity": 2e6,
            "exchange": {"rate": 3.0, "ambient": {"column": "air"}},
        },
        "source": [{"profile": 1e3, "history": {"column": "bare"}}],
        "left": {"kind": "flux", "value": {"column": "q"}},
        "right": {"kind": "convection", "coefficient": 9.0, "ambient": {"column": "air"}},
        "sensors": [
            {"x": 0.02, "column": "T_in", "sigma": 0.1},
            {"x": 0.05, "column": "T_mid", "sigma": 0.1, "name": "middle"},
        ],
    }


def written_out():
    """The same bar with the numbers where the columns were."""
    document = logged()
    del document["data"]
    air = {"times": [0, 60, 180, 240], "values": [288.15, 289.15, 291.15, 292.15]}
    document["time"]["end"] = 240.0
    document["material"]["exchange"]["ambient"] = document["right"]["ambient"] = air
    document["left"]["value"] = {"times": MINUTES, "values": [500, 600, 700, 800, 900]}
    document["source"][0]["history"] = {"times": MINUTES, "values": [1, 2, 3, 4, 5]}
    document["sensors"] = [
        {
            "name": "T_in",
            "x": 0.02,
            "times": [0, 60, 120, 240],
            "temperatures": [293.15, 294.15, 295.15, 297.15],
            "sigma": 0.1,
        },
        {
            "name": "middle",
            "x": 0.05,
            "times": [0, 120, 180, 240],
            "temperatures": [293.5, 294.5, 295.5, 296.5],
            "sigma": 0.1,
        },
    ]
    return document


def read(document, **options):
    return read_document(json.dumps(document).encode(), **options)


def rounded(document):
    """Written out, with what a change of units leaves taken off."""
    found = with_columns(document, Limits())
    return json.loads(json.dumps(found), parse_float=lambda text: round(float(text), 9))


def test_columns_are_the_numbers_written_out():
    before = logged()
    assert rounded(before) == written_out()
    assert before == logged()  # what was given is not changed
    other = put(logged(), ("data", "units"), {"T_mid": "degC"})
    assert rounded(other) != written_out()


def test_columns_and_numbers_give_one_misfit():
    columns = solver.value_and_gradient(read(logged()))
    numbers = solver.value_and_gradient(read(written_out()))
    assert columns[0] == pytest.approx(numbers[0], rel=1e-10)
    other = put(logged(), ("sensors", 0, "column"), "bare")
    assert solver.value_and_gradient(read(other))[0] != pytest.approx(numbers[0], rel=1e-3)


def test_a_log_is_read_from_its_start_to_the_end_of_the_run():
    document = logged()
    document["data"] |= {"start": 1.0}
    assert read(document).time.end == 180.0
    document["data"]["start"] = "1 min"
    assert read(document).left.value.points.tolist() == [0.0, 60.0, 120.0, 180.0]
    document["time"]["end"] = 120.0
    assert read(document).sensors[1].times.tolist() == [60.0, 120.0]  # 120 to 180 s of the log
    assert read(document).left.value.points[-1] == 180.0  # a series may go on
    document["time"]["end"] = "2 min"
    assert same(read(document).sensors, read(put(document, ("time", "end"), 120.0)).sensors)
    document["data"]["end"] = 3.0
    assert read(document).left.value.points[-1] == 120.0


def test_a_kinematic_flux_and_bare_columns():
    document = linear()
    document["data"], document["time"]["end"] = {"csv": LOG}, 240.0
    document["left"]["value"] = {"column": "qk"}
    document["right"]["value"] = {"column": "bare", "unit": "degC"}
    e = read(document)
    np.testing.assert_allclose(e.left.value.values, [0.1, 0.2, 0.3, 0.4, 0.5])
    np.testing.assert_allclose(e.right.value.values, np.arange(1, 6) + 273.15)
    document["right"]["value"] = {"column": "bare"}
    np.testing.assert_allclose(read(document).right.value.values, np.arange(1, 6))
    document["source"] = [{"profile": 1.0, "history": {"column": "power"}}]
    document["data"]["units"] = {"power": "-"}
    np.testing.assert_allclose(read(document).source[0].history.values, [0, 50, 100, 100, 100])


UNIT_SAID_TWICE = {"x": 0.0, "column": "T_in", "unit": "degC"}
# (what is put where, pointer, code)
REFUSED = [
    (("data",), ..., "#/left/value/column", "no_data"),
    (("data",), None, "#/data", "type_error"),
    (("data",), "T.csv", "#/data", "type_error"),
    (("data",), {}, "#/data", "missing"),
    (("data", "file"), "T.csv", "#/data", "missing"),
    (("data",), {"file": "T.csv"}, "#/data/file", "not_available"),
    (("data", "csv"), 3, "#/data/csv", "type_error"),
    (("data", "unit"), {}, "#/data/unit", "unknown_key"),
    (("data", "units"), {"T_in": 3}, "#/data/units/T_in", "type_error"),
    (("data", "units"), {"T_inn": "K"}, "#/data/units/T_inn", "unknown_column"),
    (("data", "units"), {"T_in": "Kx"}, "#/data/units/T_in", "unknown_unit"),
    (("data", "units"), {"T_in": "m"}, "#/sensors/0/column", "unit_mismatch"),
    (("data", "units"), {"q": "K"}, "#/left/value/column", "unit_mismatch"),
    (("data", "units"), {"q": "K m/s"}, "#/left/value/column", "unit_mismatch"),
    (("data", "time"), "tim", "#/data/time", "unknown_column"),
    (("data", "start"), 9.0, "#/data/start", "no_rows"),
    (("data", "start"), [], "#/data/start", "type_error"),
    (("data", "csv"), "", "#/data/csv", "empty"),
    (("data", "csv"), LOG.replace("22.0", "x"), "#/data/csv/4/T_in", "not_a_number"),
    (("data", "csv"), LOG.replace("4,24", "2,24"), "#/data/csv/6/time", "times_not_increasing"),
    (("left", "value", "column"), "Q", "#/left/value/column", "unknown_column"),
    (("left", "value", "column"), "air", "#/left/value/column", "unit_mismatch"),
    (("left", "value", "column"), "qk", "#/left/value/column", "unit_mismatch"),
    (("left", "value", "column"), "volt", "#/left/value/column", "unit_mismatch"),
    (("left", "value", "column"), 3, "#/left/value/column", "unknown_column"),
    (("left", "value", "times"), [0, 1], "#/left/value/times", "contradiction"),
    (("left", "value", "values"), [0, 1], "#/left/value/values", "contradiction"),
    (("left", "value", "time_unit"), "h", "#/left/value/time_unit", "contradiction"),
    (("left", "value", "unit"), "W/m2", "#/left/value/unit", "contradiction"),
    (("left", "value", "colour"), 1, "#/left/value/colour", "unknown_key"),
    (("right", "ambient", "column"), "q", "#/right/ambient/column", "unit_mismatch"),
    (("right",), {"kind": "temperature", "value": {"column": "q"}}, "#/right/value/column", None),
    (
        ("material", "exchange", "ambient", "column"),
        "volt",
        "#/material/exchange/ambient/column",
        "unit_mismatch",
    ),
    (("source", 0, "history", "column"), "no", "#/source/0/history/column", "unknown_column"),
    (("source", 0, "history", "column"), "volt", "#/source/0/history/column", "unit_mismatch"),
    (("source", 0, "history", "column"), "power", "#/source/0/history/column", "unit_mismatch"),
    (("sensors", 1, "column"), "q", "#/sensors/1/column", "unit_mismatch"),
    (("sensors", 1, "column"), None, "#/sensors/1/column", "unknown_column"),
    (("sensors", 1, "column"), "T_md", "#/sensors/1/column", "unknown_column"),
    (("sensors", 0, "times"), [1.0], "#/sensors/0/times", "contradiction"),
    (("sensors", 0, "temperatures"), [1.0], "#/sensors/0/temperatures", "contradiction"),
    (("sensors", 0), UNIT_SAID_TWICE, "#/sensors/0/unit", "contradiction"),
    (("time", "end"), 300.0, "#/left/value/column", "not_covered"),
    (("time", "end"), "0.1 h", "#/left/value/column", "not_covered"),
    (("data", "start"), 0.5, "#/left/value/column", "not_covered"),
    (("time", "end"), -1.0, "#/time/end", "out_of_range"),
    (("time", "end"), 10**400, "#/time/end", "type_error"),
    (("time",), ..., "#/time", "missing"),
    (("sensors", 0, "sigma"), [0.1] * 5, "#/sensors/0/sigma", "length_mismatch"),
]


@pytest.mark.parametrize(
    ("path", "value", "pointer", "code"), REFUSED, ids=[f"{c}-{p}" for *_, p, c in REFUSED]
)
def test_what_a_column_cannot_be(path, value, pointer, code):
    for prefix, document in (
        ("", put(logged(), path, value)),
        ("/experiments/1", {"experiments": [written_out(), put(logged(), path, value)]}),
    ):
        with pytest.raises(InvalidExperiment) as error:
            solver.simulate(read(document))
        found = {(p.pointer, p.code) for p in error.value.problems}
        expected = {(pointer.replace("#", f"#{prefix}", 1), code or "unit_mismatch")}
        assert found >= expected, error.value


def test_a_series_that_ends_early_and_a_sensor_that_begins_late():
    late = LOG.replace("15.0", "").replace("19.0", "")
    with pytest.raises(InvalidExperiment, match="air has readings from 60 s to 180 s but the run"):
        read(put(logged(), ("data", "csv"), late))
    document = put(logged(), ("time", "end"), 30.0)
    document["data"]["csv"] = LOG.replace("20.0", "")
    with pytest.raises(InvalidExperiment, match="T_in has no reading up to the end of the run"):
        read(document)


def test_the_nearest_name_is_said():
    with pytest.raises(InvalidExperiment, match="did you mean 'T_mid'"):
        read(put(logged(), ("sensors", 1, "column"), "T_middle"))
    with pytest.raises(InvalidExperiment, match="a heat flux is wanted here, e"):
        read(put(logged(), ("left", "value", "column"), "air"))


def test_a_file_is_read_where_a_reader_is():
    asked = []

    def reader(name):
        asked.append(name)
        return LOG.encode()

    document = put(logged(), ("data",), {"file": "sub/T.csv"})
    assert same(read(document, read_file=reader), read(logged()))
    assert asked == ["sub/T.csv"]


def test_a_log_asked_for_too_often_is_refused_before_it_is_copied():
    """Half a megabyte of log times twenty thousand sensors would be some hundred gigabytes."""
    document = put(logged(), ("data", "csv"), "t,T_in\n" + "".join(f"{k},1\n" for k in range(9**5)))
    document["sensors"] = [{"x": 0.0, "column": "T_in"}] * 20_000
    for key in ("left", "right", "source"):
        del document[key]
    del document["material"]["exchange"]
    began = time.process_time()
    with pytest.raises(InvalidExperiment, match="its log is too long"):
        read(document, limits=Limits(bytes=2**29))
    assert time.process_time() - began < 5.0
    document["sensors"] = document["sensors"][:2]
    assert len(read(document, limits=Limits(bytes=2**29)).sensors) == 2


def test_columns_of_several_logs_in_a_joint_fit():
    colder = put(logged(), ("data", "csv"), LOG.replace("20.0", "19.0"))
    joint = read({"experiments": [logged(), colder]})
    assert same(joint.experiments[0], read(logged()))
    assert same(joint.experiments[1], read(colder))
    assert not same(*joint.experiments)
