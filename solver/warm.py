"""Compile, or load from the cache, every kernel that a request can reach."""

from __future__ import annotations

import numpy as np

from solver.boundary import Temperature
from solver.calibrate import calibrate
from solver.curves import Unknown
from solver.experiment import Bar, Experiment, Material, Sensor, Time
from solver.kernels import cache_folder, clear_cache, shed
from solver.laws import Linear
from solver.simulate import check, hessian
from solver.source import Source

A, B, TIMES = Unknown("a", 1.0), Unknown("b", 0.5), np.linspace(0.0, 1.0, 9)


def warm_up() -> None:
    """Run a small experiment through every kernel; a damaged cache is removed and made anew."""
    try:
        _run_everything()
    except Exception:  # a damaged pickle may raise anything; other faults raise again
        clear_cache()
        _run_everything()
    shed()


def is_warm() -> bool:
    """Whether compiled kernels lie in the cache, so that a start takes a second, not minutes."""
    return any(cache_folder().rglob("*.nbc"))


def _run_everything() -> None:
    marches = (  # the linear one, all at once or from curve to curve, and the one by Newton
        (Linear(A, B), 0.1),
        (Linear(A, B), Unknown("end", 0.1)),
        (Linear(A, B, of="u"), Unknown("end", 0.1)),
    )
    for law, end in marches:
        experiment = Experiment(
            bar=Bar(length=1.0, cells=8, initial=Unknown("initial", 0.1)),
            time=Time(end=1.0, steps=8),
            material=Material(law),
            source=(Source(profile=1.0, history=Unknown("power", 1.0)),),
            right=Temperature(end),
            sensors=(Sensor(x=0.0, times=TIMES, temperatures=np.sqrt(TIMES)),),
        )
        calibrate(experiment)
        check(experiment)
        hessian(experiment)
