"""kappafit's bare forward march, coefficients at hand: what a gradient's price is measured in."""

from __future__ import annotations

import numpy as np

from benchmarks.lecture import TRIAL, Array, LectureBar
from benchmarks.peers.kappafit import experiment, law
from benchmarks.peers.peer import Peer
from solver.assemble import LinearAssembly
from solver.march import LinearMarch
from solver.parameters import Parameters
from solver.steps import Steps


def linear(bar: LectureBar, d: Array) -> Peer:
    """J by one factorisation and one march; no gradient."""
    described = experiment(bar, d, law("x"))
    assembly = LinearAssembly(described, Parameters.of(described))
    coefficients = assembly.coefficients(assembly.curves.at(np.array(TRIAL)))
    march = LinearMarch(Steps(described.grid.tableau, bar.dt, bar.m), np.zeros(1, np.int64))

    def forward() -> float:
        r = march.forward(coefficients)[1:, 0] - d
        return float(r @ r)

    return Peer(forward)


BUILDS = {"linear": linear}
