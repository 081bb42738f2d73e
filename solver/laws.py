"""Material laws: a property of the matter as a function of place, or of its temperature.

A law is a curve (see `solver.curves`). To add one: a frozen dataclass whose fields are its
parameters, with `value` and `partials`, and a line in `LAWS`; documents, catalogue and tests follow
from the registry. With a field `of` it may be of the temperature too. What a law may say besides:

* one that jumps, what lies between two nodes and around one (`cell_means`, `volume_means`); of the
  others the nodes' values tell it;
* one that is a polynomial between breaks, where they are (None: nowhere) and its degree (`pieces`);
  the others are met piece by piece, see `solver.pieces`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from solver.curves import (
    Constant,
    Curve,
    Number,
    Numbers,
    Partials,
    Table,
    Unknown,
    Variable,
    numbers,
)
from solver.kept import fixed
from solver.kernels import Array
from solver.network import Network


@dataclass(frozen=True)
class Linear:
    """``a + b s``."""

    a: Number
    b: Number
    of: Variable = "x"
    affine = True

    def value(self, s: Array) -> Array:
        return self.a + self.b * s  # type: ignore[operator]  # resolved: no Unknown left

    def pieces(self) -> tuple[Array | None, int]:
        return None, 1

    def partials(self, s: Array) -> Partials:
        return {"a": np.ones_like(s), "b": s}


@dataclass(frozen=True, eq=False)
class Polynomial:
    """``c0 + c1 s + c2 s^2 + ...``."""

    coefficients: Numbers
    of: Variable = "x"
    affine = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "coefficients", numbers(self.coefficients))

    def value(self, s: Array) -> Array:
        return np.asarray(np.polynomial.polynomial.polyval(s, np.asarray(self.coefficients)))

    def pieces(self) -> tuple[Array | None, int]:
        return None, _length(self.coefficients) - 1

    def partials(self, s: Array) -> Partials:
        degree = np.asarray(self.coefficients).size - 1
        return {"coefficients": np.polynomial.polynomial.polyvander(s, degree)}


@dataclass(frozen=True)
class Exponential:
    """``a exp(b s)``."""

    a: Number
    b: Number
    of: Variable = "x"

    def value(self, s: Array) -> Array:
        return np.asarray(self.a * np.exp(self.b * s))

    def partials(self, s: Array) -> Partials:
        return {"a": np.exp(self.b * s), "b": s * self.value(s)}


@dataclass(frozen=True, eq=False)
class Layers:
    """Constant in each layer; `edges` are the places where layers meet, with or without the ends.

    Between two nodes heat passes the layers one after the other: of a conductivity the harmonic
    mean counts, ``1 / k = sum_l w_l / k_l`` with l's share w_l of the way. Around a node heat is
    stored in all of them: of a heat capacity the mean counts.
    """

    edges: Array
    values: Numbers

    def __post_init__(self) -> None:
        object.__setattr__(self, "edges", fixed(np.array(self.edges, np.float64)))
        object.__setattr__(self, "values", numbers(self.values))

    @property
    def count(self) -> int:
        """The number of layers."""
        return _length(self.values)

    @property
    def inner(self) -> Array:
        """The edges between layers, (count - 1,)."""
        return self.edges if self.edges.size < self.count else self.edges[1:-1]

    def value(self, s: Array) -> Array:
        return np.asarray(self.values)[self._layer(s)]

    def partials(self, s: Array) -> Partials:
        return {"values": (self._layer(s)[:, None] == np.arange(self.count)).astype(np.float64)}

    def cell_means(self, nodes: Array) -> Array:
        """The harmonic mean between neighbouring nodes."""
        return np.asarray(1.0 / (self._shares(nodes) @ (1.0 / np.asarray(self.values))))

    def cell_partials(self, nodes: Array) -> Partials:
        """d `cell_means` / d values."""
        means, values = self.cell_means(nodes), np.asarray(self.values)
        return {"values": self._shares(nodes) * means[:, None] ** 2 / values**2}

    def volume_means(self, faces: Array) -> Array:
        """The mean between neighbouring faces."""
        return np.asarray(self._shares(faces) @ np.asarray(self.values))

    def volume_partials(self, faces: Array) -> Partials:
        """d `volume_means` / d values."""
        return {"values": self._shares(faces)}

    def _layer(self, s: Array) -> Array:
        return np.searchsorted(self.inner, s, side="right")

    def _shares(self, borders: Array) -> Array:
        """Which share of each interval between `borders` lies in each layer, (intervals, count)."""
        edges = np.concatenate([[-np.inf], self.inner, [np.inf]])
        low = np.maximum(borders[:-1, None], edges[:-1])
        high = np.minimum(borders[1:, None], edges[1:])
        return np.asarray(np.maximum(high - low, 0.0) / np.diff(borders)[:, None])


def _length(values: Numbers) -> int:
    return values.size if isinstance(values, np.ndarray | Unknown) else len(values)


Law = Number | Curve

LAWS: dict[str, type[Curve]] = {
    "constant": Constant,
    "linear": Linear,
    "polynomial": Polynomial,
    "exponential": Exponential,
    "table": Table,
    "layers": Layers,
    "network": Network,
}
