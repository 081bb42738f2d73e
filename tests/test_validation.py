"""Every problem has a code and the place where it stands, and every code can be reached."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import solver
from solver import (
    Bar,
    Experiment,
    Expression,
    Fit,
    InvalidExperiment,
    Linear,
    Material,
    Problem,
    Sensor,
    Source,
    Table,
    Temperature,
    Time,
    TrialError,
    Unknown,
)
from solver.validation import validate, validate_for_data, validate_for_fit
from tests.experiments import COURSE_TIMES, course

U = Unknown
SOLVER = Path(solver.__file__).parent
FINE = course(
    np.linspace(0.0, 1.0, 51),
    sigma=0.1,
    material=Material(Linear(U("a", 1.0, 0.1, 10.0), U("b", 0.5))),
)


@dataclass(frozen=True)
class Case:
    """A change that makes the course experiment wrong, and what must be said of it."""

    code: str
    pointer: str
    changes: dict[str, Any] = field(default_factory=dict)
    check: Callable[[Experiment], Any] = validate

    def __str__(self) -> str:
        return f"{self.code} {self.pointer}"


def diffusivity(value: Any) -> dict[str, Any]:
    return {"material": Material(value)}


def law(a: Any, b: Any = 0.5) -> dict[str, Any]:
    return diffusivity(Linear(a, b))


def initial(value: Any) -> dict[str, Any]:
    return {"bar": Bar(1.0, 50, value)}


def source(profile: Any, history: Any = 1.0) -> dict[str, Any]:
    return {"source": (Source(profile, history),)}


def right(value: Any) -> dict[str, Any]:
    return {"right": Temperature(value)}


def sensor(**changes: Any) -> dict[str, Any]:
    return {"sensors": (replace(FINE.sensors[0], **changes),)}


def second(**changes: Any) -> dict[str, Any]:
    """A right sensor and a wrong one."""
    return {"sensors": (replace(FINE.sensors[0], name="T0"), replace(FINE.sensors[0], **changes))}


def unit(x: Any, values: Any) -> Table:
    return Table(np.array(x, dtype=float), np.array(values, dtype=float))


def times_with(k: int, value: float) -> np.ndarray:
    times = COURSE_TIMES.copy()
    times[k] = value
    return times


def readings_with(k: int, value: float) -> np.ndarray:
    readings = np.linspace(0.0, 1.0, 51)
    readings[k] = value
    return readings


NAN, INF = float("nan"), float("inf")
BAD = (0.0, -1.0, NAN, INF)
BESIDE = (-1e-9, np.nextafter(1.0, 2.0), NAN)
KAPPA = "#/material/diffusivity"
NO_READINGS = {"sensors": (Sensor(0.0),)}
CASES = [
    *(Case("out_of_range", "#/bar/length", {"bar": Bar(v, 50)}) for v in (*BAD, 1e-300)),
    *(Case("out_of_range", "#/time/end", {"time": Time(v, 50)}) for v in (*BAD, 1e300)),
    *(Case("too_small", "#/bar/cells", {"bar": Bar(1.0, n)}) for n in (1, 0, -5)),
    *(Case("too_small", "#/time/steps", {"time": Time(1.0, n)}) for n in (0, -1)),
    Case("not_available", "#/time/method", {"time": Time(1.0, 50, "euler")}),
    Case("not_available", "#/material/form", {"material": Material(1.0, "integral")}),
    Case("not_available", "#/fit/loss", {"fit": Fit(loss="cubed")}),
    Case("not_available", "#/fit/method", {"fit": Fit(method="newton")}, solver.calibrate),
    Case("too_small", "#/fit/max_iterations", {"fit": Fit(max_iterations=0)}),
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
    # curves
    Case("not_finite", "#/source/0/profile", source(Expression("1/x"))),
    Case("not_finite", "#/source/0/history", source(1.0, Expression("log(t-1)", "t"))),
    Case("not_finite", "#/bar/initial", initial(NAN)),
    Case("not_finite", "#/bar/initial/values/1", initial(unit([0, 1], [0, NAN]))),
    Case("wrong_variable", "#/bar/initial", initial(Expression("t", "t"))),
    Case("wrong_variable", "#/source/0/history", source(1.0, Expression("x"))),
    Case("length_mismatch", "#/bar/initial/values", initial(unit([0, 1], [1]))),
    Case("length_mismatch", "#/right/value/values", right(unit([0], [1]))),
    Case("x_not_increasing", "#/bar/initial/x/1", initial(unit([0, 0, 1], [1, 2, 3]))),
    Case("x_not_increasing", "#/bar/initial/x/1", initial(unit([0, NAN, 1], [1, 2, 3]))),
    Case("times_not_increasing", "#/right/value/times/2", right(unit([0, 1, 1], [1, 2, 3]))),
    Case("not_covered", "#/right/value/times", right(unit([0, 0.9], [1, 2]))),
    Case("not_covered", "#/source/0/profile/x", source(unit([0.1, 1], [1, 2]))),
    Case("diffusivity_not_positive", KAPPA, law(U("a", 1.0), U("b", -1.0))),
    Case("diffusivity_not_positive", KAPPA, diffusivity(U("k", -1.0))),
    Case("diffusivity_never_positive", KAPPA, law(U("a", -2.0, -3.0, -1.0))),
    Case("diffusivity_never_positive", KAPPA, diffusivity(-1.0)),
    Case("diffusivity_never_positive", KAPPA, law(U("a", 1.0, 0.0, 1.0), -2.0)),
    Case("diffusivity_never_positive", KAPPA, diffusivity(unit([0, 1], [1, -1]))),
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
    Case("unknown_parameter", "#/at/c", check=lambda e: solver.simulate(e, {"c": 1.0})),
    *(
        Case("out_of_range", "#/at", check=lambda e, v=v: solver.value_and_gradient(e, {"a": v}))
        for v in (NAN, INF)
    ),
    Case("unknown_parameter", "#/direction/c", check=lambda e: solver.jvp(e, {"c": 1.0})),
    Case("length_mismatch", "#/readings_bar", check=lambda e: solver.vjp(e, np.ones(3))),
]


def problems_of(experiment: Experiment, check: Callable[[Experiment], Any]) -> list[Problem]:
    try:
        check(experiment)
    except InvalidExperiment as error:
        return list(error.problems)
    return []


@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_is_wrong_is_said_at_its_place(case: Case) -> None:
    found = problems_of(replace(FINE, **case.changes), case.check)
    assert (case.code, case.pointer) in {(p.code, p.pointer) for p in found}
    assert all(p.detail for p in found)


def test_what_is_right_is_accepted() -> None:
    for check in (validate, validate_for_data, validate_for_fit):
        assert problems_of(FINE, check) == []


RIGHT = [
    {"bar": Bar(1.0, 2), "time": Time(1.0, 1)},
    {"bar": Bar(1.0, 50, unit([-1, 2], [0, 1]))},
    sensor(x=0.0),
    sensor(x=1.0),
    sensor(times=times_with(50, 1.0 + 1e-11)),
    sensor(temperatures=readings_with(3, NAN), sigma=readings_with(3, -1.0) + 1e-9),
    sensor(times=None, temperatures=None),
    law(U("a", 1.0), U("a", 1.0)),
    law(U("a", 1.0, -INF, INF), U("b", -0.999)),
    {"right": Temperature(U("same", 0.5)), "left": Temperature(U("same", 0.5))},
    {"source": (Source(Expression("x**2"), Expression("exp(-t)", "t")),)},
]


@pytest.mark.parametrize("changes", RIGHT)
def test_limits_that_are_allowed(changes: dict[str, Any]) -> None:
    assert problems_of(replace(FINE, **changes), validate) == []


def codes_in(module: Path) -> Iterator[str]:
    """Every code written in a module, as the second argument of a Problem."""
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Problem":
            code = node.args[1]
            if isinstance(code, ast.Constant):
                yield code.value
            elif isinstance(code, ast.JoinedStr):  # f"{axis}_not_increasing"
                yield from (f"{axis}{code.values[-1].value}" for axis in ("x", "times"))


def test_every_code_of_the_solver_is_reached_above() -> None:
    written = {code for module in SOLVER.rglob("*.py") for code in codes_in(module)}
    assert written == {case.code for case in CASES}
    assert len(written) > 20


def test_all_problems_of_a_stage_are_told_at_once() -> None:
    wrong = replace(FINE, bar=Bar(-1.0, 0), time=Time(0.0, 0, "euler"), fit=Fit(loss="cubed"))
    assert len(problems_of(wrong, validate)) == 6
    both = second(x=2.0, times=times_with(4, 0.0))
    assert {p.code for p in problems_of(replace(FINE, **both), validate)} == {
        "sensor_outside",
        "times_not_increasing",
    }


def test_the_error_reads_as_words_with_places() -> None:
    with pytest.raises(InvalidExperiment, match="#/bar/cells: at least 2 cells, not 1"):
        validate(replace(FINE, bar=Bar(1.0, 1)))
    assert Problem(("a/b", "c~d", 0), "code", "words").pointer == "#/a~1b/c~0d/0"
    assert Problem((), "code", "words").pointer == "#"


def test_a_trial_without_an_answer_names_its_place() -> None:
    objective = solver.Objective(FINE)
    with pytest.raises(TrialError) as caught:
        objective.value(np.array([1.0, -1.5]))
    assert caught.value.problem.pointer == "#/material/diffusivity"
    assert caught.value.problem.code == "diffusivity_not_positive"
    assert "x = 1 m" in caught.value.problem.detail
    objective.value(np.array([1.0, -0.5]))


@pytest.mark.parametrize("temperature", [1e80, 1e100])
def test_a_misfit_beyond_the_range_of_numbers_is_an_error_and_no_answer(temperature: float) -> None:
    """Each figure is allowed, their square over sigma's is none that a float can hold."""
    wild = course(np.full(51, temperature), sigma=1e-100)
    validate_for_fit(wild)
    for call in (solver.value_and_gradient, solver.check, solver.calibrate):
        with pytest.raises(TrialError, match="finite"):
            call(wild)
