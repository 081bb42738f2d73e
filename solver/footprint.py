"""What a gradient of an experiment will take, told before it is marched: bytes, and steps again."""

from __future__ import annotations

from dataclasses import dataclass

from solver.checkpoints import MEMORY, WHOLE, plan
from solver.experiment import Experiment
from solver.kernels.prediction import REMEMBERED
from solver.layout import Pieces
from solver.loads import loads_of, pinned_of
from solver.sampling import changes_with_temperature

VECTORS = 38  # over the nodes: the curves, the matrix, what drives, their cotangents
FACTORS = 3  # and for every stage: the factors of its matrix
READINGS = 19  # numbers held for a step and a sensor: times, field, readings, residuals, weights


@dataclass(frozen=True)
class Footprint:
    """Of one experiment's value and gradient.

    bytes: held at the peak, of which `states` are temperatures of the march; again: steps that are
    marched a second time or more, as a share of the steps.
    """

    bytes: int
    states: int
    again: float


def footprint(experiment: Experiment, memory: int = MEMORY) -> Footprint:
    """The plan that the march will follow within `memory` bytes of states, in numbers."""
    grid = experiment.grid
    stages, newton = grid.tableau.stages, changes_with_temperature(experiment)
    pinned, loads = len(pinned_of(experiment)), len(loads_of(experiment))
    vector = Pieces(grid.x.size - (0 if newton else pinned)).bytes
    whole, past = (memory, REMEMBERED * stages) if newton else (WHOLE, 0)
    planned = plan(grid.steps, stages, vector, memory, whole=whole, past=past)
    states = planned.states * vector
    vectors = (VECTORS + 3 * loads + FACTORS * stages) * vector
    a_step = READINGS * max(1, len(experiment.sensors)) + 2 * (stages - 1) * (loads + pinned)
    return Footprint(states + vectors + 8 * a_step * grid.steps, states, planned.again)
