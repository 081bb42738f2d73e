"""The document to start from: places, ends, units and the span that are guessed from a log."""

import json
import random

import numpy as np
import pytest

from app.logs.log import read_log
from app.logs.places import numbered_places, places_in_line, written_place
from app.logs.starter import starter
from solver import InvalidExperiment
from tests.test_log import real_file

THREE = "time,T_1cm [degC],T_2cm [degC],T_4cm [degC]\n0,20,21,22\n60,30,25,22\n"
SOIL = ("SOIL_TEMP_5_DAILY", "SOIL_TEMP_100_DAILY")


def start(text, **options):
    document, notes = starter(read_log(text, **options), "bar.csv")
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    return document, notes


def columns_of(document):
    """Every column that a document refers to, by its place there."""
    ends = {
        f"{side}.{key}": value["column"]
        for side in ("left", "right")
        for key, value in document.get(side, {}).items()
        if isinstance(value, dict) and "column" in value
    }
    return ends | {f"x={sensor['x']:g}": sensor["column"] for sensor in document["sensors"]}


def test_three_sensors_with_places():
    document, notes = start(THREE)
    assert document == {
        "data": {"file": "bar.csv", "time": "time"},
        "bar": {
            "length": 0.03,
            "initial": {"x": [0.0, 0.01, 0.03], "values": [293.15, 294.15, 295.15]},
        },
        "time": {"end": 60.0},
        "material": {"diffusivity": {"unknown": "kappa", "start": 2e-5, "scale": "log"}},
        "left": {"kind": "temperature", "value": {"column": "T_1cm"}},
        "right": {"kind": "temperature", "value": {"column": "T_4cm"}},
        "sensors": [{"name": "T_2cm", "x": 0.01, "column": "T_2cm"}],
    }
    assert notes == (
        "bar.length: 0.03 m, from x = 0.01 m to T_4cm",
        "material.diffusivity: unknown, the search starts at 2e-05 m2/s",
    )


def test_what_the_log_was_read_with_stands_in_the_document():
    text = "when [h],T_A,T_B,T_C\n0,1,2,3\n1,2,3,4\n2,3,4,5\n"
    document, _ = start(text, time="when", units={"T_B": "degF"}, start=0.5, end="2 h")
    assert document["data"] == {
        "file": "bar.csv",
        "time": "when",
        "units": {"T_A": "degC", "T_B": "degF", "T_C": "degC"},
        "start": 1.0,  # the first row: at 0.5 h no end reads
        "end": "2 h",
    }
    assert document["time"]["end"] == 3600.0


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("T_0.5m", 0.5),
        ("T_2m", 2.0),
        ("8 cm", 0.08),
        ("x=0.02 m", 0.02),
        ("z = -10 mm", -0.01),
        ("TC2_5mm", 0.005),
        ("T at 0,25 m", 0.25),
        ("depth_3ft_avg", 0.9144),
        ("-0.5 m", -0.5),
        ("T-5cm", 0.05),  # a dash, no sign
        ("T_30min", None),
        ("SOIL_TEMP_50", None),
        ("T2", None),
        ("Front", None),
    ],
)
def test_a_place_in_a_name(name, place):
    assert written_place(name) == (None if place is None else pytest.approx(place))


@pytest.mark.parametrize(
    ("names", "places", "unit"),
    [
        (["SOIL_5_X", "SOIL_50_X", "SOIL_100_X"], [0.05, 0.5, 1.0], "cm"),
        (["T0.1", "T0.5"], [0.1, 0.5], "m"),
        (["T1", "T2", "T3"], None, ""),  # they are counted
        (["T1", "T2", "T4"], None, ""),
        (["T_20"], None, ""),
        (["A_20", "B_50"], None, ""),
        (["T_20", "T20"], None, ""),
        ([], None, ""),
    ],
)
def test_numbers_without_a_unit(names, places, unit):
    expected = dict(zip(names, places, strict=True)) if places else {}
    found, said = numbered_places(names)
    assert (found, said) == (pytest.approx(expected), unit)


def test_faces_stand_in_line_with_their_neighbours():
    known = {"8 cm": 0.08, "6 cm": 0.06, "2 cm": 0.02}
    names = ["Back", "8 cm", "6 cm", "middle", "2 cm", "Front", "T_room"]
    in_line = places_in_line(names, known)
    assert in_line == pytest.approx({"Back": 0.1, "middle": 0.04, "Front": 0.0})
    assert places_in_line(["Front", "8 cm", "2 cm", "6 cm"], known) == {}
    assert places_in_line(["Front", "8 cm"], {"8 cm": 0.08}) == {}


