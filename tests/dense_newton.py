r"""Matter that changes with its temperature: the books of every node, and a dense Newton.

A node that is not pinned keeps the books of the heat in its volume V_i, half of the cells beside
it; whatever comes in stays in,

    V_i (H_i(Y_i) - H_i(u_i)) = dt sum_{j<=i} A_ij (Q_i(Y_j) + L_i(t_j)),

in each stage of a step. Q is written with two dense matrices: RISE takes the temperatures to their
slopes in the cells, INTO what crosses the cells to what enters the nodes. In the lecture's form it
is ``Q = kappa(u) INTO RISE u``, which is V kappa(u) times the three-point second difference, and at
a free end, with its ghost node, times half of it; else ``Q = INTO (k RISE u)`` with the mean k of a
cell's two nodes.

H is the integral of the heat capacity, by a rule of Gauss's, so no antiderivative is known here.

Values may be complex. The Jacobian is that of the real problem, at the real parts: with it, at the
real root, one iteration brings the imaginary part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from solver import Experiment
from tests.dense_bar import (
    Array,
    Law,
    Terms,
    Values,
    capacities,
    cell_means,
    curve,
    ends,
    integral,
    is_kind,
    law_of_temperature,
    of_temperature,
)

CLOSE = 1e-10  # what changes by less, of the largest temperature, is settled when it falls no more
ITERATIONS, SHORTEST = 100, 2.0**-20


# --- the books -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Books:
    """What the nodes hold and what they gain.

    conduct, store: laws of temperature, or what cells conduct and what is stored around nodes;
    lost: the heat that a node loses per K.
    """

    widths: Array
    volumes: Array
    lecture: bool
    conduct: Law | Array
    store: Law | Array
    lost: Array

    @cached_property
    def rise(self) -> Array:
        """Temperatures to slopes, (cells, nodes)."""
        return np.diff(np.eye(self.widths.size + 1), axis=0) / self.widths[:, None]

    @cached_property
    def into(self) -> Array:
        """What crosses the cells, from right to left, to what enters the nodes, (nodes, cells)."""
        return -np.diff(np.eye(self.widths.size + 1), axis=0).T

    @cached_property
    def mean(self) -> Array:
        """Nodes to cells, (cells, nodes)."""
        return np.abs(self.into).T / 2

    def gained(self, low: Array, high: Array) -> Array:
        """The heat between two temperatures of every node."""
        if isinstance(self.store, Law):
            return self.volumes * integral(self.store, low, high)
        return self.volumes * self.store * (high - low)

    def capacity(self, u: Array) -> Array:
        """What `gained` grows by with its upper temperature, real."""
        C = self.store.value(u.real) if isinstance(self.store, Law) else self.store
        return self.volumes * np.real(C)

    def received(self, u: Array) -> Array:
        """What is conducted to every node, less what it loses."""
        rise, k = self.rise @ u, self.conduct
        if self.lecture:
            return k.value(u) * (self.into @ rise) - self.lost * u
        k = self.mean @ k.value(u) if isinstance(k, Law) else k
        return self.into @ (k * rise) - self.lost * u

    def received_slope(self, u: Array) -> Array:
        """The Jacobian of `received`, real."""
        u, k, INTO, RISE = u.real, self.conduct, self.into, self.rise
        J = -np.diag(np.real(self.lost))
        if not isinstance(k, Law):
            return J + INTO @ np.diag(np.real(k)) @ RISE
        value, slope = np.diag(np.real(k.value(u))), np.diag(np.real(k.slope(u)))
        if self.lecture:
            return J + value @ INTO @ RISE + np.diag(INTO @ RISE @ u) @ slope
        k_mean = np.diag(self.mean @ np.diag(value))
        return J + INTO @ (k_mean @ RISE + np.diag(RISE @ u) @ self.mean @ slope)


def volumes(e: Experiment) -> Array:
    """Half of the cells beside each node."""
    halves = np.diff(e.grid.x) / 2
    return np.append(halves, 0) + np.append(0, halves)


def exchanges(e: Experiment, values: Values) -> Terms:
    """What every node exchanges per K with surroundings, and their temperature's history."""
    found, exchange = [], e.material.exchange
    if exchange is not None:
        rate = curve(exchange.rate, values, e.grid.x)
        found.append((rate * volumes(e), exchange.ambient))
    for node, end in ends(e):
        if is_kind(end, "convection"):
            h = curve(end.coefficient, values, e.grid.x)
            found.append((np.where(np.arange(h.size) == node, h, 0), end.ambient))
    return found


