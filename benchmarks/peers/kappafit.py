"""kappafit itself, through `solver.Objective`: all that a fit pays for each evaluation."""

from __future__ import annotations

import numpy as np

from benchmarks.lecture import HISTORY, PROFILE, TRIAL, Array, LectureBar, pairs
from benchmarks.peers.peer import Peer
from solver import (
    Bar,
    Ensemble,
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
from solver.curves import Variable
from solver.laws import Law


def linear(bar: LectureBar, d: Array) -> Peer:
    """J and its gradient by one forward and one adjoint march."""
    return peer(experiment(bar, d, law("x")))


def nonlinear(bar: LectureBar, d: Array) -> Peer:
    """The same with a law of the temperature."""
    return peer(experiment(bar, d, law("u")))


def ensemble(bar: LectureBar, d: Array) -> Peer:
    """All pairs at once, on one thread."""
    members, thetas = Ensemble(experiment(bar, d, law("x")), threads=1), pairs()
    return Peer(None, lambda: members.value_and_gradient(thetas))


def peer(described: Experiment) -> Peer:
    """At the trial values."""
    objective, theta = Objective(described), np.array(TRIAL)
    return Peer(
        forward=lambda: objective.value(theta),
        value_and_gradient=lambda: objective.value_and_gradient(theta),
    )


def law(of: Variable) -> Linear:
    """kappa = a + b x, or a + b u; the start values are the trial values."""
    a, b = TRIAL
    return Linear(Unknown("a", a), Unknown("b", b), of)


def experiment(bar: LectureBar, d: Array, kappa: Law) -> Experiment:
    """The lecture's bar as an experiment."""
    return Experiment(
        bar=Bar(length=1.0, cells=bar.n),
        time=Time(end=1.0, steps=bar.m),
        material=Material(kappa),
        source=(Source(Expression(PROFILE, "x"), Expression(HISTORY, "t")),),
        right=Temperature(0.0),
        sensors=(Sensor(x=0.0, times=bar.t, temperatures=d),),
    )


BUILDS = {"linear": linear, "nonlinear": nonlinear, "ensemble": ensemble}
