"""A parametric bootstrap on a service: many data sets as one job, done by all its workers.

Run it with ``kappafit serve`` in another window, or with the address of a service and a key of it
in KAPPAFIT_SERVER and KAPPAFIT_KEY: ``python examples/client.py``.
"""

import os

import numpy as np

from app.client import Client
from app.examples import example

SETS = 200

document = example("lecture")
noise = np.random.default_rng(1)


def another():
    """The sensors with what they might have read as well: the fit with noise anew."""
    return [
        sensor | {"temperatures": noise.normal(fit.temperatures, sensor["sigma"])}
        for sensor, fit in zip(document["sensors"], best.fit.values(), strict=True)
    ]


with Client(os.environ.get("KAPPAFIT_SERVER", "http://127.0.0.1:8000")) as kappafit:
    best = kappafit.calibrate(document)
    job = kappafit.ensemble(document, [{"sensors": another()} for _ in range(SETS)])
    found = [item.answer for item in job.result(progress=True) if item.answer]

for name, estimate in best.estimates.items():
    spread = np.std([answer.estimates[name].value for answer in found])
    print(f"{name} = {estimate.value:.4f} +- {estimate.standard_error:.4f}, ", end="")
    print(f"and +- {spread:.4f} over {len(found)} data sets")
