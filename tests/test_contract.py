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


@pytest.mark.timeout(600)  # several thousand requests; a busy machine takes its time
def test_generated_requests_get_documented_answers(server, tmp_path):
    command = [
        *(Path(sys.executable).with_name("schemathesis"), "run", f"{server.url}/openapi.json"),
        *("--checks", ",".join(CHECKS), "--max-examples", "10", "--seed", "1"),
        *("--generation-database", "none", "--no-color"),
    ]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=580)
    assert run.returncode == 0, run.stdout[-6000:]
    generated, passed = re.search(r"(\d+) generated, (\d+) passed", run.stdout).groups()
    assert int(generated) == int(passed) > 500
