"""A Newton march that fails: what it says, and what a search makes of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from solver import (
    Bar,
    Experiment,
    Exponential,
    Expression,
    Joint,
    Material,
    Objective,
    Sensor,
    Source,
    Table,
    Temperature,
    Time,
    TrialError,
    Unknown,
    calibrate,
    newton_march,
    simulate,
)
from solver.assemble_newton import NewtonAssembly
from solver.kernels import newton
from solver.search import METHODS


def switched(end: float, dt: float = 1.0) -> Experiment:
    """Matter that all but stops to conduct at 1; a source brings it there from 4.5 to 5.5 s."""
    on = Expression("0.5*tanh(50*(t-4.5))-0.5*tanh(50*(t-5.5))", "t")
    stops = Table([-999.0, 1.0, 1.1, 999.0], [1.0, 1.0, 1e-3, 1e-3], of="u")
    return Experiment(
        bar=Bar(1.0, 20),
        time=Time(end, round(end / dt)),
        material=Material(stops, "divergence"),
        source=(Source(10.0, on),),
        left=Temperature(1.0),
        sensors=(Sensor(0.5),),
    )


def failure(of: Callable[[], object]) -> TrialError:
    with pytest.raises(TrialError) as caught:
        of()
    return caught.value


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A march that gives up after seven iterations, which this matter takes more of."""
    monkeypatch.setattr(newton_march, "ITERATIONS", 7)


def test_it_goes_on_where_it_is_patient() -> None:
    assert np.isfinite(simulate(switched(60.0))[0]).all()


@pytest.mark.usefixtures("impatient")
def test_a_failure_says_where_when_and_how_far() -> None:
    assert np.isfinite(simulate(switched(5.0))[0]).all()
    said = failure(lambda: simulate(switched(8.0))).problem
    assert (said.place, said.code) == (("time", "steps"), "newton_failed")
    figures = re.search(
        r"at x = (\S+) m and t = (\S+) s, .* after (\d+) iterations .* by (\S+) of", said.detail
    )
    x, t, iterations, change = map(float, figures.groups())
    assert 0.0 < x <= 1.0
    assert t == 6.0
    assert 7 <= iterations <= 200  # of shorter steps before the whole one too
    assert change > 1e3 * newton_march.TOLERANCE
    assert "take smaller time steps" in said.detail
    alone = failure(lambda: simulate(switched(6.0))).problem
    assert alone == said


@pytest.mark.usefixtures("impatient")
def test_smaller_steps_help_as_the_failure_says() -> None:
    assert np.isfinite(simulate(switched(8.0, dt=0.1))[0]).all()


@pytest.mark.usefixtures("impatient")
def test_a_failure_of_the_second_experiment_is_placed_there() -> None:
    joint = Joint((switched(5.0), switched(6.0)))
    said = failure(lambda: simulate(joint)).problem
    assert said.place == ("experiments", 1, "time", "steps")


# --- failing on the way --------------------------------------------------------------------------


def bent(b: float | Unknown) -> Experiment:
    """A bar in five long steps, whose diffusivity is exp(b u)."""
    t = np.linspace(0.0, 2.0, 11)[1:]
    return Experiment(
        bar=Bar(1.0, 16),
        time=Time(2.0, 5),
        material=Material(Exponential(1.0, b, of="u"), "divergence"),
        source=(Source(3.0),),
        left=Temperature(1.0),
        sensors=(Sensor(0.5, t), Sensor(1.0, t)),
    )


class Failing:
    """Lets the n-th real march fail, and then all of them where it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, nth: int) -> None:
        self.nth, self.marches, self.always = nth, 0, False
        monkeypatch.setattr(newton, "forward", self._forward(newton.forward))

    def _forward(self, forward: Callable[..., int]) -> Callable[..., int]:
        def counted(*args: Any) -> int:
            self.marches += np.isrealobj(args[0].arms)  # the books'
            if self.marches == self.nth or self.always:
                args[-1][newton.FIGURE] = 0.5  # of the report
                return newton.NOT_CONVERGED
            return forward(*args)

        return counted


def measured(start: float, **sigma: float) -> Experiment:
    sensors = zip(bent(0.0).sensors, simulate(bent(-0.5)), strict=True)
    read = tuple(replace(s, temperatures=u, **sigma) for s, u in sensors)
    return replace(bent(Unknown("b", start)), sensors=read)


@pytest.mark.parametrize("method", ["levenberg-marquardt", "l-bfgs-b", "trust-region"])
def test_a_failed_trial_is_stepped_back_from(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    objective = Objective(measured(start=1.0))
    failing = Failing(monkeypatch, nth=4)
    found = METHODS[method](objective, objective.parameters.start, None, lambda step: None)
    assert failing.marches > failing.nth
    assert found.status == "converged"
    assert found.theta == pytest.approx([-0.5], abs=1e-8)
    failing.always = True
    with pytest.raises(TrialError):  # a start without an answer cannot be stepped back from
        METHODS[method](objective, objective.parameters.start, None, lambda step: None)


def test_the_whole_answer_is_right_after_a_failed_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    e = measured(start=1.0, sigma=0.01)
    failing = Failing(monkeypatch, nth=4)
    assert calibrate(e).estimates["b"] == pytest.approx(-0.5, abs=1e-8)
    assert failing.marches > failing.nth


def test_trials_that_fail_of_themselves_are_stepped_back_from(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An exponent overshot to where four iterations do not do."""
    readings = simulate(bent(3.0))
    monkeypatch.setattr(newton_march, "ITERATIONS", 4)
    failure(lambda: simulate(bent(8.0)))
    codes: list[str] = []
    explain = NewtonAssembly.explain

    def listening(self: NewtonAssembly, *args: Any) -> TrialError:
        codes.append((error := explain(self, *args)).problem.code)
        return error

    monkeypatch.setattr(NewtonAssembly, "explain", listening)
    e = bent(Unknown("b", -2.0))
    sensors = zip(e.sensors, readings, strict=True)
    objective = Objective(replace(e, sensors=tuple(replace(s, temperatures=u) for s, u in sensors)))
    found = METHODS["levenberg-marquardt"](objective, np.array([-2.0]), None, lambda step: None)
    assert set(codes) == {"newton_failed"}
    assert found.theta == pytest.approx([3.0], abs=1e-8)
