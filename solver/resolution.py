r"""The grid: what error it leaves in the readings, and one chosen so that this is small.

With readings y of n cells and m steps, of a scheme of order 2 in space and p in time,

    e_x = (y_{2n, m} - y_{n, m}) 4/3,        e_t = (y_{n, 2m} - y_{n, m}) 2^p / (2^p - 1)

estimate what is missing (Richardson); y + e_x + e_t is closer to the equation's own readings, and
to first order the estimate of a fit is off by ``-(R^T R)^-1 R^T (e_x + e_t) / sigma``.

Where cells or steps are left out they are raised until e_x and e_t, each as its root mean square
over the readings, are half of a tenth of the noise. The noise is sigma where it is given; before a
fit without one it is taken for a hundredth of the readings' range, after it from the residuals, and
in a simulation for a thousandth.

Reference: Roache, Annual Review of Fluid Mechanics 29 (1997) 123-160.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from solver.curves import Table
from solver.experiment import Experiment, Joint, Sensor, Study
from solver.kept import kept
from solver.kernels import Array
from solver.march import Pulse
from solver.model import Model, no_pulse
from solver.observe import Observation, interpolation, observe, points_of
from solver.parameters import Parameters
from solver.sampling import changes_with_temperature, samples_of
from solver.validation import draft

SHARE = 0.1  # of the noise that both errors together may reach
FEWEST = 24  # cells and steps to begin with
MOST_CELLS, MOST_STEPS, MOST_CELL_STEPS = 2_000, 20_000, 4_000_000
ROUNDS = 8
SIMULATED, GUESSED, LEAST = 1e-3, 1e-2, 1e-5  # noise to go by, as shares of the readings' range
LITTLE = 2**16  # cells times steps, up to which making a model takes longer than marching it
Look = Callable[[Experiment], Observation]
Finer = tuple[Model, Model]  # with twice the cells, and with twice the steps
PLACES = 9  # where a bar without sensors is looked at, in space and in time


@dataclass(frozen=True, eq=False)
class GridError:
    """What the grid leaves out of the readings: e_x and e_t, (M,), in K."""

    cells: Array
    steps: Array

    @property
    def total(self) -> Array:
        """Both."""
        return self.cells + self.steps


def grid_error(
    study: Study, theta: Array, y: Array | None = None, *, pulse: Pulse = no_pulse
) -> GridError:
    """The discretisation error of every reading of a study at theta; y: the readings, if known."""
    parameters, errors, start = Parameters.of(study), [], 0
    for experiment in study.experiments:
        count = sum(int(sensor.present.sum()) for sensor in experiment.sensors)
        known = None if y is None else y[start : start + count]
        idle, watched = [], pulse
        if _is_little(experiment):
            x, t, _ = points_of(experiment)
            idle, watched = _idle(experiment.set_up, parameters, x, t), no_pulse
        errors.append(_error(experiment, parameters, theta, observe, watched, known, idle))
        start += count
    return GridError(
        np.concatenate([e.cells for e in errors]), np.concatenate([e.steps for e in errors])
    )


def is_chosen(study: Study) -> bool:
    """Whether every grid of the study is given."""
    return all(e.bar.cells is not None and e.time.steps is not None for e in study.experiments)


def with_grid(
    study: Study,
    theta: Array,
    *,
    noise: float = 0.0,
    least: float = SIMULATED,
    pulse: Pulse = no_pulse,
) -> Study:
    """The study with cells and steps where they were left out, fine enough at `theta`.

    `noise` is the standard deviation of a reading where no sigma is given, but at least the share
    `least` of the readings' range.
    """
    if is_chosen(study):
        return study
    parameters = Parameters.of(study)
    chosen = [_with_grid(e, parameters, theta, (noise, least), pulse) for e in study.experiments]
    return replace(study, experiments=tuple(chosen)) if isinstance(study, Joint) else chosen[0]


def _with_grid(
    free: Experiment,
    parameters: Parameters,
    theta: Array,
    noise: tuple[float, float],
    pulse: Pulse,
) -> Experiment:
    cells = free.bar.cells or FEWEST
    steps = free.time.steps or max(FEWEST, min(_samples(free), MOST_STEPS // 4))
    order = on_grid(free, cells, steps).grid.tableau.order
    for _ in range(ROUNDS):
        experiment = on_grid(free, cells, steps)
        error = _error(experiment, parameters, theta, _look, pulse)
        scale = _noise(experiment, parameters, theta, noise)
        wanted = 0.5 * SHARE
        finer_x = _rms(error.cells / scale) / wanted if free.bar.cells is None else 0.0
        finer_t = _rms(error.steps / scale) / wanted if free.time.steps is None else 0.0
        more = _raised(cells, finer_x, 2, MOST_CELLS), _raised(steps, finer_t, order, MOST_STEPS)
        if more == (cells, steps) or more[0] * more[1] > MOST_CELL_STEPS:
            break
        cells, steps = more
    return on_grid(free, cells, steps)


def on_grid(experiment: Experiment, cells: int, steps: int) -> Experiment:
    """The experiment with these cells and steps."""
    bar, time = experiment.bar, experiment.time
    return replace(
        experiment,
        bar=replace(bar, cells=cells),
        time=replace(time, steps=steps, method=time.scheme),
    )


def _raised(count: int, excess: float, order: int, most: int) -> int:
    """More cells or steps where the error is `excess` times what it may be."""
    if excess <= 1.0:
        return count
    factor = float(np.clip(1.1 * excess ** (1.0 / order), 1.25, 8.0))
    return min(int(np.ceil(count * factor)), most)


def _error(
    experiment: Experiment,
    parameters: Parameters,
    theta: Array,
    look: Look,
    pulse: Pulse,
    y: Array | None = None,
    idle: list[Finer] | None = None,
) -> GridError:
    """With the first of the `idle` models, which it is among again afterwards."""
    cells, steps = experiment.grid.cells, experiment.grid.steps

    def model(cells: int, steps: int) -> Model:
        on = on_grid(experiment, cells, steps)
        read = look(on)
        if not changes_with_temperature(on):
            on = on.set_up  # no readings are kept
        return Model(on, parameters, once=True, observation=read, pulse=pulse)

    idle = [] if idle is None else idle
    try:
        in_space, in_time = finer = idle.pop()
    except IndexError:
        in_space, in_time = finer = model(2 * cells, steps), model(cells, 2 * steps)
    y = model(cells, steps).predict(theta) if y is None else y
    gain = 2.0**experiment.grid.tableau.order
    error = GridError(
        cells=(in_space.predict(theta) - y) * 4.0 / 3.0,
        steps=(in_time.predict(theta) - y) * gain / (gain - 1.0),
    )
    idle.append(finer)
    return error


def _is_little(experiment: Experiment) -> bool:
    """Whether models are kept: of marches that end before a pulse is due.

    Not of matter that changes with temperature, whose laws are laid out by the readings.
    """
    cell_steps = experiment.grid.cells * experiment.grid.steps
    return cell_steps <= LITTLE and not changes_with_temperature(experiment)


@kept(lambda *_: True)
def _idle(set_up: Experiment, parameters: Parameters, x: Array, t: Array) -> list[Finer]:
    """The models that were made for such a bar read at (x, t), and that nobody works with."""
    return []


def _look(experiment: Experiment) -> Observation:
    """The readings, or every time a sensor lists, or the field in a few places."""
    if any(sensor.present.any() for sensor in experiment.sensors):
        return observe(experiment)
    if experiment.sensors:
        return observe(experiment, missing=True)
    x = np.linspace(0.0, experiment.bar.length, PLACES)
    t = np.linspace(0.0, experiment.time.end, PLACES)[1:]
    return interpolation(experiment.grid, np.tile(x, t.size), np.repeat(t, x.size), ())


def _noise(
    experiment: Experiment, parameters: Parameters, theta: Array, noise: tuple[float, float]
) -> Array:
    """The standard deviation of each reading that is looked at: sigma, or `noise` and its least."""
    read = [s for s in experiment.sensors if s.present.any()]
    if read and read[0].sigma is not None:
        return np.concatenate([_sigma(s) for s in read])
    look = _look(experiment)
    y = Model(experiment, parameters, once=True, observation=look).predict(theta)
    data = [s.temperatures[s.present] for s in read if s.temperatures is not None]
    span = float(np.ptp(np.concatenate(data))) if read else float(np.ptp(y))
    span = span or float(np.max(np.abs(y), initial=0.0)) or 1.0
    return np.full(y.shape, max(noise[0], noise[1] * span))


def _sigma(sensor: Sensor) -> Array:
    sigma = 1.0 if sensor.sigma is None else sensor.sigma
    return np.asarray(np.broadcast_to(sigma, sensor.present.shape)[sensor.present])


def _samples(experiment: Experiment) -> int:
    """The most samples that a series or a sensor has: steps that would meet every one."""
    sensors = [s.times.size for s in experiment.sensors if s.times is not None]
    samples = samples_of(draft(experiment))
    tables = [s.curve.points.size for s in samples if isinstance(s.curve, Table)]
    return max([2, *sensors, *tables]) - 1


def _rms(values: Array) -> float:
    return float(np.sqrt(np.mean(values**2))) if values.size else 0.0
