"""What a new law, end, method or loss has to bring: its own lines, and nothing anywhere else."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest

from solver import (
    LAWS,
    LOSSES,
    TABLEAUX,
    Experiment,
    Expression,
    Fit,
    Flux,
    Material,
    Objective,
    Source,
    Temperature,
    Unknown,
    simulate,
    value_and_gradient,
)
from solver.curves import Number, Series, Variable
from solver.integrators import Tableau
from solver.losses import Shaped
from tests import oracles
from tests.experiments import METHODS, course
from tests.verification import complex_step, relative_gap

GRADIENT_TOLERANCE = 1e-10


def busy() -> Experiment:
    """Pinned and free ends that move within a step, and some of it unknown."""
    base = course(np.linspace(0.1, 0.3, 51))
    return replace(
        base,
        bar=replace(base.bar, cells=12, initial=Unknown("initial", 0.2)),
        time=replace(base.time, steps=9),
        source=(Source(Unknown("power", 0.7), Expression("exp(-3*t)", "t")),),
        left=Flux(Expression("sin(5*t)", "t")),
        right=Temperature(Expression("0.3*cos(4*t)", "t")),
        sensors=(base.sensors[0], replace(base.sensors[0], x=0.97)),
    )


# --- a method ------------------------------------------------------------------------------------

DAMPED = Tableau(2, ((0.0,), (0.5, 0.5)), start=((0.5,), (0.5, 0.5)), start_steps=3)


@pytest.mark.parametrize("tableau", [*METHODS.values(), DAMPED])
def test_a_method_needs_only_its_table(tableau: Tableau, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TABLEAUX, "new", tableau)
    experiment = replace(busy(), time=replace(busy().time, method="new"))
    for changed in (experiment, replace(experiment, right=Temperature(Unknown("r", 0.4)))):
        objective, values = Objective(changed), oracles.start_values(changed)
        theta = objective.parameters.start
        J, gradient = objective.value_and_gradient(theta)
        expected = oracles.misfit_gradient(changed, values)
        assert abs(J - oracles.misfit(changed, values)) <= 1e-12 * J
        assert relative_gap(gradient, expected) <= GRADIENT_TOLERANCE
        r = objective.residuals(theta)
        assert relative_gap(2.0 * objective.vjp(theta, r), expected) <= GRADIENT_TOLERANCE
        assert relative_gap(2.0 * objective.jacobian(theta).T @ r, expected) <= GRADIENT_TOLERANCE
    monkeypatch.setitem(TABLEAUX, "new", Tableau(2, ((0.6,), (0.4, 0.6))))  # another method
    other = oracles.misfit_gradient(changed, values)
    assert relative_gap(gradient, other) > GRADIENT_TOLERANCE


# --- a law ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Rational:
    """``a / (1 + b s)``: a law that is not registered, and not linear in its parameters."""

    a: Number
    b: Number

    def value(self, s: np.ndarray) -> np.ndarray:
        return self.a / (1.0 + self.b * s)

    def partials(self, s: np.ndarray) -> dict[str, np.ndarray]:
        u = 1.0 + self.b * s
        return {"a": 1.0 / u, "b": -self.a * s / u**2}


class Forgetful(Rational):
    """The same law with a slip of the pen in one partial."""

    def partials(self, s: np.ndarray) -> dict[str, np.ndarray]:
        return super().partials(s) | {"b": -self.a * s}


@pytest.mark.parametrize("form", ["nondivergence", "divergence"])
@pytest.mark.parametrize(("law", "right"), [(Rational, True), (Forgetful, False)])
def test_a_law_needs_only_its_value_and_partials(
    law: type[Rational], right: bool, form: str
) -> None:
    experiment = course(material=Material(law(Unknown("a", 2.0), Unknown("b", 0.7)), form))
    _, gradient = Objective(experiment).value_and_gradient(np.array([2.0, 0.7]))
    expected = oracles.misfit_gradient(experiment, oracles.start_values(experiment))
    assert (relative_gap(gradient, expected) <= GRADIENT_TOLERANCE) == right


@dataclass(frozen=True)
class RationalOf(Rational):
    """The same law, of the place or of the temperature; nothing says how it is laid out."""

    of: Variable = "x"


class ForgetfulOf(RationalOf):
    """With a slip of the pen in one partial."""

    def partials(self, s: np.ndarray) -> dict[str, np.ndarray]:
        return super().partials(s) | {"b": -self.a * s}


@pytest.mark.parametrize("place", ["nondivergence", "divergence", "conductivity", "heat_capacity"])
@pytest.mark.parametrize(("law", "right"), [(RationalOf, True), (ForgetfulOf, False)])
def test_a_law_of_the_temperature_needs_only_to_say_so(
    law: type[RationalOf], right: bool, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(LAWS, "rational", law)
    a, b = Unknown("a", 2.0), Unknown("b", 0.7)
    one = law(a, b, of="u")
    laws = {"conductivity": 1.5, "heat_capacity": 1.2} | {place: one}
    material = (
        Material(one, place) if place in ("nondivergence", "divergence") else Material(**laws)
    )
    experiment = replace(busy(), material=material)
    objective, values = Objective(experiment), oracles.start_values(experiment)
    theta = objective.parameters.start
    readings = oracles.readings(experiment, values)
    assert relative_gap(objective.predict(theta), readings) <= 1e-11
    _, gradient = objective.value_and_gradient(theta)
    expected = oracles.misfit_gradient(experiment, values)
    assert (relative_gap(gradient, expected) <= GRADIENT_TOLERANCE) == right


# --- an end --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Heater:
    """Heat flux ``gain value(t)`` into the bar."""

    value: Series
    gain: Number
    pinned: ClassVar[bool] = False
    drive: ClassVar[str] = "value"
    amount: ClassVar[str | None] = "gain"
    exchanges: ClassVar[bool] = False


def test_an_end_needs_only_its_entries() -> None:
    experiment = replace(busy(), left=Heater(Expression("sin(5*t)", "t"), Unknown("gain", 1.0)))
    np.testing.assert_allclose(simulate(experiment), simulate(busy()), rtol=1e-13)
    objective = Objective(experiment)
    theta = objective.parameters.start
    _, gradient = objective.value_and_gradient(theta)
    expected = complex_step(lambda m: np.sum(objective.residuals(m) ** 2), theta)
    assert relative_gap(gradient, expected) <= GRADIENT_TOLERANCE
    doubled = replace(experiment, left=replace(experiment.left, gain=2.0))
    stronger = replace(busy(), left=Flux(Expression("2*sin(5*t)", "t")))
    np.testing.assert_allclose(simulate(doubled), simulate(stronger), rtol=1e-13)
    assert not np.allclose(simulate(doubled), simulate(busy()))


# --- a loss --------------------------------------------------------------------------------------


def cauchy(r: np.ndarray, c: float) -> Shaped:
    """``rho = c^2 log(1 + (r / c)^2)``."""
    s = c * np.sqrt(np.log1p((r / c) ** 2)) * np.where(r.real < 0.0, -1.0, 1.0)
    psi = r / (1.0 + (r / c) ** 2)
    return Shaped(s, psi / s, psi, (1.0 - (r / c) ** 2) / (1.0 + (r / c) ** 2) ** 2)


def forgetful(r: np.ndarray, c: float) -> Shaped:
    return cauchy(r, c)._replace(slope=np.ones(r.shape))


@pytest.mark.parametrize(("loss", "right"), [(cauchy, True), (forgetful, False)])
def test_a_loss_needs_only_its_line(
    loss: object, right: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(LOSSES, "new", loss)
    monkeypatch.setitem(oracles.RHO, "new", lambda r, c: c**2 * np.log(1.0 + (r / c) ** 2))
    experiment = replace(busy(), fit=Fit(loss="new", threshold=0.2))
    J, gradient = value_and_gradient(experiment)
    values = oracles.start_values(experiment)
    assert J == pytest.approx(oracles.misfit(experiment, values), rel=1e-12)
    expected = oracles.misfit_gradient(experiment, values)
    found = np.array(list(gradient.values()))
    assert (relative_gap(found, expected) <= GRADIENT_TOLERANCE) == right
