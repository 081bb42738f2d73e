"""Every problem has a code and the place where it stands, and every code can be reached."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import solver
from solver import (
    Bar,
    Fit,
    Flux,
    Grading,
    InvalidExperiment,
    Prior,
    Problem,
    Sensor,
    Smoothing,
    Table,
    Temperature,
    Time,
    TrialError,
    Unknown,
    curve_checks,
    validation,
)
from solver.curve_checks import LAWS
from solver.validation import validate, validate_for_data, validate_for_fit
from tests import test_curve_checks
from tests.experiments import COURSE_TIMES, course
from tests.mistakes import (
    BAD,
    BESIDE,
    FINE,
    INF,
    NAN,
    Case,
    fit,
    initial,
    law,
    matter,
    problems_of,
    readings_with,
    right,
    said_of,
    second,
    sensor,
    source,
    times_with,
)

U = Unknown
SOLVER = Path(solver.__file__).parent
PAIR = {"conductivity": 1.0, "heat_capacity": 1.0}
FLUX = Table([0, 1], U("flux", (1.0, 2.0)))
NO_READINGS = {"sensors": (Sensor(0.0),)}


def graded(towards: str, ratio: float) -> dict[str, Any]:
    return {"bar": Bar(1.0, 50, grading=Grading(towards, ratio))}


def prior(**priors: Prior) -> dict[str, Any]:
    return fit(prior=priors)


def smoothing(**smoothings: Smoothing) -> dict[str, Any]:
    return fit(smoothing=smoothings) | {"left": Flux(FLUX)}


def side_curve(values: Any) -> dict[str, Any]:
    return {"left": Flux(Table([0, 1], values))}


CASES = [
    *(Case("out_of_range", "#/bar/length", {"bar": Bar(v, 50)}) for v in (*BAD, 1e-300)),
    *(Case("out_of_range", "#/time/end", {"time": Time(v, 50)}) for v in (*BAD, 1e300)),
    *(Case("too_small", "#/bar/cells", {"bar": Bar(1.0, n)}) for n in (1, 0, -5)),
    *(Case("too_small", "#/time/steps", {"time": Time(1.0, n)}) for n in (0, -1)),
    Case("not_available", "#/time/method", {"time": Time(1.0, 50, "euler")}),
    Case("not_available", "#/bar/grading/towards", graded("up", 2.0)),
    *(
        Case("out_of_range", "#/bar/grading/ratio", graded("left", v))
        for v in (*BAD, 0.5, 1.0, 2e4)
    ),
    # matter
    Case("not_available", "#/material/form", matter(diffusivity=1.0, form="integral")),
    Case("contradiction", "#/material/diffusivity", matter(diffusivity=1.0, conductivity=1.0)),
    Case("contradiction", "#/material/diffusivity", matter(diffusivity=1.0, heat_capacity=1.0)),
    Case("contradiction", "#/material/form", matter(**PAIR, form="nondivergence")),
    Case("missing", "#/material/diffusivity", matter()),
    Case("missing", "#/material/heat_capacity", matter(conductivity=1.0)),
    Case("missing", "#/material/conductivity", matter(heat_capacity=1.0)),
    # fit
    Case("not_available", "#/fit/loss", fit(loss="cubed")),
    Case("not_available", "#/fit/method", fit(method="newton"), solver.calibrate),
    Case("too_small", "#/fit/max_iterations", fit(max_iterations=0)),
    Case("too_small", "#/fit/memory", fit(memory=0)),
    *(Case("out_of_range", "#/fit/starts", fit(starts=n)) for n in (0, 101)),
    *(Case("out_of_range", "#/fit/threshold", fit(threshold=v)) for v in BAD),
    *(Case("out_of_range", "#/fit/prior/a/sd", prior(a=Prior(1.0, v))) for v in BAD),
    *(Case("out_of_range", "#/fit/prior/a/mean", prior(a=Prior(v, 1.0))) for v in (NAN, INF)),
    Case("unknown_parameter", "#/fit/prior/c", prior(c=Prior(1.0, 1.0))),
    Case("out_of_range", "#/fit/smoothing/flux/order", smoothing(flux=Smoothing(order=3))),
    *(
        Case("out_of_range", "#/fit/smoothing/flux/weight", smoothing(flux=Smoothing(v)))
        for v in (-1.0, NAN, INF)
    ),
    Case("unknown_parameter", "#/fit/smoothing/a", smoothing(a=Smoothing())),
    Case("missing", "#/fit/threshold", fit(loss="huber") | sensor(sigma=None), validate_for_data),
    # unknowns
    Case("not_available", "#/material/diffusivity/a/scale", law(U("a", 1.0, scale="cubic"))),
    Case("bad_name", "#/material/diffusivity/a/unknown", law(U("", 1.0))),
    Case("bad_name", "#/material/diffusivity/b/unknown", law(1.0, U("x" * 65, 1.0))),
    Case("bad_name", "#/bar/initial/unknown", initial(U("a\n", 1.0))),
    *(Case("out_of_range", "#/right/value/start", right(U("g", v))) for v in (1e101, NAN)),
    Case("bounds_reversed", "#/material/diffusivity/a/lower", law(U("a", 1.0, 2.0, 0.5))),
    Case("bounds_reversed", "#/material/diffusivity/a/lower", law(U("a", 1.0, 1.0, 1.0))),
    Case("bounds_reversed", "#/material/diffusivity/a/lower", law(U("a", 1.0, NAN, 2.0))),
    Case("start_outside_bounds", "#/material/diffusivity/a/start", law(U("a", 1.0, 2.0, 3.0))),
    Case("not_positive", "#/right/value/start", right(U("g", 0.0, scale="log"))),
    Case("unknown_disagrees", "#/material/diffusivity/b", law(U("a", 1.0), U("a", 2.0))),
    Case("unknown_disagrees", "#/source/0/history", source(1.0, U("a", 9.0))),
    Case("unknown_disagrees", "#/left/value/values", side_curve(U("a", (1.0, 2.0)))),
    Case("empty", "#/left/value/values/start", side_curve(U("flux", ()))),
    Case("out_of_range", "#/left/value/values/start", side_curve(U("flux", (1.0, NAN)))),
    Case(
        "start_outside_bounds", "#/left/value/values/start", side_curve(U("flux", (1.0, 3.0), 0, 2))
    ),
    Case(
        "not_positive", "#/left/value/values/start", side_curve(U("flux", (1.0, 0.0), scale="log"))
    ),
    Case("bad_name", "#/left/value/values/1/unknown", side_curve((1.0, U("", 1.0)))),
    # sensors
    Case("duplicate_name", "#/sensors/1/name", second(name="T0")),
    *(Case("sensor_outside", "#/sensors/1/x", second(x=x)) for x in BESIDE),
    Case("missing", "#/sensors/0/times", sensor(times=None)),
    Case("empty", "#/sensors/0/times", sensor(times=np.zeros(0), temperatures=np.zeros(0))),
    *(
        Case("times_not_increasing", "#/sensors/1/times/4", second(times=times_with(4, v)))
        for v in (COURSE_TIMES[3], 0.0)
    ),
    Case("time_outside", "#/sensors/0/times/50", sensor(times=times_with(50, 1.1))),
    Case("time_outside", "#/sensors/0/times/0", sensor(times=times_with(0, -0.1))),
    Case("time_outside", "#/sensors/0/times/7", sensor(times=times_with(7, NAN))),
    Case("length_mismatch", "#/sensors/0/temperatures", sensor(temperatures=np.zeros(50))),
    *(
        Case("out_of_range", "#/sensors/1/temperatures/9", second(temperatures=readings_with(9, v)))
        for v in (INF, -INF, 2e100)
    ),
    Case("length_mismatch", "#/sensors/0/sigma", sensor(sigma=np.ones(3))),
    *(Case("sigma_not_positive", "#/sensors/0/sigma", sensor(sigma=v)) for v in BAD),
    Case("sigma_not_positive", "#/sensors/0/sigma", sensor(sigma=1e-300)),
    Case("sigma_not_positive", "#/sensors/1/sigma/3", second(sigma=readings_with(3, -1.0) + 1e-9)),
    # data
    Case("nothing_unknown", "#", law(1.0), validate_for_data),
    Case("no_readings", "#/sensors", NO_READINGS, validate_for_data),
    Case("no_readings", "#/sensors", sensor(temperatures=np.full(51, NAN)), validate_for_data),
    Case("no_readings", "#/sensors", {"sensors": ()}, validate_for_data),
    Case("mixed_sigma", "#/sensors/1/sigma", second(sigma=None), validate_for_data),
    Case(
        "too_few_readings",
        "#/sensors",
        sensor(times=[0.5], temperatures=[0.1]),
        validate_for_fit,
    ),
    Case(
        "missing_sigma",
        "#/fit/prior",
        fit(prior={"a": Prior(1.0, 1.0)}) | sensor(sigma=None),
        validate_for_fit,
    ),
    Case("unknown_parameter", "#/at/c", check=lambda e: solver.simulate(e, {"c": 1.0})),
    *(
        Case("out_of_range", "#/at", check=lambda e, v=v: solver.value_and_gradient(e, {"a": v}))
        for v in (NAN, INF)
    ),
    Case("unknown_parameter", "#/direction/c", check=lambda e: solver.jvp(e, {"c": 1.0})),
    Case("length_mismatch", "#/at/a", check=lambda e: solver.simulate(e, {"a": [1.0, 2.0]})),
    Case("length_mismatch", "#/readings_bar", check=lambda e: solver.vjp(e, np.ones(3))),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_is_wrong_is_said_at_its_place(case: Case) -> None:
    assert (case.code, case.pointer) in said_of(case)


def test_what_is_right_is_accepted() -> None:
    for check in (validate, validate_for_data, validate_for_fit):
        assert problems_of(FINE, check) == []


RIGHT = [
    {"bar": Bar(1.0, 2), "time": Time(1.0, 1)},
    {"bar": Bar(1.0), "time": Time(1.0)},
    graded("both", 1e4),
    matter(**PAIR, form="divergence"),
    sensor(x=0.0),
    sensor(x=1.0),
    sensor(times=times_with(50, 1.0 + 1e-11)),
    sensor(temperatures=readings_with(3, NAN), sigma=readings_with(3, -1.0) + 1e-9),
    sensor(times=None, temperatures=None),
    law(U("a", 1.0), U("a", 1.0)),
    law(U("a", 1.0, -INF, INF), U("b", -0.999)),
    {"right": Temperature(U("same", 0.5)), "left": Temperature(U("same", 0.5))},
    {"left": Flux(FLUX), "right": Flux(FLUX)},
    fit(loss="huber", threshold=None, starts=100, memory=1),
    prior(a=Prior(-3.0, 1e-100), b=Prior(0.0, 1.0)),
    smoothing(flux=Smoothing(0.0, 2)),
]


@pytest.mark.parametrize("changes", RIGHT)
def test_limits_that_are_allowed(changes: dict[str, Any]) -> None:
    assert problems_of(replace(FINE, **changes)) == []


def test_a_prior_stands_in_for_a_reading() -> None:
    """Two unknowns need two readings, or one and what is known of either beforehand."""
    one = replace(FINE, **sensor(times=[0.5], temperatures=[0.1]))
    assert [p.code for p in problems_of(one, validate_for_fit)] == ["too_few_readings"]
    assert problems_of(replace(one, **prior(b=Prior(0.5, 0.1))), validate_for_fit) == []


# --- all that can be said ------------------------------------------------------------------------

WHAT = {"what": ("x", "times", "points", "edges"), "place": tuple(LAWS)}


def codes_in(module: Path) -> Iterator[str]:
    """Every code written in a module, as the second argument of a Problem."""
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Problem":
            code = node.args[1]
            if isinstance(code, ast.Constant):
                yield code.value
            elif isinstance(code, ast.JoinedStr):  # f"{what}_not_increasing"
                names = (n.id for n in ast.walk(code.values[0]) if isinstance(n, ast.Name))
                yield from (f"{word}{code.values[-1].value}" for word in WHAT[next(names)])


def test_every_code_of_the_solver_is_reached_above() -> None:
    written = {code for module in SOLVER.rglob("*.py") for code in codes_in(module)}
    of_a_call = {"too_many_unknowns"}  # reached in test_hessian.py
    assert written == of_a_call | {case.code for case in (*CASES, *test_curve_checks.CASES)}
    assert len(written) > 30


def test_every_place_of_the_checks_is_reached_above() -> None:
    """Line by line: a Problem that no case brings about would not be missed by its code alone."""
    reached = lines_reached((*CASES, *test_curve_checks.CASES))
    for module in (validation, curve_checks):
        tree = ast.parse(Path(module.__file__).read_text())
        calls = (n for n in ast.walk(tree) if isinstance(n, ast.Call))
        written = {n.lineno for n in calls if getattr(n.func, "id", "") == "Problem"}
        assert {n for n in written if (module.__file__, n) not in reached} == set()


def lines_reached(cases: tuple[Case, ...]) -> set[tuple[str, int]]:
    """Every line of the checks that runs while the cases are told."""
    reached: set[tuple[str, int]] = set()
    files = {validation.__file__, curve_checks.__file__}

    def trace(frame: Any, event: str, _: Any) -> Any:
        if frame.f_code.co_filename not in files:
            return None
        reached.add((frame.f_code.co_filename, frame.f_lineno))
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        for case in cases:
            said_of(case)
    finally:
        sys.settrace(before)
    return reached


def test_all_problems_of_a_stage_are_told_at_once() -> None:
    wrong = replace(FINE, bar=Bar(-1.0, 0), time=Time(0.0, 0, "euler"), fit=Fit(loss="cubed"))
    assert len(problems_of(wrong)) == 5
    both = second(x=2.0, times=times_with(4, 0.0))
    assert {p.code for p in problems_of(replace(FINE, **both))} == {
        "sensor_outside",
        "times_not_increasing",
    }


def test_the_error_reads_as_words_with_places() -> None:
    with pytest.raises(InvalidExperiment, match="#/bar/cells: at least 2 cells, not 1"):
        validate(replace(FINE, bar=Bar(1.0, 1)))
    assert Problem(("a/b", "c~d", 0), "code", "words").pointer == "#/a~1b/c~0d/0"
    assert Problem((), "code", "words").pointer == "#"


@pytest.mark.parametrize("temperature", [1e80, 1e100])
def test_a_misfit_beyond_the_range_of_numbers_is_an_error_and_no_answer(temperature: float) -> None:
    """Each figure is allowed, their square over sigma's is none that a float can hold."""
    wild = course(np.full(51, temperature), sigma=1e-100)
    validate_for_fit(wild)
    for call in (solver.value_and_gradient, solver.check, solver.calibrate):
        with pytest.raises(TrialError, match="finite"):
            call(wild)
