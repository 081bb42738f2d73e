"""The service keeps the contract that its OpenAPI document states, whatever is sent."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "unsupported_method",
)


# The four questions share one document: its systematic variations are sent to one of them.
SAME_BODY = ("/v1/gradient", "/v1/simulate", "/v1/check")
RUNS = {
    "examples and random requests to all": (
        *("--phases", "examples,fuzzing", "--max-examples", "40"),
        200,
    ),
    "every variation of the schemas": (
        *("--phases", "coverage"),
        *(option for path in SAME_BODY for option in ("--exclude-path", path)),
        5000,
    ),
}


@pytest.mark.timeout(600)  # several thousand requests; a busy machine takes its time
@pytest.mark.parametrize("name", RUNS)
def test_generated_requests_get_documented_answers(server, tmp_path, name):
    *options, least = RUNS[name]
    command = [
        *(Path(sys.executable).with_name("schemathesis"), "run", f"{server.url}/openapi.json"),
        *("--checks", ",".join(CHECKS), "--seed", "1", *options),
        *("--generation-database", "none", "--no-color"),
    ]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=550)
    assert run.returncode == 0, run.stdout[-6000:]
    generated, passed = re.search(r"(\d+) generated, (\d+) passed", run.stdout).groups()
    assert int(generated) == int(passed) > least


def test_the_contract_covers_every_call(server):
    paths = server.client.get("/openapi.json").json()["paths"]
    assert set(paths) == {
        *("/healthz", "/readyz", "/version", "/v1/example", "/v1/calibrate", "/v1/document"),
        *("/v1/jobs", "/v1/jobs/{id}", "/v1/jobs/{id}/result", "/v1/jobs/{id}/events"),
        *SAME_BODY,
    }
    bodies = [paths[path]["post"]["requestBody"] for path in ("/v1/calibrate", *SAME_BODY)]
    assert all(body == bodies[0] for body in bodies)
    (kind,) = paths["/v1/document"]["post"]["requestBody"]["content"]
    assert kind == "text/csv"


def test_the_schema_tells_of_logs_and_units(server):
    """What is written out before the schema is asked stands in it for those who read it."""
    schemas = server.client.get("/openapi.json").json()["components"]["schemas"]
    log = schemas["DataPart"]["properties"]
    assert set(log) == {"csv", "file", "time", "units", "start", "end"}
    assert "data" in schemas["Document"]["properties"]
    assert {"column", "unit", "time_unit"} < set(schemas["SensorPart"]["properties"])
    assert {"unit", "x_unit"} < set(schemas["ProfileTable"]["properties"])
    assert {"unit", "x_unit"} < set(schemas["Layers"]["properties"])
    assert "unit" not in schemas["Linear"]["properties"]
    assert schemas["SeriesColumn"]["required"] == ["column"]
