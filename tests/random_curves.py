"""Random numbers, lists, curves and laws; unknowns in any of their places.

Hypothesis draws the structure, which shrinks when a test fails; the figures come from a generator
whose seed is drawn, so that no figure is special. Laws are drawn by the types of their fields, so
one that is registered later is drawn as well.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, get_type_hints

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from solver import LAWS, Expression, Table, Unknown
from solver.curves import INTERPOLATIONS, Number, Numbers

Array = NDArray[np.float64]

OPEN = ("known", "list", "some")  # a list as it is, as one unknown, with unknowns here and there
KINDS = ("number", "unknown", "formula", "zero", *OPEN)
NUMBER = "number"  # stands for a law too


@dataclass(frozen=True)
class Axis:
    """The variable of a curve, and [0, reach] as its range."""

    variable: str
    reach: float


class Curves:
    """Draws what a study is made of, with the unknowns in it named one after the other.

    An unknown may stand in several places: wherever another of the same size and sign is wanted.
    """

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.rng = np.random.default_rng(draw(st.integers(0, 2**31), label="seed"))
        self._known: dict[Any, Unknown] = {}
        self._names = 0

    def yes(self, label: str | None = None) -> bool:
        return bool(self.draw(st.booleans(), label=label))

    def decades(self, low: float, high: float) -> float:
        return float(10.0 ** self.rng.uniform(low, high))

    def size(self, size: float, positive: bool = False) -> float:
        """A figure of about this size."""
        sign = 1.0 if positive else self.rng.choice([-1.0, 1.0])
        return float(size * self.rng.uniform(0.3, 1.5) * sign)

    def number(
        self, size: float, *, positive: bool = False, unknown: bool | None = None
    ) -> float | Unknown:
        value, kind = self.size(size, positive), (size, positive)
        if not (self.yes() if unknown is None else unknown):
            return value
        return self.unknown(value, kind)

    def unknown(self, start: Any, kind: Any = None) -> Unknown:
        """A new unknown, or the one that stands for its kind already."""
        if kind in self._known and self.yes("the same unknown again"):
            return self._known[kind]
        self._names += 1
        positive = bool(np.all(np.asarray(start) > 0.0))
        scale = "log" if positive and self.yes("searched by its logarithm") else "linear"
        unknown = Unknown(f"p{self._names}", start, scale=scale)
        return self._known.setdefault(kind, unknown) if kind is not None else unknown

    def opened(self, values: Array, kind: str, size: float) -> Any:
        """A list of values of about this size, see `OPEN`."""
        if kind == "list":
            return self.unknown(tuple(values.tolist()), (size, values.size))
        if kind == "some":
            return tuple(self.unknown(float(v)) if self.yes() else float(v) for v in values)
        return values

    def points(self, reach: float) -> Array:
        """Where a table has its values: from 0 to `reach`, and up to four places in between."""
        inside = self.rng.uniform(0.0, reach, self.draw(st.integers(0, 4)))
        if self.yes("at round places"):
            inside = np.round(inside / reach * 12) * (reach / 12)
        return np.unique(np.clip(np.concatenate([[0.0], inside, [reach]]), 0.0, reach))

    def curve(self, axis: Axis, size: float) -> Any:
        kind = self.draw(st.sampled_from(KINDS))
        if kind == "formula":
            return self.formula(axis, size)
        if kind in OPEN:
            points = self.points(axis.reach)
            values = self.opened(size * self.rng.standard_normal(points.size), kind, size)
            return Table(points, values, self.draw(st.sampled_from(INTERPOLATIONS)))
        return 0.0 if kind == "zero" else self.number(size, unknown=kind == "unknown")

    def formula(self, axis: Axis, size: float) -> Expression:
        c, p, q = map(float, self.rng.uniform(0.3, 1.5, 3) * [size, 1.0, 1.0])
        s = f"{axis.variable}/{axis.reach!r}"
        shapes = (
            f"{c!r}*exp(-{p!r}*({s}-{q!r})**2)",
            f"{c!r}*(1+{p!r}*sin({q!r}*pi*{s}))",
            f"-{c!r}*tanh({p!r}+{s})/({q!r}+abs({s}))",
            f"{c!r}*({p!r}-{s})**3",
        )
        return Expression(self.draw(st.sampled_from(shapes)), axis.variable)

    def law(self, name: str, size: float, reach: float) -> Any:
        """A law about `size` on [0, reach], positive there."""
        if name == NUMBER:
            return self.number(size, positive=True)
        law = LAWS[name]
        figures = self.figures(law, size, reach)
        kinds = get_type_hints(law)
        for name, value in figures.items():
            if kinds[name] == Numbers:
                figures[name] = self.opened(value, self.draw(st.sampled_from(OPEN)), size)
            elif kinds[name] == Number and self.yes():
                figures[name] = self.unknown(value)
        return law(**figures)

    def figures(self, law: type[Any], size: float, reach: float) -> dict[str, Any]:
        """Figures for every field. The first number is the level, what follows bends it.

        How much a figure bends the law is asked of the law itself, at the level.
        """
        figures: dict[str, Any] = {}
        places: Array | None = None
        for f, kind in zip(fields(law), get_type_hints(law).values(), strict=True):
            if kind == Number:
                figures[f.name] = 0.0 if figures else size
            elif kind == Numbers and places is None:
                figures[f.name] = np.array([size, *[0.0] * self.draw(st.integers(0, 3))])
            elif kind == Numbers:
                figures[f.name] = size * 10.0 ** self.rng.uniform(-0.5, 0.5, places.size)
            elif kind == NDArray[Any]:
                places = figures[f.name] = self.points(reach)
            else:
                figures[f.name] = self.draw(st.sampled_from(INTERPOLATIONS))
        if "edges" in figures:  # lie between the values, not at them
            values = next(name for name in figures if name != "edges")
            figures[values] = figures[values][1:]
            if self.yes("the bar's ends left out"):
                figures["edges"] = figures["edges"][1:-1]
        return self._bent(law, figures, size, reach)

    def _bent(
        self, law: type[Any], figures: dict[str, Any], size: float, reach: float
    ) -> dict[str, Any]:
        partials = law(**figures).partials(np.linspace(0.0, reach, 9))
        for name, value in figures.items():
            if not isinstance(value, float | np.ndarray) or name not in partials:
                continue
            zeros = np.flatnonzero(np.atleast_1d(value) == 0.0)
            if not zeros.size:
                continue
            slopes = np.asarray(partials[name]).reshape(9, -1)
            change = size * self.rng.uniform(-0.4, 0.6, zeros.size) / zeros.size
            bent = np.atleast_1d(value).astype(float)
            bent[zeros] = change / np.abs(slopes[:, zeros]).max(axis=0)
            figures[name] = bent if isinstance(value, np.ndarray) else float(bent[0])
        return figures
