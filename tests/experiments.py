"""Experiments to test with: the course's, and random ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from solver import (
    Bar,
    Experiment,
    Expression,
    Flux,
    Linear,
    Material,
    Sensor,
    Source,
    Table,
    Temperature,
    Time,
    Unknown,
)
from solver.experiment import Study
from solver.integrators import Tableau
from tests import oracles
from tests.random_studies import Studies

Array = NDArray[np.float64]

DATA = Path(__file__).parents[1] / ".." / "shared" / "data"
COURSE_FILE = DATA / "cme216_heat" / "problem1.txt"
COURSE_ANSWER = {"a": 5.0, "b": 2.0}  # published with the exercise
COURSE_TIMES = np.arange(51) / 50

# Stiffly accurate DIRK methods, in the literature's figures (Hairer & Wanner II, IV.6; Bank et al.,
# IEEE Trans. Electron Devices 32 (1985) 1992-2007): the march is written once for all of them, so
# it is tested with all of them, registered or not.
GAMMA = 1.0 - np.sqrt(0.5)
METHODS = {
    "backward-euler": Tableau(1, ((1.0,),)),
    "crank-nicolson": Tableau(2, ((0.0,), (0.5, 0.5))),
    "sdirk2": Tableau(2, ((GAMMA,), (1.0 - GAMMA, GAMMA))),
    "tr-bdf2": Tableau(2, ((0.0,), (GAMMA, GAMMA), (np.sqrt(0.125), np.sqrt(0.125), GAMMA))),
}

# The same examples in every run, on every machine.
repeatable = settings(
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
A_BATCH = 10


def examples(count: int) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """So many examples of a property, in batches that are drawn apart.

    Within a run Hypothesis draws anew ten times; after that it mostly varies what it has drawn.
    """

    def decorate(hold: Callable[[], None]) -> Callable[[], None]:
        batch = settings(repeatable, max_examples=A_BATCH)(hold)

        def test() -> None:
            for number in range(count // A_BATCH):
                seed(number)(batch)()

        test.__name__, test.__doc__ = hold.__name__, hold.__doc__
        return test

    return decorate


two_hundred, fifty = examples(200), examples(50)


def course_readings() -> Array:
    """The readings published with the course exercise, u(0, t_k)."""
    if not COURSE_FILE.exists():
        pytest.skip("the course data stand outside this repository, in ../shared/data/cme216_heat")
    return np.loadtxt(COURSE_FILE)


def course(
    temperatures: Array | None = None,
    start: tuple[float, float] = (1.0, 1.0),
    sigma: float | Array | None = None,
    **changes: Any,
) -> Experiment:
    """The course exercise: kappa = a + b x unknown, insulated left end, cold right end."""
    data = twin_readings() if temperatures is None else temperatures
    experiment = Experiment(
        bar=Bar(length=1.0, cells=50),
        time=Time(end=1.0, steps=50),
        material=Material(Linear(Unknown("a", start[0]), Unknown("b", start[1]))),
        source=(Source(Expression("exp(-50*(x-0.5)**2)")),),
        right=Temperature(0.0),
        sensors=(Sensor(0.0, COURSE_TIMES, data, sigma),),
    )
    return replace(experiment, **changes)


def with_curve() -> Experiment:
    """The course's bar with an unknown flux through its left end, at five times."""
    flux = Table(np.linspace(0.0, 1.0, 5), Unknown("flux", (0.3, -0.1, 0.4, 0.2, 0.0)))
    return course(left=Flux(flux))


def lecture(
    law: Any, cells: int = 50, steps: int = 50, end: float = 1.0, method: str = "backward-euler"
) -> Experiment:
    """The lecture's bar: of unit length, insulated at x = 0, held at 0 at x = 1."""
    return Experiment(
        bar=Bar(1.0, cells),
        time=Time(end, steps, method),
        material=Material(law),
        right=Temperature(0.0),
    )


def si_course(start: tuple[float, float] = (1.0, 1.0), **changes: Any) -> Experiment:
    """The course exercise as a small slow bar: 1 cm, 10 000 s, kappa of some 1e-8 m^2/s.

    `start` is in units of the answer's own: a in L^2 / T, b in L / T; the answer is (5, 2) of them.
    """
    length, end = 1e-2, 1e4
    unit = length**2 / end
    law = Linear(Unknown("a", start[0] * unit), Unknown("b", start[1] * unit / length))
    experiment = Experiment(
        bar=Bar(length, 50),
        time=Time(end, 50),
        material=Material(law),
        source=(Source(Expression(f"exp(-50*(x/{length}-0.5)**2)"), 1.0 / end),),
        right=Temperature(0.0),
        sensors=(Sensor(0.0, COURSE_TIMES * end, twin_readings()),),
    )
    return replace(experiment, **changes)


def twin_readings() -> Array:
    """The dense oracle's readings of the course experiment at the published answer."""
    return oracles.readings(course(np.zeros(COURSE_TIMES.size)), COURSE_ANSWER)


def with_noise(fraction: float, seed: int) -> Experiment:
    """Every reading off by a share of itself; the one at t = 0 is 0 and tells nothing."""
    rng = np.random.default_rng(seed)
    data = twin_readings() * (1.0 + fraction * rng.standard_normal(COURSE_TIMES.size))
    data[0] = np.nan
    return course(data, sigma=np.where(np.isnan(data), 1.0, fraction * np.abs(data)))


def known(part: Any) -> Any:
    """An experiment, or a part of one, with start values in the place of its unknowns."""
    if isinstance(part, Unknown):
        return part.start
    if isinstance(part, tuple):
        return tuple(known(item) for item in part)
    if not is_dataclass(part):
        return part
    return replace(part, **{f.name: known(getattr(part, f.name)) for f in fields(part) if f.init})


def sizes(study: Study) -> Array:
    """The magnitude of each parameter: gradients times it have no units."""
    values = np.abs(oracles.flat(oracles.start_values(study)))
    return np.where(values > 0.0, values, 1.0)


@st.composite
def experiments(draw: st.DrawFn, method: str | None = None, of: str | None = None) -> Experiment:
    """A random experiment with at least one unknown and at least one reading.

    Its laws are of place (of = "x"), some are of the temperature ("u"), or either.
    """
    return Studies(draw, method, of).experiment()


@st.composite
def studies(draw: st.DrawFn, of: str | None = None) -> Study:
    """A random experiment or joint fit, with its loss and its priors."""
    return Studies(draw, of=of).study()
