"""Nothing that can be sent gives a 5xx; every refusal says where. The process stays alive."""

import json

import pytest

from tests.documents import put

NO_READINGS = [{"x": 0.0, "times": [0.1, 0.2]}]

A = ("material", "diffusivity", "a")
B = ("material", "diffusivity", "b")
SENSOR = ("sensors", 0)

# (what is put where, pointer, code)
MEANING = [
    ((*SENSOR, "times", 1), 0.04, "#/sensors/0/times/1", "times_not_increasing"),
    ((*SENSOR, "times", 2), 0.01, "#/sensors/0/times/2", "times_not_increasing"),
    ((*SENSOR, "times", 0), -0.1, "#/sensors/0/times/0", "time_outside"),
    ((*SENSOR, "times", 24), 1.5, "#/sensors/0/times/24", "time_outside"),
    ((*SENSOR, "times"), [0.1], "#/sensors/0/temperatures", "length_mismatch"),
    ((*SENSOR, "times"), [], "#/sensors/0/times", "empty"),
    ((*SENSOR, "times"), ..., "#/sensors/0/times", "missing"),
    ((*SENSOR, "x"), 1.0000000001, "#/sensors/0/x", "sensor_outside"),
    ((*SENSOR, "x"), -1e-12, "#/sensors/0/x", "sensor_outside"),
    ((*SENSOR, "sigma"), 0.0, "#/sensors/0/sigma", "sigma_not_positive"),
    ((*SENSOR, "sigma"), -1.0, "#/sensors/0/sigma", "sigma_not_positive"),
    ((*SENSOR, "sigma"), 1e-300, "#/sensors/0/sigma", "sigma_not_positive"),
    ((*SENSOR, "sigma"), [1e-4] * 24, "#/sensors/0/sigma", "length_mismatch"),
    ((*SENSOR, "sigma"), [1e-4] * 24 + [None], "#/sensors/0/sigma/24", "sigma_not_positive"),
    ((*SENSOR, "sigma"), None, "#/sensors/0/sigma", "mixed_sigma"),
    ((*SENSOR, "name"), "T7", "#/sensors/1/name", "duplicate_name"),
    (("sensors",), [], "#/sensors", "no_readings"),
    (("sensors",), NO_READINGS, "#/sensors", "no_readings"),
    (
        ("sensors",),
        [{"x": 0.0, "times": [0.1], "temperatures": [None]}],
        "#/sensors",
        "no_readings",
    ),
    (
        ("sensors",),
        [{"x": 0.0, "times": [0.1], "temperatures": [0.1]}],
        "#/sensors",
        "too_few_readings",
    ),
    ((*A, "start"), -1.0, "#/material/diffusivity/a/start", "start_outside_bounds"),
    ((*A, "lower"), 200.0, "#/material/diffusivity/a/lower", "bounds_reversed"),
    ((*B, "start"), -1.5, "#/material/diffusivity", "diffusivity_not_positive"),
    (B, -500.0, "#/material/diffusivity", "diffusivity_never_positive"),
    ((*B, "unknown"), "a", "#/material/diffusivity/b", "unknown_disagrees"),
    (("material", "diffusivity"), -1.0, "#/material/diffusivity", "diffusivity_never_positive"),
    (("material", "diffusivity"), 0.0, "#/material/diffusivity", "diffusivity_never_positive"),
    (("bar", "length"), 0.0, "#/bar/length", "out_of_range"),
    (("bar", "length"), 1e-320, "#/bar/length", "out_of_range"),
    (("bar", "cells"), 0, "#/bar/cells", "too_small"),
    (("bar", "cells"), -5, "#/bar/cells", "too_small"),
    (("time", "steps"), 0, "#/time/steps", "too_small"),
    (("time", "end"), -1.0, "#/time/end", "out_of_range"),
    (("time", "method"), "rk4", "#/time/method", "not_available"),
    (("material", "form"), "weak", "#/material/form", "not_available"),
    (("fit",), {"method": "magic"}, "#/fit/method", "not_available"),
    (("fit",), {"loss": "cubed"}, "#/fit/loss", "not_available"),
    (("fit",), {"max_iterations": 0}, "#/fit/max_iterations", "too_small"),
    (("bar", "cells"), 4_000_000_000, "#/bar/cells", "problem_too_large"),
    (("time", "steps"), 10**30, "#/bar/cells", "problem_too_large"),
    (("bar", "initial"), 1e300, "#/bar/initial", "not_finite"),
]

