r"""One experiment's model y(theta): where the chain is composed, forward and backward.

    theta -> curves -> coefficients -> field at the read nodes -> readings y

Every link has its tangent and its transpose next to it in its own module; here they are called in
order, and in reverse order. All derivatives are exact for the discrete scheme. A complex theta
passes through the same code, on the way back too (complex step).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import numpy as np

from solver import kernels
from solver.checkpoints import MEMORY
from solver.errors import Place, TrialError
from solver.experiment import Experiment
from solver.heat import Heat
from solver.kernels import Array
from solver.linear_bar import LinearBar
from solver.march import DIRECTIONS, Pulse
from solver.newton_bar import NewtonBar
from solver.observe import NOT_FINITE, Observation, observe
from solver.parameters import Parameters
from solver.sampling import changes_with_temperature

Result = TypeVar("Result")


def no_pulse() -> None:
    """The pulse of a march that nobody watches."""


class Field(Protocol):
    """The temperatures (steps + 1, Q) of one experiment at its read nodes, with derivatives.

    heat: its balance; felt (p,): the components of theta that it depends on; newton_residual: what
    the iterations of the last march left undone, met: the lowest and the highest temperature that
    it met, both None where no law is of the temperature.
    """

    heat: Heat
    felt: Array

    @property
    def newton_residual(self) -> float | None: ...

    @property
    def met(self) -> tuple[float, float] | None: ...

    def forward(self, theta: Array, *, keep: bool = False) -> tuple[Array, Any]: ...

    def pull_back(self, trace: Any, field_bar: Array) -> Array: ...

    def push_forward(self, theta: Array, directions: Array) -> tuple[Array, Array]: ...


class Model:
    """The readings of one experiment at parameter vectors theta (p,), and their derivatives.

    Every evaluation raises TrialError where the model has no finite answer; `place` is where the
    experiment stands in its study. A model that is asked for one theta only is made `once`: nothing
    is prepared for others. Holds buffers: one object serves one thread at a time.
    """

    def __init__(
        self,
        experiment: Experiment,
        parameters: Parameters,
        *,
        once: bool = False,
        observation: Observation | None = None,
        place: Place = (),
        pulse: Pulse = no_pulse,
        memory: int = MEMORY,
    ) -> None:
        self.experiment = experiment
        self.place = place
        self.observation = observation or observe(experiment)
        self.bar: Field
        nodes = self.observation.nodes
        if changes_with_temperature(experiment):
            self.bar = NewtonBar(experiment, parameters, nodes, memory=memory, pulse=pulse)
        else:
            self.bar = LinearBar(
                experiment, parameters, nodes, once=once, memory=memory, pulse=pulse
            )
        self._feels_all = bool(self.bar.felt.size and self.bar.felt.all())

    def predict(self, theta: Array) -> Array:
        """The readings y (M,)."""
        return self.placed(self._forward, theta, keep=False)[0]

    def forward(self, theta: Array) -> tuple[Array, Any]:
        """The readings y (M,), and what `pull_back` needs; good until the next call."""
        return self.placed(self._forward, theta, keep=True)

    def pull_back(self, trace: Any, readings_bar: Array) -> Array:
        """(dy/dtheta)^T times `readings_bar` (M,), shape (p,). One adjoint march."""
        if not readings_bar.size:
            return np.zeros_like(trace.theta)
        field_bar = self.observation.transpose(readings_bar)
        return self.finite(self.bar.pull_back(trace, field_bar))

    def push_forward(self, theta: Array, directions: Array) -> tuple[Array, Array]:
        """Readings y (M,) and their derivatives (M, q) along `directions` (q, p).

        `DIRECTIONS` of them march together; those that this experiment does not feel do not march.
        """
        if self._feels_all and directions.shape[0] <= DIRECTIONS:
            return self.placed(self._push_forward, theta, directions)
        y_dot = np.zeros((self.observation.count, directions.shape[0]))
        felt = np.flatnonzero(directions[:, self.bar.felt].any(axis=1))
        if felt.size == 0:
            return self.predict(theta), y_dot
        for first in range(0, felt.size, DIRECTIONS):
            rows = felt[first : first + DIRECTIONS]
            y, y_dot[:, rows] = self.placed(self._push_forward, theta, directions[rows])
        return y, y_dot

    def finite(self, array: Array) -> Array:
        """The array (n,), or TrialError where an entry is not a finite number."""
        if not kernels.is_finite(array):
            raise TrialError(self.place, "not_finite", NOT_FINITE)
        return array

    def _forward(self, theta: Array, *, keep: bool) -> tuple[Array, Any]:
        field, trace = self.bar.forward(theta, keep=keep)
        return self.observation.apply(field), trace

    def _push_forward(self, theta: Array, directions: Array) -> tuple[Array, Array]:
        field, field_dot = self.bar.push_forward(theta, directions)
        return self.observation.apply(field), self.observation.apply_each(field_dot)

    def placed(self, run: Callable[..., Result], *arguments: Any, **named: Any) -> Result:
        """What `run` returns; where it has no answer, with this experiment's place."""
        try:
            return run(*arguments, **named)
        except TrialError as error:
            raise error.within(self.place) from None
