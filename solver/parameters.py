"""The unknowns of a study in the order of theta.

A name is one unknown wherever it stands; a listed one, a curve, takes as many components.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

import numpy as np

from solver.curves import Unknown
from solver.experiment import Study
from solver.kernels import Array


@dataclass(frozen=True)
class Parameters:
    """The unknowns, and theta (p,) as the row of their values."""

    unknowns: tuple[Unknown, ...]

    @classmethod
    def of(cls, study: Study) -> Parameters:
        """Those of a study, in the order in which their names are met."""
        named: dict[str, Unknown] = {}
        for _, unknown in study.unknowns:
            named.setdefault(unknown.name, unknown)
        return cls(tuple(named.values()))

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
        return self._spread(not u.listed for u in self.unknowns).astype(bool)

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
        return np.concatenate([np.zeros(0), *parts])

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
        largest = self._spread(float(np.max(np.abs(u.start))) for u in self.unknowns)
        width = self.upper - self.lower
        return np.where(largest > 0.0, largest, np.where(np.isfinite(width), width, 1.0))

    def sizes(self, theta: Array) -> Array:
        """What a relative change is relative to, (p,): max(|theta|, |start|), never zero.

        A curve has one size, its largest.
        """
        sizes = np.maximum(np.abs(theta), np.abs(self.start))
        for unknown in self.unknowns:
            if unknown.listed:
                here = self.where[unknown.name]
                sizes[here] = sizes[here].max()
        return np.where(sizes > 0.0, sizes, self.magnitudes)

    @cached_property
    def logarithmic(self) -> Array:
        """Which are searched for in the logarithm, (p,) bool."""
        return self._spread(u.scale == "log" for u in self.unknowns).astype(bool)

    def named(self, theta: Array) -> dict[str, float | list[float]]:
        """Numbers and lists by name."""
        return {
            u.name: theta[self.where[u.name]].tolist()
            if u.listed
            else float(theta[self.where[u.name]][0])
            for u in self.unknowns
        }

    def _spread(self, values: Iterable[float]) -> Array:
        """One value per unknown, repeated for each of its components, (p,)."""
        counts = [u.size for u in self.unknowns]
        return np.repeat(np.array(list(values), dtype=np.float64), counts)
