r"""The heat balance of a bar on its grid: what flows between its nodes, and what drives it.

Every node keeps the books of the heat in its volume V_i (per unit area of the bar),

    V_i d(heat of a volume)_i / dt = sum of what flows in,

and whatever takes part is linear in its curve. With the cells' conductances

    divergence:     g = k / dx, one for both nodes of a cell (k from `OfCells`),
    nondivergence:  g = kappa_i / dx for the row of node i (the lecture's form; C = 1),

and with loads, each an amount a spread over nodes by e,

    load:                e a h(t)             source: a = s(x), e = V;   flux: a = 1, e = delta_end
    load that exchanges: e a (h(t) - u)       sides: a = rate, e = V;   convection: delta_end

what flows in is ``G u + P^T h``: G has the conductances as its arms, and minus the exchanged
amounts as its row sums; P has a row ``e a`` per load. On a ghost node's reading, half volumes at
the ends are what the lecture does: ``u_{-1} = u_1`` doubles the arm. Where the law that conducts is
of the temperature, G is made for a law of 1 here, and the march puts the law in
(`solver.kernels.balance`).

A pinned node's temperature is given. It enters the row r beside it through r's arm, which
`solver.assemble` turns into a load with the amount ``P_pinned,r = arm``.

Transposed, line by line (bars are cotangents):

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
from solver.parameters import Parameters
from solver.sampling import CONDUCTIVITY, DIFFUSIVITY, HEAT_CAPACITY, INITIAL
from solver.values import CurveValues, Values

Driven = tuple[Load | Pinned, ...]
Shape = tuple[int, ...]


class Heat:
    """The balance of one experiment's bar, linear in the values of its curves.

    Directions with a `shape` (q,) in front go through the same lines as values.
    """

    def __init__(self, experiment: Experiment, curves: CurveValues, parameters: Parameters) -> None:
        self.experiment = experiment
        self.grid: Grid = experiment.grid
        self.curves = curves
        self.reference = float(np.mean(curves.one(INITIAL, parameters.start).real))
        self.loads = loads_of(experiment)
        self.pinned = pinned_of(experiment)
        everything: tuple[Load | Pinned, ...] = (*self.loads, *self.pinned)
        self.driven = tuple(driven for driven in everything if not self._silent(driven))

    # --- G --------------------------------------------------------------------------------------

    def flows(self, values: Values, shape: Shape = ()) -> Array:
        """G (..., 3, n + 1), pinned nodes among the others."""
        G = np.zeros((*shape, 3, self.grid.x.size), self._dtype(values, self._flow_places))
        law = self._conductances(values, shape)
        if law is not None:
            right, left = (law[..., 1:], law[..., :-1]) if self.by_node else (law, law)
            G[..., BELOW, 1:] = right / self.grid.dx
            G[..., ABOVE, :-1] = left / self.grid.dx
        for load in self.loads:
            if load.exchanges and load.amount is not None and load.amount in values:
                G[..., SUM, :] -= load.spread * values[load.amount]
        return G

    def flows_bar(self, values_bar: dict[Place, Array], G_bar: Array) -> None:
        """The transpose of `flows`, added to `values_bar`."""
        if self.law in values_bar and not self.curves.of_temperature(self.law):
            right, left = G_bar[BELOW, 1:] / self.grid.dx, G_bar[ABOVE, :-1] / self.grid.dx
            law_bar = values_bar[self.law]
            if self.by_node:
                law_bar[1:] += right
                law_bar[:-1] += left
            else:
                law_bar += right + left
        for load in self.loads:
            if load.exchanges:
                add_amount(values_bar, load, -G_bar[SUM])

    def _conductances(self, values: Values, shape: Shape) -> Array | None:
        """What conducts, at the nodes or in the cells; None where a direction does not move it."""
        if not self.curves.of_temperature(self.law):
            return values.get(self.law)
        return None if shape else np.ones(self.grid.cells + int(self.by_node))

    # --- P --------------------------------------------------------------------------------------

    def drives(self, values: Values, driven: Driven, G: Array, shape: Shape = ()) -> Array:
        """P (..., driven, n + 1); a pinned end's is its arm in G."""
        amounts = (d.amount for d in driven if isinstance(d, Load))
        dtype = np.result_type(G.dtype, self._dtype(values, amounts))
        P = np.zeros((*shape, len(driven), self.grid.x.size), dtype)
        for p, d in enumerate(driven):
            if isinstance(d, Pinned):
                P[..., p, d.row] = G[..., d.arm, d.row]
            elif d.amount is not None and d.amount in values:
                P[..., p, :] = d.spread * values[d.amount]
            elif d.amount is None and not shape:  # a constant, which has no derivative
                P[p] = d.spread
        return P

    @staticmethod
    def drives_bar(
        values_bar: dict[Place, Array], driven: Driven, G_bar: Array, P_bar: Array
    ) -> None:
        """The transpose of `drives`, added to `values_bar` and `G_bar`."""
        for p, d in enumerate(driven):
            if isinstance(d, Pinned):
                G_bar[d.arm, d.row] += P_bar[p, d.row]
            else:
                add_amount(values_bar, d, P_bar[p])

    # --- h --------------------------------------------------------------------------------------

    def histories(self, values: Values, driven: Driven) -> Array:
        """The histories of what drives (steps, stages, P), temperatures less the reference."""
        return self._by_stage([values[d.history] - self._shift(d) for d in driven])

    def histories_dot(self, values_dot: Values, driven: Driven, directions: int) -> Array:
        """Directions of them, (q, steps, stages, P)."""
        nothing = np.zeros((directions, self.grid.stage_times.size))
        return self._by_stage([values_dot.get(d.history, nothing) for d in driven], directions)

    def histories_bar(self, values_bar: dict[Place, Array], driven: Driven, bar: Array) -> None:
        """The transpose of `histories`, added to `values_bar`."""
        for p, d in enumerate(driven):
            if d.history in values_bar:
                values_bar[d.history][1:] += bar[:, :, p].ravel()

    def _by_stage(self, histories: list[Array], *directions: int) -> Array:
        """Histories on [0, stages...] (..., points) to (..., steps, stages, P)."""
        stages = self.grid.tableau.stages
        shape = (*directions, self.grid.steps, stages, len(histories))
        if not histories:
            return np.zeros(shape)
        return np.stack([h[..., 1:] for h in histories], -1).reshape(shape)

    def _silent(self, driven: Load | Pinned) -> bool:
        """Whether a load's history is known to be nothing."""
        history = self.curves.known.get(driven.history)
        return history is not None and bool(np.all(history == self._shift(driven)))

    def _shift(self, driven: Load | Pinned) -> float:
        """What is subtracted from a history: the reference where it is a temperature."""
        return self.reference if isinstance(driven, Pinned) or driven.exchanges else 0.0

    # --- what the matter is ---------------------------------------------------------------------

    @cached_property
    def law(self) -> Place:
        """The place of what conducts."""
        return DIFFUSIVITY if self.experiment.material.conductivity is None else CONDUCTIVITY

    @cached_property
    def by_node(self) -> bool:
        """Whether every row has a conductance of its own: the lecture's form."""
        return not self.experiment.material.divergence

    def fourier_number(self, theta: Array) -> float:
        """Typical diffusivity times duration over length squared: how far heat gets in the run."""
        values = self.curves.at(theta)
        kappa = np.median(values[self.law]) / np.median(values.get(HEAT_CAPACITY, np.ones(1)))
        return float(kappa * self.grid.end / self.grid.length**2)

    @cached_property
    def _flow_places(self) -> tuple[Place | None, ...]:
        return (self.law, *(load.amount for load in self.loads if load.exchanges))

    @staticmethod
    def _dtype(values: Values, places: Iterable[Place | None]) -> Any:
        """Complex where one of the curves is (a complex step)."""
        parts = (values[place] for place in places if place is not None and place in values)
        return np.result_type(np.float64, *(part.dtype for part in parts))