EXPRESSIONS = [
    ("__import__('os').system('true')", "bad_expression"),
    ("x.real", "bad_expression"),
    ("(1).__class__", "bad_expression"),
    ("lambda: 1", "bad_expression"),
    ("[x for x in (1,2)]", "bad_expression"),
    ("x if x else 1", "bad_expression"),
    ("x > 1", "bad_expression"),
    ("x // 2", "bad_expression"),
    ("x & 1", "bad_expression"),
    ("exp(x, x)", "bad_expression"),
    ("exp", "bad_expression"),
    ("exec(x)", "bad_expression"),
    ("t", "bad_expression"),
    ("kappa", "bad_expression"),
    ("1j", "bad_expression"),
    ("0x10", "bad_expression"),
    ("1_000", "bad_expression"),
    ("'a'", "bad_expression"),
    ("", "bad_expression"),
    ("x +", "bad_expression"),
    ("(" * 300 + "x" + ")" * 300, "bad_expression"),
    ("-" * 900 + "x", "bad_expression"),
    ("x+" * 400 + "x", "bad_expression"),
    ("9**9**9**9", "not_finite"),
    ("exp(1000)", "not_finite"),
    ("1/x", "not_finite"),
    ("log(x-2)", "not_finite"),
    ("sqrt(-1)", "not_finite"),
    ("1" * 400, "bad_expression"),
]

SHAPE = [
    (("bar", "cells"), "50", "#/bar/cells", "type_error"),
    (("bar", "cells"), 50.5, "#/bar/cells", "type_error"),
    (("bar", "cells"), True, "#/bar/cells", "type_error"),
    (("bar", "length"), None, "#/bar/length", "type_error"),
    (("bar", "length"), ..., "#/bar/length", "missing"),
    (("bar", "length"), "1.0", "#/bar/length", "type_error"),
    (("bar", "length"), True, "#/bar/length", "type_error"),
    (("bar",), [], "#/bar", "type_error"),
    (("bar", "lenght"), 1.0, "#/bar/lenght", "unknown_key"),
    ((*A, "star"), 1.0, "#/material/diffusivity/a/star", "unknown_key"),
    ((*SENSOR, "temperature"), [], "#/sensors/0/temperature", "unknown_key"),
    (("material", "diffusivity", "law"), "magic", "#/material/diffusivity", "not_available"),
    (("left", "kind"), "glue", "#/left", "not_available"),
    (("left",), 3, "#/left", "not_available"),
    ((*SENSOR, "temperatures", 3), "warm", "#/sensors/0/temperatures/3", "type_error"),
    ((*SENSOR, "times", 3), None, "#/sensors/0/times/3", "type_error"),
    ((*A, "unknown"), "", "#/material/diffusivity/a/unknown", "string_too_short"),
    ((*A, "unknown"), "a\nb", "#/material/diffusivity/a/unknown", "string_pattern_mismatch"),
    ((*SENSOR, "name"), "\x1b[31m", "#/sensors/0/name", "string_pattern_mismatch"),
    ((*A, "lower"), "0", "#/material/diffusivity/a/lower", "type_error"),
    (("source", 0, "profile"), [1], "#/source/0/profile", "type_error"),
]


def refused(reply, status, pointer=None, code=None):
    assert reply.status_code == status, reply.text[:500]
    assert reply.headers["content-type"] == "application/problem+json"
    problem = reply.json()
    assert problem["status"] == status
    assert len(reply.content) < 20_000
    if pointer is not None:
        found = {(error["pointer"], error["code"]) for error in problem["errors"]}
        assert (pointer, code) in found, problem


@pytest.mark.parametrize(("path", "value", "pointer", "code"), MEANING + SHAPE)
def test_a_document_that_makes_no_sense(server, document, path, value, pointer, code):
    refused(server.post("/v1/calibrate", put(document, path, value)), 422, pointer, code)


@pytest.mark.parametrize(("text", "code"), EXPRESSIONS)
def test_an_expression_outside_the_grammar(server, document, text, code):
    reply = server.post(
        "/v1/simulate", put(document, ("source", 0, "profile"), {"expression": text})
    )
    pointer = "#/source/0/profile" + ("/expression" if code == "bad_expression" else "")
    refused(reply, 422, pointer, code)


