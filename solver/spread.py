"""Fitted networks: the laws, and how far apart the curves lie that other starts led to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from solver.kernels import Array
from solver.network import Network
from solver.objective import Objective
from solver.scaling import Search
from solver.tabulate import network_at

AS_GOOD = 1.64  # standard deviations of J's noise by which a fit may be worse and still be as good
EXACT = 1e-10  # of J at the start, below which every fit is as good


@dataclass(frozen=True, eq=False)
class NetworkFit:
    """A network with its weights, and the lowest and highest of the curves of `starts` starts.

    Those that fit as well as the best; lower and upper (points,).
    """

    law: Network
    starts: int
    lower: Array
    upper: Array


def networks_of(
    objective: Objective, search: Search, points: dict[str, Array]
) -> dict[str, NetworkFit]:
    """Every unknown network at the end of a search, its curves at `points`."""
    ends = [search, *(end for end in search.rivals if _as_good(objective, end, search))]
    found = {}
    for name in objective.parameters.networks:
        laws = [network_at(objective, name, end.theta) for end in ends]
        curves = [law.value(points[name]) for law in laws]
        found[name] = NetworkFit(laws[0], len(ends), np.min(curves, axis=0), np.max(curves, axis=0))
    return found


def _as_good(objective: Objective, end: Search, best: Search) -> bool:
    J, least = end.history[-1].objective, best.history[-1].objective
    noise = AS_GOOD * np.sqrt(2.0 / objective.data.size)
    return bool(J <= max((1.0 + noise) * least, EXACT * end.history[0].objective))
