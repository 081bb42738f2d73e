"""Laws of the temperature and networks that make no sense: where it is said, and in which words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from app.document import read_document
from app.limits import Limits
from solver import InvalidExperiment
from tests.documents import linear, put
from tests.test_bad_input import refused

LAW = ("material", "diffusivity")
HERE = "#/material/diffusivity"
NETWORK = {"law": "network", "of": "u", "unknown": "net", "widths": [3]}
TABLE = {"law": "table", "of": "u", "points": [-1.0, 0.5, 2.0], "values": [1.0, 2.0, 3.0]}
STEEP = {
    "law": "linear",
    "of": "u",
    "a": 1.0,
    "b": -40.0,
}  # falls to zero at 25 mK, below what is met

MEANING = [  # the law, pointer, code
    (NETWORK | {"widths": [0]}, f"{HERE}/widths/0", "greater_than_equal"),
    (NETWORK | {"widths": ["three"]}, f"{HERE}/widths/0", "type_error"),
    (NETWORK | {"widths": [100, 100]}, "#", "problem_too_large"),
    (NETWORK | {"widths": [10**9, 10**9]}, "#", "problem_too_large"),
    (NETWORK | {"unknown": None, "widths": [10**9, 10**9]}, "#", "problem_too_large"),
    (NETWORK | {"widths": [3] * 21}, f"{HERE}/widths", "too_long"),
    (NETWORK | {"weights": [1.0, 2.0]}, f"{HERE}/weights", "length_mismatch"),
    (NETWORK | {"weights": [1.0, "x"]}, f"{HERE}/weights/1", "type_error"),
    (NETWORK | {"range": [2.0, 1.0]}, f"{HERE}/range", "out_of_range"),
    (NETWORK | {"range": [1.0]}, f"{HERE}/range", "too_short"),
    (NETWORK | {"start": -1.0}, f"{HERE}/start", "out_of_range"),
    (NETWORK | {"start": 0.0}, f"{HERE}/start", "out_of_range"),
    (NETWORK | {"start": "1 kg"}, f"{HERE}/start", "bad_unit"),
    (NETWORK | {"seed": -1}, f"{HERE}/seed", "greater_than_equal"),
    (NETWORK | {"seeds": 1}, f"{HERE}/seeds", "unknown_key"),
    (NETWORK | {"unknown": "no name"}, f"{HERE}/unknown", "string_pattern_mismatch"),
    (TABLE | {"points": [-1.0, 2.0, 0.5]}, f"{HERE}/points/2", "points_not_increasing"),
    (TABLE | {"values": [1.0, 2.0]}, f"{HERE}/values", "length_mismatch"),
    (TABLE | {"points": [0.5, 1.0, 2.0]}, HERE, "temperatures_not_covered"),
    (TABLE | {"points": [-1.0, -0.5, 1e-3]}, HERE, "temperatures_not_covered"),
    (TABLE | {"u_unit": "m"}, f"{HERE}/u_unit", "bad_unit"),
    (TABLE | {"values": [1.0, -2.0, 3.0]}, HERE, "diffusivity_not_positive"),
    (STEEP, "#/time/steps", "newton_failed"),
    ({"law": "linear", "of": "u", "a": -1.0, "b": 1.0}, HERE, "diffusivity_not_positive"),
]


@pytest.mark.parametrize(("law", "pointer", "code"), MEANING, ids=[str(m[1:]) for m in MEANING])
def test_a_law_that_makes_no_sense_is_refused_where_it_stands(
    server: Any, law: dict[str, Any], pointer: str, code: str
) -> None:
    reply = server.post("/v1/simulate", put(linear(), LAW, law))
    refused(reply, 422, pointer, code)


def test_newtons_iteration_counts_among_the_limits() -> None:
    hot = json.dumps(put(linear(), LAW, TABLE)).encode()  # 20 cells x 40 steps
    read_document(hot, Limits(cell_steps=15 * 800))
    with pytest.raises(InvalidExperiment, match="by Newton, each counts as 15") as refusal:
        read_document(hot, Limits(cell_steps=15 * 800 - 1))
    assert refusal.value.problems[0].pointer == "#/bar/cells"
    read_document(json.dumps(linear()).encode(), Limits(cell_steps=800))


def test_what_is_right_is_taken(server: Any) -> None:
    for law in (NETWORK, TABLE, NETWORK | {"weights": [0.1] * 10, "range": [0.0, "20 mK"]}):
        assert server.post("/v1/simulate", put(linear(), LAW, law)).status_code == 200


def test_the_words_say_which_temperature_where_and_when(server: Any) -> None:
    fine = put(put(linear(), LAW, STEEP), ("time", "steps"), 4000)
    (error,) = server.post("/v1/simulate", fine).json()["errors"]
    for word in ("diffusivity is -", "m^2/s at 0.0", "K, met at x = ", "m and t = 0."):
        assert word in error["detail"]


def test_a_failed_newton_says_where_it_stands_and_what_to_do(server: Any) -> None:
    (error,) = server.post("/v1/simulate", put(linear(), LAW, STEEP)).json()["errors"]
    for word in ("at x = 0 m and t = 0.", "the diffusivity is ", "iterations", "smaller time"):
        assert word in error["detail"]


def test_a_table_of_temperatures_may_be_in_celsius(server: Any) -> None:
    warm = {"bar": linear()["bar"] | {"initial": "20 degC"}}
    warm["right"] = {"kind": "temperature", "value": "20 degC"}
    celsius = TABLE | {"points": [0.0, 21.0, 40.0], "u_unit": "degC"}
    kelvin = TABLE | {"points": [273.15, 294.15, 313.15]}
    replies = [
        server.post("/v1/simulate", put(linear() | warm, LAW, law)).json()["sensors"]
        for law in (celsius, kelvin)
    ]
    for sensor, readings in replies[0].items():
        expected = pytest.approx(replies[1][sensor]["temperatures"], rel=1e-13)
        assert readings["temperatures"] == expected