@pytest.mark.parametrize(
    ("old", "new", "status"),
    [
        (b'"length": 1.0', b'"length": NaN', 400),
        (b'"length": 1.0', b'"length": Infinity', 400),
        (b'"length": 1.0', b'"length": -Infinity', 400),
        (b'"length": 1.0', b'"length": 1e400', 422),
        (b'"length": 1.0', b'"length": -1e400', 422),
        (b'"length": 1.0', b'"length": 1e-400', 422),
        (b'"length": 1.0', b'"length": 5e-324', 422),
        (b'"length": 1.0', b'"length": ' + b"9" * 5000, 400),
        (b'"length": 1.0', b'"length": 1' + b"0" * 400, 422),
        (b'"cells": 50', b'"cells": 1' + b"0" * 400, 422),
        (b'"length": 1.0', b'"length": 1.0, "length": 2.0', 400),
        (b'"length": 1.0', b'"length": 01', 400),
        (b'"length": 1.0', b'"length": 1.0,', 400),
        (b'"T0"', b'"\\ud800"', 422),
        (b'"T0"', b'"\xff"', 400),
        (b'"length": 1.0', b'"\\ud800": 1.0', 422),
    ],
)
def test_bytes_that_are_no_proper_json(server, document, old, new, status):
    body = json.dumps(document).encode()
    assert old in body
    refused(server.post("/v1/calibrate", body.replace(old, new, 1)), status)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"   ", 400),
        (b"[" * 100_000, 400),
        (b"[" * 100_000 + b"]" * 100_000, 400),
        (b'{"a":' * 50_000 + b"1" + b"}" * 50_000, 400),
        (b"NaN", 400),
        (b"[]", 422),
        (b"3", 422),
        (b"null", 422),
        (b'"text"', 422),
        (b"{}", 422),
        (b"{}{}", 400),
        (b"\x00\x01\x02", 400),
        ("﻿{}".encode(), 400),
        ("{}".encode("utf-16"), 400),
    ],
)
@pytest.mark.parametrize("path", ["/v1/calibrate", "/v1/gradient", "/v1/simulate", "/v1/check"])
def test_bodies_that_are_no_document(server, body, status, path):
    refused(server.post(path, body), status)


def test_truncated_anywhere(server, document):
    body = json.dumps(document).encode()
    for end in range(1, len(body), 97):
        refused(server.post("/v1/calibrate", body[:end]), 400)


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": ""},
        {"Content-Encoding": "gzip"},
    ],
)
def test_wrong_type_or_encoding(server, document, headers):
    refused(server.post("/v1/calibrate", document, headers=headers), 415)


def test_bodies_beyond_the_limit(server):
    refused(server.post("/v1/calibrate", b" " * 2_000_001), 413)

    def chunks():
        for _ in range(64):
            yield b" " * 65_536

    reply = server.client.post(
        "/v1/calibrate", content=chunks(), headers={"Content-Type": "application/json"}
    )
    refused(reply, 413)


@pytest.mark.parametrize(
    ("at", "status"),
    [
        ('{"c": 1}', 422),
        ('{"a": "1"}', 422),
        ('{"a": NaN}', 422),
        ('{"a": 1e999}', 422),
        ('{"a": true}', 422),
        ("[1]", 422),
        ("{", 422),
        ("[" * 5000, 422),
        ('{"a": -5}', 422),
        ('{"a": 1e300}', 422),
        ('{"a": 1' + "0" * 400 + "}", 422),
    ],
)
def test_points_that_make_no_sense(server, document, at, status):
    refused(server.post("/v1/gradient", document, params={"at": at}), status)


def test_many_mistakes_are_listed_together_but_not_without_end(server, document):
    document["sensors"] = [{"x": "no"}] * 500
    problem = server.post("/v1/calibrate", document).json()
    assert len(problem["errors"]) == 20


def test_work_beyond_the_limits_is_refused_before_it_is_done(server, document):
    document["sensors"] = [{"x": 0.5}] * 10_000
    document["bar"]["cells"], document["time"]["steps"] = 2, 9_000_000
    refused(server.post("/v1/simulate", document), 422, "#/time/steps", "problem_too_large")
    many = {"profile": 1.0, "history": 1.0}
    names = [{**many, "history": {"unknown": f"q{i}", "start": 1.0}} for i in range(900)]
    document["source"], document["sensors"] = names, []
    refused(server.post("/v1/simulate", document), 422, "#/time/steps", "problem_too_large")


def test_a_field_beyond_the_limit(server, document):
    document["bar"]["cells"], document["time"]["steps"] = 2000, 2000
    reply = server.post("/v1/simulate?field=true", document)
    refused(reply, 422, "#/bar/cells", "answer_too_large")


def test_a_bad_trial_is_stepped_back_from(server, document):
    """An unbounded b passes where a + b x is negative; the fit ends where it should."""
    document["material"]["diffusivity"]["b"]["start"] = -0.999
    answer = server.post("/v1/calibrate", document).json()
    assert answer["status"] == "converged"
    assert answer["estimates"]["b"]["value"] == pytest.approx(1.5, abs=0.1)


def test_still_alive(server, document):
    assert server.process.poll() is None
    assert server.post("/v1/calibrate", document).status_code == 200
