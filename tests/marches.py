"""A march of random coefficients through the compiled kernels, with its tangent and its adjoint.

What the solver's march does between kernel calls, in its simplest form: every node is read, every
stage value is kept, and the steps are cut where the test says.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from solver import kernels
from solver.integrators import Tableau
from solver.kernels import Array
from solver.layout import Alone, Experiments, Layout, Pieces, alone_or_in_pieces
from solver.steps import Steps
from solver.workspace import Coefficients, Workspace
from tests import dense_bar, oracles
from tests.experiments import METHODS

DIRECTIONS = ("bands", "profiles", "histories", "initial")  # what a march is differentiated by
SIZES = (1, 2, 3, 7, 9, 16, 17, 60)
LAYOUTS: dict[str, Callable[[int, Any], Layout]] = {
    "alone": Alone,
    "complex": lambda n, _: Alone(n, np.complex128),
    "pieces": lambda n, _: Pieces(n),
    "experiments": lambda n, _: Experiments(n),
}
LAYOUT = pytest.mark.parametrize("layout", LAYOUTS)
REAL = pytest.mark.parametrize("layout", [name for name in LAYOUTS if name != "complex"])


def dtype_of(layout: str) -> type:
    return np.complex128 if layout == "complex" else np.float64


def figures(rng: np.random.Generator, shape: tuple[int, ...], dtype: type = np.float64) -> Array:
    out = rng.standard_normal(shape).astype(dtype)
    return out + 1j * rng.standard_normal(shape) if dtype is np.complex128 else out


def random_matrix(rng: np.random.Generator, n: int, dtype: type = np.float64) -> Array:
    """The bands of any K of which I - K/10 can be eliminated without pivoting."""
    return dominated(figures(rng, (3, n), dtype))


def random_bands(rng: np.random.Generator, n: int, dtype: type = np.float64) -> Array:
    """Those of a K like that of heat: not symmetric, but neighbours feel each other both ways."""
    bands = figures(rng, (3, n), dtype)
    bands[::2] += 0.1 + np.abs(bands[::2].real) - bands[::2].real
    return dominated(bands)


def dominated(bands: Array) -> Array:
    """With a diagonal that outweighs its row; the sum of the row stands in its place."""
    bands[0, 0] = bands[2, -1] = 0.0
    diagonal = bands[1] - np.abs(bands[0]) - np.abs(bands[2]) - 1.0
    bands[1] = bands[0] + diagonal + bands[2]
    return bands


def eight(one: Array) -> Array:
    """An array in lane 3; what stands in its neighbours must not matter."""
    rest = np.where(np.arange(8) % 2, 0.5, 1.5).reshape(8, *(1,) * one.ndim)
    out = np.array(rest * one[None])
    out[3] = one
    return out


class Marched:
    """A problem in the rows of a layout: every node is read."""

    def __init__(self, p: Problem) -> None:
        self.p, self.n = p, p.initial.size
        self.layout = p.layout(self.n, p.initial.dtype)
        self.many = isinstance(self.layout, Experiments)
        steps = Steps(Tableau(1, tuple(map(tuple, p.tableau.tolist()))), p.dt, p.steps)
        self.work = Workspace(self.layout, p.profiles.shape[0], steps, np.arange(self.n), 10**9)
        self.work.states.reserve(p.steps * steps.stages)
        c = Coefficients(*(self.lanes(getattr(p, name)) for name in DIRECTIONS))
        self.work.fill(c, steps, both=True)

    def lanes(self, one: Array) -> Array:
        return eight(one) if self.many else one

    def one(self, of_lanes: Array) -> Array:
        return of_lanes[3] if self.many else of_lanes

    def field(self, readings: Array, *directions: int) -> Array:
        shape = (*directions, self.p.steps + 1, self.n)
        return self.one(self.layout.numbers_of(readings, shape))

    def forward(self, cuts: tuple[int, ...], keep: bool = True) -> Array:
        p, w = self.p, self.work
        readings = self.layout.numbers(self.lanes(np.zeros((p.steps + 1, self.n), p.dtype)))
        for a, b in pairwise((0, *cuts, p.steps)):
            kernels.forward(
                *(w.K, w.scale, *w.factors[0], p.tableau, p.dt, w.G, w.histories, a, b, 0),
                *(w.states.values, keep, w.probes, readings),
            )
        return readings


@dataclass(frozen=True)
class Problem:
    """A march of random coefficients: everything that the kernels take."""

    tableau: Array
    bands: Array
    profiles: Array
    histories: Array
    initial: Array
    dt: float = 0.05
    layout: Callable[[int, Any], Layout] = alone_or_in_pieces

    @property
    def steps(self) -> int:
        return self.histories.shape[0]

    @property
    def dtype(self) -> Any:
        return self.initial.dtype

    def dense(self) -> Array:
        """The whole field (steps + 1, N), by the oracle."""
        load = np.einsum("kip,pr->kir", self.histories, self.profiles)
        K = dense_bar.dense(self.bands)
        tableaux = [self.tableau] * self.steps
        return oracles.dirk(K, lambda k, i: load[k, i], tableaux, self.dt, self.initial)

    def forward(self, cuts: tuple[int, ...] = (), *, keep: bool = True) -> Array:
        """The field, marched in the pieces between `cuts`."""
        marched = Marched(self)
        return marched.field(marched.forward(cuts, keep))

    def tangent(self, d: Problem, cuts: tuple[int, ...] = ()) -> Array:
        """The field's derivatives (steps + 1, N, q) along d, whose arrays have one more axis q."""
        m, p = Marched(self), self
        w, layout = m.work, m.layout
        m.forward(())
        parts = {name: np.moveaxis(getattr(d, name), -1, 0) for name in DIRECTIONS}
        q = parts["initial"].shape[0]
        K_dot, G_dot, u_dot = (
            layout.pack(m.lanes(np.ascontiguousarray(parts[name])))
            for name in ("bands", "profiles", "initial")
        )
        histories_dot = layout.numbers(m.lanes(parts["histories"]))
        readings_dot = layout.numbers(m.lanes(np.zeros((q, p.steps + 1, m.n))))
        for a, b in pairwise((0, *cuts, p.steps)):
            kernels.tangent(
                *(w.K, w.scale, *w.factors[0], p.tableau, p.dt, w.G, w.histories, a, b),
                *(K_dot, G_dot, histories_dot, w.states.values[a * len(p.tableau) * layout.rows :]),
                *(u_dot, w.probes, readings_dot),
            )
        return np.moveaxis(m.field(readings_dot, q), 0, -1)

    def adjoint(
        self, field_bar: Array, cuts: tuple[int, ...] = (), *, loads: bool = True
    ) -> Problem:
        """The cotangents of all coefficients; those of the loads are empty if not asked for."""
        m, p = Marched(self), self
        w, layout = m.work, m.layout
        m.forward(())
        count = p.profiles.shape[0] if loads else 0
        K_bar, G_bar, lam = (layout.zeros(vectors) for vectors in (3, count, 1))
        h_bar = layout.numbers(m.lanes(np.zeros_like(p.histories)))[: None if loads else 0]
        readings_bar = layout.numbers(m.lanes(field_bar))
        for a, b in reversed(list(pairwise((0, *cuts, p.steps)))):
            kernels.adjoint(
                *(w.K, w.scale, *w.factors[0], p.tableau, p.dt, w.G, w.histories, a, b, 0),
                *(w.states.values, w.probes, readings_bar, lam, K_bar, G_bar, h_bar),
            )
        shape, bands = (-1, *p.histories.shape[1:]), m.one(layout.unpack(K_bar, 3))
        bands[0, 0] = bands[2, -1] = 0.0  # no node stands there
        return replace(
            self,
            bands=bands,
            profiles=m.one(layout.unpack(G_bar, count)),
            histories=m.one(layout.numbers_of(h_bar, shape)) if loads else p.histories[:0],
            initial=m.one(layout.unpack(lam, 1))[0],
        )


