"""The unknowns of a study in the order of theta.

A name is one unknown wherever it stands; a listed one, a curve, takes as many components.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import accumulate
from types import MappingProxyType

import numpy as np

from solver.curves import Unknown
from solver.experiment import Experiment, Study
from solver.kept import fixed, kept, shared
from solver.kernels import Array
from solver.network import Network

EXCHANGES = ("coefficient", "rate")  # the keys of what multiplies a difference of temperatures


@dataclass(frozen=True)
class Parameters:
    """The unknowns, and theta (p,) as the row of their values.

    curves: the names of those lists that are values of one thing, and so have one size; a list of a
    polynomial's coefficients has as many as there are. networks: those that are the weights of a
    network, with its widths; weights have one size too.
    """

    unknowns: tuple[Unknown, ...]
    curves: frozenset[str] = frozenset()
    networks: Mapping[str, tuple[int, ...]] = field(default_factory=lambda: MappingProxyType({}))

    @staticmethod
    def of(study: Study) -> Parameters:
        """Those of a study, in the order in which their names are met.

        A coefficient or a rate of exchange is held at 0 or above: heat flows from warm to cold.
        """
        return _of(tuple(experiment.set_up for experiment in study.experiments))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(u.name for u in self.unknowns)

    @cached_property
    def size(self) -> int:
        """The length p of theta."""
        return sum(u.size for u in self.unknowns)

    @cached_property
    def where(self) -> dict[str, slice]:
        """Which components belong to a name."""
        ends = list(accumulate((u.size for u in self.unknowns), initial=0))
        rows = zip(self.names, ends[:-1], ends[1:], strict=True)
        return {name: slice(a, b) for name, a, b in rows}

    @cached_property
    def scalar(self) -> Array:
        """Which components are numbers of their own, not values of a curve, (p,) bool."""
        return fixed(self._spread(not u.listed for u in self.unknowns).astype(bool))

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """A name for every component."""
        return tuple(
            f"{u.name}[{i}]" if u.listed else u.name for u in self.unknowns for i in range(u.size)
        )

    @cached_property
    def start(self) -> Array:
        """Where the search starts, (p,)."""
        parts = [np.atleast_1d(np.asarray(u.start, np.float64)) for u in self.unknowns]
        return fixed(np.concatenate([np.zeros(0), *parts]))

    @cached_property
    def lower(self) -> Array:
        """Lower bounds, (p,)."""
        return self._spread(u.lower for u in self.unknowns)

    @cached_property
    def upper(self) -> Array:
        """Upper bounds, (p,)."""
        return self._spread(u.upper for u in self.unknowns)

    @cached_property
    def magnitudes(self) -> Array:
        """Typical sizes, (p,): |start|, for a curve its largest, else the bounds' width, else 1."""
        largest = self._level(np.abs(self.start))
        width = self.upper - self.lower
        width = np.where(np.isfinite(width), width, 1.0)
        return fixed(np.where(largest > 0.0, largest, width))

    def sizes(self, theta: Array) -> Array:
        """What a relative change is relative to, (p,): max(|theta|, |start|), never zero.

        A curve has one size, its largest.
        """
        sizes = self._level(np.maximum(np.abs(theta), np.abs(self.start)))
        return np.where(sizes > 0.0, sizes, self.magnitudes)

    @cached_property
    def logarithmic(self) -> Array:
        """Which are searched for in the logarithm, (p,) bool."""
        return fixed(self._spread(u.scale == "log" for u in self.unknowns).astype(bool))

    def named(self, theta: Array) -> dict[str, float | list[float]]:
        """Numbers and lists by name."""
        return {
            u.name: theta[self.where[u.name]].tolist()
            if u.listed
            else float(theta[self.where[u.name]][0])
            for u in self.unknowns
        }

    def _level(self, sizes: Array) -> Array:
        """Sizes (p,) with the largest of a curve for all of it."""
        for name in (*self.curves, *self.networks):
            here = self.where[name]
            sizes[here] = sizes[here].max()
        return sizes

    def _spread(self, values: Iterable[float]) -> Array:
        """One value per unknown, repeated for each of its components, (p,)."""
        counts = [u.size for u in self.unknowns]
        return fixed(np.repeat(np.array(list(values), dtype=np.float64), counts))


@kept(lambda set_ups: len(set_ups) == 1)
def _of(set_ups: tuple[Experiment, ...]) -> Parameters:
    named: dict[str, Unknown] = {}
    curves = set()
    for place, unknown in (found for set_up in set_ups for found in set_up.unknowns):
        known = named.setdefault(unknown.name, unknown)
        if place[-1] in EXCHANGES and known.lower < 0.0 < known.upper:
            named[unknown.name] = replace(known, lower=0.0)
        if unknown.listed and place[-1] == "values":
            curves.add(unknown.name)
    return shared(Parameters(tuple(named.values()), frozenset(curves), _networks(set_ups)))


def _networks(set_ups: tuple[Experiment, ...]) -> dict[str, tuple[int, ...]]:
    """The names of the unknown networks, and their widths."""
    materials = (set_up.material for set_up in set_ups)
    laws = (law for m in materials for law in (m.diffusivity, m.conductivity, m.heat_capacity))
    return {
        law.weights.name: law.widths
        for law in laws
        if isinstance(law, Network) and isinstance(law.weights, Unknown)
    }
