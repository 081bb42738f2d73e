"""The calls over HTTP, to a really started service."""

import asyncio
import concurrent.futures
import json
import math
import time
import urllib.parse

import httpx
import numpy as np
import pytest
from fastapi import FastAPI

from app import failures
from tests.conftest import ROOT, Server


def finite(value):
    """Whether a JSON value holds no NaN or infinity anywhere."""
    if isinstance(value, dict):
        return all(map(finite, value.values()))
    if isinstance(value, list):
        return all(map(finite, value))
    return not isinstance(value, float) or math.isfinite(value)


def test_course_data_through_rest(server, course):
    answer = server.post("/v1/calibrate", course).json()
    assert answer["status"] == "converged"
    assert abs(answer["estimates"]["a"]["value"] - 5.0) <= 1e-8
    assert abs(answer["estimates"]["b"]["value"] - 2.0) <= 1e-8
    assert answer["objective"] <= 1e-25
    assert answer["certificate"]["passed"]


def test_the_answer_is_whole(server, document):
    answer = server.post("/v1/calibrate", document).json()
    assert set(answer) >= {
        *("status", "estimates", "gradient", "start", "iterations", "history", "covariance"),
        *("correlation", "names", "identifiability", "residuals", "certificate", "fit"),
        *("provenance", "objective", "advice"),
    }
    assert answer["names"] == ["a", "b"]
    lower, upper = answer["estimates"]["a"]["interval"]
    assert lower < answer["estimates"]["a"]["value"] < upper
    assert answer["correlation"][0][0] == pytest.approx(1.0)
    assert answer["history"][0]["parameters"] == {"a": 1.0, "b": 1.0}
    assert answer["history"][-1]["objective"] == pytest.approx(answer["objective"])
    assert set(answer["residuals"]) == set(answer["fit"]) == {"T0", "T7"}
    assert len(answer["provenance"]["document_sha256"]) == 64
    assert finite(answer)


def test_gradient_at_a_point_is_the_slope_of_the_objective(server, document):
    def J(a):
        at = urllib.parse.quote(json.dumps({"a": a, "b": 1.2}))
        return server.post(f"/v1/gradient?at={at}", document).json()

    here, ahead, behind = J(2.0), J(2.0 + 1e-5), J(2.0 - 1e-5)
    slope = (ahead["objective"] - behind["objective"]) / 2e-5
    assert here["at"] == {"a": 2.0, "b": 1.2}
    assert here["gradient"]["a"] == pytest.approx(slope, rel=1e-6)
    assert here["gradient"]["b"] != pytest.approx(slope, rel=1e-3)  # the comparison can fail


def test_simulate_and_field_agree(server, document):
    del document["sensors"][0]["temperatures"], document["sensors"][0]["times"]
    readings = server.post("/v1/simulate", document).json()["sensors"]["T0"]
    field = server.post("/v1/simulate?field=true", document).json()["field"]
    assert readings["times"] == pytest.approx(field["times"])
    assert readings["temperatures"] == pytest.approx([row[0] for row in field["temperatures"]])
    assert len(field["x"]) == 51


def test_check_proves_the_gradient_and_shows_where_differences_fail(server, document):
    answer = server.post("/v1/check", document).json()
    assert answer["certificate"]["passed"]
    curve = answer["error_curve"]
    best = min(curve["central"])
    assert curve["complex_step"] < best < curve["central"][0]
    assert best < curve["central"][-1]


def test_operations(server):
    assert server.client.get("/healthz").json() == {"status": "ok"}
    assert server.client.get("/readyz").json() == {"status": "ok"}
    version = server.client.get("/version").json()
    assert "linear" in version["laws"]
    assert "backward-euler" in version["time_methods"]


def test_pages_come_from_the_package_alone(server):
    index = server.client.get("/")
    assert index.headers["content-type"].startswith("text/html")
    assert f"{server.url}/v1/calibrate" in index.text
    docs = server.client.get("/docs").text
    for page in (index.text, docs):
        assert "//" not in page.replace(server.url, "")  # nothing is fetched from elsewhere
    for name in ("style.css", "docs.js", "swagger-ui.css", "swagger-ui-bundle.js"):
        assert server.client.get(f"/assets/{name}").status_code == 200
    for name in ("nothing.js", "..%2Fmain.py", "%2e%2e/main.py"):
        assert server.client.get(f"/assets/{name}").status_code == 404


