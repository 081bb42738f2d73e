r"""From an experiment and parameter values to the arrays that march, and back.

Two maps follow each other:

    theta  ->  the values of every curve (law, profiles, series) on the grid
           ->  the `Coefficients` K, S, h, u0 and the pinned ends.

The first is differentiated by the curves' own partials: wherever an unknown stands, its column is
``d value / d Number``. The second is linear in each of its parts and is transposed here by hand,
line beside line. With D the second difference with its end rows, in the lecture's form

    K_rj = kappa_r D_rj                    kappa_bar_r  = sum_j D_rj K_bar_rj
    profile_end = (w0 + w1 kappa_r) e_r    kappa_bar_r += w1 profile_end_bar_r

and everything else is a copy (j runs over the three bands). Pinned nodes are not states: their
value enters their neighbour's row as a load and the readings as itself.

What is marched is u less a fixed reference temperature, the mean initial one at the start values:
conduction does not feel a shift of all temperatures, but digits do. The reference is subtracted
from the initial profile and from pinned ends, and added to the field; no derivative sees it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from solver.boundary import Boundary
from solver.curves import resolve, unknown_fields
from solver.errors import Place, TrialError
from solver.experiment import Experiment, Grid, curves_of
from solver.kernels import Array
from solver.march import Coefficients

INITIAL: Place = ("bar", "initial")
DIFFUSIVITY: Place = ("material", "diffusivity")

Values = Mapping[Place, Array]  # the values of every curve, by its place


@dataclass(frozen=True)
class Load:
    """One term of what drives the bar: a source, or an end acting on the row next to it.

    history: the place of its series, from which `shift` is subtracted. profile: the place of its
    profile, or None for an end, whose profile is (w0 + w1 kappa_row) at state `row`, which is node
    `node`.
    """

    history: Place
    profile: Place | None = None
    row: int = 0
    node: int = 0
    w0: float = 0.0
    w1: float = 0.0
    shift: float = 0.0


@dataclass(frozen=True)
class End:
    """An end of the bar: its place, condition, node and the direction into the bar."""

    place: Place
    condition: Boundary
    node: int
    inward: int


class Assembly:
    """The two maps for one experiment; what does not depend on an unknown is computed once."""

    def __init__(self, experiment: Experiment) -> None:
        self.experiment = experiment
        self.grid: Grid = experiment.grid
        self.names = tuple(dict.fromkeys(u.name for _, u in experiment.unknowns))
        curves = {place: (curve, s) for place, curve, s in curves_of(experiment)}
        self._unknown = {p: (c, s) for p, (c, s) in curves.items() if unknown_fields(c)}
        self._fields = {
            place: {field: self.names.index(u.name) for field, u in unknown_fields(curve).items()}
            for place, (curve, _) in self._unknown.items()
        }
        self._known = {p: c.value(s) for p, (c, s) in curves.items() if p not in self._unknown}
        starts = {u.name: u.start for _, u in experiment.unknowns}
        initial, x = curves[INITIAL]
        self.reference = float(np.mean(resolve(initial, starts).value(x)))
        self.loads = self._collect_loads()

    # --- theta -> values of the curves -----------------------------------------------------------

    def values(self, theta: Array) -> dict[Place, Array]:
        """Every curve on its grid points; raises TrialError where a law is not positive."""
        with np.errstate(over="ignore", invalid="ignore"):
            fresh = {p: self._resolved(p, theta).value(s) for p, (_, s) in self._unknown.items()}
        for place, value in fresh.items():
            if not np.isfinite(value).all():
                raise TrialError(place, "not_finite", "its values are not finite numbers")
        self._require_positive(fresh.get(DIFFUSIVITY, self._known.get(DIFFUSIVITY)))
        return self._known | fresh

    def fourier_number(self, theta: Array) -> float:
        """Mean diffusivity times duration over length squared: how far heat gets in the run."""
        kappa = self.values(theta)[DIFFUSIVITY]
        return float(np.mean(kappa) * self.grid.end / self.grid.length**2)

    def values_dot(self, theta: Array, directions: Array) -> dict[Place, Array]:
        """Derivatives (q, points) of the curves along `directions` (q, parameters)."""
        return {
            place: np.asarray(sum(np.multiply.outer(directions[:, j], c) for j, c in columns))
            for place, columns in self._columns(theta).items()
        }

    def theta_bar(self, theta: Array, values_bar: Values) -> Array:
        """The cotangent of theta from those of the curves."""
        theta_bar = np.zeros(len(self.names))
        for place, columns in self._columns(theta).items():
            for j, column in columns:
                theta_bar[j] += column @ values_bar[place]
        return theta_bar

    def _columns(self, theta: Array) -> dict[Place, list[tuple[int, Array]]]:
        """For every curve with unknowns: (parameter's index, d curve / d parameter)."""
        out = {}
        for place, (_, s) in self._unknown.items():
            partials = self._resolved(place, theta).partials(s)
            out[place] = [(j, partials[field]) for field, j in self._fields[place].items()]
        return out

    def _resolved(self, place: Place, theta: Array) -> Any:
        """The curve at `place` with values in the place of its unknowns."""
        curve: Any = self._unknown[place][0]
        return replace(curve, **{field: theta[j] for field, j in self._fields[place].items()})

    # --- values of the curves -> coefficients ----------------------------------------------------

    def coefficients(self, values: Values) -> Coefficients:
        """The semi-discrete bar."""
        kappa = values[DIFFUSIVITY]
        return Coefficients(
            bands=self.stencil * kappa[self.states],
            profiles=self._profiles(values) if self.wants_profiles else self._known_profiles,
            histories=self._histories(values) if self.wants_histories else self._known_histories,
            initial=values[INITIAL][self.states] - self.reference,
        )

    def coefficients_dot(self, values_dot: Values, directions: int) -> Coefficients:
        """The same map, applied to directions (q, points): it is linear in the curves."""
        zero_x = np.zeros((directions, self.grid.x.size))
        zero_t = np.zeros((directions, self.grid.stage_times.size))
        kappa_dot = values_dot.get(DIFFUSIVITY, zero_x)
        profiles = [self._profile_dot(load, values_dot, kappa_dot) for load in self.loads]
        histories = [values_dot.get(load.history, zero_t) for load in self.loads]
        return Coefficients(
            bands=self.stencil * kappa_dot[:, None, self.states],
            profiles=self._stack(profiles, directions),
            histories=self._by_stage(histories, directions),
            initial=values_dot.get(INITIAL, zero_x)[:, self.states],
        )

    def values_bar(self, bar: Coefficients) -> dict[Place, Array]:
        """The transpose of `coefficients`: cotangents of the curves that hold unknowns."""
        values_bar = {place: np.zeros(s.shape) for place, (_, s) in self._unknown.items()}
        if INITIAL in values_bar:
            values_bar[INITIAL][self.states] += bar.initial
        if DIFFUSIVITY in values_bar:
            values_bar[DIFFUSIVITY][self.states] += (self.stencil * bar.bands).sum(axis=0)
            for p, load in enumerate(self.loads):
                if load.w1 != 0.0:
                    values_bar[DIFFUSIVITY][load.node] += load.w1 * bar.profiles[p, load.row]
        for p, load in enumerate(self.loads):
            if load.profile in values_bar:
                values_bar[load.profile][self.states] += bar.profiles[p]
            if load.history in values_bar:
                values_bar[load.history][1:] += bar.histories[:, :, p].ravel()
        return values_bar

    @cached_property
    def wants_profiles(self) -> bool:
        """Whether an unknown reaches the loads' profiles."""
        through_kappa = DIFFUSIVITY in self._unknown and any(load.w1 for load in self.loads)
        return through_kappa or any(load.profile in self._unknown for load in self.loads)

    @cached_property
    def wants_histories(self) -> bool:
        """Whether an unknown reaches the loads' histories."""
        return any(load.history in self._unknown for load in self.loads)

    # --- states and pinned nodes -----------------------------------------------------------------

    @cached_property
    def ends(self) -> tuple[End, End]:
        """Left and right."""
        e = self.experiment
        return End(("left", "value"), e.left, 0, 1), End(
            ("right", "value"), e.right, self.grid.cells, -1
        )

    @cached_property
    def states(self) -> slice:
        """The nodes that are marched: all but the pinned ones."""
        left, right = (end.condition.pinned for end in self.ends)
        return slice(int(left), self.grid.x.size - int(right))

    @cached_property
    def stencil(self) -> Array:
        """The second difference D as bands (3, N): below, row sum, above."""
        D = np.zeros((3, self.grid.x.size))
        D[0, 1:] = D[2, :-1] = 1.0 / self.grid.dx**2
        D[2, 0] *= 2.0  # the ghost node beyond a free end mirrors the node inside
        D[0, -1] *= 2.0
        D = D[:, self.states].copy()
        for band, row in ((0, 0), (2, -1)):  # the arm to a pinned node: its other end is a load
            D[1, row] -= D[band, row]
            D[band, row] = 0.0
        return D

    def set_pinned(self, values: Values, field: Array, nodes: Array) -> None:
        """Put the pinned ends' temperatures, or their derivatives, into `field` (..., m + 1, Q)."""
        for end, column in self._pinned_columns(nodes):
            if end.place in values:
                field[..., column] = values[end.place][..., :: len(self.grid.c)]

    def pinned_bar(self, values_bar: dict[Place, Array], field_bar: Array, nodes: Array) -> None:
        """The transpose of `set_pinned`: add the field's cotangent (m + 1, Q) to the ends' own."""
        for end, column in self._pinned_columns(nodes):
            if end.place in values_bar:
                values_bar[end.place][:: len(self.grid.c)] += field_bar[:, column]

    def _pinned_columns(self, nodes: Array) -> list[tuple[End, int]]:
        """The pinned ends among `nodes`, each with its column there."""
        pinned = (end for end in self.ends if end.condition.pinned and end.node in nodes)
        return [(end, int(np.searchsorted(nodes, end.node))) for end in pinned]

    # --- loads -----------------------------------------------------------------------------------

    def _collect_loads(self) -> tuple[Load, ...]:
        loads = [
            Load(history=("source", i, "history"), profile=("source", i, "profile"))
            for i in range(len(self.experiment.source))
        ]
        for end in self.ends:
            shift = self.reference if end.condition.pinned else 0.0
            if end.place in self._unknown or np.any(self._known[end.place] != shift):
                w0, w1 = end.condition.weight(self.grid.dx)
                node = end.node + (end.inward if end.condition.pinned else 0)
                row = node - self.states.start
                loads.append(Load(end.place, None, row, node, w0, w1, shift))
        return tuple(loads)

    @cached_property
    def _known_profiles(self) -> Array:
        return self._profiles(self._known)

    @cached_property
    def _known_histories(self) -> Array:
        return self._histories(self._known)

    def _profiles(self, values: Values) -> Array:
        return self._stack([self._profile(load, values) for load in self.loads])

    def _histories(self, values: Values) -> Array:
        return self._by_stage([values[load.history] - load.shift for load in self.loads])

    def _profile(self, load: Load, values: Values) -> Array:
        if load.profile is not None:
            return values[load.profile][self.states]
        kappa = values[DIFFUSIVITY][load.node] if load.w1 else 0.0
        profile = np.zeros(self._size, np.result_type(kappa, np.float64))
        profile[load.row] = load.w0 + load.w1 * kappa
        return profile

    def _profile_dot(self, load: Load, values_dot: Values, kappa_dot: Array) -> Array:
        if load.profile is not None and load.profile in values_dot:
            return values_dot[load.profile][:, self.states]
        profile = np.zeros((kappa_dot.shape[0], self._size))
        profile[:, load.row] = load.w1 * kappa_dot[:, load.node]  # w1 is 0 for a source
        return profile

    @cached_property
    def _size(self) -> int:
        return int(self.states.stop - self.states.start)

    def _stack(self, profiles: list[Array], *directions: int) -> Array:
        """Profiles (..., N) to (..., P, N)."""
        return np.stack(profiles, -2) if profiles else np.zeros((*directions, 0, self._size))

    def _by_stage(self, histories: list[Array], *directions: int) -> Array:
        """Histories on [0, stages...] (..., points) to (..., steps, stages, P)."""
        shape = (*directions, self.grid.steps, len(self.grid.c), len(histories))
        if not histories:
            return np.zeros(shape)
        return np.stack([h[..., 1:] for h in histories], -1).reshape(shape)

    def _require_positive(self, kappa: Any) -> None:
        k = int(np.argmin(kappa.real))
        if not kappa.real[k] > 0.0:
            detail = (
                f"the diffusivity is {kappa.real[k]:g} m^2/s at x = {self.grid.x[k]:g} m; "
                "it must be positive everywhere on the bar"
            )
            raise TrialError(DIFFUSIVITY, "diffusivity_not_positive", detail)
