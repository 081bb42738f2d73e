"""A right experiment, and ways to make it wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from solver import (
    Bar,
    Fit,
    InvalidExperiment,
    Linear,
    Material,
    Problem,
    Source,
    Table,
    Temperature,
    Unknown,
)
from solver.experiment import Study
from solver.validation import validate
from tests.experiments import COURSE_TIMES, course

FINE = course(
    np.linspace(0.0, 1.0, 51),
    sigma=0.1,
    material=Material(Linear(Unknown("a", 1.0, 0.1, 10.0), Unknown("b", 0.5))),
)
NAN, INF = float("nan"), float("inf")
BAD = (0.0, -1.0, NAN, INF)
BESIDE = (-1e-9, np.nextafter(1.0, 2.0), NAN)


@dataclass(frozen=True)
class Case:
    """A change that makes the course experiment wrong, and what must be said of it."""

    code: str
    pointer: str
    changes: dict[str, Any] = field(default_factory=dict)
    check: Callable[[Study], Any] = validate

    def __str__(self) -> str:
        return f"{self.code} {self.pointer}"


def problems_of(study: Study, check: Callable[[Study], Any] = validate) -> list[Problem]:
    try:
        check(study)
    except InvalidExperiment as error:
        return list(error.problems)
    return []


def said_of(case: Case) -> set[tuple[str, str]]:
    """Codes and pointers of all that is said of a case; every problem has words too."""
    found = problems_of(replace(FINE, **case.changes), case.check)
    assert all(problem.detail for problem in found)
    return {(problem.code, problem.pointer) for problem in found}


def diffusivity(value: Any) -> dict[str, Any]:
    return {"material": Material(value)}


def law(a: Any, b: Any = 0.5) -> dict[str, Any]:
    return diffusivity(Linear(a, b))


def matter(**parts: Any) -> dict[str, Any]:
    return {"material": Material(**parts)}


def initial(value: Any) -> dict[str, Any]:
    return {"bar": Bar(1.0, 50, value)}


def source(profile: Any, history: Any = 1.0) -> dict[str, Any]:
    return {"source": (Source(profile, history),)}


def right(value: Any) -> dict[str, Any]:
    return {"right": Temperature(value)}


def fit(**changes: Any) -> dict[str, Any]:
    return {"fit": Fit(**changes)}


def sensor(**changes: Any) -> dict[str, Any]:
    return {"sensors": (replace(FINE.sensors[0], **changes),)}


def second(**changes: Any) -> dict[str, Any]:
    """A right sensor and a wrong one."""
    return {"sensors": (replace(FINE.sensors[0], name="T0"), replace(FINE.sensors[0], **changes))}


def unit(x: Any, values: Any, interpolation: str = "linear") -> Table:
    return Table(np.array(x, dtype=float), np.array(values, dtype=float), interpolation)


def times_with(k: int, value: float) -> np.ndarray:
    times = COURSE_TIMES.copy()
    times[k] = value
    return times


def readings_with(k: int, value: float) -> np.ndarray:
    readings = np.linspace(0.0, 1.0, 51)
    readings[k] = value
    return readings
