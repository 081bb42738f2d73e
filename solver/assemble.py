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

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from solver.boundary import Boundary
from solver.errors import Place
from solver.experiment import Experiment
from solver.grid import Grid
from solver.kernels import Array
from solver.march import Coefficients
from solver.parameters import Parameters
from solver.sampling import AMBIENT, CONDUCTIVITY, DIFFUSIVITY, HEAT_CAPACITY, INITIAL, RATE
from solver.values import CurveValues, Values

BELOW, SUM, ABOVE = 0, 1, 2  # the bands


@dataclass(frozen=True, eq=False)
class Load:
    """Something that heats: its history's place, its amount's (None: 1), and the nodes it reaches.

    spread (n + 1,): e. exchanges: whether the bar's own temperature counts against the history.
    """

    history: Place
    amount: Place | None
    spread: Array
    exchanges: bool = False


@dataclass(frozen=True)
class Pinned:
    """A pinned end: its series, its node, the neighbour that feels it, and by which arm."""

    history: Place
    node: int
    row: int
    arm: int


class Assembly:
    """The map from parameters to coefficients for one experiment, with its derivatives."""

    def __init__(self, experiment: Experiment, parameters: Parameters) -> None:
        self.experiment = experiment
        self.grid: Grid = experiment.grid
        self.curves = CurveValues(experiment, parameters)
        self.reference = float(np.mean(self.curves.one(INITIAL, parameters.start)))
        self.loads = tuple(self._loads())
        self.pinned = tuple(self._pinned())
        everything: tuple[Load | Pinned, ...] = (*self.loads, *self.pinned)
        self.driven = tuple(driven for driven in everything if not self._silent(driven))
        self._rows = {driven.history: p for p, driven in enumerate(self.driven)}

    def coefficients(self, values: Values) -> Coefficients:
        """The semi-discrete bar."""
        G, P = self._fold(*self._books(values))
        m = self._per_capacity(values)
        return Coefficients(
            bands=(m * G)[:, self.states],
            profiles=(m * P)[:, self.states],
            histories=self._histories(values) if self.wants_histories else self._known_histories,
            initial=values[INITIAL][self.states] - self.reference,
        )

    def coefficients_dot(self, values: Values, values_dot: Values, directions: int) -> Coefficients:
        """The same map, applied to directions (q, points) at `values`."""
        G_dot, P_dot = self._fold(*self._books(values_dot, (directions,)))
        m = self._per_capacity(values)
        bands, profiles = m * G_dot, m * P_dot
        if HEAT_CAPACITY in values_dot:
            G, P = self._fold(*self._books(values))
            m_dot = (-m * values_dot[HEAT_CAPACITY] / values[HEAT_CAPACITY])[:, None, :]
            bands, profiles = bands + m_dot * G, profiles + m_dot * P
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
            G, P = self._fold(*self._books(values))
            m_bar = (K_bar * G).sum(axis=0) + (S_bar * P).sum(axis=0)
            values_bar[HEAT_CAPACITY] -= m_bar * m / values[HEAT_CAPACITY]
        self._books_bar(values_bar, *self._fold_bar(m * K_bar, m * S_bar))
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

    # --- the books of heat ----------------------------------------------------------------------

    def _books(self, values: Values, shape: tuple[int, ...] = ()) -> tuple[Array, Array]:
        """G (..., 3, n + 1) and P (..., loads, n + 1) before pinned nodes are taken out.

        Linear in the curves: directions with `shape` (q,) in front go through the same lines.
        """
        n, dtype = self.grid.x.size, np.result_type(np.float64, *values.values())
        G, P = np.zeros((*shape, 3, n), dtype), np.zeros((*shape, len(self.driven), n), dtype)
        if self._law in values:
            law = values[self._law]
            right, left = (law[..., 1:], law[..., :-1]) if self._by_node else (law, law)
            G[..., BELOW, 1:] = right / self.grid.dx
            G[..., ABOVE, :-1] = left / self.grid.dx
        for load in self.loads:
            if load.amount is None:
                amount = np.zeros(1) if shape else np.ones(1)  # a constant has no derivative
            elif load.amount in values:
                amount = values[load.amount]
            else:
                continue
            if load.exchanges:
                G[..., SUM, :] -= load.spread * amount
            if load.history in self._rows:
                P[..., self._rows[load.history], :] = load.spread * amount
        return G, P

    def _books_bar(self, values_bar: dict[Place, Array], G_bar: Array, P_bar: Array) -> None:
        """The transpose of `_books`, added to `values_bar`."""
        if self._law in values_bar:
            right, left = G_bar[BELOW, 1:] / self.grid.dx, G_bar[ABOVE, :-1] / self.grid.dx
            law_bar = values_bar[self._law]
            if self._by_node:
                law_bar[1:] += right
                law_bar[:-1] += left
            else:
                law_bar += right + left
        for load in self.loads:
            if load.amount in values_bar:
                amount_bar = np.zeros(self.grid.x.size)
                if load.history in self._rows:
                    amount_bar += load.spread * P_bar[self._rows[load.history]]
                if load.exchanges:
                    amount_bar -= load.spread * G_bar[SUM]
                one_number = values_bar[load.amount].size == 1
                values_bar[load.amount] += amount_bar.sum() if one_number else amount_bar

    def _fold(self, G: Array, P: Array) -> tuple[Array, Array]:
        """Turn the arms to pinned nodes into loads, in place."""
        for end in self.pinned:
            arm = G[..., end.arm, end.row].copy()
            G[..., SUM, end.row] -= arm
            G[..., end.arm, end.row] = 0.0
            if end.history in self._rows:
                P[..., self._rows[end.history], end.row] = arm
        return G, P

    def _fold_bar(self, G_bar: Array, P_bar: Array) -> tuple[Array, Array]:
        """The transpose of `_fold`, in place."""
        for end in self.pinned:
            G_bar[end.arm, end.row] = -G_bar[SUM, end.row]
            if end.history in self._rows:
                G_bar[end.arm, end.row] += P_bar[self._rows[end.history], end.row]
        return G_bar, P_bar

    def _per_capacity(self, values: Values) -> Array:
        """m (n + 1,)."""
        return np.asarray(1.0 / (self.grid.volumes * values.get(HEAT_CAPACITY, 1.0)))

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

    def _pinned(self) -> list[Pinned]:
        n = self.grid.cells
        ends = {"left": (0, 1, BELOW), "right": (n, n - 1, ABOVE)}
        conditions = self.experiment.ends
        return [
            Pinned((side, conditions[side].drive), *where)
            for side, where in ends.items()
            if conditions[side].pinned
        ]

    # --- loads ----------------------------------------------------------------------------------

    def _loads(self) -> list[Load]:
        volumes = self.grid.volumes
        loads = [
            Load(("source", i, "history"), ("source", i, "profile"), volumes)
            for i in range(len(self.experiment.source))
        ]
        if self.experiment.material.exchange is not None:
            loads.append(Load(AMBIENT, RATE, volumes, exchanges=True))
        for side, node in (("left", 0), ("right", self.grid.cells)):
            end = self.experiment.ends[side]
            if not end.pinned:
                loads.append(self._end_load(side, end, node))
        return loads

    def _end_load(self, side: str, end: Boundary, node: int) -> Load:
        spread = np.zeros(self.grid.x.size)
        spread[node] = 1.0
        amount = None if end.amount is None else (side, end.amount)
        return Load((side, end.drive), amount, spread, end.exchanges)

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
