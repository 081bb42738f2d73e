"""Functions of one variable: what a law, a profile in space and a series in time have in common.

A curve is a frozen dataclass with `value(s)` and `partials(s)`: for each of its Numbers, the
derivative of the values with respect to it. Tangent and transpose both follow from the partials,
so a new curve brings two methods and no derivative code. A Number is a float or an `Unknown` in its
place; `resolve` puts values where the unknowns are before a curve is evaluated.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from numbers import Real
from typing import Any, Protocol, TypeVar

import numpy as np

from solver import expression
from solver.kernels import Array


@dataclass(frozen=True)
class Unknown:
    """A number to be found: its name, where the search starts, and its bounds.

    With ``scale="log"`` the search runs in the logarithm, which keeps the value positive.
    """

    name: str
    start: float
    lower: float = -np.inf
    upper: float = np.inf
    scale: str = "linear"


Number = float | Unknown


class Curve(Protocol):
    """A function of one variable s (x, t or u) with its derivatives by its own Numbers."""

    def value(self, s: Array) -> Array:
        """The values at `s`, the shape of `s`."""

    def partials(self, s: Array) -> dict[str, Array]:
        """For each Number's field name, d value / d Number at `s`."""


@dataclass(frozen=True)
class Constant:
    """``a`` everywhere."""

    a: Number

    def value(self, s: Array) -> Array:
        return np.full(s.shape, self.a)

    def partials(self, s: Array) -> dict[str, Array]:
        return {"a": np.ones_like(s)}


@dataclass(frozen=True, eq=False)
class Table:
    """Piecewise linear through (points, values), constant beyond the ends."""

    points: Array
    values: Array

    def __post_init__(self) -> None:
        object.__setattr__(self, "points", np.array(self.points, np.float64))
        object.__setattr__(self, "values", np.array(self.values, np.float64))

    def value(self, s: Array) -> Array:
        return np.interp(s, self.points, self.values)

    def partials(self, s: Array) -> dict[str, Array]:
        return {}


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

    def partials(self, s: Array) -> dict[str, Array]:
        return {}


Profile = Number | Curve
Series = Number | Curve

AnyCurve = TypeVar("AnyCurve")


def as_curve(value: Number | Curve) -> Curve:
    """A Number stands for the constant curve."""
    if isinstance(value, Unknown):
        return Constant(value)
    return Constant(float(value)) if isinstance(value, float | int | Real) else value


def unknown_fields(curve: Any) -> dict[str, Unknown]:
    """The curve's fields that hold an unknown."""
    values = ((f.name, getattr(curve, f.name)) for f in fields(curve))
    return {name: value for name, value in values if isinstance(value, Unknown)}


def resolve(curve: AnyCurve, values: Mapping[str, Any]) -> AnyCurve:
    """The curve with the value of NAME in the place of each unknown NAME."""
    changes = {name: values[unknown.name] for name, unknown in unknown_fields(curve).items()}
    return replace(curve, **changes) if changes else curve  # type: ignore[type-var]  # curves are dataclasses
