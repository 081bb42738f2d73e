"""From a sensor log to a calibration: `kappafit init`, `--data`, and ``POST /v1/document``."""

import csv
import io
import json

import numpy as np
import pytest

import solver
from tests.documents import put
from tests.test_bad_input import refused
from tests.test_cli import kappafit

KAPPA = 3e-6
PLACES = {"T_0cm": 0.0, "T_3cm": 0.03, "T_6cm": 0.06, "T_10cm": 0.1}
MINUTES = np.arange(0.0, 61.0)


def temperatures():
    """What four thermometers on 10 cm of rock read while its left end is warmed, 20 mK of noise."""
    bar = solver.Experiment(
        bar=solver.Bar(0.1, 200, 290.0),
        time=solver.Time(3600.0, 720, "tr-bdf2"),
        material=solver.Material(KAPPA),
        left=solver.Temperature(solver.Expression("290+15*(1-exp(-t/600))", "t")),
        right=solver.Temperature(solver.Expression("290-2*(1-exp(-t/900))", "t")),
        sensors=tuple(solver.Sensor(x, 60.0 * MINUTES, name=n) for n, x in PLACES.items()),
    )
    rng = np.random.default_rng(5)
    noise = 0.02 * rng.standard_normal((4, MINUTES.size))
    return dict(zip(PLACES, np.array(solver.simulate(bar)) + noise, strict=True))


@pytest.fixture(scope="module")
def readings():
    return temperatures()


def text_of(rows):
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue()


def wide(readings, unit=" [degC]", zero=273.15):
    header = ["time [min]", *(f"{name}{unit}" for name in readings)]
    columns = [[f"{T - zero:.4f}" for T in values] for values in readings.values()]
    return text_of([header, *([f"{t:g}", *row] for t, *row in zip(MINUTES, *columns, strict=True))])


def long(readings):
    rows = [
        [f"{t / 60:.8f}", name, f"{1.8 * (values[i] - 273.15) + 32:.4f}"]
        for i, t in enumerate(MINUTES)
        for name, values in readings.items()
    ]
    return text_of([["hours", "sensor", "value"], *rows])


def estimate(run):
    assert run.returncode == 0, run.stderr.decode()
    answer = json.loads(run.stdout)
    assert answer["status"] == "converged"
    return answer["estimates"]["kappa"]


def is_right(e):
    assert abs(e["value"] - KAPPA) < 4.0 * e["standard_error"] < 0.1 * KAPPA


def test_a_wide_log_calibrates_as_it_stands(readings, tmp_path):
    (tmp_path / "logs").mkdir()
    (tmp_path / "documents").mkdir()
    log, out = tmp_path / "logs" / "wide.csv", tmp_path / "documents" / "bar.json"
    log.write_text(wide(readings))
    run = kappafit("init", "logs/wide.csv", "-o", "documents/bar.json", cwd=tmp_path)
    assert run.returncode == 0, run.stderr.decode()
    assert run.stdout == b""
    said = run.stderr.decode()
    assert "- bar.length: 0.1 m, from x = 0 m to T_10cm" in said
    assert "- material.diffusivity: unknown" in said
    assert "documents/bar.json written. Next: kappafit calibrate documents/bar.json" in said
    document = json.loads(out.read_text())
    assert document["data"]["file"] == "../logs/wide.csv"  # beside the document, not beside us
    assert [sensor["name"] for sensor in document["sensors"]] == ["T_3cm", "T_6cm"]
    is_right(estimate(kappafit("calibrate", out, "--json")))


def test_a_long_log_with_units_and_a_span(readings, tmp_path):
    log, units, out = tmp_path / "long.csv", tmp_path / "units.json", tmp_path / "bar.json"
    log.write_text(long(readings))
    units.write_text(json.dumps({"hours": "h", "value": "K"}))
    run = kappafit(
        *("init", log, "--units", units, "--unit", "value=degF", "--time", "hours"),
        *("--start", "0.1", "--end", "54 min", "-o", out),
    )
    assert run.returncode == 0, run.stderr.decode()
    document = json.loads(out.read_text())
    assert document["data"]["units"]["value"] == "degF"  # --unit wins over the side file
    assert document["time"]["end"] == pytest.approx(2880.0, rel=1e-6)
    assert document["bar"]["initial"]["values"][0] == pytest.approx(296.77, abs=0.1)
    is_right(estimate(kappafit("calibrate", out, "--json")))


def test_another_log_on_the_command_line(readings, tmp_path):
    log, out, other = (tmp_path / name for name in ("wide.csv", "bar.json", "other.csv"))
    log.write_text(wide(readings))
    run = kappafit("init", "wide.csv", cwd=tmp_path)
    assert b"written" not in run.stderr  # it went to stdout
    document = json.loads(run.stdout)
    shifted = {name: values + 40.0 for name, values in readings.items()}
    other.write_text(wide(shifted))
    out.write_text(json.dumps(put(document, ("data", "file"), "gone.csv")))
    run = kappafit("calibrate", out, "--json")
    assert run.returncode == 2
    assert "cannot read" in run.stderr.decode()
    assert "gone.csv" in run.stderr.decode()
    moved = {"x": document["bar"]["initial"]["x"], "values": [330.0] * 4}
    out.write_text(json.dumps(put(document, ("bar", "initial"), moved)))
    run = kappafit("calibrate", out, "--data", other, "--json")
    is_right(estimate(run))
    assert min(json.loads(run.stdout)["fit"]["T_3cm"]["temperatures"]) > 320.0
    bare = put(put(document, ("bar", "initial"), moved), ("data",), ...)
    run = kappafit("calibrate", "-", "--data", other, "--json", stdin=json.dumps(bare).encode())
    is_right(estimate(run))


