"""kappafit itself, through `solver.Objective`: all that a fit pays for each evaluation."""

from __future__ import annotations

import numpy as np

from benchmarks.lecture import HISTORY, PROFILE, TRIAL, Array, LectureBar
from benchmarks.peers.peer import Peer
from solver import (
    Bar,
    Experiment,
    Expression,
    Linear,
    Material,
    Objective,
    Sensor,
    Source,
    Temperature,
    Time,
    Unknown,
)


def build(bar: LectureBar, d: Array) -> Peer:
    """J and its gradient by one forward and one adjoint march."""
    objective = Objective(experiment(bar, d))
    theta = np.array(TRIAL)
    return Peer(
        forward=lambda: objective.value(theta),
        value_and_gradient=lambda: objective.value_and_gradient(theta),
    )


def experiment(bar: LectureBar, d: Array) -> Experiment:
    """The lecture's bar as an experiment whose start values are the trial values."""
    a, b = TRIAL
    return Experiment(
        bar=Bar(length=1.0, cells=bar.n),
        time=Time(end=1.0, steps=bar.m),
        material=Material(Linear(Unknown("a", a), Unknown("b", b))),
        source=(Source(Expression(PROFILE, "x"), Expression(HISTORY, "t")),),
        right=Temperature(0.0),
        sensors=(Sensor(x=0.0, times=bar.t, temperatures=d),),
    )
