r"""The march over all steps: block by block, interruptible, within a memory budget.

The kernels advance a few steps at a time; here those calls are strung together. The adjoint needs
the stage values of every step. They are kept as long as they fit the budget; beyond it the state is
kept at the start of each block only, and a block's stage values are computed again when the adjoint
sweep reaches it (one more solve per step).

Between kernel calls (`solver.steps`), at most 0.05 s apart, `pulse()` runs: it may report progress,
and stops the march by raising.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from solver import kernels
from solver.kernels import Array
from solver.steps import Steps

MEMORY = 64 * 2**20  # bytes of stage values kept for the adjoint
CACHE = 2**19  # bytes of stage values that a tangent march reads back while they are in cache
SECONDS_PER_ROW = 2e-8  # a generous price of one row of one stage in a kernel, tangents excepted
DIRECTIONS = 16  # tangents marched together

Pulse = Callable[[], None]
Factors = tuple[Array, ...]  # (stages, 3, N), and the same for the first steps if they differ


@dataclass(frozen=True, eq=False)
class Coefficients:
    """The semi-discrete bar ``u' = K u + profiles^T histories``, as arrays.

    bands (3, N): K. profiles (P, N) and histories (steps, stages, P): what drives it.
    initial (N,): u at t = 0. A set of q directions carries the same arrays with an axis q in front;
    a cotangent the same arrays.
    """

    bands: Array
    profiles: Array
    histories: Array
    initial: Array

    def astype(self, dtype: Any) -> Coefficients:
        """All arrays contiguous and of one dtype, so that the kernels meet few signatures."""
        parts = (self.bands, self.profiles, self.histories, self.initial)
        return Coefficients(*(np.ascontiguousarray(part, dtype) for part in parts))

    @property
    def dtype(self) -> np.dtype[Any]:
        """The common dtype: complex128 when any array is complex."""
        return np.result_type(self.bands, self.profiles, self.histories, self.initial, np.float64)


class LinearMarch:
    """One bar's march: the same tableau, steps and read nodes for every set of coefficients.

    Holds the buffer of stage values, so one object serves one thread at a time.
    """

    def __init__(
        self,
        steps: Steps,
        probes: Array,
        *,
        memory: int = MEMORY,
        pulse: Pulse = lambda: None,
    ) -> None:
        self.steps = steps
        self._implicit = [[steps.dt * float(a) for a in np.diagonal(A)] for A in steps.A]
        self.probes = probes
        self.memory = memory
        self.pulse = pulse
        self._states = np.empty((0, 0, 0))
        self._checkpoints = np.empty((0, 0))
        self._factors: Factors = ()

    def forward(self, coefficients: Coefficients, *, keep: bool = False) -> Array:
        """March and read: u at the probes at every step, (steps + 1, Q).

        With `keep`, what `adjoint` needs is kept until the next call.
        """
        c = coefficients.astype(coefficients.dtype)
        factors = self._factored(c.bands)
        readings = np.empty((self.steps.count + 1, self.probes.size), c.dtype)
        readings[0] = c.initial[self.probes]
        u = c.initial.copy()
        if keep:
            self._reserve(u.size, c.dtype)
            self._factors = factors
            for block, (first, last) in enumerate(self.steps.blocks(u.size, self.memory)):
                self._checkpoints[block] = u
                self._advance(c, factors, first, last, u, self._states, readings)
        else:
            scratch = np.empty((1, self.steps.stages, u.size), c.dtype)
            self._advance(c, factors, 0, self.steps.count, u, scratch, readings)
        return readings

    def adjoint(
        self,
        coefficients: Coefficients,
        readings_bar: Array,
        *,
        profiles: bool = True,
        histories: bool = True,
    ) -> Coefficients:
        """The cotangents of all coefficients, after ``forward(coefficients, keep=True)``.

        readings_bar (steps + 1, Q). Cotangents of profiles or histories that nobody wants are
        left out of the sweep and come back empty.
        """
        c = coefficients.astype(coefficients.dtype)
        transposed = kernels.transpose(c.bands)
        factors_transposed = self._factored_transposed(c.bands)
        n = c.initial.size
        lam, bands_bar = np.zeros(n, c.dtype), np.zeros_like(c.bands)
        readings_bar = np.ascontiguousarray(readings_bar, c.dtype)
        profiles_bar = np.zeros_like(c.profiles if profiles else c.profiles[:0])
        histories_bar = np.zeros_like(c.histories if histories else c.histories[:0])
        blocks = list(self.steps.blocks(n, self.memory))
        ignored = np.empty((self.steps.count + 1, self.probes.size), c.dtype)
        for block, (first, last) in reversed(list(enumerate(blocks))):
            if last < self.steps.count:
                u = self._checkpoints[block].copy()
                self._advance(c, self._factors, first, last, u, self._states, ignored)
            for a, b in reversed(list(self.steps.slices(first, last, n, SECONDS_PER_ROW))):
                self.pulse()
                phase = self.steps.phase(a)
                kernels.adjoint(
                    transposed,
                    factors_transposed[phase],
                    self.steps.A[phase],
                    self.steps.dt,
                    c.profiles,
                    c.histories,
                    a,
                    b,
                    self._states[a - first :],
                    self.probes,
                    readings_bar,
                    lam,
                    bands_bar,
                    profiles_bar,
                    histories_bar,
                )
        lam[self.probes] += readings_bar[0]  # the probes are distinct
        return Coefficients(bands_bar, profiles_bar, histories_bar, lam)

    def tangent(self, coefficients: Coefficients, direction: Coefficients) -> tuple[Array, Array]:
        """Readings (steps + 1, Q) and their derivatives (q, steps + 1, Q) in q directions."""
        c = coefficients.astype(np.dtype(np.float64))
        d = direction.astype(np.dtype(np.float64))
        factors = self._factored(c.bands)
        directions, n = d.initial.shape
        readings = np.empty((self.steps.count + 1, self.probes.size))
        readings_dot = np.empty((directions, self.steps.count + 1, self.probes.size))
        u, u_dot = c.initial.copy(), d.initial.copy()
        readings[0], readings_dot[:, 0] = u[self.probes], u_dot[:, self.probes]
        slices = list(
            self.steps.slices(0, self.steps.count, n * (1 + directions), SECONDS_PER_ROW, CACHE)
        )
        states = np.empty((max(b - a for a, b in slices), self.steps.stages, n))
        for a, b in slices:
            self._advance(c, factors, a, b, u, states, readings)
            phase = self.steps.phase(a)
            kernels.tangent(
                c.bands,
                factors[phase],
                self.steps.A[phase],
                self.steps.dt,
                c.profiles,
                c.histories,
                a,
                b,
                d.bands,
                d.profiles,
                d.histories,
                states,
                u_dot,
                self.probes,
                readings_dot,
            )
        return readings, readings_dot

    def _advance(
        self,
        c: Coefficients,
        factors: Factors,
        first: int,
        last: int,
        u: Array,
        states: Array,
        readings: Array,
    ) -> None:
        one_row = states.shape[0] == 1
        for a, b in self.steps.slices(first, last, u.size, SECONDS_PER_ROW):
            self.pulse()
            phase = self.steps.phase(a)
            kernels.forward(
                c.bands,
                factors[phase],
                self.steps.A[phase],
                self.steps.dt,
                c.profiles,
                c.histories,
                a,
                b,
                u,
                self.probes,
                states if one_row else states[a - first :],
                readings,
            )

    def _factored(self, bands: Array) -> Factors:
        return tuple(
            np.array([kernels.factor(bands, step) for step in steps]) for steps in self._implicit
        )

    def _factored_transposed(self, bands: Array) -> Factors:
        return tuple(
            np.array(
                [
                    kernels.factor_transposed(bands, step, f)
                    for step, f in zip(steps, factors, strict=True)
                ]
            )
            for steps, factors in zip(self._implicit, self._factors, strict=True)
        )

    def _reserve(self, n: int, dtype: Any) -> None:
        blocks = list(self.steps.blocks(n, self.memory))
        shape = (max(b - a for a, b in blocks), self.steps.stages, n)
        if (self._states.shape, self._states.dtype) != (shape, dtype):
            self._states = np.empty(shape, dtype)
            self._checkpoints = np.empty((len(blocks), n), dtype)