GOOD = "t,T_0cm,T_1cm\n0,1,2\n1,2,3\n"
REFUSED = [
    ([], "t,T_0cm,T_1cm\n0,1,2\n1,x,3\n2,3,4\n", "#/data/csv/3/T_0cm  'x' is no number"),
    ([], "t,T_0cm,T_1cm\n0,1,2\n0,2,3\n", "stands twice, on lines 2 and 3"),
    (
        ["--unit", "T_0=K"],
        GOOD,
        "#/data/units/T_0  there is no column 'T_0'; did you mean",
    ),
    (["--unit", "T_0cm"], GOOD, "--unit T_0cm: write COLUMN=UNIT"),
    (["-o", "no/such/folder.json"], GOOD, "cannot write no/such/folder.json"),
]


@pytest.mark.parametrize(("options", "log", "words"), REFUSED)
def test_refusals_of_the_command(options, log, words, tmp_path):
    (tmp_path / "log.csv").write_text(log)
    run = kappafit("init", "log.csv", *options, cwd=tmp_path)
    assert run.returncode == 2
    assert words in run.stderr.decode()
    assert run.stdout == b""


def post_log(server, log, **params):
    content = log if isinstance(log, bytes) else log.encode()
    headers = {"Content-Type": "text/csv; charset=utf-8"}
    return server.client.post("/v1/document", content=content, headers=headers, params=params)


def test_the_service_writes_the_same_document_with_the_log_in_it(server, readings, tmp_path):
    log = tmp_path / "wide.csv"
    log.write_text(wide(readings))
    here = kappafit("init", "wide.csv", "--end", "50", cwd=tmp_path)
    reply = post_log(server, wide(readings), end="50")
    assert reply.status_code == 200
    there = reply.json()
    document = there["document"]
    assert document["data"].pop("csv") == wide(readings)
    local = json.loads(here.stdout)
    assert local["data"].pop("file") == "wide.csv"
    assert document == local
    for note in there["notes"]:
        assert f"- {note}" in here.stderr.decode()
    document["data"]["csv"] = wide(readings)
    answer = server.post("/v1/calibrate", document).json()
    is_right(answer["estimates"]["kappa"])
    assert server.post("/v1/calibrate", local).status_code == 422  # columns without their log


def test_the_service_takes_the_options_of_the_command(server, readings):
    units = json.dumps({"hours": "h", "value": "degF"})
    reply = post_log(server, long(readings), units=units, time="hours", start="0.1")
    document = reply.json()["document"]
    assert document["data"]["units"]["value"] == "degF"
    assert document["data"]["start"] == 0.1
    is_right(server.post("/v1/calibrate", document).json()["estimates"]["kappa"])
    bom = post_log(server, b"\xef\xbb\xbf" + wide(readings).encode()).json()["document"]
    assert server.post("/v1/calibrate", bom).status_code == 200


@pytest.mark.parametrize(
    ("log", "params", "pointer", "code"),
    [
        (b"", {}, "#/data/csv", "empty"),
        (b"t,T\n", {}, "#/data/csv/1", "no_rows"),
        (b"\xff\xfe", {}, "#/data/csv", "not_utf8"),
        ("time,T [°C]\n0,1\n".encode("latin-1"), {}, "#/data/csv/1", "not_utf8"),
        (b"t,T\n0,1\n1,2\n", {"units": "{"}, "#/units", "invalid_json"),
        (b"t,T\n0,1\n1,2\n", {"units": "[1]"}, "#/units", "type_error"),
        (b"t,T\n0,1\n1,2\n", {"units": '{"T": 3}'}, "#/units", "type_error"),
        (b"t,T\n0,1\n1,2\n", {"units": '{"T": "degCC"}'}, "#/data/units/T", "unknown_unit"),
        (b"t,T\n0,1\n1,2\n", {"time": "x"}, "#/data/time", "unknown_column"),
        (b"t,T\n0,1\n1,2\n", {"start": "5"}, "#/data/start", "no_rows"),
        (b"t,T\n0,1\n1,2\n", {"start": "nan"}, "#/data/start", "not_a_time"),
        (b"t,T\n0,1\n1,2\n", {"end": "inf"}, "#/data/end", "not_a_time"),
        (b"t,p [bar]\n0,1\n1,2\n", {}, "#/data", "no_temperature"),
    ],
)
def test_logs_that_the_service_refuses(server, log, params, pointer, code):
    refused(post_log(server, log, **params), 422, pointer, code)


def test_a_log_is_text_csv_and_of_bounded_size(server):
    for kind in ("application/json", "text/plain", "", "text/csv+json"):
        reply = server.client.post("/v1/document", content=b"", headers={"Content-Type": kind})
        refused(reply, 415)
    refused(post_log(server, b"t,T\n" + b"0,1\n" * 500_000), 413)
    refused(server.client.get("/v1/document"), 405)
