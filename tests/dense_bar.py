r"""The semi-discrete bar, written a second time: one dense row for every node.

In the lecture's form the rows are three-point formulas with ghost nodes beyond the ends, in
divergence form they are what a node's volume gains and loses. Layers are overlaps, counted one by
one. Matter that changes with its temperature has no such rows, see `tests.dense_newton`; its laws
stand here, at complex temperatures: a formula as it is, a table by its slope, written out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from solver import BOUNDARIES, Experiment, Layers, Table, Unknown
from solver.curves import resolve
from solver.scales import with_networks_filled

Array = NDArray[Any]
Values = Mapping[str, Any]
Terms = list[tuple[Array, Any]]

# How heat capacities are integrated over [-1, 1]: in parts, each by a Gauss rule.
PARTS = 4
NODES, SHARES = np.polynomial.legendre.leggauss(16)
GAUSS = (np.add.outer(2 * np.arange(PARTS) + 1, NODES) / PARTS - 1).ravel()
WEIGHTS = np.tile(SHARES, PARTS) / PARTS
COMPLEX_STEP = 1e-40


def curve(part: Any, values: Values, s: Array) -> Array:
    """A number, an unknown or a curve at `s`."""
    if isinstance(part, Unknown):
        return np.full(s.shape, values[part.name])
    if isinstance(part, int | float):
        return np.full(s.shape, float(part))
    return resolve(part, values).value(s.ravel()).reshape(s.shape)


def dense(bands: Array) -> Array:
    """The tridiagonal matrix of `bands` (3, N): entry below, sum of the row, entry above."""
    n = bands.shape[1]
    K = np.zeros((n, n), bands.dtype)
    for r in range(n):
        K[r, r] = bands[1, r]
        for band, column in ((0, r - 1), (2, r + 1)):
            if 0 <= column < n:
                K[r, column] = bands[band, r]
                K[r, r] -= bands[band, r]
    return K


def ends(e: Experiment) -> tuple[tuple[int, Any], tuple[int, Any]]:
    """Both end nodes and what stands there."""
    return (0, e.left), (e.bar.cells, e.right)


def is_kind(end: Any, kind: str) -> bool:
    """Whether an end condition is the registered one of this name."""
    return type(end) is BOUNDARIES[kind]


def of_temperature(law: Any) -> bool:
    """Whether a law is of the temperature, not of the place."""
    return getattr(law, "of", "x") == "u"


def changes(e: Experiment) -> bool:
    """Whether the matter changes with its temperature."""
    return any(of_temperature(part) for part in vars(e.material).values())


def scaled(e: Experiment) -> Experiment:
    """With the range and the level of networks that were given none.

    The solver's own choice is taken over: it is in which units a network's weights are, so that any
    choice would be right, and a bar of another choice another bar.
    """
    return with_networks_filled((e,))[0]


def rows(e: Experiment, values: Values) -> tuple[Array, Terms]:
    """K, and everything that heats: how much it adds to each slope, and its history.

    C is 1 where the matter is described by its diffusivity. Its laws are of the place.
    """
    x, matter = e.grid.x, scaled(e).material
    assert not changes(e)
    if matter.conductivity is None and matter.form != "divergence":
        C = np.ones(x.size)
        K, unit = _three_point_rows(at_nodes(matter.diffusivity, values, x), x)
    else:
        law = matter.diffusivity if matter.conductivity is None else matter.conductivity
        C = capacities(matter.heat_capacity, values, x)
        K, unit = _balance_rows(cell_means(law, values, x), C, x)
    terms = [(curve(s.profile, values, x) / C, s.history) for s in e.source]
    if matter.exchange is not None:
        rate = curve(matter.exchange.rate, values, np.zeros(1))[0]
        K = K - np.diag(rate / C)
        terms.append((rate / C, matter.exchange.ambient))
    for node, end in ends(e):
        here = np.array([unit[i] if i == node else 0.0 for i in range(x.size)])
        if is_kind(end, "flux"):
            terms.append((here, end.value))
        elif is_kind(end, "convection"):
            h = curve(end.coefficient, values, np.zeros(1))[0]
            K = K - np.diag(h * here)
            terms.append((h * here, end.ambient))
        elif not is_kind(end, "temperature"):
            raise NotImplementedError(f"state here, independently, what {end!r} does to its row")
    return K, terms


def _three_point_rows(kappa: Array, x: Array) -> tuple[Array, dict[int, Any]]:
    """``kappa u_xx``, and what a unit of heat flux at either end adds to the slope of its node.

    A free end has a ghost node beyond it, ``u_ghost = u_inside + 2 h q / kappa``.
    """
    n, unit = x.size - 1, {}
    K = np.zeros((n + 1, n + 1), kappa.dtype)
    for i in range(n + 1):
        left = x[i] - x[i - 1] if i > 0 else x[1] - x[0]
        right = x[i + 1] - x[i] if i < n else x[n] - x[n - 1]
        to_left = kappa[i] * 2 / (left * (left + right))
        to_right = kappa[i] * 2 / (right * (left + right))
        K[i, i - 1 if i > 0 else 1] += to_left
        K[i, i + 1 if i < n else n - 1] += to_right
        K[i, i] -= to_left + to_right
        if i == 0:
            unit[i] = to_left * (2 * left / kappa[i])
        if i == n:
            unit[i] = to_right * (2 * right / kappa[i])
    return K, unit


def _balance_rows(k: Array, C: Array, x: Array) -> tuple[Array, dict[int, Any]]:
    """``(k u_x)_x / C`` from the heat that crosses each cell; a unit of flux heats an end's volume.

    Every node owns half of the cells beside it.
    """
    n = x.size - 1
    stored = np.array([(x[min(i + 1, n)] - x[max(i - 1, 0)]) / 2 * C[i] for i in range(n + 1)])
    K = np.zeros((n + 1, n + 1), np.result_type(k, C))
    for c in range(n):
        g = k[c] / (x[c + 1] - x[c])
        for here, there in ((c, c + 1), (c + 1, c)):
            K[here, there] += g / stored[here]
            K[here, here] -= g / stored[here]
    return K, {0: 1 / stored[0], n: 1 / stored[n]}


# --- matter --------------------------------------------------------------------------------------


def at_nodes(law: Any, values: Values, x: Array) -> Array:
    """A law at the nodes; a node on an edge belongs to the layer on its right."""
    layers = _layers(law, values)
    if layers is None:
        return curve(law, values, x)
    return np.array([next(v for low, high, v in layers if low <= s < high) for s in x])


def cell_means(law: Any, values: Values, x: Array) -> Array:
    """What a cell conducts: its layers one after the other, else the mean of its nodes."""
    layers = _layers(law, values)
    if layers is None:
        nodes = curve(law, values, x)
        return np.array([(a + b) / 2 for a, b in pairwise(nodes)])
    found = []
    for a, b in pairwise(x):
        resistance = sum(_overlap(a, b, low, high) / v for low, high, v in layers)
        found.append((b - a) / resistance)
    return np.array(found)


def capacities(law: Any, values: Values, x: Array) -> Array:
    """What a node's volume stores: its layers together, else the value at the node."""
    if law is None:
        return np.ones(x.size)
    layers = _layers(law, values)
    if layers is None:
        return curve(law, values, x)
    found = []
    for i in range(x.size):
        a = (x[i - 1] + x[i]) / 2 if i > 0 else x[0]
        b = (x[i] + x[i + 1]) / 2 if i < x.size - 1 else x[-1]
        found.append(sum(_overlap(a, b, low, high) * v for low, high, v in layers) / (b - a))
    return np.array(found)


