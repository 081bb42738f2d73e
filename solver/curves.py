"""Functions of one variable: what a law, a profile in space and a series in time have in common.

A curve is a frozen dataclass with `value(s)` and `partials(s)`: for each of its fields that may be
unknown, the derivative of the values with respect to it. Tangent and transpose both follow from
the partials, so a new curve brings two methods and no derivative code. Where the values are affine
in the Numbers a curve may say so (`affine`): its partials are then asked for once.

A Number is a float or an `Unknown` in its place, Numbers are several of them or one unknown list;
`resolve` puts values where the unknowns are before a curve is evaluated.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cache
from numbers import Real
from typing import Any, Literal, Protocol, TypeVar

import numpy as np
from scipy.sparse import csr_array

from solver import expression
from solver.interpolation import hat_matrix, monotone, monotone_matrix
from solver.kept import fixed
from solver.kernels import Array

INTERPOLATIONS = ("linear", "monotone-cubic")


@dataclass(frozen=True)
class Unknown:
    """A number to be found: its name, where the search starts, and its bounds.

    With a list as `start` it is as many numbers, the values of a whole curve. With
    ``scale="log"`` the search runs in the logarithm, which keeps the value positive.
    """

    name: str
    start: float | tuple[float, ...]
    lower: float = -np.inf
    upper: float = np.inf
    scale: str = "linear"

    def __post_init__(self) -> None:
        if np.ndim(self.start) > 0:
            start = tuple(float(value) for value in np.asarray(self.start))
            object.__setattr__(self, "start", start)

    @property
    def listed(self) -> bool:
        """Whether it stands for a list of values."""
        return isinstance(self.start, tuple)

    @property
    def size(self) -> int:
        """How many numbers it stands for."""
        return len(self.start) if isinstance(self.start, tuple) else 1


Number = float | Unknown
Numbers = Array | Unknown | tuple[Number, ...]
Partials = dict[str, Array | csr_array]
Variable = Literal["x", "u"]  # what a law is of: the place, or the temperature there


class Curve(Protocol):
    """A function of one variable s (x, t or u) with its derivatives by its own Numbers."""

    def value(self, s: Array) -> Array:
        """The values at `s`, the shape of `s`."""

    def partials(self, s: Array) -> Partials:
        """For each Number's field d value / d Number (s,), for each list's a matrix (s, list)."""


@dataclass(frozen=True)
class Constant:
    """``a`` everywhere."""

    a: Number
    affine = True

    def value(self, s: Array) -> Array:
        return np.full(s.shape, self.a)

    def partials(self, s: Array) -> Partials:
        return {"a": np.ones_like(s)}


def numbers(values: Any) -> Any:
    """Numbers as a curve holds them: a fixed array, an `Unknown`, or a tuple of both."""
    if isinstance(values, Unknown):
        return values
    if isinstance(values, np.ndarray) and values.dtype != object:  # not one by one
        return fixed(np.array(values, np.result_type(np.float64, values)))
    if any(isinstance(value, Unknown) for value in values):
        return tuple(values)
    return fixed(np.array(values, np.result_type(np.float64, np.asarray(values).dtype)))


@dataclass(frozen=True, eq=False)
class Table:
    """Through (points, values): "linear" or "monotone-cubic" in between, constant beyond."""

    points: Array
    values: Numbers
    interpolation: str = "linear"
    of: Variable = "x"

    def __post_init__(self) -> None:
        object.__setattr__(self, "points", fixed(np.array(self.points, np.float64)))
        object.__setattr__(self, "values", numbers(self.values))

    def value(self, s: Array) -> Array:
        values = np.asarray(self.values)
        if self.interpolation == "linear":
            return np.asarray(np.interp(s, self.points, values))
        return monotone(self.points, values, s)

    @property
    def affine(self) -> bool:
        return self.interpolation == "linear"

    def pieces(self) -> tuple[Array | None, int]:
        return self.points, 1 if self.interpolation == "linear" else 3

    def partials(self, s: Array) -> Partials:
        if self.interpolation == "linear":
            return {"values": hat_matrix(self.points, s)}
        return {"values": monotone_matrix(self.points, np.asarray(self.values), s)}


@dataclass(frozen=True)
class Expression:
    """A formula of ``variable``, see `solver.expression` for the grammar.

    Raises ValueError when the text is not in the grammar.
    """

    text: str
    variable: str = "x"
    tree: ast.expr = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "tree", expression.parse(self.text, self.variable))

    def value(self, s: Array) -> Array:
        return expression.evaluate(self.tree, self.variable, s)

    def partials(self, s: Array) -> Partials:
        return {}


Profile = Number | Curve
Series = Number | Curve

AnyCurve = TypeVar("AnyCurve")


@dataclass(frozen=True)
class Slot:
    """Where an unknown stands in a curve: a field, or one place in the list that it holds."""

    field: str
    index: int | None
    unknown: Unknown


def as_curve(value: Number | Curve) -> Curve:
    """A Number stands for the constant curve."""
    if isinstance(value, Unknown):
        return Constant(value)
    return Constant(float(value)) if isinstance(value, float | int | Real) else value


def _field_names(curve: Any) -> tuple[str, ...]:
    kind: Any = type(curve)
    return _field_names_of(kind)


@cache
def _field_names_of(kind: Any) -> tuple[str, ...]:
    return tuple(f.name for f in fields(kind))


def slots(curve: Any) -> Iterator[Slot]:
    """The places of the unknowns in a curve."""
    for name in _field_names(curve):
        part = getattr(curve, name)
        if isinstance(part, Unknown):
            yield Slot(name, None, part)
        elif isinstance(part, tuple):
            unknowns = ((i, item) for i, item in enumerate(part) if isinstance(item, Unknown))
            yield from (Slot(name, i, item) for i, item in unknowns)


def resolve(curve: AnyCurve, values: Mapping[str, Any]) -> AnyCurve:
    """The curve with the value of NAME in the place of each unknown NAME."""
    changes: dict[str, Any] = {}
    for name in _field_names(curve):
        part = getattr(curve, name)
        if isinstance(part, Unknown):
            changes[name] = values[part.name]
        elif isinstance(part, tuple):
            changes[name] = [values[v.name] if isinstance(v, Unknown) else v for v in part]
    return replace(curve, **changes) if changes else curve  # type: ignore[type-var]  # a dataclass
