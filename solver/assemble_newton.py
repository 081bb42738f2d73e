r"""From the values of the curves to the books of a Newton march, and back.

As in `solver.assemble`, but nothing is folded and nothing divided: every node keeps its books
(`solver.kernels.balance`), a pinned one is held,

    arms = G, its rows at held nodes 0;    capacities = V C, or V where C is of the temperature;
    profiles = P, histories = h, pinned = g;    conduct, store: the laws' pieces (`solver.pieces`).

Each is linear in the values of one curve, so that directions go through the same lines.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np

from solver import pieces
from solver.errors import Place, TrialError
from solver.experiment import Experiment
from solver.heat import Heat
from solver.kernels import Array, Pieces, newton
from solver.loads import Load
from solver.newton_march import StageError
from solver.newton_workspace import NewtonCoefficients, NewtonDirections
from solver.parameters import Parameters
from solver.sampling import HEAT_CAPACITY, INITIAL, samples_of
from solver.values import POSITIVE, CurveValues, Values

WIDENINGS = 12  # times that the range of temperatures is widened, fourfold each
LEFT = newton.CONDUCT_LEFT, newton.STORE_LEFT
SIGN = newton.CONDUCT_SIGN, newton.STORE_SIGN
STRAYS = 3  # the same, where it was no answer that left the range


class NewtonAssembly:
    """The map from the curves to what a Newton march takes, with its derivatives.

    The laws are laid out for a range of temperatures that has been widened, in pieces that have
    been refined, so many times.
    """

    def __init__(
        self,
        experiment: Experiment,
        parameters: Parameters,
        widening: int = 0,
        refinement: int = 0,
    ) -> None:
        self.curves = CurveValues(samples_of(experiment, widening, refinement), parameters)
        self.heat = Heat(experiment, self.curves, parameters)
        self.grid, self.reference = self.heat.grid, self.heat.reference
        self.widening, self.finest = widening, refinement == pieces.REFINEMENTS
        self._loads = tuple(d for d in self.heat.driven if isinstance(d, Load))
        self._held = np.array([end.node for end in self.heat.pinned], np.int64)
        self._unmoved: dict[tuple[str, Any], Any] = {}

    def coefficients(self, values: Values) -> NewtonCoefficients:
        """What marches, all of one dtype. What no unknown moves is the same array every time."""
        dtype = np.result_type(np.float64, *(value.dtype for value in values.values()))
        heat, moved = self.heat, self._moved

        def part(name: str, make: Callable[[], Any]) -> Any:
            if moved[name]:
                return make()
            if (name, dtype) not in self._unmoved:
                self._unmoved[name, dtype] = make()
            return self._unmoved[name, dtype]

        def one(array: Any) -> Array:
            return np.ascontiguousarray(array, dtype)

        def law(pieces: Pieces) -> Pieces:
            return pieces._replace(coefficients=one(pieces.coefficients))

        arms = part("arms", lambda: one(self._free(heat.flows(values))))
        conduct = part("conduct", lambda: law(self._conduct(values)))
        return NewtonCoefficients(
            arms=arms,
            capacities=part("capacities", lambda: one(self._capacities(values))),
            conduct=conduct,
            store=part("store", lambda: law(self._store(values))),
            share=0.0 if heat.by_node else 0.5,
            held=self._held,
            profiles=part("profiles", lambda: one(heat.drives(values, self._loads, arms))),
            histories=part("histories", lambda: one(heat.histories(values, self._loads))),
            pinned=part("pinned", lambda: one(heat.histories(values, heat.pinned))),
            initial=part("initial", lambda: self._initial(one(values[INITIAL]), values)),
            smooth=conduct.centers.size == 1 or conduct.coefficients.shape[1] > 2,
        )

    def coefficients_dot(
        self, values: Values, values_dot: Values, directions: int
    ) -> NewtonDirections:
        """The same map, applied to directions (q, points) at `values`."""
        heat, n, q = self.heat, self.grid.x.size, directions
        conduct, store = np.zeros((q, 1, 1)), np.zeros((q, 1, 2))
        if (law := self.curves.layouts.get(heat.law)) is not None:
            points = np.zeros((q, law.points.size))
            conduct = law.coefficients(values_dot.get(heat.law, points))
        if (law := self.curves.layouts.get(HEAT_CAPACITY)) is not None:
            points = np.zeros((q, law.points.size))
            store = law.integral(values_dot.get(HEAT_CAPACITY, points))
        initial = values_dot.get(INITIAL, np.zeros((q, n))).copy()
        for end in heat.pinned:
            initial[:, end.node] = values_dot.get(end.history, np.zeros((q, 1)))[:, 0]
        capacities = np.zeros((q, n))
        if HEAT_CAPACITY in values_dot and not self.curves.of_temperature(HEAT_CAPACITY):
            capacities = self.grid.volumes * values_dot[HEAT_CAPACITY]
        G_dot = self._free(heat.flows(values_dot, (q,)))
        return NewtonDirections(
            arms=G_dot,
            capacities=capacities,
            conduct=conduct,
            store=store,
            profiles=heat.drives(values_dot, self._loads, G_dot, (q,)),
            histories=heat.histories_dot(values_dot, self._loads, q),
            pinned=heat.histories_dot(values_dot, heat.pinned, q),
            initial=np.ascontiguousarray(initial),
        )

    def values_bar(self, values: Values, bar: NewtonDirections) -> dict[Place, Array]:
        """The transpose: cotangents of the curves that hold unknowns."""
        heat, curves = self.heat, self.curves
        values_bar = curves.zeros(bar.initial.dtype)
        for place, law_bar in ((heat.law, bar.conduct), (HEAT_CAPACITY, bar.store)):
            if place in values_bar and (law := curves.layouts.get(place)) is not None:
                transpose = law.coefficients_bar if place == heat.law else law.integral_bar
                values_bar[place] += transpose(law_bar)
        if self.wanted["capacities"]:
            values_bar[HEAT_CAPACITY] += self.grid.volumes * bar.capacities
        if self.wanted["arms"]:
            heat.flows_bar(values_bar, self._free(bar.arms))
        if self.wanted["profiles"]:
            heat.drives_bar(values_bar, self._loads, bar.arms, bar.profiles)
        if self.wanted["initial"]:
            initial = bar.initial.copy()
            for end in heat.pinned:
                if end.history in values_bar:
                    values_bar[end.history][0] += initial[end.node]
                initial[end.node] = 0.0
            if INITIAL in values_bar:
                values_bar[INITIAL] += initial
        heat.histories_bar(values_bar, self._loads, bar.histories)
        heat.histories_bar(values_bar, heat.pinned, bar.pinned)
        return values_bar

    @cached_property
    def wanted(self) -> dict[str, bool]:
        """Which cotangents an unknown asks for."""
        of_temperature, unknown = self.curves.of_temperature, self.curves.unknown
        by_place = unknown(self.heat.law) and not of_temperature(self.heat.law)
        exchanged = any(unknown(load.amount) for load in self.heat.loads if load.exchanges)
        return {
            "arms": by_place or exchanged,
            "capacities": unknown(HEAT_CAPACITY) and not of_temperature(HEAT_CAPACITY),
            "conduct": of_temperature(self.heat.law) and unknown(self.heat.law),
            "store": of_temperature(HEAT_CAPACITY) and unknown(HEAT_CAPACITY),
            "profiles": any(unknown(load.amount) for load in self._loads),
            "histories": any(unknown(load.history) for load in self._loads),
            "initial": unknown(INITIAL) or any(unknown(end.history) for end in self.heat.pinned),
        }

    def too_narrow(self, error: StageError) -> bool:
        """Whether a stage failed at the end of a range that can be widened."""
        if error.code not in LEFT or self.curves.layouts[self._failed(error)].firm:
            return False
        return self.widening < (STRAYS if error.figure else WIDENINGS)

    def too_coarse(self, values: Values, theta: Array, low: float, high: float) -> bool:
        """Whether a law is not what marched at the temperatures met, `low` to `high`.

        Raises TrialError where its pieces cannot be refined any more.
        """
        for place, layout in self.curves.layouts.items():
            if not layout.follows(self.curves.law(place, theta), values[place], low, high):
                if self.finest:
                    detail = (
                        f"the {POSITIVE[place][0]} changes too abruptly between {low:.6g} and "
                        f"{high:.6g} K to be marched"
                    )
                    raise TrialError(place, "law_too_abrupt", detail)
                return True
        return False

    def explain(self, error: StageError, theta: Array) -> TrialError:
        """What a failed stage means, with place and time."""
        place = self._failed(error)
        name, unit = POSITIVE[place]
        x, temperature = self.grid.x[error.node], error.temperature + self.reference
        where = f"at x = {x:g} m and t = {error.time:g} s"
        if error.figure or error.code in SIGN:
            value = self.curves.law(place, theta).value(np.array([temperature])).real[0]
            met = f"the {name} is {value:g} {unit} at {temperature:g} K"
            if error.code in SIGN:
                detail = f"{met}, met {where}; it must be positive at all temperatures met"
                return TrialError(place, f"{place[-1]}_not_positive", detail)
            detail = (
                f"Newton's iteration does not converge {where}, where {met}: after "
                f"{error.iterations} iterations the temperatures would still change by "
                f"{error.figure:.2g} of the largest; take smaller time steps, or a law that "
                "changes less abruptly and stays well above zero"
            )
            return TrialError(("time", "steps"), "newton_failed", detail)
        low, high = self.curves.layouts[place].limits
        detail = (
            f"the {name} is given from {low:.6g} to {high:.6g} K, but the temperature is "
            f"{temperature:.6g} K {where}"
        )
        return TrialError(place, "temperatures_not_covered", detail)

    # --- as the model asks of every assembly ----------------------------------------------------

    @cached_property
    def states(self) -> slice:
        """The nodes that are marched: all, held ones among them."""
        return slice(0, self.grid.x.size)

    def _failed(self, error: StageError) -> Place:
        """The law that a failed stage is about."""
        conducts = self.curves.of_temperature(self.heat.law)
        stores = error.code in (newton.STORE_SIGN, newton.STORE_LEFT) or not conducts
        return HEAT_CAPACITY if stores else self.heat.law

    @cached_property
    def _moved(self) -> dict[str, bool]:
        """Which parts of the coefficients an unknown moves."""
        wanted, unknown = self.wanted, self.curves.unknown
        return wanted | {
            "profiles": wanted["profiles"] or wanted["arms"],
            "pinned": any(unknown(end.history) for end in self.heat.pinned),
        }

    def _conduct(self, values: Values) -> Pieces:
        law = self.curves.layouts.get(self.heat.law)
        if law is None:
            return pieces.constant(1.0)
        return law.laid(law.coefficients(values[self.heat.law]), self.reference)

    def _store(self, values: Values) -> Pieces:
        law = self.curves.layouts.get(HEAT_CAPACITY)
        if law is None:
            return pieces.identity()
        return law.laid(law.integral(values[HEAT_CAPACITY]), self.reference)

    def _initial(self, initial: Array, values: Values) -> Array:
        initial = initial - self.reference
        for end in self.heat.pinned:
            initial[end.node] = values[end.history][0] - self.reference
        return initial

    def _capacities(self, values: Values) -> Array:
        if HEAT_CAPACITY in values and not self.curves.of_temperature(HEAT_CAPACITY):
            return np.asarray(self.grid.volumes * values[HEAT_CAPACITY])
        return self.grid.volumes

    def _free(self, G: Array) -> Array:
        """G (..., 3, n + 1), in place, without the rows of held nodes; its own transpose."""
        G[..., self._held] = 0.0
        return G
