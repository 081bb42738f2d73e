"""The march by Newton: how fast it converges, what it leaves undone."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from numba import njit

from solver import (
    Bar,
    Convection,
    Experiment,
    Exponential,
    Expression,
    Flux,
    Linear,
    Material,
    Objective,
    Polynomial,
    Sensor,
    Source,
    Table,
    Temperature,
    Time,
    Unknown,
)
from solver.assemble_newton import NewtonAssembly
from solver.kernels import Books, Criteria, newton, newton_settle, newton_step
from solver.kernels.balance import Scratch, flows, look, scratch
from solver.kernels.newton_settle import settle
from solver.layout import Pieces
from solver.newton_workspace import NewtonWorkspace
from solver.steps import Steps
from tests.parts import called

SETTLE = called(settle)

Array = np.ndarray

# --- one stage -----------------------------------------------------------------------------------


class Stage:
    """The first stage of a march: ``E(u) - step q(u) = target``, to be solved from `start`."""

    def __init__(self, e: Experiment) -> None:
        parameters = Objective(e).parameters
        assembly = NewtonAssembly(e, parameters)
        c = assembly.coefficients(assembly.curves.at(parameters.start))
        steps = Steps(e.grid.tableau, e.grid.dt, 1)
        self.layout = Pieces(c.initial.size)
        self.work = NewtonWorkspace(self.layout, c, steps, np.arange(1))
        self.work.fill(c)
        self.smooth, self.step, self.held = c.smooth, e.grid.dt, c.held
        s = self.looked(c.initial)
        heat = self.unpacked(s.h) * c.capacities
        self.capacities = c.capacities
        self.target = heat + self.step * c.histories[0, 0] @ c.profiles
        self.start = c.initial.copy()
        self.start[c.held] = c.pinned[0, 0]

    def unpacked(self, packed: Array) -> Array:
        return self.layout.unpack(packed, 1)[0]

    def looked(self, u: Array) -> Scratch:
        """Both laws at u."""
        s = scratch(self.work.books)
        self.layout.pack(u, s.u)
        called(newton.follow)(self.work.books, s)
        called(look)(self.work.books, s, True)
        return s

    def residual(self, u: Array) -> float:
        """How far the books are from balance, as a temperature."""
        s = self.looked(u)
        called(flows)(self.work.books, self.work.joint, None, self.step, s, s.q)
        h, q = self.unpacked(s.h), self.unpacked(s.q)
        left = h - (self.target + self.step * q) / self.capacities
        left[self.held] = 0.0
        return float(np.linalg.norm(left))

    def settle(self, u: Array, most: int, tolerance: float = 0.0, iterate: Any = SETTLE):
        """Where so many iterations lead from u, and what they say."""
        s, work = self.looked(u), self.work
        free = np.ones(u.size)
        free[self.held] = 0.0
        target = self.layout.pack(self.target * free)
        criteria = Criteria(tolerance, most, self.smooth)
        said = iterate(work.books, work.joint, target, self.step, criteria, np.inf, s)
        return self.unpacked(s.u), *said[:2]


def first_stage(e: Experiment) -> Stage:
    """By backward Euler, at the end of its first step."""
    return Stage(e)


MATTER = {
    "lecture": Material(Exponential(0.4, 0.6, of="u")),
    "divergence": Material(Polynomial([0.2, 0.3, 0.2], of="u"), "divergence"),
    "conductivity": Material(conductivity=Linear(0.5, 0.4, of="u"), heat_capacity=2.0),
    "both": Material(
        conductivity=Exponential(0.4, 0.6, of="u"), heat_capacity=Exponential(1.0, -0.3, of="u")
    ),
    "cubic": Material(
        conductivity=Table(
            [-9.0, 0.0, 1.0, 2.0, 9.0], [9.0, 8.0, 3.0, 1.0, 1.0], "monotone-cubic", of="u"
        ),
        heat_capacity=1.0,
    ),
}


def heated(material: Material) -> Experiment:
    """One long step of a bar that is hot on the left."""
    return Experiment(
        bar=Bar(1.0, 20, Expression("0.2+0.1*cos(3*x)")),
        time=Time(0.4, 1),
        material=material,
        source=(Source(1.0),),
        left=Temperature(2.0),
        right=Convection(2.0, 0.5),
    )


def last_order(stage: Stage, iterate: Any = SETTLE) -> float:
    """p in ``r_{k+1} ~ r_k^p``, of the last three residuals above round-off."""
    left = [stage.residual(stage.settle(stage.start, k, iterate=iterate)[0]) for k in range(1, 30)]
    fell = np.log([r for r in left if r > 1e-11 * stage.residual(stage.start)])[-3:]
    return float((fell[2] - fell[1]) / (fell[1] - fell[0]))


@pytest.mark.parametrize("name", MATTER)
def test_the_residual_falls_quadratically(name: str) -> None:
    stage = first_stage(heated(MATTER[name]))
    assert last_order(stage) >= 1.9

    assert abs(last_order(stage, off_by_a_hundredth) - 1.0) <= 0.1


def off_by_a_hundredth(
    books: Books,
    joint: Array,
    target: Array,
    step: float,
    criteria: Criteria,
    omega: float,
    s: Scratch,
) -> tuple[int, float]:
    """What a Jacobian that is 1 % too large makes of Newton's iteration."""
    for _ in range(criteria.most):
        called(newton_step.linearise)(books, joint, target, step, s, s.y)
        called(newton_step.take_step)(joint, s, s.y)
        called(newton_step.move_back)(1.0 - 1.0 / 1.01, s, s.y)
        called(look)(books, s, True)
    return criteria.most, 0.0


