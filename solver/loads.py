"""What drives a bar: sources, surroundings and ends, in the few forms in which they reach it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from solver.boundary import Boundary
from solver.errors import Place
from solver.experiment import Experiment
from solver.kernels import Array
from solver.sampling import AMBIENT, RATE

BELOW, SUM, ABOVE = 0, 1, 2  # the bands


@dataclass(frozen=True, eq=False)
class Load:
    """Something that heats: its history's place, its amount's (None: 1), and the nodes it reaches.

    spread (n + 1,): e. exchanges: whether the bar's own temperature counts against the history.
    """

    history: Place
    amount: Place | None
    spread: Array
    exchanges: bool = False


def add_amount(values_bar: dict[Place, Array], load: Load, bar: Array) -> None:
    """Add the cotangent of a load's amount, from that `bar` (n + 1,) of what it reaches."""
    if load.amount in values_bar:
        one_number = values_bar[load.amount].size == 1
        values_bar[load.amount] += load.spread @ bar if one_number else load.spread * bar


@dataclass(frozen=True)
class Pinned:
    """A pinned end: its series, its node, the neighbour that feels it, and by which arm."""

    history: Place
    node: int
    row: int
    arm: int


def loads_of(experiment: Experiment) -> tuple[Load, ...]:
    """The sources, the exchange through the sides, and the ends that are not pinned."""
    grid = experiment.grid
    loads = [
        Load(("source", i, "history"), ("source", i, "profile"), grid.volumes)
        for i in range(len(experiment.source))
    ]
    if experiment.material.exchange is not None:
        loads.append(Load(AMBIENT, RATE, grid.volumes, exchanges=True))
    for side, node in (("left", 0), ("right", grid.cells)):
        end = experiment.ends[side]
        if not end.pinned:
            loads.append(_end_load(side, end, np.eye(1, grid.cells + 1, node)[0]))
    return tuple(loads)


def _end_load(side: str, end: Boundary, spread: Array) -> Load:
    amount = None if end.amount is None else (side, end.amount)
    return Load((side, end.drive), amount, spread, end.exchanges)


def pinned_of(experiment: Experiment) -> tuple[Pinned, ...]:
    """The ends that are pinned."""
    n, conditions = experiment.grid.cells, experiment.ends
    ends = {"left": (0, 1, BELOW), "right": (n, n - 1, ABOVE)}
    return tuple(
        Pinned((side, conditions[side].drive), *where)
        for side, where in ends.items()
        if conditions[side].pinned
    )
