r"""From the values of the curves to the arrays that march, and back.

Every node keeps the books of the heat in its volume V_i (per unit area of the bar),

    V_i C_i u_i' = sum of what flows in,

and whatever takes part is linear in its curve. With the cells' conductances

    divergence:     g = k / dx, one for both nodes of a cell (k from `OfCells`),
    nondivergence:  g = kappa_i / dx for the row of node i (the lecture's form; C = 1),

and with loads, each an amount a spread over nodes by e,

    load:                e a h(t)             source: a = s(x), e = V;   flux: a = 1, e = delta_end
    load that exchanges: e a (h(t) - u)       sides: a = rate, e = V;   convection: delta_end

the books are ``V C u' = G u + P^T h``: G has the conductances as its arms, and minus the exchanged
amounts as its row sums; P has a row ``e a`` per load. On a ghost node's reading, half volumes at
the ends are what the lecture does: ``u_{-1} = u_1`` doubles the arm. What marches is
``K = m G``, ``S = m P`` with m = 1 / (V C).

Pinned nodes are not states: u_end = g(t) enters its neighbour r through r's arm, which leaves G and
becomes a load,

    G_sum,r -= arm,    P_pinned,r = arm,    h = g(t) at every stage,    G_arm = 0.

Transposed, line by line (bars are cotangents; K has the arm twice, so its cotangent comes twice):

    G_bar = m K_bar,    P_bar = m S_bar,    C_bar = -(m / C) (sum_bands K_bar G + sum_p S_bar P)
    arm_bar = P_pinned,r_bar - G_sum,r_bar                (its place in G has no other cotangent)
    a_bar = e . P_bar - [it exchanges] e . G_sum_bar,     summed where a is one number
    k_bar = (G_below_bar of the right node + G_above_bar of the left one) / dx.

What is marched is u less a fixed reference temperature, the mean initial one at the start values:
conduction does not feel a shift of all temperatures, but digits do. The reference is subtracted
from the initial profile, from pinned ends and from surroundings, and added to the field; no
derivative sees it.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Any

import numpy as np

from solver.errors import Place
from solver.experiment import Experiment
from solver.grid import Grid
from solver.kernels import Array
from solver.loads import ABOVE, BELOW, SUM, Load, Pinned, add_amount, loads_of, pinned_of
from solver.march import Coefficients
from solver.parameters import Parameters
from solver.sampling import CONDUCTIVITY, DIFFUSIVITY, HEAT_CAPACITY, INITIAL
from solver.values import CurveValues, Values


class Assembly:
    """The map from parameters to coefficients for one experiment, with its derivatives."""

    def __init__(self, experiment: Experiment, parameters: Parameters) -> None:
        self.experiment = experiment
        self.grid: Grid = experiment.grid
        self.curves = CurveValues(experiment, parameters)
        self.reference = float(np.mean(self.curves.one(INITIAL, parameters.start)))
        self.loads = loads_of(experiment)
        self.pinned = pinned_of(experiment)
        everything: tuple[Load | Pinned, ...] = (*self.loads, *self.pinned)
        self.driven = tuple(driven for driven in everything if not self._silent(driven))
        self._fixed_profiles: Array | None = None  # of loads that no unknown reaches

    def coefficients(self, values: Values) -> Coefficients:
        """The semi-discrete bar."""
        G, m = self._flows(values), self._per_capacity(values)
        if self.wants_profiles or self._fixed_profiles is None:
            self._fixed_profiles = (m * self._drives(values, G))[:, self.states]
        return Coefficients(
            bands=(m * self._folded(G))[:, self.states],
            profiles=self._fixed_profiles,
            histories=self._histories(values) if self.wants_histories else self._known_histories,
            initial=values[INITIAL][self.states] - self.reference,
        )

    def coefficients_dot(self, values: Values, values_dot: Values, directions: int) -> Coefficients:
        """The same map, applied to directions (q, points) at `values`."""
        G_dot, m = self._flows(values_dot, (directions,)), self._per_capacity(values)
        profiles = m * self._drives(values_dot, G_dot, (directions,))
        bands = m * self._folded(G_dot)
        if HEAT_CAPACITY in values_dot:
            m_dot = (-m * values_dot[HEAT_CAPACITY] / values[HEAT_CAPACITY])[:, None, :]
            G = self._flows(values)
            profiles = profiles + m_dot * self._drives(values, G)
            bands = bands + m_dot * self._folded(G)
        stages, x = self.grid.stage_times.size, self.grid.x.size
        histories = [values_dot.get(d.history, np.zeros((directions, stages))) for d in self.driven]
        return Coefficients(
            bands=bands[..., self.states],
            profiles=profiles[..., self.states],
            histories=self._by_stage(histories, directions),
            initial=values_dot.get(INITIAL, np.zeros((directions, x)))[:, self.states],
        )

    def values_bar(self, values: Values, bar: Coefficients) -> dict[Place, Array]:
        """The transpose: cotangents of the curves that hold unknowns."""
        values_bar = self.curves.zeros()
        m, n = self._per_capacity(values), self.grid.x.size
        K_bar, S_bar = np.zeros((3, n)), np.zeros((len(self.driven), n))
        K_bar[:, self.states] = bar.bands
        if self.wants_profiles:
            S_bar[:, self.states] = bar.profiles
        if HEAT_CAPACITY in values_bar:
            G = self._flows(values)
            m_bar = (S_bar * self._drives(values, G)).sum(axis=0)
            m_bar += (K_bar * self._folded(G)).sum(axis=0)
            values_bar[HEAT_CAPACITY] -= m_bar * m / values[HEAT_CAPACITY]
        G_bar = self._folded_bar(m * K_bar)
        self._drives_bar(values_bar, G_bar, m * S_bar)
        self._flows_bar(values_bar, G_bar)
        if INITIAL in values_bar:
            values_bar[INITIAL][self.states] += bar.initial
        for p, driven in enumerate(self.driven):
            if driven.history in values_bar:
                values_bar[driven.history][1:] += bar.histories[:, :, p].ravel()
        return values_bar

    @cached_property
    def wants_profiles(self) -> bool:
        """Whether an unknown reaches the loads' profiles."""
        arms = [self._law for driven in self.driven if isinstance(driven, Pinned)]
        amounts = [load.amount for load in self.loads]
        return any(self.curves.unknown(place) for place in (HEAT_CAPACITY, *arms, *amounts))

    @cached_property
    def wants_histories(self) -> bool:
        """Whether an unknown reaches the loads' histories."""
        return any(self.curves.unknown(driven.history) for driven in self.driven)

    def fourier_number(self, theta: Array) -> float:
        """Mean diffusivity times duration over length squared: how far heat gets in the run."""
        values = self.curves.at(theta)
        kappa = np.mean(values[self._law]) / np.mean(values.get(HEAT_CAPACITY, np.ones(1)))
        return float(kappa * self.grid.end / self.grid.length**2)

    # --- the books of heat: linear in the curves, so that directions with a `shape` (q,) in front
    # --- go through the same lines

    def _flows(self, values: Values, shape: tuple[int, ...] = ()) -> Array:
        """G (..., 3, n + 1), pinned nodes among the others."""
        G = np.zeros((*shape, 3, self.grid.x.size), self._dtype(values, self._flow_places))
        if self._law in values:
            law = values[self._law]
            right, left = (law[..., 1:], law[..., :-1]) if self._by_node else (law, law)
            G[..., BELOW, 1:] = right / self.grid.dx
            G[..., ABOVE, :-1] = left / self.grid.dx
        for load in self.loads:
            if load.exchanges and load.amount is not None and load.amount in values:
                G[..., SUM, :] -= load.spread * values[load.amount]
        return G

    def _flows_bar(self, values_bar: dict[Place, Array], G_bar: Array) -> None:
        """The transpose of `_flows`, added to `values_bar`."""
        if self._law in values_bar:
            right, left = G_bar[BELOW, 1:] / self.grid.dx, G_bar[ABOVE, :-1] / self.grid.dx
            law_bar = values_bar[self._law]
            if self._by_node:
                law_bar[1:] += right
                law_bar[:-1] += left
            else:
                law_bar += right + left
        for load in self.loads:
            if load.exchanges:
                add_amount(values_bar, load, -G_bar[SUM])

    def _drives(self, values: Values, G: Array, shape: tuple[int, ...] = ()) -> Array:
        """P (..., driven, n + 1); a pinned end's is its arm in G."""
        amounts = (driven.amount for driven in self.driven if isinstance(driven, Load))
        dtype = np.result_type(G.dtype, self._dtype(values, amounts))
        P = np.zeros((*shape, len(self.driven), self.grid.x.size), dtype)
        for p, driven in enumerate(self.driven):
            if isinstance(driven, Pinned):
                P[..., p, driven.row] = G[..., driven.arm, driven.row]
            elif driven.amount is not None and driven.amount in values:
                P[..., p, :] = driven.spread * values[driven.amount]
            elif driven.amount is None and not shape:  # a constant, which has no derivative
                P[p] = driven.spread
        return P

    def _drives_bar(self, values_bar: dict[Place, Array], G_bar: Array, P_bar: Array) -> None:
        """The transpose of `_drives`, added to `values_bar` and `G_bar`."""
        for p, driven in enumerate(self.driven):
            if isinstance(driven, Pinned):
                G_bar[driven.arm, driven.row] += P_bar[p, driven.row]
            else:
                add_amount(values_bar, driven, P_bar[p])

    def _folded(self, G: Array) -> Array:
        """G, in place, without the arms to pinned nodes."""
        for end in self.pinned:
            G[..., SUM, end.row] -= G[..., end.arm, end.row]
            G[..., end.arm, end.row] = 0.0
        return G

    def _folded_bar(self, G_bar: Array) -> Array:
        """The transpose of `_folded`, in place."""
        for end in self.pinned:
            G_bar[end.arm, end.row] = -G_bar[SUM, end.row]
        return G_bar

    @staticmethod
    def _dtype(values: Values, places: Iterable[Place | None]) -> Any:
        """Complex where one of the curves is (a complex step)."""
        parts = (values[place] for place in places if place is not None and place in values)
        return np.result_type(np.float64, *(part.dtype for part in parts))

    @cached_property
    def _flow_places(self) -> tuple[Place | None, ...]:
        return (self._law, *(load.amount for load in self.loads if load.exchanges))

    def _per_capacity(self, values: Values) -> Array:
        """m (n + 1,)."""
        if HEAT_CAPACITY not in values:
            return self._per_volume
        return np.asarray(1.0 / (self.grid.volumes * values[HEAT_CAPACITY]))

    @cached_property
    def _per_volume(self) -> Array:
        return np.asarray(1.0 / self.grid.volumes)

    @cached_property
    def _law(self) -> Place:
        """The place of what conducts."""
        return DIFFUSIVITY if self.experiment.material.conductivity is None else CONDUCTIVITY

    @cached_property
    def _by_node(self) -> bool:
        return not self.experiment.material.divergence

    # --- states and pinned nodes ----------------------------------------------------------------

    @cached_property
    def states(self) -> slice:
        """The nodes that are marched: all but the pinned ones."""
        left, right = (end.pinned for end in self.experiment.ends.values())
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
        return [(e, int(np.searchsorted(nodes, e.node))) for e in self.pinned if e.node in nodes]

    # --- loads ----------------------------------------------------------------------------------

    def _silent(self, driven: Load | Pinned) -> bool:
        """Whether a load's history is known to be nothing."""
        history = self.curves.known.get(driven.history)
        return history is not None and bool(np.all(history == self._shift(driven)))

    def _shift(self, driven: Load | Pinned) -> float:
        """What is subtracted from a history: the reference where it is a temperature."""
        return self.reference if isinstance(driven, Pinned) or driven.exchanges else 0.0

    @cached_property
    def _known_histories(self) -> Array:
        return self._histories(self.curves.known)

    def _histories(self, values: Values) -> Array:
        return self._by_stage([values[d.history] - self._shift(d) for d in self.driven])

    def _by_stage(self, histories: list[Array], *directions: int) -> Array:
        """Histories on [0, stages...] (..., points) to (..., steps, stages, P)."""
        stages = self.grid.tableau.stages
        shape = (*directions, self.grid.steps, stages, len(histories))
        if not histories:
            return np.zeros(shape)
        return np.stack([h[..., 1:] for h in histories], -1).reshape(shape)
