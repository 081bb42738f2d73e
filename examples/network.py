"""The lecture's second problem: kappa(x) as a neural network, learned from 25 thermometers.

The network stands inside the heat equation; its weights are found through the adjoint. What is told
is the curve, its band, and how far apart the curves of other starts lie. Run it with
``python examples/network.py``.
"""

from dataclasses import replace

import numpy as np

from solver import (
    Bar,
    Experiment,
    Expression,
    Fit,
    Material,
    Sensor,
    Source,
    Temperature,
    Time,
    calibrate,
    simulate,
)
from solver.network import unknown_network

times = np.linspace(0.02, 1.0, 50)
hidden = Experiment(
    bar=Bar(length=1.0, cells=50),
    time=Time(end=1.0, steps=50),
    material=Material(Expression("2 + 0.5*sin(3*x) + x**2")),
    source=(Source(profile=Expression("exp(-10*(x-0.5)**2)")),),
    right=Temperature(0.0),
    sensors=tuple(Sensor(x=i / 50, times=times) for i in range(25)),
)

noise, sigma = np.random.default_rng(1), 1e-4
sensors = tuple(
    replace(sensor, temperatures=T + sigma * noise.standard_normal(T.size), sigma=sigma)
    for sensor, T in zip(hidden.sensors, simulate(hidden), strict=True)
)
experiment = replace(
    hidden,
    material=Material(unknown_network("kappa", widths=(20, 20, 20))),
    sensors=sensors,
    fit=Fit(starts=2),
)

found = calibrate(experiment)
x, kappa, others = found.knots["kappa"], found.told_theta, found.networks["kappa"]
half = 1.96 * np.array(found.standard_errors["kappa"])
true = 2 + 0.5 * np.sin(3 * x) + x**2
print(
    f"x     hidden   found            {others.starts} starts        (thermometers up to x = 0.48)"
)
for i in range(0, x.size, 8):
    spread = f"{others.lower[i]:.3f} to {others.upper[i]:.3f}"
    print(f"{x[i]:.3f}  {true[i]:.3f}   {kappa[i]:.3f} +- {half[i]:.3f}   {spread}")
print(f"{found.status} after {len(found.history)} iterations, J = {found.objective:.0f}")
