"""The Hessian as it is asked for over HTTP and on the command line."""

import json

import numpy as np
import pytest

import solver
from app.document import read_document
from solver.simulate import MOST_HESSIAN
from tests.conftest import ROOT
from tests.test_bad_input import refused
from tests.test_cli import kappafit

EXAMPLE = ROOT / "app" / "examples" / "lecture.json"


def test_over_http(server, document):
    at = {"a": 2.0, "b": 1.2}
    query = {"at": json.dumps(at), "hessian": "true"}
    answer = server.post("/v1/gradient", document, params=query).json()
    study = read_document(json.dumps(document).encode())
    H, gauss_newton = solver.hessian(study, at)
    assert answer["names"] == ["a", "b"]
    np.testing.assert_allclose(answer["hessian"], H, rtol=1e-12)
    np.testing.assert_allclose(answer["gauss_newton"], gauss_newton, rtol=1e-12)
    plain = server.post("/v1/gradient", document, params={"at": json.dumps(at)}).json()
    assert (plain["names"], plain["hessian"], plain["gauss_newton"]) == (None, None, None)
    for key in ("objective", "gradient", "at"):
        assert plain[key] == answer[key]
    moved = server.post("/v1/gradient", document, params={"hessian": "true"}).json()
    assert moved["hessian"] != answer["hessian"]


def test_over_http_the_flag_is_a_flag_and_has_its_limit(server, document):
    refused(server.post("/v1/gradient?hessian=perhaps", document), 422)
    values = {"unknown": "q", "start": [0.0] * (MOST_HESSIAN + 1)}
    times = np.linspace(0.0, 1.0, MOST_HESSIAN + 1).tolist()
    document["left"] = {"kind": "flux", "value": {"times": times, "values": values}}
    reply = server.post("/v1/gradient?hessian=true", document)
    refused(reply, 422, "#/hessian", "too_many_unknowns")
    assert server.post("/v1/gradient", document).status_code == 200


def test_the_schema_knows_the_flag_and_the_answer(server):
    schema = server.client.get("/openapi.json").json()
    parameters = schema["paths"]["/v1/gradient"]["post"]["parameters"]
    (flag,) = (p for p in parameters if p["name"] == "hessian")
    assert flag["schema"] == {"type": "boolean", "default": False, **flag["schema"]}
    assert "second derivatives" in flag["description"]
    fields = schema["components"]["schemas"]["GradientAnswer"]["properties"]
    for name in ("names", "hessian", "gauss_newton"):
        assert fields[name]["description"]


def test_on_the_command_line(tmp_path):
    run = kappafit("gradient", EXAMPLE, "--hessian", "--json")
    answer = json.loads(run.stdout)
    H, _ = solver.hessian(read_document(EXAMPLE.read_bytes()))
    np.testing.assert_allclose(answer["hessian"], H, rtol=1e-12)
    text = kappafit("gradient", EXAMPLE, "--hessian").stdout.decode()
    heading, *rows = text[text.index("Hessian") :].splitlines()
    assert heading.split() == ["Hessian", "a", "b"]
    assert [float(value) for value in rows[0].split()[1:]] == pytest.approx(H[0], rel=1e-5)
    assert "Gauss-Newton" in text
    assert "Hessian" not in kappafit("gradient", EXAMPLE).stdout.decode()
    document = json.loads(EXAMPLE.read_text())
    values = {"unknown": "q", "start": [0.0] * 20}
    times = np.linspace(0.0, 1.0, 20).tolist()
    document["left"] = {"kind": "flux", "value": {"times": times, "values": values}}
    file = tmp_path / "curve.json"
    file.write_text(json.dumps(document))
    text = kappafit("gradient", file, "--hessian").stdout.decode()
    assert "Hessian: 22 x 22, --json prints it" in text


def test_the_observed_error_stands_beside_the_others(server, document):
    """Of numbers; null where there is none, and of curves none at all."""
    answer = server.post("/v1/calibrate", document).json()
    for estimate in answer["estimates"].values():
        assert estimate["observed_standard_error"] == pytest.approx(
            estimate["standard_error"], rel=0.01
        )
        assert estimate["observed_standard_error"] != estimate["standard_error"]
    document["fit"] = {"loss": "huber"}
    robust = server.post("/v1/calibrate", document).json()
    for estimate in robust["estimates"].values():
        assert estimate["observed_standard_error"] is None
        assert estimate["standard_error"] > 0.0
