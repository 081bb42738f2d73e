"""What the data leave open, in words, and what would close it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from solver.errors import TrialError
from solver.experiment import Sensor
from solver.kernels import Array
from solver.model import Model
from solver.objective import Objective
from solver.observe import interpolation, reading_times

CANDIDATES = 24  # places along the bar at which a further sensor is considered
APART = 0.1  # of the bar's length between it and every present sensor
MOST_TIMES, MOST_UNKNOWNS = 200, 30  # in the comparison of places
WORTH_SAYING = 0.9  # of the present relative standard error
STILL_OPEN = 3.0  # relative standard error that is no help, whatever it was before
NO_PLACE = "No further sensor would change that much: heat the bar differently, or fix one of them."


@dataclass(frozen=True)
class Sensitivity:
    """How the readings answer to relative changes of the parameters.

    S (M, p): the residuals' Jacobian, columns times the parameters' sizes. s: the standard
    deviation of a weighted residual.
    """

    objective: Objective
    theta: Array
    S: Array
    s: float

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the unknown numbers, whose columns these are."""
        return tuple(u.name for u in self.objective.parameters.unknowns if not u.listed)

    @property
    def sizes(self) -> Array:
        """What a relative change of them is relative to."""
        p = self.objective.parameters
        return p.sizes(self.theta)[p.scalar]


def advise(sensitivity: Sensitivity, direction: Array, worst: float) -> str:
    """Which parameters are open along the weakest `direction`, and what would help.

    `worst` is the relative standard error along it, infinite where no reading moves.
    """
    names = sensitivity.names
    leader, partners = _involved(sensitivity.S, direction)
    if partners:
        together = (
            "trade off against each other" if len(partners) == 1 else "make up for one another"
        )
        named = [names[j] for j in sorted((leader, *partners))]
        changes = [_change(names[j], min(worst, 1e3) * direction[j]) for j in (leader, *partners)]
        said = (
            f"{', '.join(named[:-1])} and {named[-1]} {together}: {' while '.join(changes)} "
            "moves the readings by no more than their noise."
        )
    elif np.isfinite(worst):
        error = worst * sensitivity.sizes[leader]
        said = (
            f"{names[leader]} is hardly determined by these readings: its standard error is "
            f"{error:.2g}, {100 * worst:.2g} % of it."
        )
    else:
        said = f"The readings do not depend on {names[leader]}: no change of it moves any of them."
    return f"{said} {_further_sensor(sensitivity, worst)}"


def _involved(S: Array, direction: Array) -> tuple[int, list[int]]:
    """The parameter that leads a direction, and those that go with it.

    A partner takes a large part in the direction, or a small one while its own effect on the
    readings is like the leader's.
    """
    leader = int(np.argmax(np.abs(direction)))
    norms = np.linalg.norm(S, axis=0)
    reach = norms * norms[leader]
    alike = np.abs(S.T @ S[:, leader]) > 0.8 * np.where(reach > 0.0, reach, np.inf)
    share = np.abs(direction)
    partners = (share > 0.3) | (alike & (share > 0.02))
    return leader, [int(j) for j in np.argsort(-share) if partners[j] and j != leader]


def _change(name: str, relative: float) -> str:
    return f"{'raising' if relative > 0 else 'lowering'} {name} by {100 * abs(relative):.2g} %"


def _further_sensor(sensitivity: Sensitivity, worst: float) -> str:
    """Where one more sensor would help most, and how that compares with repeating everything."""
    models, scalar = sensitivity.objective.models, sensitivity.objective.parameters.scalar
    simple = len(models) == 1 and scalar.all() and scalar.size <= MOST_UNKNOWNS
    if sensitivity.s == 0.0 or not simple:
        return "Read more sensors, or fix some of the unknowns."
    read = [s.x for s in models[0].experiment.sensors if s.present.any()]
    place, after = _best_place(sensitivity, np.array(read))
    if not after < min(WORTH_SAYING * worst, STILL_OPEN):
        return NO_PLACE
    where = "further along the bar " if place > max(read) else ""
    said = (
        f"A sensor {where}would help: one at x = {place:.3g} m, read at the same times and as "
        f"noisy, would bring the relative standard error to {100 * after:.2g} %"
    )
    if not np.isfinite(worst):
        return f"{said}."
    repeated = 100 * worst / np.sqrt(2.0)
    return f"{said} from {100 * worst:.2g} %; repeating every reading, to {repeated:.2g} %."


def _best_place(sensitivity: Sensitivity, read: Array) -> tuple[float, float]:
    """The place of one more sensor, away from those at `read`, and the worst error with it.

    It is read at the times of the best read sensor, and as noisy.
    """
    objective, theta = sensitivity.objective, sensitivity.theta
    experiment = objective.models[0].experiment
    grid = experiment.grid
    model = max(experiment.sensors, key=lambda sensor: int(sensor.present.sum()))
    every = reading_times(model, grid)[model.present]
    times = every[:: max(1, every.size // MOST_TIMES)]  # enough to compare places by
    nodes = np.unique(np.linspace(0, grid.cells, CANDIDATES + 1).round().astype(int))
    apart = np.abs(grid.x[nodes][:, None] - read).min(axis=1) >= APART * grid.length
    places = grid.x[nodes][apart]
    if places.size == 0:
        return 0.0, np.inf
    x, t = np.repeat(places, times.size), np.tile(times, places.size)
    further = Model(experiment, objective.parameters, observation=interpolation(grid, x, t, ()))
    try:
        y, y_dot = further.push_forward(theta, np.eye(theta.size))
        gained = y_dot * _weights_like(model, y)[:, None] * sensitivity.sizes
    except TrialError:
        return 0.0, np.inf
    now = sensitivity.S.T @ sensitivity.S
    blocks = gained.reshape(places.size, times.size, theta.size)
    share = every.size / times.size
    weakest = np.array([np.linalg.eigvalsh(now + share * block.T @ block)[0] for block in blocks])
    best = int(np.argmax(weakest))
    after = sensitivity.s / np.sqrt(weakest[best]) if weakest[best] > 0.0 else np.inf
    return float(places[best]), float(after)


def _weights_like(model: Sensor, y: Array) -> Array:
    """1 / sigma of readings `y` as noisy as the model sensor's: by a fraction, or by a level.

    It is a fraction when the given sigmas follow the readings more closely than they keep to one
    value.
    """
    if model.sigma is None or model.temperatures is None:
        return np.ones(y.shape)
    d = np.abs(model.temperatures[model.present])
    sigma = np.broadcast_to(model.sigma, model.present.shape)[model.present]
    if np.all(d > 0.0) and np.std(np.log(sigma / d)) < 0.5 * np.std(np.log(sigma)):
        fraction = float(np.median(sigma / d))
        floor = 1e-3 * float(np.max(np.abs(y), initial=0.0))
        return 1.0 / (fraction * np.maximum(np.abs(y), max(floor, 1e-300)))
    return np.full(y.shape, 1.0 / float(np.median(sigma)))
