"""A linear experiment at up to eight parameter vectors at once, one in each lane of the march.

What stands before and after a march is done item by item, as `solver.model` does it, so no item
feels its neighbours. One without an answer is a `TrialError` in its place. Its lane, like those
that are left over, marches what a neighbour's does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import numpy as np

from solver.assemble import Point
from solver.errors import TrialError
from solver.kernels import LANES, Array
from solver.layout import Experiments
from solver.linear_bar import LinearBar
from solver.march import DIRECTIONS, LinearMarch
from solver.model import Model
from solver.values import Values
from solver.workspace import Coefficients

Result = TypeVar("Result")
Items = Sequence[Result | TrialError]


def each(function: Callable[..., Result], *columns: Iterable[Any]) -> Items[Result]:
    """What the function returns for every item; where an argument is an error, that."""
    found: list[Result | TrialError] = []
    for arguments in zip(*columns, strict=True):
        for argument in arguments:
            if isinstance(argument, TrialError):
                found.append(argument)
                break
        else:
            try:
                found.append(function(*arguments))
            except TrialError as error:
                found.append(error)
    return found


class Lanes:
    """The readings of a `model` without Newton's iterations, at up to eight theta (p,) each."""

    def __init__(self, model: Model, *, memory: int) -> None:
        assert isinstance(model.bar, LinearBar)
        self._model, self._bar = model, model.bar
        one = model.bar.march
        self._march = LinearMarch(
            one.steps, one.probes, memory=memory, pulse=one.pulse, layout=_experiments
        )
        self._points: Items[Point] = []
        self._all, self._dots = Stacks(), Stacks()
        unit = np.eye(self._bar.felt.size)[self._bar.felt]
        unit.setflags(write=False)  # so that what it moves may be kept
        self._directions = [unit[i : i + DIRECTIONS] for i in range(0, len(unit), DIRECTIONS)]

    def forward(self, thetas: Items[Array], *, keep: bool = False) -> Items[Array]:
        """The readings y (M,); with `keep`, `pull_back` may follow."""
        self._points = points = self._at(thetas)
        if not _some(points):
            return each(self._readings, points, points)
        readings = self._march.forward(self._coefficients(points), keep=keep)
        return each(self._readings, points, readings[: len(points)])

    def pull_back(self, readings_bar: Items[Array]) -> Items[Array]:
        """(dy/dtheta)^T times `readings_bar` (M,), each (p,). One adjoint march."""
        points, observation = self._points, self._model.observation
        if not _some(readings_bar) or observation.count == 0:
            return each(lambda _, point: np.zeros_like(point.theta), readings_bar, points)
        field_bar = np.stack([observation.transpose(bar) for bar in _filled(readings_bar)])
        marched_bar = field_bar[:, :, self._bar.marched]
        bar = self._march.adjoint(self._coefficients(points), marched_bar, **self._bar.wanted)

        def theta_bar(_: Array, point: Point, lane: int) -> Array:
            own = self._bar.theta_bar(point, _lane(bar, lane), field_bar[lane])
            return self._model.finite(own)

        return each(theta_bar, readings_bar, points, range(len(points)))

    def linearise(self, thetas: Items[Array]) -> Items[tuple[Array, Array]]:
        """The readings y (M,) and dy/dtheta (M, p), by tangent marches.

        `DIRECTIONS` of them march together; those that this experiment does not feel do not march.
        """
        shape = self._model.observation.count, self._bar.felt.size
        if not self._directions:
            return each(lambda y: (y, np.zeros(shape)), self.forward(thetas))
        points = self._at(thetas)
        pushed = [self._push_forward(points, along) for along in self._directions]

        def joined(*parts: tuple[Array, Array]) -> tuple[Array, Array]:
            y_dot = np.hstack([y_dot for _, y_dot in parts])
            if y_dot.shape == shape:
                return parts[0][0], y_dot
            jacobian = np.zeros(shape)
            jacobian[:, self._bar.felt] = y_dot
            return parts[0][0], jacobian

        return each(joined, *pushed)

    def _push_forward(self, points: Items[Point], directions: Array) -> Items[tuple[Array, Array]]:
        """Readings y (M,) and their derivatives (M, q) along `directions` (q, p)."""
        if not _some(points):
            return each(lambda point: (point, point), points)
        dots = each(lambda point: self._bar.dot(point.theta, directions), points)
        along = self._dots.of([coefficients for _, coefficients in _filled(dots)])
        readings, readings_dot = self._march.tangent(self._coefficients(points), along)

        model = self._model

        def read(point: Point, dot: tuple[Values, Any], u: Array, u_dot: Array) -> Any:
            field_dot, apply_each = self._bar.field_dot(dot[0], u_dot), model.observation.apply_each
            return self._readings(point, u), model.placed(apply_each, field_dot)

        count = len(points)
        return each(read, points, dots, readings[:count], readings_dot[:count])

    def _at(self, thetas: Items[Array]) -> Items[Point]:
        """What is marched."""
        return each(lambda theta: self._model.placed(self._bar.at, theta), thetas)

    def _readings(self, point: Point, marched: Array) -> Array:
        """The readings y (M,) of one item."""
        model = self._model
        return model.placed(model.observation.apply, self._bar.field(point, marched))

    def _coefficients(self, points: Items[Point]) -> Coefficients:
        return self._all.of([point.coefficients for point in _filled(points)])


class Stacks:
    """The coefficients of all lanes as one; an array that they have in common is kept."""

    def __init__(self) -> None:
        self._kept: dict[int, tuple[Array, Array]] = {}

    def of(self, parts: list[Coefficients]) -> Coefficients:
        """With an axis of lanes in front."""
        return Coefficients(*map(self._stack, range(len(parts[0])), zip(*parts, strict=True)))

    def _stack(self, index: int, arrays: tuple[Array, ...]) -> Array:
        one = arrays[0]
        if any(array is not one for array in arrays):
            return np.array(arrays)
        if index not in self._kept or self._kept[index][0] is not one:
            self._kept[index] = one, np.array(arrays)
        return self._kept[index][1]


def _experiments(nodes: int, _: Any) -> Experiments:
    return Experiments(nodes)


def _some(items: Items[Any]) -> bool:
    """Whether any item has an answer."""
    return not all(isinstance(item, TrialError) for item in items)


def _filled(items: Items[Result]) -> list[Result]:
    """Eight items: where there is none, or an error, one that is there."""
    there = [item for item in items if not isinstance(item, TrialError)]
    own = [there[0] if isinstance(item, TrialError) else item for item in items]
    return own + [there[0]] * (LANES - len(own))


def _lane(of_lanes: Coefficients, lane: int) -> Coefficients:
    return Coefficients(*(array[lane] for array in of_lanes))
