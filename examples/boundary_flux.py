"""A heat flux that nobody measured, from one thermometer inside the bar.

The flux at the left end is unknown at every moment: a whole curve, held smooth by a prior whose
weight is chosen from the readings. Run it with ``python examples/boundary_flux.py``.
"""

from dataclasses import replace

import numpy as np

from solver import (
    Bar,
    Experiment,
    Flux,
    Material,
    Sensor,
    Table,
    Time,
    Unknown,
    calibrate,
    simulate,
)

# A steel plate of 2 cm, insulated behind; the flux is a pulse of a minute and a half.
times = np.linspace(2.0, 200.0, 100)
knots = np.linspace(0.0, 200.0, 41)
pulse = np.interp(knots, [30.0, 80.0, 120.0], [0.0, 5e4, 0.0])
plate = Experiment(
    bar=Bar(length=0.02, initial=20.0),
    time=Time(end=200.0),
    material=Material(conductivity=16.0, heat_capacity=4.0e6),
    left=Flux(Table(knots, pulse)),
    sensors=(Sensor(x=0.01, times=times),),
)

noise = 0.1 * np.random.default_rng(1).standard_normal(times.size)
measured = Sensor(x=0.01, times=times, temperatures=simulate(plate)[0] + noise, sigma=0.1)
unknown = Flux(Table(knots, Unknown("q", start=np.zeros(knots.size))))

found = calibrate(replace(plate, left=unknown, sensors=(measured,)))
q, half = found.theta, found.uncertainty.quantile * found.uncertainty.standard_errors
for t, true, value, error in zip(knots[::4], pulse[::4], q[::4], half[::4], strict=True):
    bar = "#" * max(0, round(value / 1000))
    print(f"{t:4.0f} s  {value:8.0f} +- {error:5.0f} W/m2  (true {true:6.0f})  {bar}")
choice = found.smoothing["q"]
print(f"{choice.effective_parameters:.1f} effective parameters, chosen by {choice.criterion}")
print(f"grid: {found.study.grid.cells} cells, {found.study.grid.steps} steps")