def test_openapi_examples_run_as_they_stand(server):
    schema = server.client.get("/openapi.json").json()
    posts = [(path, item["post"]) for path, item in schema["paths"].items() if "post" in item]
    assert len(posts) == 6
    for path, operation in posts:
        ((kind, body),) = operation["requestBody"]["content"].items()
        for example in body["examples"].values():
            sent = example["value"].encode() if kind == "text/csv" else example["value"]
            reply = server.post(path, sent, headers={"Content-Type": kind})
            assert reply.status_code == (202 if path == "/v1/jobs" else 200), reply.text
        for choice in body["schema"].get("anyOf", []):
            assert choice["$ref"].rsplit("/", 1)[1] in schema["components"]["schemas"]
        assert "application/problem+json" in operation["responses"]["422"]["content"]


def test_openapi_references_resolve(server):
    schema = server.client.get("/openapi.json").json()
    text = json.dumps(schema)
    names = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert names <= set(schema["components"]["schemas"])
    assert "#/$defs/" not in text


def test_wrong_methods_and_paths_are_problems_too(server):
    for response, status in (
        (server.client.get("/v1/calibrate"), 405),
        (server.client.get("/nowhere"), 404),
        (server.client.post("/healthz"), 405),
    ):
        assert response.status_code == status
        assert response.headers["content-type"] == "application/problem+json"
        assert response.json()["status"] == status


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (np.linalg.LinAlgError("SVD did not converge"), 422),
        (ZeroDivisionError("division by zero"), 422),
        (RuntimeError("secret"), 500),
    ],
)
def test_what_breaks_down_in_the_solver_is_a_problem_too(error, status):
    service = FastAPI()
    failures.install(service)

    @service.get("/")
    def fail():
        raise error

    async def ask():
        transport = httpx.ASGITransport(service, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.get("/")

    reply = asyncio.run(ask())
    assert reply.status_code == reply.json()["status"] == status
    assert reply.headers["content-type"] == "application/problem+json"
    assert str(error) not in reply.text


def big(document, cells=4000, steps=4900):
    """A document whose fit takes many seconds: a curve of 16 unknowns on a fine grid."""
    x, start = [k / 15 for k in range(16)], [1.0] * 16
    law = {"law": "table", "of": "x", "points": x, "values": {"unknown": "k", "start": start}}
    document["material"]["diffusivity"] = law
    document["bar"]["cells"] = cells
    document["time"] |= {"steps": steps, "method": "backward-euler"}
    return document


def test_alive_while_it_solves_and_a_departed_client_stops_its_fit(server, document):
    with concurrent.futures.ThreadPoolExecutor() as pool:
        with httpx.Client(timeout=2.0) as impatient:
            sent = pool.submit(impatient.post, f"{server.url}/v1/calibrate", json=big(document))
            time.sleep(0.5)
            waits = []
            for _ in range(10):
                began = time.perf_counter()
                assert server.client.get("/healthz").status_code == 200
                waits.append(time.perf_counter() - began)
            with pytest.raises(httpx.ReadTimeout):
                sent.result()
    assert sorted(waits)[5] < 0.25  # the median: the machine that tests is busy with the fit
    time.sleep(1.0)  # the poll, one march slice, and a margin
    before = cpu_seconds(server.process.pid)
    time.sleep(1.0)
    assert cpu_seconds(server.process.pid) - before < 0.3


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100.0


def test_too_many_requests_and_too_long_ones_get_503(document):
    small = Server(workers=1, max_waiting=1, request_seconds=1.0).wait()
    try:
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            replies = list(
                pool.map(
                    lambda _: httpx.post(
                        f"{small.url}/v1/calibrate", json=big(document), timeout=60.0
                    ),
                    range(4),
                )
            )
        assert {reply.status_code for reply in replies} == {503}
        assert all("retry-after" in reply.headers for reply in replies)
        words = {reply.json()["title"] for reply in replies}
        assert words == {
            "Too many requests are waiting",
            "The solving time of a request is used up",
        }
        assert small.client.get("/healthz").status_code == 200
    finally:
        small.stop()


def test_equal_documents_get_equal_answers(server):
    body = (ROOT / "app" / "examples" / "lecture.json").read_bytes()
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        replies = list(pool.map(lambda _: server.post("/v1/calibrate", body).json(), range(8)))
    for reply in replies:
        reply["provenance"].pop("seconds")
    assert all(reply == replies[0] for reply in replies)