def test_names_without_places_are_spread_and_said():
    document, notes = start("time,left,T2,T3,T4,right\n0,1,2,3,4,5\n60,2,3,4,5,6\n")
    ends = {"left.value": "left", "right.value": "right"}
    assert columns_of(document) == ends | {"x=0.25": "T2", "x=0.5": "T3", "x=0.75": "T4"}
    assert document["material"]["diffusivity"]["start"] == 1e-6  # no length to guess from
    assert "sensors: no name says a place; they are spread evenly over 1 m: edit every x" in notes


def test_columns_whose_names_say_nothing_are_temperatures_when_none_else_is():
    document, notes = start("time,ch1,ch2,ch3,humidity\n0,1,2,3,9\n60,2,3,4,9\n")
    assert list(columns_of(document).values()) == ["ch1", "ch3", "ch2"]
    assert "data: not used: humidity" in notes


def test_a_column_without_a_place_is_left_out_where_others_have_one():
    text = "time,T_1cm,T_2cm,T_4cm,T_max\n0,20,21,22,30\n60,30,25,22,30\n"
    document, notes = start(text)
    assert "T_max" not in columns_of(document).values()
    assert "data: not used: T_max" in notes


def test_a_flux_enters_left_and_air_cools_right():
    text = "time,T_2mm,T_8mm,q [kW/m2],T_amb\n0,20,21,1,19\n60,30,25,1,19\n"
    document, notes = start(text)
    ends = {"left.value": "q", "right.ambient": "T_amb"}
    assert columns_of(document) == ends | {"x=0.002": "T_2mm", "x=0.008": "T_8mm"}
    assert document["left"]["kind"] == "flux"
    assert document["right"]["kind"] == "convection"
    assert document["right"]["coefficient"]["unknown"] == "h"
    assert sorted(document["material"]) == ["conductivity", "heat_capacity"]
    assert document["bar"]["initial"] == {
        "x": [0.0, 0.002, 0.008],
        "values": [293.15, 293.15, 294.15],
    }
    assert "bar.length: 0.008 m, from x = 0 m to T_8mm: edit it if the bar goes on beyond" in notes


def test_a_kinematic_flux_goes_with_a_diffusivity():
    text = "time,T_2mm,q [K m/s],T_air\n0,20,1,19\n60,30,1,19\n"
    document, _ = start(text)
    assert list(document["material"]) == ["diffusivity"]
    assert document["right"]["coefficient"]["start"] < 1e-3


def test_without_a_flux_the_heat_capacity_has_to_be_known():
    document, notes = start("time,T_2mm,T_8mm,T_air\n0,20,21,19\n60,30,25,19\n")
    assert document["material"]["heat_capacity"] == 2e6
    assert any(note.startswith("material.heat_capacity:") for note in notes)
    assert columns_of(document)["left.value"] == "T_2mm"


@pytest.mark.parametrize(
    ("text", "ends", "sensor"),
    [
        ("time,T_0cm,T_5cm\n0,20,21\n60,30,25\n", ["left"], 0.05),
        ("time,T\n0,20\n60,30\n", [], 0.5),
        ("time,T,q\n0,20,5\n60,30,5\n", ["left"], 0.5),
        ("time,T_5mm,q\n0,20,5\n60,30,5\n", ["left"], 0.005),
    ],
)
def test_one_column_at_least_stays_a_sensor(text, ends, sensor):
    document, notes = start(text)
    assert [side for side in ("left", "right") if side in document] == ends
    assert [s["x"] for s in document["sensors"]] == [sensor]
    assert any("insulated" in note for note in notes)
    assert any("nothing in the file heats the bar" in note for note in notes) == (not ends)


@pytest.mark.parametrize(
    ("cells", "unit"), [("20,30", "degC"), ("-5,600", "degC"), ("293,350", "K")]
)
def test_a_unit_is_guessed_from_the_readings(cells, unit):
    first, second = cells.split(",")
    document, notes = start(f"time,T_1cm,T_2cm\n0,{first},{first}\n60,{second},{second}\n")
    assert document["data"]["units"] == {"T_1cm": unit, "T_2cm": unit}
    assert f"data.units: {unit} is guessed from the readings: T_1cm, T_2cm" in notes


def test_the_span_is_where_the_ends_read():
    text = "t [h],T_1cm,T_2cm,T_3cm\n" + "".join(
        f"{hour},{'' if hour < 2 else 20},{hour},{21 if hour < 9 else 'NA'}\n"
        for hour in range(12)
        if hour != 5
    )
    document, notes = start(text + "12,20,5,\n", end=11.5)
    assert (document["data"]["start"], document["data"]["end"]) == (2.0, 8.0)
    assert document["time"]["end"] == 6 * 3600.0
    assert document["bar"]["initial"]["values"][1] == 275.15
    assert "data.start, data.end: 2.0 to 8.0, where the ends of the bar have readings" in notes