def heating(e: Experiment, values: Values, t: Array) -> Array:
    """The heat that every node is given, at times `t` (...), (..., nodes)."""
    x = e.grid.x
    terms = [(curve(s.profile, values, x) * volumes(e), s.history) for s in e.source]
    for node, end in ends(e):
        if is_kind(end, "flux"):
            terms.append((np.where(np.arange(x.size) == node, 1.0, 0.0), end.value))
        elif not is_kind(end, "convection") and not is_kind(end, "temperature"):
            raise NotImplementedError(f"state here, independently, what {end!r} gives its node")
    terms += exchanges(e, values)
    nothing = np.zeros((*t.shape, x.size))
    return sum((np.multiply.outer(curve(f, values, t), amount) for amount, f in terms), nothing)


def books(e: Experiment, values: Values) -> Books:
    """The books of a bar; its heat capacity is 1 where the matter has a diffusivity."""
    x, matter = e.grid.x, e.material
    k, C = matter.conductivity, matter.heat_capacity
    if k is None:
        k, C = matter.diffusivity, None
    return Books(
        widths=np.diff(x),
        volumes=volumes(e),
        lecture=matter.conductivity is None and matter.form != "divergence",
        conduct=law_of_temperature(k, values) if of_temperature(k) else cell_means(k, values, x),
        store=law_of_temperature(C, values) if of_temperature(C) else capacities(C, values, x),
        lost=sum((amount for amount, _ in exchanges(e, values)), np.zeros(x.size)),
    )


# --- the march -----------------------------------------------------------------------------------


def field(e: Experiment, values: Values, tableaux: Sequence[Array]) -> Array:
    """Temperatures at all nodes and steps (steps + 1, nodes), a DIRK tableau for every step."""
    dt, bar = e.time.end / e.time.steps, books(e, values)
    t = np.array([[(k + sum(row)) * dt for row in A] for k, A in enumerate(tableaux)])
    loads = heating(e, values, t)
    held = {node: end.value for node, end in ends(e) if is_kind(end, "temperature")}
    pinned = {node: curve(g, values, t) for node, g in held.items()}
    kinds = (bar.lost, loads, *pinned.values(), *map(np.asarray, values.values()), np.float64)
    u = curve(e.bar.initial, values, e.grid.x).astype(np.result_type(*kinds))
    for node, g in held.items():
        u[node] = curve(g, values, np.zeros(1))[0]
    out = [u]
    for k, A in enumerate(tableaux):
        stage, rates = u, []
        for i in range(len(A)):
            given = dt * sum(A[i, j] * rates[j] for j in range(i)) + dt * A[i, i] * loads[k, i]
            here = {node: g[k, i] for node, g in pinned.items()}
            stage = settle(bar, u, stage, dt * A[i, i], given, here)
            rates.append(bar.received(stage) + loads[k, i])
        u = stage
        out.append(u)
    return np.array(out)


def settle(
    bar: Books, u: Array, guess: Array, step: float, given: Array, held: dict[int, Any]
) -> Array:
    """The Y whose heat exceeds u's by ``given + step received(Y)``, `held` at its nodes."""
    Y, size, before = guess.copy(), bar.capacity(u), np.inf
    for node, value in held.items():
        Y[node] = value

    def excess(Y: Array) -> Array:
        F = bar.gained(u, Y) - given - step * bar.received(Y)
        for node, value in held.items():
            F[node] = Y[node] - value
        return F

    def change(Y: Array, F: Array) -> Array:
        M = np.diag(bar.capacity(Y)) - step * bar.received_slope(Y)
        for node in held:
            M[node] = np.eye(Y.size)[node]
        return np.linalg.solve(M, F)

    for _ in range(ITERATIONS):
        d = change(Y, F := excess(Y))
        now = np.max(np.abs(d.real))
        if now <= CLOSE * np.max(np.abs(Y.real)):
            Y = Y - d
            if now >= before / 2:
                return Y
            before = now
            continue
        norm, share = np.linalg.norm(F.real / size), 1.0
        while share > SHORTEST and not np.linalg.norm(excess(Y - share * d).real / size) < norm:
            share /= 2
        Y = Y - share * d
    raise ArithmeticError("Newton finds no temperatures that balance the books")
