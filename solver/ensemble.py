r"""Many parameter vectors of one study at once, and many data sets: lanes first, then threads.

An item is a theta (p,), with readings d (M,) of its own where there are several data sets. What
comes of it is the same to the last bit whatever its neighbours, the order and the threads are.

* Where no matter changes with temperature and the stage values of eight bars fit `IN_LANES` bytes,
  eight items march together, a lane each. On larger grids one bar in eight pieces is faster
  (`solver.layout`), since its stage values stay in the cache. The two round differently, so the
  grid alone decides.
* Threads take one group of items after the other; the kernels in them run side by side. Each thread
  has its own buffers, and its share of the memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

import numpy as np

from solver.checkpoints import MEMORY
from solver.crew import Crew, cores
from solver.errors import TrialError
from solver.experiment import Experiment, Study
from solver.kernels import LANES, Array
from solver.lanes import Items, Lanes, each
from solver.march import Pulse
from solver.model import no_pulse
from solver.objective import Objective, stacked
from solver.sampling import changes_with_temperature
from solver.validation import validate

# Both are measured. Beyond the one, over 20 to 8000 nodes and 50 to 20 000 steps, eight bars march
# slower together than one after the other; below the other, a second thread slows things down.
IN_LANES = 8 * 2**20  # bytes
WORTH_A_THREAD = 30_000  # stage values


class Ensemble:
    """The model and the misfit of a study at many theta (E, p) at once.

    An item at which the model has no finite answer fails alone: after a call, `errors` holds its
    TrialError by its index. Raises InvalidExperiment when the study makes no sense. `pulse` runs at
    least every 0.2 s of marching, in any of the `threads` (None: as many as pay), and stops all of
    them by raising. `memory` is how many bytes all their marches may keep (None: as `fit.memory`
    says). A study that is known to make sense is `valid`. One object serves one caller at a time.
    """

    def __init__(
        self,
        study: Study,
        *,
        valid: bool = False,
        threads: int | None = None,
        pulse: Pulse = no_pulse,
        memory: int | None = None,
    ) -> None:
        if not valid:
            validate(study)
        self.errors: dict[int, TrialError] = {}
        self._study = study
        self._threads = max(1, threads_for(study) if threads is None else threads)
        memory = memory or study.fit.memory or MEMORY
        self._memory = max(1, memory // self._threads)
        self._in_lanes = all(marches_in_lanes(e) for e in study.experiments)
        self._smoothing: dict[str, float] = {}
        self._crew = Crew(self._worker, pulse=pulse)
        with self._crew.worker() as worker:
            self._objective = worker.objective

    def smooth(self, weights: dict[str, float]) -> None:
        """Hold the unknown curves smooth from now on, by these weights."""
        self._smoothing = weights
        for worker in self._crew.idle:
            worker.objective.smooth(weights)

    def predict(self, thetas: Array) -> Array:
        """The readings y (E, M); NaN where there is no answer."""
        y = np.full((len(thetas), self._objective.data.size), np.nan)
        for i, of_one in self._answers(lambda worker: worker.predict, thetas):
            y[i] = of_one
        return y

    def value_and_gradient(self, thetas: Array, data: Array | None = None) -> tuple[Array, Array]:
        """J (E,) and dJ/dtheta (E, p), for readings `data` (E, M), else for the study's own.

        J is infinite and its gradient NaN where there is no answer.
        """
        J, gradients = np.full(len(thetas), np.inf), np.full(np.shape(thetas), np.nan)
        answers = self._answers(lambda worker: worker.value_and_gradient, thetas, data)
        for i, (value, gradient) in answers:
            J[i], gradients[i] = value, gradient
        return J, gradients

    def residuals_and_jacobian(
        self, thetas: Array, data: Array | None = None
    ) -> tuple[Array, Array]:
        """The stacked residuals R (E, rows) and dR/dtheta (E, rows, p); NaN without an answer.

        For readings `data` (E, M), else for the study's own.
        """
        shape = len(thetas), self._objective.rows
        R = np.full(shape, np.nan)
        jacobians = np.full((*shape, self._objective.parameters.size), np.nan)
        answers = self._answers(lambda worker: worker.residuals_and_jacobian, thetas, data)
        for i, (residuals, jacobian) in answers:
            R[i], jacobians[i] = residuals, jacobian
        return R, jacobians

    def _answers(
        self, evaluation: Evaluation, thetas: Array, data: Array | None = None
    ) -> Iterator[tuple[int, Any]]:
        """What comes of every item that has an answer, by its index."""
        items = [np.array(theta, np.float64) for theta in thetas]
        own = [None] * len(items) if data is None else list(data)
        size = LANES if self._in_lanes else 1
        groups = [(items[i : i + size], own[i : i + size]) for i in range(0, len(items), size)]

        def of_group(worker: Worker, group: Group) -> Items[Any]:
            one, (thetas, data) = worker.objective, group
            own = [one if d is None else one.with_data(d) for d in data]
            return evaluation(worker)(thetas, own)

        found = list(chain(*self._crew.over(groups, of_group, self._threads)))
        self.errors = {i: item for i, item in enumerate(found) if isinstance(item, TrialError)}
        return ((i, item) for i, item in enumerate(found) if i not in self.errors)

    def _worker(self, pulse: Pulse) -> Worker:
        objective = Objective(self._study, valid=True, pulse=pulse, memory=self._memory)
        objective.smooth(self._smoothing)
        return InLanes(objective, self._memory) if self._in_lanes else Alone(objective)


Thetas = list[Array]
Own = list[Objective]  # each item's, with its data


class Alone:
    """Evaluates items one after the other."""

    def __init__(self, objective: Objective) -> None:
        self.objective = objective

    def predict(self, thetas: Thetas, own: Own) -> Items[Array]:
        return each(self.objective.predict, thetas)

    def value_and_gradient(self, thetas: Thetas, own: Own) -> Items[tuple[float, Array]]:
        return each(Objective.value_and_gradient, own, thetas)

    def residuals_and_jacobian(self, thetas: Thetas, own: Own) -> Items[tuple[Array, Array]]:
        return each(Objective.residuals_and_jacobian, own, thetas)


class InLanes:
    """Evaluates up to eight items at once, as `Objective` does each of them."""

    def __init__(self, objective: Objective, memory: int) -> None:
        self.objective = objective
        self._lanes = [Lanes(model, memory=memory) for model in objective.models]

    def predict(self, thetas: Thetas, own: Own) -> Items[Array]:
        return self._readings(thetas)

    def value_and_gradient(self, thetas: Thetas, own: Own) -> Items[tuple[float, Array]]:
        y = self._readings(thetas, keep=True)
        found = each(Objective.cotangents, own, thetas, y)
        pulled = []
        for lanes, rows in zip(self._lanes, self.objective.experiment_rows, strict=True):
            y_bar = each(lambda one, rows=rows: one[1][rows], found)
            pulled.append(lanes.pull_back(y_bar))
        return each(lambda one, *bars: (one[0], sum(bars, one[2])), found, *pulled)

    def residuals_and_jacobian(self, thetas: Thetas, own: Own) -> Items[tuple[Array, Array]]:
        passes = [lanes.linearise(thetas) for lanes in self._lanes]

        def as_residuals(one: Objective, theta: Array, *parts: tuple[Array, Array]) -> Any:
            y, y_dot = map(stacked, zip(*parts, strict=True))
            return one.as_residuals(theta, y, y_dot)

        return each(as_residuals, own, thetas, *passes)

    def _readings(self, thetas: Thetas, *, keep: bool = False) -> Items[Array]:
        """The readings y (M,) of all experiments."""
        parts = [lanes.forward(thetas, keep=keep) for lanes in self._lanes]
        return each(lambda *parts: stacked(parts), *parts)


Worker = Alone | InLanes
Evaluation = Callable[[Worker], Callable[[Thetas, Own], Items[Any]]]
Group = tuple[Thetas, list[Array | None]]


def marches_in_lanes(experiment: Experiment) -> bool:
    """Whether eight items of an experiment march together; its grid decides."""
    together = 8 * LANES * _stage_values(experiment)
    return not changes_with_temperature(experiment) and together <= IN_LANES


def threads_for(study: Study) -> int:
    """How many threads pay: all cores, where marches are long beside the Python around them.

    That is run by one thread at a time, and handing it over costs more than short marches do.
    """
    long = any(
        changes_with_temperature(e) or _stage_values(e) >= WORTH_A_THREAD for e in study.experiments
    )
    return cores() if long else 1


def _stage_values(experiment: Experiment) -> int:
    """The numbers that a march goes through."""
    grid = experiment.grid
    return grid.x.size * grid.steps * grid.tableau.stages
