"""The service keeps the contract that its OpenAPI document states, whatever is sent."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Server, added_key

# A job that is deleted is dismissed, and still there to say so, as OGC API - Processes has it.
EXCLUDED = "use_after_free"
# A document of the right shape may still have no meaning.
CONFIGURATION = """
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "404", "422"]
"""

# The four questions share one document: its systematic variations are sent to one of them.
SAME_BODY = ("/v1/gradient", "/v1/simulate", "/v1/check")
RUNS = {
    "examples, random requests, and what follows from answers": (
        *("--phases", "examples,fuzzing,stateful", "--max-examples", "40"),
        600,
    ),
    "every variation of the schemas": (
        *("--phases", "coverage"),
        *(option for path in SAME_BODY for option in ("--exclude-path", path)),
        5000,
    ),
}


@pytest.fixture(scope="module")
def keyed():
    """A service that asks for keys, so that what it says without one is seen, too."""
    started = Server(keys="on", rate="1000000/minute").wait()
    started.key = added_key(started, "schemathesis")
    yield started
    started.stop()


@pytest.mark.timeout(600)  # several thousand requests; a busy machine takes its time
@pytest.mark.parametrize("name", RUNS)
def test_generated_requests_get_documented_answers(keyed, tmp_path, name):
    *options, least = RUNS[name]
    (tmp_path / "schemathesis.toml").write_text(CONFIGURATION)
    command = [
        *(Path(sys.executable).with_name("schemathesis"), "run", f"{keyed.url}/openapi.json"),
        *("--checks", "all", "--exclude-checks", EXCLUDED, "--seed", "1", *options),
        *("--header", f"Authorization: Bearer {keyed.key}"),
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
