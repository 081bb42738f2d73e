r"""Networks as tables: what of a network the data can speak about is the curve, not its weights.

Hundreds of weights stand for one curve, most of their combinations move nothing. So what is said
of a network's uncertainty, and how strongly it is held smooth, is said of the same study with an
unknown table in its place, through the network's values at `KNOTS` points.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from solver.curves import Table, Unknown
from solver.errors import TrialError
from solver.experiment import Experiment, Joint, Study
from solver.kernels import Array
from solver.network import Network
from solver.objective import Objective
from solver.scales import PROPERTIES

MARGINS = 4  # times that a table is carried on by its own length where temperatures go beyond it


def tabulated(objective: Objective, theta: Array) -> tuple[Objective, Array]:
    """The objective and theta with tables for networks; the same ones where there is no network."""
    networks = objective.parameters.networks
    if not networks:
        return objective, theta
    for margin in range(MARGINS):
        tables = {name: _table(objective, name, margin) for name in networks}
        study = _with_tables(objective.study, tables)
        there = Objective(study, valid=True, pulse=objective.pulse)
        there.smooth(objective.smoothing_weights)
        values = _values(objective, theta, there, tables)
        try:
            there.predict(values)
        except TrialError as error:
            if error.problem.code != "temperatures_not_covered" or margin == MARGINS - 1:
                raise
        else:
            break
    # What the straight lines between the points change is taken off the readings.
    there.data = there.data + (there.predict(values) - objective.predict(theta))
    return there, values


def network_at(objective: Objective, name: str, theta: Array) -> Network:
    """The network of that name with its weights at theta."""
    network: Network = objective.curves[name]
    return replace(network, weights=theta[objective.parameters.where[name]])


def _table(objective: Objective, name: str, margin: int) -> Table:
    network, points = objective.curves[name], objective.knots[name]
    step, more = points[1] - points[0], margin * points.size
    before = points[0] - step * np.arange(more, 0, -1)
    after = points[-1] + step * np.arange(1, more + 1)
    every = np.concatenate([before, points, after])
    return Table(every, Unknown(name, (network.level,) * every.size), of=network.of)


def _with_tables(study: Study, tables: dict[str, Table]) -> Study:
    if isinstance(study, Joint):
        parts = tuple(_with_a_table(e, tables) for e in study.experiments)
        return replace(study, experiments=parts)
    return _with_a_table(study, tables)


def _with_a_table(study: Experiment, tables: dict[str, Table]) -> Experiment:
    changes = {key: _in_its_place(getattr(study.material, key), tables) for key in PROPERTIES}
    return replace(study, material=replace(study.material, **changes))


def _in_its_place(law: Any, tables: dict[str, Table]) -> Any:
    if isinstance(law, Network) and isinstance(law.weights, Unknown):
        return tables[law.weights.name]
    return law


def _values(
    objective: Objective, theta: Array, there: Objective, tables: dict[str, Table]
) -> Array:
    """Theta of the study with tables."""
    values = np.zeros(there.parameters.size)
    for name, where in there.parameters.where.items():
        if name in tables:
            values[where] = network_at(objective, name, theta).value(tables[name].points)
        else:
            values[where] = theta[objective.parameters.where[name]]
    return values
