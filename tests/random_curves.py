"""Random numbers, lists, curves and laws; unknowns in any of their places.

Hypothesis draws the structure, which shrinks when a test fails; the figures come from a generator
whose seed is drawn, so that no figure is special. Laws are drawn by the types of their fields, so
one that is registered later is drawn as well.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, get_type_hints

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from solver import LAWS, Expression, Table, Unknown
from solver.curves import INTERPOLATIONS, Number, Numbers, Variable
from solver.network import initial_weights

Array = NDArray[np.float64]

OPEN = ("known", "list", "some")  # a list as it is, as one unknown, with unknowns here and there
KINDS = ("number", "unknown", "formula", "zero", *OPEN)
NUMBER = "number"  # stands for a law too
APART = 0.02  # of the half range: temperatures at which a law has a kink are no closer

# What a network's fields are, besides its weights.
WIDTHS, RANGE, LEVEL = tuple[int, ...], tuple[float, float] | None, float | None
NETWORKS = ((), (3,), (2, 3))


@dataclass(frozen=True)
class Axis:
    """The variable of a curve, and [low, reach] as its range."""

    variable: str
    reach: float
    low: float = 0.0

    def places(self, count: int) -> Array:
        """Evenly from one end to the other."""
        return np.linspace(self.low, self.reach, count)


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
            one = self.rng.integers(values.size)  # is unknown, and others may be
            return tuple(
                self.unknown(float(v)) if i == one or self.yes() else float(v)
                for i, v in enumerate(values)
            )
        return values

    def points(self, axis: Axis) -> Array:
        """Where a table has its values: at both ends, and up to four places in between.

        Temperatures mostly are near the middle of their range, so there the points are too; none is
        round, for a temperature that stands on a kink has two derivatives, and no two are near.
        """
        low, reach, count = axis.low, axis.reach, self.draw(st.integers(0, 4))
        if axis.variable == "u":
            near_the_middle = np.sort(0.9 * self.rng.uniform(-1.0, 1.0, count) ** 3)
            apart = near_the_middle + APART * (np.arange(count) - 0.5 * (count - 1))
            inside = 0.5 * (low + reach + (reach - low) * apart)
        else:
            inside = self.rng.uniform(low, reach, count)
            if self.yes("at round places"):
                inside = np.round(inside / reach * 12) * (reach / 12)
        return np.unique(np.clip(np.concatenate([[low], inside, [reach]]), low, reach))

    def curve(self, axis: Axis, size: float) -> Any:
        kind = self.draw(st.sampled_from(KINDS))
        if kind == "formula":
            return self.formula(axis, size)
        if kind in OPEN:
            points = self.points(axis)
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

    def law(self, name: str, size: float, axis: Axis) -> Any:
        """A law about `size` along the axis, positive there."""
        if name == NUMBER:
            return self.number(size, positive=True)
        law, kinds = LAWS[name], get_type_hints(LAWS[name])
        figures = self.figures(law, size, axis)
        widths = next((figures[name] for name, kind in kinds.items() if kind == WIDTHS), None)
        for name, value in figures.items():
            if kinds[name] == Numbers and widths is not None:
                figures[name] = self.weights(value, widths)
            elif kinds[name] == Numbers:
                figures[name] = self.opened(value, self.draw(st.sampled_from(OPEN)), size)
            elif kinds[name] == Number and self.yes():
                figures[name] = self.unknown(value)
            elif kinds[name] in (RANGE, LEVEL) and self.yes("left to be filled in"):
                figures[name] = None
        return law(**figures)

    def weights(self, start: Array, widths: tuple[int, ...]) -> Any:
        """A network's weights as they are, or as one unknown, never searched by logarithms."""
        if self.yes("a known network"):
            return start
        return replace(self.unknown(tuple(start.tolist()), ("network", widths)), scale="linear")

    def figures(self, law: type[Any], size: float, axis: Axis) -> dict[str, Any]:
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
                decades = 0.2 if axis.variable == "u" else 0.5
                figures[f.name] = size * 10.0 ** self.rng.uniform(-decades, decades, places.size)
            elif kind == NDArray[Any]:
                places = figures[f.name] = self.points(axis)
            elif kind == Variable:
                figures[f.name] = axis.variable
            elif kind is str:
                figures[f.name] = self.draw(st.sampled_from(INTERPOLATIONS))
        if WIDTHS in get_type_hints(law).values():
            return figures | self.network(law, size, axis)
        if "edges" in figures:  # lie between the values, not at them
            values = next(name for name in figures if name != "edges")
            figures[values] = figures[values][1:]
            if self.yes("the bar's ends left out"):
                figures["edges"] = figures["edges"][1:-1]
        return self._bent(law, figures, size, axis)

    def network(self, law: type[Any], size: float, axis: Axis) -> dict[str, Any]:
        """What makes a small network that is not flat, its weights not those it is seeded with."""
        widths = self.draw(st.sampled_from(NETWORKS))
        weights = np.array(initial_weights(widths, int(self.rng.integers(1000))))
        middle, half = 0.5 * (axis.reach + axis.low), 0.5 * (axis.reach - axis.low)
        if axis.variable == "u":
            half *= 0.2  # as for tables; beyond its range a network goes on
        ends = self.rng.uniform(0.5, 1.0, 2) * [-half, half]
        made = {
            Numbers: weights + 0.5 * self.rng.standard_normal(weights.size),
            WIDTHS: widths,
            RANGE: tuple((middle + ends).tolist()),
            LEVEL: size,
        }
        kinds = get_type_hints(law).items()
        return {name: made[kind] for name, kind in kinds if kind in made}

    def _bent(
        self, law: type[Any], figures: dict[str, Any], size: float, axis: Axis
    ) -> dict[str, Any]:
        partials = law(**figures).partials(axis.places(9))
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
