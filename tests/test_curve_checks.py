"""What is said of curves that cannot be meant: their shapes, their reach, their values."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from solver import (
    Convection,
    Exchange,
    Expression,
    Flux,
    Layers,
    Linear,
    Material,
    Objective,
    Polynomial,
    Table,
    Time,
    TrialError,
    Unknown,
)
from solver.curve_checks import LAWS, SERIES
from solver.network import Network, unknown_network
from solver.sampling import samples_of
from tests.experiments import course
from tests.mistakes import (
    FINE,
    INF,
    NAN,
    Case,
    diffusivity,
    initial,
    law,
    matter,
    problems_of,
    right,
    said_of,
    source,
    unit,
)

U = Unknown
KAPPA, K, C = (f"#/material/{name}" for name in LAWS)


def listed(points: Any, start: Any) -> Table:
    return Table(points, U("curve", start))


def layers(edges: Any, values: Any) -> dict[str, Any]:
    return diffusivity(Layers(edges, values))


def side(end: Any) -> dict[str, Any]:
    return {"left": end}


def exchange(rate: Any, ambient: Any = 0.0) -> dict[str, Any]:
    return matter(diffusivity=1.0, exchange=Exchange(rate, ambient))


def conductivity(k: Any, capacity: Any = 1.0) -> dict[str, Any]:
    return matter(conductivity=k, heat_capacity=capacity)


CASES = [
    # finite
    Case("not_finite", "#/source/0/profile", source(Expression("1/x"))),
    Case("not_finite", "#/source/0/history", source(1.0, Expression("log(t-1)", "t"))),
    Case("not_finite", "#/bar/initial", initial(NAN)),
    Case("not_finite", "#/bar/initial/values/1", initial(unit([0, 1], [0, NAN]))),
    Case("not_finite", "#/bar/initial/values/0", initial(unit([0, 1], [-INF, 0]))),
    Case("not_finite", "#/bar/initial", initial(Table([0, 1], (U("v", 1.0), 1e101)))),
    Case("not_finite", "#/left/coefficient", side(Convection(NAN, 0.0))),
    Case("not_finite", "#/left/ambient", side(Convection(1.0, INF))),
    Case("not_finite", "#/left/value", side(Flux(1e101))),
    Case("not_finite", "#/material/exchange/rate", exchange(INF)),
    Case("not_finite", "#/material/exchange/ambient", exchange(1.0, Expression("1/t", "t"))),
    Case("not_finite", KAPPA, diffusivity(Polynomial([1.0, INF]))),
    # formulas of what
    Case("wrong_variable", "#/bar/initial", initial(Expression("t", "t"))),
    Case("wrong_variable", "#/source/0/history", source(1.0, Expression("x"))),
    Case("wrong_variable", "#/source/0/profile", source(Expression("t", "t"))),
    Case("wrong_variable", "#/left/ambient", side(Convection(1.0, Expression("x")))),
    Case("wrong_variable", "#/left/value", side(Flux(Expression("x")))),
    Case("wrong_variable", "#/material/exchange/ambient", exchange(1.0, Expression("x"))),
    Case("wrong_variable", K, conductivity(Expression("1+t", "t"))),
    # tables
    Case("length_mismatch", "#/bar/initial/values", initial(unit([0, 1], [1]))),
    Case("length_mismatch", "#/right/value/values", right(unit([0], [1]))),
    Case("length_mismatch", "#/right/value/values", right(listed([0, 1], (1.0, 2.0, 3.0)))),
    Case("length_mismatch", "#/right/value/values", right(listed([0, 1], 1.0))),
    Case("length_mismatch", f"{K}/values", conductivity(unit([0, 0.5, 1], [1, 2]))),
    Case("x_not_increasing", "#/bar/initial/x/1", initial(unit([0, 0, 1], [1, 2, 3]))),
    Case("x_not_increasing", "#/bar/initial/x/1", initial(unit([0, NAN, 1], [1, 2, 3]))),
    Case("times_not_increasing", "#/right/value/times/2", right(unit([0, 1, 1], [1, 2, 3]))),
    Case("points_not_increasing", f"{KAPPA}/points/2", diffusivity(unit([0, 1, 1], [1, 2, 3]))),
    Case("not_covered", "#/right/value/times", right(unit([0, 0.9], [1, 2]))),
    Case("not_covered", "#/source/0/profile/x", source(unit([0.1, 1], [1, 2]))),
    Case("not_covered", f"{C}/points", conductivity(1.0, unit([0.1, 1], [1, 2]))),
    Case("not_covered", "#/left/ambient/times", side(Convection(1.0, unit([0.1, 1], [1, 2])))),
    Case(
        "not_available",
        "#/bar/initial/interpolation",
        initial(unit([0, 1], [1, 2], "spline")),
    ),
    # polynomials and layers
    Case("empty", f"{KAPPA}/coefficients", diffusivity(Polynomial([]))),
    *(
        Case("length_mismatch", f"{KAPPA}/edges", layers(edges, values))
        for edges, values in (
            ([0.5], [1.0]),
            ([], [1.0, 2.0]),
            ([], []),
            ([0.0, 0.5, 0.7, 1.0], U("k", (1.0, 2.0))),
        )
    ),
    Case("edges_not_increasing", f"{KAPPA}/edges/1", layers([0.5, 0.5], [1.0, 2.0, 3.0])),
    Case("edges_not_increasing", f"{KAPPA}/edges/1", layers([0.5, NAN], [1.0, 2.0, 3.0])),
    Case("not_covered", f"{KAPPA}/edges", layers([0.0, 0.5, 0.9], [1.0, 2.0])),
    Case("not_covered", f"{KAPPA}/edges", layers([0.1, 0.5, 1.0], [1.0, 2.0])),
    *(
        Case("edge_outside", f"{KAPPA}/edges", layers([edge], [1.0, 2.0]))
        for edge in (-0.1, 0.0, 1.0, 1.1, NAN)
    ),
    # networks
    Case("out_of_range", f"{KAPPA}/widths", diffusivity(Network(np.ones(4), (0,)))),
    Case("length_mismatch", f"{KAPPA}/weights", diffusivity(Network(np.ones(9), (3,)))),
    *(
        Case("out_of_range", f"{KAPPA}/range", diffusivity(unknown_network("k", (3,), range=r)))
        for r in ((1.0, 1.0), (2.0, 1.0), (0.0, INF), (NAN, 1.0))
    ),
    *(
        Case("out_of_range", f"{KAPPA}/start", diffusivity(unknown_network("k", (3,), level=v)))
        for v in (0.0, -1.0, NAN, INF)
    ),
    # signs
    *(
        Case("negative", "#/left/coefficient", side(Convection(h, 0.0)))
        for h in (-1.0, U("h", -1.0))
    ),
    Case("negative", "#/material/exchange/rate", exchange(-1e-9)),
    Case("diffusivity_not_positive", KAPPA, law(U("a", 1.0), U("b", -1.0))),
    Case("diffusivity_not_positive", KAPPA, diffusivity(U("k", -1.0))),
    Case("diffusivity_not_positive", KAPPA, diffusivity(listed([0, 1], (1.0, -1.0)))),
    Case("conductivity_not_positive", K, conductivity(U("k", -1.0))),
    Case("heat_capacity_not_positive", C, conductivity(1.0, Linear(U("c", 1.0), -2.0))),
    Case("diffusivity_never_positive", KAPPA, law(U("a", -2.0, -3.0, -1.0))),
    Case("diffusivity_never_positive", KAPPA, diffusivity(-1.0)),
    Case("diffusivity_never_positive", KAPPA, law(U("a", 1.0, 0.0, 1.0), -2.0)),
    Case("diffusivity_never_positive", KAPPA, diffusivity(unit([0, 1], [1, -1]))),
    Case("conductivity_never_positive", K, conductivity(0.0)),
    Case("heat_capacity_never_positive", C, conductivity(1.0, Layers([0.5], [1.0, 0.0]))),
    # a layer between two nodes
    Case("diffusivity_never_positive", KAPPA, layers([0.501, 0.502], [1.0, -1.0, 1.0])),
    Case("not_finite", f"{KAPPA}/values/1", layers([0.501, 0.502], [1.0, NAN, 1.0])),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_is_wrong_with_a_curve_is_said_at_its_place(case: Case) -> None:
    assert (case.code, case.pointer) in said_of(case)


RIGHT = [
    initial(unit([-1, 2], [0, 1])),
    initial(unit([0, 1], [0, 1], "monotone-cubic")),
    source(Expression("x**2"), Expression("exp(-t)", "t")),
    side(Convection(0.0, 1.0)),
    exchange(0.0),
    layers([0.5], [1.0, 2.0]),
    layers([0.0, 0.5, 1.0 + 1e-12], [1.0, 2.0]),
    layers([], [1.0]),
    layers([0.0, 1.0], U("k", (1.0,))),
    diffusivity(Polynomial([1.0, -0.999])),
    diffusivity(listed([0, 0.5, 1], (1.0, 2.0, 3.0))),
    conductivity(1e-100, 1e100),
]


@pytest.mark.parametrize("changes", RIGHT)
def test_limits_that_are_allowed(changes: dict[str, Any]) -> None:
    assert problems_of(replace(FINE, **changes)) == []


def test_every_series_is_told_from_a_profile() -> None:
    """A curve asked for at the stages is one of t, whatever its key."""
    experiment = replace(FINE, **exchange(1.0), left=Convection(1.0, 0.0), time=Time(2.0, 50))
    for sample in samples_of(experiment):
        in_time = np.array_equal(sample.sampling.points, experiment.grid.stage_times)
        assert in_time == (sample.place[-1] in SERIES)


# --- away from the start values ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("material", "theta", "code", "pointer"),
    [
        (FINE.material, [1.0, -1.5], "diffusivity_not_positive", KAPPA),
        (
            Material(conductivity=U("k", 1.0), heat_capacity=1.0),
            [-1.0],
            "conductivity_not_positive",
            K,
        ),
        (
            Material(conductivity=1.0, heat_capacity=Layers([0.501, 0.502], U("c", (1, 1, 1)))),
            [1.0, -1e9, 1.0],
            "heat_capacity_not_positive",
            C,
        ),
        (
            Material(Layers([0.501, 0.502], U("k", (1, 1, 1))), "divergence"),
            [1.0, -1e-9, 1.0],
            "diffusivity_not_positive",
            KAPPA,
        ),
        (Material(Polynomial(U("c", (1.0, 0.0)))), [1.0, np.inf], "not_finite", KAPPA),
    ],
)
def test_a_trial_without_an_answer_names_its_place(
    material: Material, theta: list[float], code: str, pointer: str
) -> None:
    objective = Objective(replace(FINE, material=material))
    for call in (objective.value, objective.value_and_gradient, objective.residuals_and_jacobian):
        with pytest.raises(TrialError) as caught:
            call(np.array(theta))
        assert (caught.value.problem.code, caught.value.problem.pointer) == (code, pointer)
    objective.value(objective.parameters.start)


def test_words_about_a_trial_say_where_on_the_bar() -> None:
    with pytest.raises(TrialError, match="x = 1 m"):
        Objective(course()).value(np.array([1.0, -1.5]))
