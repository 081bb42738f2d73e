"""What a march by Newton works in: the books in rows of lanes, and what is kept of u."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from solver.kernels import Array, Books, Cotangents, Pieces, Way, newton_adjoint
from solver.kernels.prediction import DIFFERENCES, FIGURES, REMEMBERED, Past
from solver.layout import Layout
from solver.states import States
from solver.steps import Steps


@dataclass(frozen=True, eq=False)
class NewtonCoefficients:
    """What marches: the books of heat (`solver.kernels.balance`), node by node.

    arms (3, N) and capacities (N,); the laws' pieces, of kappa and of h; share: 1/2 or 0; held
    (H,): the pinned nodes, their arms 0. Loads' profiles (P, N) and histories (steps, stages, P);
    pinned temperatures (steps, stages, H); u at t = 0 (N,); smooth: whether the law that conducts
    has no kinks.
    """

    arms: Array
    capacities: Array
    conduct: Pieces
    store: Pieces
    share: float
    held: Array
    profiles: Array
    histories: Array
    pinned: Array
    initial: Array
    smooth: bool

    @property
    def dtype(self) -> np.dtype[Any]:
        """The common dtype: complex128 when any array is complex."""
        return self.initial.dtype


@dataclass(frozen=True, eq=False)
class NewtonDirections:
    """Directions of what marches, with an axis q in front, or its cotangents.

    conduct and store (.., B, degree + 1): of the coefficients of the laws' pieces.
    """

    arms: Array
    capacities: Array
    conduct: Array
    store: Array
    profiles: Array
    histories: Array
    pinned: Array
    initial: Array


class NewtonWorkspace:
    """The arrays of one march in the rows of a layout."""

    def __init__(self, layout: Layout, c: NewtonCoefficients, steps: Steps, probes: Array) -> None:
        self.layout, self._made_for = layout, _key(c)
        vectors, figures = layout.room(REMEMBERED * steps.stages), np.zeros((FIGURES, steps.stages))
        self.past = Past(DIFFERENCES, vectors, figures)
        self.states = States(layout, steps.stages, vectors, figures)
        self.probes = layout.probes(probes)
        self.joint = layout.joint(1)
        self.G = layout.room(c.profiles.shape[0] + steps.stages - 1)
        self._profiles: Array | None = None
        self._zeros: dict[str, Array] = {}
        self._last_packed: dict[str, tuple[Array, Array]] = {}
        self._free = np.ones(layout.nodes)
        self._free[c.held] = 0.0
        self._held, self._padding = layout.probes(c.held), layout.padding()
        self._last = layout.probes(np.array([layout.nodes - 1]))[:, 0]

    def fits(self, c: NewtonCoefficients) -> bool:
        """Whether the workspace was made for such coefficients."""
        return self._made_for == _key(c)

    def fill(self, c: NewtonCoefficients) -> None:
        """Take these coefficients, and u at t = 0."""
        layout = self.layout
        if c.profiles is not self._profiles:
            self._profiles = c.profiles
            layout.pack(c.profiles * self._free, self.G)
        self.histories, self.pinned = layout.numbers(c.histories), layout.numbers(c.pinned)
        self.smooth = c.smooth
        self.books = Books(
            arms=self._packed(c.arms, "arms"),
            capacities=self._packed(c.capacities, "capacities", self._free),
            conduct=c.conduct,
            store=c.store,
            share=c.share,
            held=self._held,
            padding=self._padding,
            last=self._last,
        )
        self.states.start(c.initial)

    def zeros(self, name: str, vectors: int) -> Array:
        """So many vectors of zeros; those of the same name are the same room."""
        room = self._zeros.get(name)
        if room is None or room.shape[0] != vectors * self.layout.rows:
            room = self._zeros[name] = self.layout.room(vectors)
        room.fill(0.0)
        return room

    def _packed(self, x: Array, name: str, free: Array | None = None) -> Array:
        """Vectors in rows; of the array that was packed last they are there already."""
        last, packed = self._last_packed.get(name, (None, x))
        if last is not x:
            packed = self.layout.pack(x if free is None else x * free)
            self._last_packed[name] = x, packed
        return packed

    def packed(self, d: NewtonDirections) -> tuple[tuple[Array, ...], Array]:
        """Directions in the order of `newton_tangent.tangent`, and those of u."""
        layout = self.layout
        directions = (
            layout.pack(d.arms),
            layout.pack(d.capacities * self._free),
            np.ascontiguousarray(d.conduct),
            np.ascontiguousarray(d.store),
            layout.pack(d.profiles),
            layout.numbers(d.histories),
            layout.numbers(d.pinned),
        )
        return directions, layout.pack(d.initial)


class NewtonCotangents:
    """The cotangents of all that is marched; those that nobody wants have no rows.

    Those over the nodes are room of the workspace's, good until the next ones are made.
    """

    def __init__(
        self, work: NewtonWorkspace, c: NewtonCoefficients, wanted: dict[str, bool]
    ) -> None:
        layout = work.layout
        felt = wanted["initial"] or wanted["store"] or wanted["capacities"]
        self._bars = Cotangents(
            heat=work.zeros("heat", 1),
            arms=work.zeros("arms", 3 if wanted["arms"] else 0),
            capacities=work.zeros("capacities", 1 if wanted["capacities"] else 0),
            conduct=_zeros(c.conduct.coefficients, wanted["conduct"]),
            conduct_powers=layout.sums(c.conduct.coefficients.shape[1]),
            store=_zeros(c.store.coefficients, wanted["store"]),
            store_powers=layout.sums(c.store.coefficients.shape[1]),
            G=work.zeros("profiles", c.profiles.shape[0] if wanted["profiles"] else 0),
            histories=_zeros(c.histories.reshape(-1), wanted["histories"]),
            pinned=np.zeros(c.pinned.size, c.dtype),
            initial=work.zeros("initial", 1 if felt else 0),
        )

    def sweep(
        self,
        work: NewtonWorkspace,
        way: Way,
        first: int,
        last: int,
        start: int,
        readings_bar: Array,
    ) -> None:
        """March back from step `last` to `first` over the stage values since `start`."""
        newton_adjoint.adjoint(
            *(work.books, work.joint, way, first, last, start),
            *(work.states.values, work.probes, readings_bar, self._bars),
        )

    def unpacked(self, work: NewtonWorkspace, c: NewtonCoefficients) -> NewtonDirections:
        """The cotangents at t = 0, in the order of the nodes; of no rows are those nobody wants."""
        bars = self._bars
        newton_adjoint.add_totals(bars.conduct_powers, bars.conduct)
        newton_adjoint.add_totals(bars.store_powers, bars.store)
        return NewtonDirections(
            arms=_unpacked(work.layout, bars.arms),
            capacities=_unpacked(work.layout, bars.capacities).reshape(-1),
            conduct=bars.conduct,
            store=bars.store,
            profiles=_unpacked(work.layout, bars.G),
            histories=bars.histories.reshape(-1, *c.histories.shape[1:]),
            pinned=bars.pinned.reshape(c.pinned.shape),
            initial=_unpacked(work.layout, bars.initial).reshape(-1),
        )


def _unpacked(layout: Layout, bar: Array) -> Array:
    """As many vectors as there are."""
    return layout.unpack(bar, bar.shape[0] // layout.rows) if bar.size else bar


def _zeros(part: Array, wanted: bool) -> Array:
    return np.zeros(part.shape if wanted else (0, *part.shape[1:]), part.dtype)


def _key(c: NewtonCoefficients) -> tuple[Any, ...]:
    return c.dtype, c.initial.size, c.profiles.shape[0], tuple(c.held)
