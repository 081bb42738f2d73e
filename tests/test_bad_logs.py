"""Sensor logs that cannot be meant: each is refused with a code, at its line and column."""

import random
import time

import numpy as np
import pytest

from app.logs import csv_text
from app.logs.log import read_log
from solver import InvalidExperiment
from tests.test_log import SAME


def refused(text, **options):
    with pytest.raises(InvalidExperiment) as error:
        read_log(text, **options)
    (problem,) = error.value.problems
    assert problem.detail
    return problem.pointer, problem.code


REFUSED = {
    "empty": ("", "#/data/csv", "empty"),
    "only comments": ("# a\n\n", "#/data/csv", "empty"),
    "only a header": ("time,T\n", "#/data/csv/1", "no_rows"),
    "only units": ("time,T\ns,degC\n", "#/data/csv/1", "no_rows"),
    "no header": ("0,1\n1,2\n", "#/data/csv/1", "no_header"),
    "one column": ("time\n0\n1\n", "#/data/csv/1", "one_column"),
    "comma in a semicolon file": ("time;T\n0;1\n1,2\n", "#/data/csv/3", "mixed_separators"),
    "semicolons below commas": ("time,T\n0;1\n1;2\n", "#/data/csv/2", "mixed_separators"),
    "header of two": ("time;A,B\n0;1;2\n1;2;3\n", "#/data/csv/1", "mixed_separators"),
    "blanks below commas": ("time,T,U\n0,1,2\n1 2 3\n", "#/data/csv/3", "mixed_separators"),
    "comma and comma": ("time,T\n0,5,20,1\n", "#/data/csv/2", "decimal_comma"),
    "quoted commas": ('time,T\n0,"1,5"\n1,"2,5"\n', "#/data/csv/2/T", "decimal_comma"),
    "comma and point": ("time;T\n0;1.5\n1;2,5\n", "#/data/csv/3/T", "decimal_comma"),
    "comma and point apart": ("time;T\n0.5;1\n1;2,5\n", "#/data/csv/3/T", "decimal_comma"),
    "short row": ("time,T,U\n0,1,2\n1,2\n2,3,4\n", "#/data/csv/3", "ragged_row"),
    "long row": ("time,T\n0,1\n1,2,x\n", "#/data/csv/3", "ragged_row"),
    "blank stamp": ("time T\n2014-11-09 16:00 5\n", "#/data/csv/2", "ragged_row"),
    "backward": ("# x\ntime,T\n0,1\n5,2\n3,4\n", "#/data/csv/5/time", "times_not_increasing"),
    "twice": ("time,T\n0,1\n5,2\n5,4\n", "#/data/csv/4/time", "times_not_increasing"),
    "clock set back": (
        "time,T,state\n2014-10-26 02:30,1,ok\n2014-10-26 02:00,2,ok\n",
        "#/data/csv/3/time",
        "times_not_increasing",
    ),
    "sensor twice at a time": (
        "time,sensor,value\n0,A,1\n0,B,2\n1,A,3\n1,A,4\n",
        "#/data/csv/5/sensor",
        "times_not_increasing",
    ),
    "two of a name": ("time,T [K],T [degC]\n0,1,2\n", "#/data/csv/1/T", "duplicate_column"),
    "unknown unit": ("time,T [degCC]\n0,1\n", "#/data/csv/1/T", "unknown_unit"),
    "unknown unit of time": ("time [sx],T\n0,1\n", "#/data/csv/1/time", "unknown_unit"),
    "time in metres": ("time [m],T\n0,1\n", "#/data/csv/1/time", "unit_mismatch"),
    "no number": ("time,T\n0,1\n1,ERR\n2,3\n", "#/data/csv/3/T", "not_a_number"),
    "infinite": ("time,T\n0,1\n1,inf\n2,3\n", "#/data/csv/3/T", "not_a_number"),
    "overflow": ("time,T\n0,1\n1,1e999\n2,3\n", "#/data/csv/3/T", "not_a_number"),
    "underscore": ("time,T\n0,1\n1,1_0\n2,3\n", "#/data/csv/3/T", "not_a_number"),
    "other digits": ("time,T\n0,1\n1,٣\n2,3\n", "#/data/csv/3/T", "not_a_number"),
    "time missing": ("time,T\n0,1\n,2\n", "#/data/csv/3/time", "not_a_number"),
    "time no number": ("time,T\n0,1\nx,2\n", "#/data/csv/3/time", "not_a_number"),
    "no stamp": ("time,T\nyesterday,1\n", "#/data/csv/2/time", "not_a_time"),
    "no such day": ("time,T\n31.12.2014,1\n31.11.2014,2\n", "#/data/csv/3/time", "not_a_time"),
    "ambiguous": ("time,T\n1/2/2014,1\n2/2/2014,2\n", "#/data/csv/2/time", "ambiguous_date"),
    "both orders": ("time,T\n13/1/2014,1\n1/13/2014,2\n", "#/data/csv/2/time", "ambiguous_date"),
    "short year": ("time,T\n12/31/14,1\n", "#/data/csv/2/time", "ambiguous_date"),
    "zones": ("time,T\n2014-01-01T00Z,1\n2014-01-02,2\n", "#/data/csv/3/time", "mixed_zones"),
    "clock alone": ("time,T\n10:00,1\n10:01,2\n", "#/data/csv/2/time", "no_time_column"),
    "nothing increases": ("x,T\n3,1\n1,5\n2,3\n", "#/data/csv/1", "no_time_column"),
    "no readings": ("time,T\n0,NA\n1,NA\n", "#/data/csv/1", "no_readings"),
    "open quote": ('time,T\n0,"1\n1,2\n', "#/data/csv/2", "bad_quotes"),
    "behind a quote": ('time,T\n0,1\n1,"2"3\n', "#/data/csv/3", "bad_quotes"),
    "zero bytes": ("time,T\n0,\x001\n", "#/data/csv", "not_text"),
    "escape codes": ("time,\x1b[31mT\n0,1\n", "#/data/csv/1", "not_text"),
    "Latin-1": ("time,T [°C]\n0,1\n".encode("latin-1"), "#/data/csv/1", "not_utf8"),
    "UTF-16": ("time,T\n0,1\n".encode("utf-16"), "#/data/csv", "not_utf8"),
    "UTF-16, no mark": ("time,T\n0,1\n".encode("utf-16-le"), "#/data/csv", "not_utf8"),
    "long line": ("time,T\n0," + "1" * 70_000, "#/data/csv/2", "too_large"),
    "long name": ("time," + "T" * 300 + "\n0,1\n", "#/data/csv/1", "too_large"),
    "many columns": ("time" + ",T" * 3000 + "\n0" + ",1" * 3000, "#/data/csv/1", "too_large"),
    "many lines": ("\n" * 2_000_002, "#/data/csv", "too_large"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_meant_is_refused_at_its_line(case):
    text, pointer, code = REFUSED[case]
    assert refused(text) == (pointer, code)


def test_too_much_is_refused_before_it_is_taken_apart(monkeypatch):
    monkeypatch.setattr(csv_text, "MAX_BYTES", 20)
    assert refused(b"time,T\n" + b"0,1\n" * 5) == ("#/data/csv", "too_large")
    monkeypatch.undo()
    monkeypatch.setattr(csv_text, "MAX_CELLS", 5)
    assert refused("time,T\n0,1\n1,2\n2,3\n") == ("#/data/csv", "too_large")


def test_options_that_do_not_fit():
    text = "time,T\n0,1\n60,2\n"
    assert refused(text, time="tim") == ("#/data/time", "unknown_column")
    assert refused(text, units={"X": "K"}) == ("#/data/units/X", "unknown_column")
    assert refused(text, units={"T": "Kx"}) == ("#/data/units/T", "unknown_unit")
    assert refused(text, start=61.0) == ("#/data/start", "no_rows")
    assert refused(text, end=-1.0) == ("#/data/end", "no_rows")
    assert refused(text, start="2014-01-01") == ("#/data/start", "not_a_time")
    assert refused(text, start=float("nan")) == ("#/data/start", "not_a_time")
    assert refused(text, end="5 K") == ("#/data/end", "not_a_time")
    stamped = "time,T\n2014-01-01,1\n2014-01-02,2\n"
    assert refused(stamped, start=0.0) == ("#/data/start", "not_a_time")
    assert refused(stamped, end="2014-01-01T00:00Z") == ("#/data/end", "mixed_zones")


def test_a_refusal_names_both_lines_and_the_nearest_name():
    with pytest.raises(InvalidExperiment, match="the time 5 stands twice, on lines 3 and 4"):
        read_log("time,T\n0,1\n5,2\n5,4\n")
    with pytest.raises(InvalidExperiment, match="the time 3 on line 4 lies before that on line 3"):
        read_log("time,T\n0,1\n5,2\n3,4\n")
    with pytest.raises(InvalidExperiment, match="did you mean 'T_left'"):
        read_log("time,T_left\n0,1\n", units={"T_lft": "K"})


def test_no_text_whatever_does_more_than_raise_invalid_experiment():
    random.seed(31, version=2)
    marks = [*",;\t .-+eE\"'#\n\r[]()/_°x0159", "NaN", "\ufeff", "2014-01-01", "sensor"]
    for text in (*SAME.values(), "time,T_1 [degC],q\n0,1,-9999\n1,2,3\n2,4,5\n") * 40:
        for _ in range(random.randrange(6)):
            at = random.randrange(len(text) + 1)
            text = text[:at] + random.choice(marks) + text[at + random.randrange(2) :]
        try:
            log = read_log(text)
        except InvalidExperiment:
            continue
        assert all(len(c.values) == len(log.times) for c in log.columns.values())
        assert np.all(np.diff(log.times) > 0)


@pytest.mark.parametrize("cell", ["9" * 60_000 + "x", "1." * 30_000, '"' + "-" * 60_000 + '"'])
def test_long_cells_take_no_long_time(cell):
    start = time.process_time()
    refused(f"time,T\n0,{cell}\n1,{cell}\n")
    assert time.process_time() - start < 1.0
