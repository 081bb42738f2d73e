"""What is made once: told apart by values, bounded, the same in every thread, never an answer."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

import solver
from solver import Flux, Linear, Material, Objective, Parameters, Table, Temperature, Unknown
from solver.grid import SMALL
from solver.kept import KEPT, LARGEST, forget, kept, value_of
from tests.experiments import course

S = np.linspace(0.0, 1.0, 4)


def counting() -> tuple[Any, list[Any]]:
    made: list[Any] = []

    @kept(lambda first, *_: not isinstance(first, str))
    def make(*arguments: Any) -> list[Any]:
        made.append(arguments)
        return list(arguments)

    return make, made


def test_equal_values_are_made_once() -> None:
    make, made = counting()
    first = make(course(temperatures=np.ones(51)), S)
    assert make(course(temperatures=np.ones(51)), S.copy()) is first
    assert len(made) == 1
    forget()
    assert make(course(temperatures=np.ones(51)), S) is not first


@pytest.mark.parametrize(
    "other",
    [
        course(right=Temperature(0.1)),
        course(material=Material(Linear(Unknown("a", 1.5), Unknown("b", 1.0)))),
        course(material=Material(Table(S, 1.0 + S))),
        course(start=(1.0, 1.0 + 1e-15)),
        replace(course(), time=solver.Time(1.0, 50, "sdirk2")),
    ],
)
def test_other_values_are_told_apart(other: solver.Experiment) -> None:
    assert value_of(other.set_up) != value_of(course().set_up)


def test_a_table_is_told_by_its_numbers() -> None:
    one, same, other = (Table(S, values) for values in (S, S.copy(), S + 1e-16 + S * 1e-15))
    assert value_of(one) == value_of(same)
    assert value_of(one) != value_of(other)
    assert value_of(np.array([1.0, None])) == value_of(np.array([1.0, None]))


def test_what_was_measured_is_no_part_of_a_set_up() -> None:
    one, other = (course(temperatures=np.full(51, u), sigma=u) for u in (1.0, 2.0))
    assert value_of(one.set_up) == value_of(other.set_up)
    assert one.set_up.sensors == ()


def test_equal_set_ups_are_one() -> None:
    one, other = (course(temperatures=np.full(51, u), sigma=u) for u in (1.0, 2.0))
    assert one.set_up is other.set_up
    assert one.grid is other.grid
    assert Parameters.of(one) is Parameters.of(other)
    assert course(start=(1.0, 1.5)).set_up is not one.set_up
    first = one.set_up
    forget()
    assert replace(one).set_up is not first


def test_large_set_ups_are_not_held() -> None:
    one, other = (course(bar=solver.Bar(1.0, SMALL + 1)) for _ in range(2))
    assert one.set_up is not other.set_up
    assert one.grid == other.grid


def test_only_so_many_are_kept_and_none_that_is_large() -> None:
    make, made = counting()
    for number in range(KEPT + 1):
        make(number)
    make(KEPT)
    assert len(made) == KEPT + 1
    make(0)
    assert len(made) == KEPT + 2
    for large in ("large", np.zeros(LARGEST // 8 + 1)):
        before = len(made)
        make(large)
        make(large)
        assert len(made) == before + 2


def test_what_cannot_be_told_from_another_is_made_anew() -> None:
    make, made = counting()
    strange = type("Strange", (), {"__eq__": lambda self, other: True})()
    make(strange)
    make(strange)
    assert len(made) == 2


def test_a_field_that_is_not_compared_does_not_count() -> None:
    @dataclass(frozen=True)
    class Part:
        x: float

    assert value_of(Part(1.0)) == value_of(Part(1.0))
    assert value_of(solver.Expression("x")) == value_of(solver.Expression("x"))
    assert value_of(solver.Expression("x")) != value_of(solver.Expression("x+0"))


def test_answers_do_not_depend_on_what_was_kept() -> None:
    studies = [course(start=(a, 1.0)) for a in (1.0, 1.5)]
    alone = []
    for study in studies:
        forget()
        alone.append(Objective(study).value_and_gradient(np.array([1.2, 0.7])))
    forget()

    def both(study: solver.Experiment) -> list[tuple[float, Any]]:
        return [Objective(study).value_and_gradient(np.array([1.2, 0.7])) for _ in range(20)]

    with ThreadPoolExecutor(4) as pool:
        for (J, gradient), found in zip(alone * 4, pool.map(both, studies * 4), strict=True):
            assert all(J == value and np.array_equal(gradient, slope) for value, slope in found)


def test_what_is_shared_cannot_be_written_to() -> None:
    points, values = np.linspace(0.0, 1.0, 3), np.ones(3)
    study = course(material=Material(Linear(Unknown("a", 1.0), 0.5)), left=Flux(Table(S, 0.1 * S)))
    before = Objective(study).value(np.array([1.2]))
    field, parameters = solver.simulate_field(study), Parameters.of(study)
    table = Table(points, values)
    shared = [field.x, field.t, study.grid.volumes, parameters.start, parameters.lower]
    shared += [study.left.value.points, study.left.value.values, table.points, table.values]
    for array in shared:
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 7.0
    points[0] = values[0] = 7.0  # the caller's own, which were copied
    assert (table.points[0], table.values[0]) == (0.0, 1.0)
    assert Objective(study).value(np.array([1.2])) == before