def problem(
    method: str,
    n: int = 9,
    loads: int = 3,
    dtype: type = np.float64,
    seed: int = 0,
    layout: Callable[[int, Any], Layout] = alone_or_in_pieces,
) -> Problem:
    steps = 12
    rng = np.random.default_rng([seed, n, steps])
    tableau = METHODS[method].A
    return Problem(
        tableau=tableau,
        bands=random_bands(rng, n, dtype),
        profiles=figures(rng, (loads, n), dtype),
        histories=figures(rng, (steps, len(tableau), loads), dtype),
        initial=figures(rng, (n,), dtype),
        layout=layout,
    )


def random_direction(p: Problem, seed: int, columns: int) -> Problem:
    """A random direction in every coefficient, with an axis of `columns` at the end."""
    rng = np.random.default_rng([seed, 99])
    shapes = {name: (*getattr(p, name).shape, columns) for name in DIRECTIONS}
    d = replace(p, **{name: figures(rng, shape) for name, shape in shapes.items()})
    d.bands[0, 0] = d.bands[2, -1] = 0.0
    return d


def inner(a: Problem, b: Problem) -> float:
    return sum(float(np.sum(getattr(a, name) * getattr(b, name))) for name in DIRECTIONS)


def column(d: Problem, q: int) -> Problem:
    return replace(d, **{name: getattr(d, name)[..., q] for name in DIRECTIONS})
