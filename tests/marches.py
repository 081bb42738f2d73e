"""A march of random coefficients through the compiled kernels, with its tangent and its adjoint.

What the solver's march does between kernel calls, in its simplest form: every node is read, every
stage value is kept, and the steps are cut where the test says.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from solver import kernels
from solver.kernels import Array
from tests import dense_bar, oracles
from tests.experiments import METHODS

DIRECTIONS = ("bands", "profiles", "histories", "initial")  # what a march is differentiated by


def figures(rng: np.random.Generator, shape: tuple[int, ...], dtype: type = np.float64) -> Array:
    out = rng.standard_normal(shape).astype(dtype)
    return out + 1j * rng.standard_normal(shape) if dtype is np.complex128 else out


def random_bands(rng: np.random.Generator, n: int, dtype: type = np.float64) -> Array:
    """A non-symmetric K, heat-like enough that I - K/10 can be eliminated without pivoting."""
    bands = figures(rng, (3, n), dtype)
    bands[0, 0] = bands[2, -1] = 0.0
    diagonal = bands[1] - np.abs(bands[0]) - np.abs(bands[2]) - 1.0
    bands[1] = bands[0] + diagonal + bands[2]
    return bands


@dataclass(frozen=True)
class Problem:
    """A march of random coefficients: everything that the kernels take."""

    tableau: Array
    bands: Array
    profiles: Array
    histories: Array
    initial: Array
    dt: float = 0.05

    @property
    def steps(self) -> int:
        return self.histories.shape[0]

    def dense(self) -> Array:
        """The whole field (steps + 1, N), by the oracle."""
        load = np.einsum("kip,pr->kir", self.histories, self.profiles)
        K = dense_bar.dense(self.bands)
        tableaux = [self.tableau] * self.steps
        return oracles.dirk(K, lambda k, i: load[k, i], tableaux, self.dt, self.initial)

    def factors(self, bands: Array) -> Array:
        return np.stack([kernels.factor(bands, self.dt * a) for a in np.diagonal(self.tableau)])

    def forward(self, cuts: tuple[int, ...] = ()) -> tuple[Array, Array]:
        """The field and the stage values, marched in the pieces between `cuts`."""
        n, dtype = self.initial.size, self.initial.dtype
        u, probes = self.initial.copy(), np.arange(n)
        out = np.empty((self.steps + 1, n), dtype)
        out[0] = u
        states = np.empty((self.steps, len(self.tableau), n), dtype)
        factors = self.factors(self.bands)
        for a, b in pairwise((0, *cuts, self.steps)):
            kernels.forward(
                self.bands,
                factors,
                self.tableau,
                self.dt,
                self.profiles,
                self.histories,
                a,
                b,
                u,
                probes,
                states[a:],
                out,
            )
        return out, states

    def tangent(self, d: Problem, cuts: tuple[int, ...] = ()) -> Array:
        """The field's derivatives (steps + 1, N, q) along d, whose arrays have one more axis q."""
        _, states = self.forward()
        n, directions = d.initial.shape
        arrays = {name: np.moveaxis(getattr(d, name), -1, 0) for name in DIRECTIONS}
        first = {name: array.copy() for name, array in arrays.items()}
        u_dot, out = first["initial"], np.empty((directions, self.steps + 1, n))
        out[:, 0] = u_dot
        for a, b in pairwise((0, *cuts, self.steps)):
            kernels.tangent(
                self.bands,
                self.factors(self.bands),
                self.tableau,
                self.dt,
                self.profiles,
                self.histories,
                a,
                b,
                first["bands"],
                first["profiles"],
                first["histories"],
                states[a:],
                u_dot,
                np.arange(n),
                out,
            )
        return np.moveaxis(out, 0, -1)

    def adjoint(self, field_bar: Array, cuts: tuple[int, ...] = ()) -> Problem:
        """The cotangents of all coefficients."""
        _, states = self.forward()
        transposed = kernels.transpose(self.bands)
        bar = replace(self, **{name: np.zeros_like(getattr(self, name)) for name in DIRECTIONS})
        for a, b in reversed(list(pairwise((0, *cuts, self.steps)))):
            kernels.adjoint(
                transposed,
                self.factors(transposed),
                self.tableau,
                self.dt,
                self.profiles,
                self.histories,
                a,
                b,
                states[a:],
                np.arange(self.initial.size),
                field_bar,
                bar.initial,
                bar.bands,
                bar.profiles,
                bar.histories,
            )
        bar.initial[:] += field_bar[0]
        return bar


def problem(
    method: str, n: int = 9, loads: int = 3, dtype: type = np.float64, seed: int = 0
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
