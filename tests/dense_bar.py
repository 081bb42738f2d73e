r"""The semi-discrete bar, written a second time: one dense row for every node.

In the lecture's form the rows are three-point formulas with ghost nodes beyond the ends, in
divergence form they are what a node's volume gains and loses. Layers are overlaps, counted one by
one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solver import BOUNDARIES, Experiment, Layers, Unknown
from solver.curves import resolve

Array = NDArray[Any]
Values = Mapping[str, Any]
Terms = list[tuple[Array, Any]]


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


def rows(e: Experiment, values: Values) -> tuple[Array, Terms]:
    """K, and everything that heats: how much it adds to each slope, and its history.

    C is 1 where the matter is described by its diffusivity.
    """
    x, matter = e.grid.x, e.material
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