# --- a step that is too long for Newton alone ----------------------------------------------------


def test_halving_settles_what_full_steps_never_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """Matter that melts at 1, within 0.1: full steps jump over it, to and fro, for ever."""
    melts = Table([-9.0, 0.95, 1.0, 1.05, 9.0], [1.0, 1.0, 200.0, 1.0, 1.0], of="u")
    material = Material(conductivity=1.0, heat_capacity=melts)
    stage = first_stage(Experiment(Bar(1.0, 20), Time(1.0, 1), material, left=Temperature(2.0)))
    u, iterations, change = stage.settle(stage.start, 60, 1e-13)
    assert 0 < iterations <= 30
    assert change <= 1e-13
    assert stage.residual(u) <= 1e-14 * stage.residual(stage.start)
    monkeypatch.setattr(newton_settle, "SHORTEST", 1.0)  # nothing is halved
    u, iterations, _ = stage.settle(stage.start, 60, 1e-13, called(njit(settle.py_func)))
    assert iterations < 0
    assert stage.residual(u) > 1e-2 * stage.residual(stage.start)


# --- what the tolerance does to the gradient -----------------------------------------------------

TOLERANCES = 10.0 ** -np.arange(4.0, 13.0)
A, B = Unknown("a", 0.3), Unknown("b", 0.5)
TWELVE = list(
    product(
        (
            Material(
                conductivity=Exponential(A, B, of="u"), heat_capacity=Exponential(1.0, -0.3, of="u")
            ),
            Material(
                conductivity=Exponential(A, B, of="u"),
                heat_capacity=Polynomial([1.0, 0.5, 0.4], of="u"),
            ),
            Material(conductivity=Linear(A, B, of="u"), heat_capacity=1.0),
        ),
        (10, 40),
        ("tr-bdf2", "backward-euler"),
    )
)


def pulsed(material: Material, steps: int, method: str) -> Experiment:
    """Heated by a pulse, so that no two steps are alike."""
    t = np.linspace(0.0, 1.0, 41)[1:]
    return Experiment(
        bar=Bar(1.0, 20, 0.2),
        time=Time(1.0, steps, method),
        material=material,
        left=Flux(Expression("3*exp(-30*(t-0.5)**2)+0.3", "t")),
        right=Convection(0.5, 1.0),
        sensors=tuple(Sensor(x, t, 1.0 + np.sin(3.0 * t + x)) for x in (0.0, 0.3, 1.0)),
    )


def gradient_errors(e: Experiment) -> Array:
    """Of the gradient at every tolerance, against that at the tightest."""
    objective = Objective(e)

    def gradient(tolerance: float) -> Array:
        objective.models[0].bar.march.tolerance = tolerance
        return objective.value_and_gradient(objective.parameters.start)[1]

    best = gradient(1e-15)
    return np.array([np.linalg.norm(gradient(tol) - best) for tol in TOLERANCES]) / np.linalg.norm(
        best
    )


def falls_with_the_tolerance(errors: Array) -> bool:
    """In proportion, ever down, and to 1e-9 at the end."""
    slope = np.polyfit(np.log(TOLERANCES), np.log(errors), 1)[0]
    return bool(slope >= 0.95 and (np.diff(errors) < 0.0).all() and errors[-1] <= 1e-9)


def test_the_gradients_error_falls_with_the_tolerance() -> None:
    """The worst of twelve bars: in a single one the last iterations come in leaps."""
    worst = np.max([gradient_errors(pulsed(*case)) for case in TWELVE], axis=0)
    assert falls_with_the_tolerance(worst)
    assert (worst <= 20.0 * TOLERANCES).all()
    assert not falls_with_the_tolerance(worst + 1e-8)  # a gradient wrong by that much
    assert not falls_with_the_tolerance(np.sqrt(worst))
