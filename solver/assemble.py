r"""From the values of the curves to the arrays of a linear march, and back.

The balance (`solver.heat`) reads ``V C u' = G u + P^T h``. Pinned nodes are not states: their
u_end = g(t) enters the neighbour r through r's arm, which leaves G and becomes a load,

    G_sum,r -= arm,    P_pinned,r = arm,    h = g(t) at every stage,    G_arm = 0.

What marches is ``K = m G``, ``S = m P`` with m = 1 / (V C). Transposed, line by line (bars are
cotangents; K has the arm twice, so its cotangent comes twice):

    G_bar = m K_bar,    P_bar = m S_bar,    C_bar = -(m / C) (sum_bands K_bar G + sum_p S_bar P)
    arm_bar = P_pinned,r_bar - G_sum,r_bar                (its place in G has no other cotangent)
"""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import numpy as np

from solver.errors import Place
from solver.experiment import Experiment
from solver.heat import Heat
from solver.kernels import Array
from solver.loads import SUM, Pinned
from solver.parameters import Parameters
from solver.sampling import HEAT_CAPACITY, INITIAL, samples_of
from solver.values import CurveValues, Values
from solver.workspace import Coefficients


class Point(NamedTuple):
    """What the way back needs of the way forward: theta, the curves' values, the coefficients."""

    theta: Array
    values: Values
    coefficients: Coefficients