def _layers(law: Any, values: Values) -> list[tuple[float, float, Any]] | None:
    """From where to where each layer goes, and its value; None for a law without jumps."""
    if not isinstance(law, Layers):
        if hasattr(law, "cell_means"):
            raise NotImplementedError(f"state here, independently, what {law!r} does in a cell")
        return None
    inner = list(law.edges)
    found = list(np.asarray(resolve(law, values).values))
    if len(inner) > len(found):
        inner = inner[1:-1]
    return list(zip([-math.inf, *inner], [*inner, math.inf], found, strict=True))


def _overlap(a: float, b: float, low: float, high: float) -> float:
    return max(0.0, min(b, high) - max(a, low))


# --- matter that changes with its temperature ----------------------------------------------------


class Law(NamedTuple):
    """A function of temperature: at complex ones, its slope at real ones, where it has kinks."""

    value: Callable[[Array], Array]
    slope: Callable[[Array], Array]
    kinks: Array


def law_of_temperature(part: Any, values: Values) -> Law:
    """The law of temperature `part`."""
    found = resolve(part, values)
    if isinstance(found, Table):
        return _table(found)
    real = resolve(part, {name: np.real(value) for name, value in values.items()})

    def slope(u: Array) -> Array:
        return np.imag(real.value(u + 1j * COMPLEX_STEP)) / COMPLEX_STEP

    return Law(found.value, slope, np.zeros(0))