def test_gaps_and_silent_sensors_are_said():
    text = "time,T_1cm,T_2cm,T_3cm,T_4cm\n0,,1,,\n1,,1,,\n2,1,,1,1\n3,,,,2\n4,1,,2,1\n"
    document, notes = start(text)
    assert "data: 1 of 3 readings of T_1cm are missing in there" in notes
    assert "sensors: left out, without readings in there: T_2cm" in notes
    assert list(columns_of(document).values()) == ["T_1cm", "T_4cm", "T_3cm"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("time,U [V]\n0,1\n60,2\n", "no_temperature"),
        ("time,humidity\n0,1\n60,2\n", "no_temperature"),
        ("time,T_1cm,T_2cm,T_3cm\n0,1,2,\n60,,3,4\n", "no_rows"),
        ("time,T_1cm,q\n0,1,\n1,1,\n60,,3\n61,,4\n", "no_rows"),
        ("time,T_1cm,T_2cm\n0,1,2\n", "no_rows"),
    ],
)
def test_no_document_can_be_guessed(text, code):
    with pytest.raises(InvalidExperiment) as refused:
        start(text)
    (problem,) = refused.value.problems
    assert (problem.pointer, problem.code) == ("#/data", code)


def assert_fits(document, data):
    """The file, read as the document says, has all that it refers to."""
    log = read_log(data, **{k: v for k, v in document["data"].items() if k != "file"})
    assert log.times[0] == 0.0
    assert log.times[-1] == pytest.approx(document["time"]["end"])
    for name in columns_of(document).values():
        assert log.columns[name].quantity
    for name in (c for place, c in columns_of(document).items() if "=" not in place):
        assert np.isfinite(log.columns[name].values[[0, -1]]).all()
    initial, length = document["bar"]["initial"], document["bar"]["length"]
    if isinstance(initial, dict):
        assert (initial["x"][0], initial["x"][-1]) == (0.0, length)
        assert np.all(np.diff(initial["x"]) > 0)
    assert all(0.0 <= sensor["x"] <= length for sensor in document["sensors"])


@pytest.mark.parametrize(
    ("name", "length", "left", "right", "sensors"),
    [
        ("fds_analytic/heat_conduction_a.csv", 0.1, "Front", "Back", 4),
        ("fds_analytic/heat_conduction_c.csv", 0.1, "Front", "Back", 4),
        ("fds_analytic/heat_conduction_kc_cartesian.csv", 1.0, "Surface", None, 1),
        ("glenglat_rikha_samba/borehole_247_hourly_wide.csv", 9.95, "T_0.05m", "T_10m", 9),
        ("musil_flux_wall/DATA.csv", 1.0, "HeatFlux", "T_amb", 1),
        ("uscrn_daily/IN_Bedford_5_WNW.txt", 0.95, *SOIL, 3),
    ],
)
def test_real_files(name, length, left, right, sensors):
    data = real_file(name)
    document, notes = start(data)
    ends = columns_of(document)
    assert document["bar"]["length"] == length
    assert ends.get("left.value") == left
    assert ends.get("right.value", ends.get("right.ambient")) == right
    assert len(document["sensors"]) == sensors
    assert notes
    assert_fits(document, data)


def test_soil_begins_where_its_sensors_do():
    document, notes = start(real_file("uscrn_daily/IN_Bedford_5_WNW.txt"))
    assert document["data"]["start"] == "2009-09-09T00:00:00"
    assert document["bar"]["initial"]["x"] == [0.0, 0.05, 0.15, 0.45, 0.95]
    assert "sensors: the numbers in the names are taken for places in cm" in notes


def test_whatever_is_guessed_fits_its_file():
    random.seed(77, version=2)
    heads = ["T_1cm", "8 cm", "Front", "q [W/m2]", "T_amb", "T_5", "T_50 [K]", "u", "Back (degC)"]
    fitted = 0
    for _ in range(400):
        names = random.sample(heads, random.randint(1, 6))
        rows = [
            ",".join([str(i), *(random.choice(["", "-9999", "7", "8.5", "-3"]) for _ in names)])
            for i in range(random.randint(2, 9))
        ]
        text = "\n".join([",".join(["t_min", *names]), *rows])
        try:
            document, _ = start(text)
        except InvalidExperiment:
            continue
        assert_fits(document, text)
        fitted += 1
    assert fitted > 100
