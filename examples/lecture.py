"""The lecture's bar with `solver` alone: make data, find kappa = a + b x, prove the gradient.

Run it with ``python examples/lecture.py``.
"""

from dataclasses import replace

import numpy as np

from solver import (
    Bar,
    Experiment,
    Expression,
    Linear,
    Material,
    Sensor,
    Source,
    Temperature,
    Time,
    Unknown,
    calibrate,
    check,
    simulate,
)

times = np.linspace(0.02, 1.0, 50)
bar = Experiment(
    bar=Bar(length=1.0, cells=50),
    time=Time(end=1.0, steps=50),
    material=Material(Linear(Unknown("a", start=1.0), Unknown("b", start=1.0))),
    source=(Source(profile=Expression("exp(-50*(x-0.5)**2)")),),
    right=Temperature(0.0),
    sensors=(Sensor(x=0.0, times=times), Sensor(x=0.7, times=times)),
)

noise = np.random.default_rng(1)
measured = [T + 1e-4 * noise.standard_normal(T.size) for T in simulate(bar, {"a": 5.0, "b": 2.0})]
sensors = tuple(
    replace(sensor, temperatures=T, sigma=1e-4)
    for sensor, T in zip(bar.sensors, measured, strict=True)
)
experiment = replace(bar, sensors=sensors)

found = calibrate(experiment)
for name, value in found.estimates.items():
    print(f"{name} = {value:.3f} +- {found.standard_errors[name]:.3f}")
print(found.uncertainty.identifiability.advice)
print(f"Taylor rate at the start values: {check(experiment).certificate.taylor_rate:.4f}")