def _table(table: Table) -> Law:
    """A table in each of its intervals, by how far p into it; constant beyond.

    A temperature on a point belongs to the interval on its right.
    """
    x, v = table.points, np.asarray(table.values)
    cubic = table.interpolation == "monotone-cubic"
    d = _slopes(x, v) if cubic else np.zeros(v.size)

    def places(u: Array) -> tuple[Array, Array, Array]:
        k = np.clip(np.searchsorted(x, u, side="right") - 1, 0, x.size - 2)
        h = x[k + 1] - x[k]
        return k, (np.clip(u, x[0], x[-1]) - x[k]) / h, h

    def value(u: Array) -> Array:
        if np.iscomplexobj(u):
            return value(u.real) + slope(u.real) * (1j * u.imag)
        k, p, h = places(u)
        if not cubic:
            return (1 - p) * v[k] + p * v[k + 1]
        chord = (1 - p) ** 2 * (1 + 2 * p) * v[k] + p**2 * (3 - 2 * p) * v[k + 1]
        return chord + h * p * (1 - p) ** 2 * d[k] - h * p**2 * (1 - p) * d[k + 1]

    def slope(u: Array) -> Array:
        k, p, h = places(u)
        inside = (u >= x[0]) & (u < x[-1])
        secant = (v[k + 1] - v[k]) / h
        if not cubic:
            return inside * secant
        left, right = (1 - p) * (1 - 3 * p) * d[k], p * (3 * p - 2) * d[k + 1]
        return inside * (6 * p * (1 - p) * secant + left + right)

    return Law(value, slope, x)


def _slopes(x: Array, v: Array) -> Array:
    """A monotone cubic's slopes at its points: weighted harmonic means of the secants beside."""
    h = [x[k + 1] - x[k] for k in range(x.size - 1)]
    s = [(v[k + 1] - v[k]) / h[k] for k in range(x.size - 1)]
    if len(s) == 1:
        return np.array([s[0], s[0]])
    found = [_end_slope(h[0], h[1], s[0], s[1])]
    for k in range(1, len(s)):
        if s[k - 1].real * s[k].real <= 0:
            found.append(0 * s[k])
        else:
            before, after = 2 * h[k] + h[k - 1], h[k] + 2 * h[k - 1]
            found.append((before + after) / (before / s[k - 1] + after / s[k]))
    return np.array([*found, _end_slope(h[-1], h[-2], s[-1], s[-2])])


def _end_slope(near: float, far: float, first: Any, second: Any) -> Any:
    """The parabola's through the end's three points, as far as the curve stays monotone."""
    slope = ((2 * near + far) * first - near * second) / (near + far)
    if slope.real * first.real <= 0:
        return 0 * first
    if first.real * second.real < 0 and abs(slope.real) > 3 * abs(first.real):
        return 3 * first
    return slope


def integral(of: Law, low: Array, high: Array) -> Array:
    """What `of` sums up to between two temperatures, at every node.

    Along the real line, from kink to kink, and from there to the complex ends.
    """
    borders = [-np.inf, *of.kinks, np.inf]
    total = of.value(high.real) * (high - high.real) - of.value(low.real) * (low - low.real)
    for below, above in pairwise(borders):
        a, b = np.clip(low.real, below, above), np.clip(high.real, below, above)
        if np.any(a != b):
            half = (b - a) / 2
            inside = a[:, None] + half[:, None] * (1 + GAUSS)
            heights = of.value(inside.ravel()).reshape(inside.shape)
            total = total + half * np.sum(heights * WEIGHTS, axis=1)
    return total