class LinearAssembly:
    """The map from theta by the curves to the coefficients of one experiment, with derivatives."""

    def __init__(self, experiment: Experiment, parameters: Parameters) -> None:
        self.curves = CurveValues(samples_of(experiment), parameters)
        self.heat = Heat(experiment, self.curves, parameters)
        self.grid, self.reference = self.heat.grid, self.heat.reference
        self._fixed_profiles: Array | None = None  # of loads that no unknown reaches

    # --- from theta ----------------------------------------------------------------------------

    def at(self, theta: Array) -> Point:
        """The semi-discrete bar; raises TrialError where a law is not positive."""
        values = self.curves.at(theta)
        return Point(theta, values, self.coefficients(values))

    def dot(self, theta: Array, directions: Array) -> tuple[Values, Coefficients]:
        """The same map, applied to `directions` (q, p) at theta: those of the curves, and it."""
        values_dot = self.curves.dot(theta, directions)
        values = self.curves.unchecked(theta)
        return values_dot, self.coefficients_dot(values, values_dot, len(directions))

    def bar(self, point: Point, bar: Coefficients, field_bar: Array, nodes: Array) -> Array:
        """The transpose: the cotangent of theta (p,), also from that of the field at `nodes`."""
        values_bar = self.values_bar(point.values, bar)
        self.pinned_bar(values_bar, field_bar, nodes)
        return self.curves.bar(point.theta, values_bar)

    # --- from the curves ------------------------------------------------------------------------

    def coefficients(self, values: Values) -> Coefficients:
        """The semi-discrete bar."""
        G, m = self.heat.flows(values), self._per_capacity(values)
        if self.wants_profiles or self._fixed_profiles is None:
            profiles = (m * self.heat.drives(values, self.heat.driven, G))[:, self.states]
            # What is kept is real, though the first theta may be complex.
            self._fixed_profiles = profiles if self.wants_profiles else profiles.real.copy()
        return Coefficients(
            bands=(m * self._folded(G))[:, self.states],
            profiles=self._fixed_profiles,
            histories=self._histories(values) if self.wants_histories else self._known_histories,
            initial=values[INITIAL][self.states] - self.reference,
        )

    def coefficients_dot(self, values: Values, values_dot: Values, directions: int) -> Coefficients:
        """The same map, applied to directions (q, points) at `values`."""
        heat, m = self.heat, self._per_capacity(values)
        G_dot = heat.flows(values_dot, (directions,))
        profiles = m * heat.drives(values_dot, heat.driven, G_dot, (directions,))
        bands = m * self._folded(G_dot)
        if HEAT_CAPACITY in values_dot:
            m_dot = (-m * values_dot[HEAT_CAPACITY] / values[HEAT_CAPACITY])[:, None, :]
            G = heat.flows(values)
            profiles = profiles + m_dot * heat.drives(values, heat.driven, G)
            bands = bands + m_dot * self._folded(G)
        initial_dot = values_dot.get(INITIAL, np.zeros((directions, self.grid.x.size)))
        return Coefficients(
            bands=bands[..., self.states],
            profiles=profiles[..., self.states],
            histories=heat.histories_dot(values_dot, heat.driven, directions),
            initial=initial_dot[:, self.states],
        )

    def values_bar(self, values: Values, bar: Coefficients) -> dict[Place, Array]:
        """The transpose: cotangents of the curves that hold unknowns."""
        heat = self.heat
        values_bar = self.curves.zeros(bar.dtype)
        m, n = self._per_capacity(values), self.grid.x.size
        K_bar = np.zeros((3, n), bar.dtype)
        S_bar = np.zeros((len(heat.driven), n), bar.dtype)
        K_bar[:, self.states] = bar.bands
        if self.wants_profiles:
            S_bar[:, self.states] = bar.profiles
        if HEAT_CAPACITY in values_bar:
            G = heat.flows(values)
            m_bar = (S_bar * heat.drives(values, heat.driven, G)).sum(axis=0)
            m_bar += (K_bar * self._folded(G)).sum(axis=0)
            values_bar[HEAT_CAPACITY] -= m_bar * m / values[HEAT_CAPACITY]
        G_bar = self._folded_bar(m * K_bar)
        heat.drives_bar(values_bar, heat.driven, G_bar, m * S_bar)
        heat.flows_bar(values_bar, G_bar)
        if INITIAL in values_bar:
            values_bar[INITIAL][self.states] += bar.initial
        heat.histories_bar(values_bar, heat.driven, bar.histories)
        return values_bar

    @cached_property
    def wants_profiles(self) -> bool:
        """Whether an unknown reaches the loads' profiles."""
        arms = [self.heat.law for driven in self.heat.driven if isinstance(driven, Pinned)]
        places = (HEAT_CAPACITY, *arms, *(load.amount for load in self.heat.loads))
        return any(self.curves.unknown(place) for place in places)

    @cached_property
    def wants_histories(self) -> bool:
        """Whether an unknown reaches the loads' histories."""
        return any(self.curves.unknown(driven.history) for driven in self.heat.driven)

    def _histories(self, values: Values) -> Array:
        return self.heat.histories(values, self.heat.driven)

    @cached_property
    def _known_histories(self) -> Array:
        return self._histories(self.curves.known)

    def _folded(self, G: Array) -> Array:
        """G, in place, without the arms to pinned nodes."""
        for end in self.heat.pinned:
            G[..., SUM, end.row] -= G[..., end.arm, end.row]
            G[..., end.arm, end.row] = 0.0
        return G

    def _folded_bar(self, G_bar: Array) -> Array:
        """The transpose of `_folded`, in place."""
        for end in self.heat.pinned:
            G_bar[end.arm, end.row] = -G_bar[SUM, end.row]
        return G_bar

    def _per_capacity(self, values: Values) -> Array:
        """m (n + 1,)."""
        if HEAT_CAPACITY not in values:
            return self._per_volume
        return np.asarray(1.0 / (self.grid.volumes * values[HEAT_CAPACITY]))

    @cached_property
    def _per_volume(self) -> Array:
        return np.asarray(1.0 / self.grid.volumes)

    # --- states and pinned nodes ----------------------------------------------------------------

    @cached_property
    def states(self) -> slice:
        """The nodes that are marched: all but the pinned ones."""
        left, right = (end.pinned for end in self.heat.experiment.ends.values())
        return slice(int(left), self.grid.x.size - int(right))

    def set_pinned(self, values: Values, field: Array, nodes: Array) -> None:
        """Put the pinned ends' temperatures, or their derivatives, into `field` (..., m + 1, Q)."""
        for end, column in self._pinned_columns(nodes):
            if end.history in values:
                field[..., column] = values[end.history][..., :: self.grid.tableau.stages]

    def pinned_bar(self, values_bar: dict[Place, Array], field_bar: Array, nodes: Array) -> None:
        """The transpose of `set_pinned`: add the field's cotangent (m + 1, Q) to the ends' own."""
        for end, column in self._pinned_columns(nodes):
            if end.history in values_bar:
                values_bar[end.history][:: self.grid.tableau.stages] += field_bar[:, column]

    def _pinned_columns(self, nodes: Array) -> list[tuple[Pinned, int]]:
        """The pinned ends among `nodes`, each with its column there."""
        pinned = self.heat.pinned
        return [(e, int(np.searchsorted(nodes, e.node))) for e in pinned if e.node in nodes]
