r"""What is held against theta besides the data: priors on numbers, smoothness of curves.

These are sums of squares of residuals, most of them linear in phi(theta), ``p = B phi(theta) - t``;
phi = log for an unknown searched in the logarithm where a curve is smoothed, else theta itself:

    prior       (theta_j - mean) / sd,
    smoothing   sqrt(weight) times the differences of neighbouring values, see `solver.smoothing`;

a network is held smooth by its values at `KNOTS` points, as if it were a table of them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from scipy.sparse import block_array, csr_array, vstack

from solver.curves import Table, Unknown
from solver.experiment import Study
from solver.kernels import Array
from solver.network import Network
from solver.parameters import Parameters
from solver.sampling import Sample, samples_of, wider
from solver.smoothing import difference_rows

KNOTS = 65


class Penalty(Protocol):
    """Residuals p(theta), the square of which is part of J, and their derivatives."""

    @property
    def rows(self) -> int: ...

    def residuals(self, theta: Array) -> Array: ...

    def jacobian(self, theta: Array) -> Any: ...

    def pull(self, theta: Array, residuals_bar: Array) -> Array: ...


@dataclass(frozen=True, eq=False)
class LinearPenalty:
    """Rows B (rows, p) and t (rows,) of ``B phi(theta) - t``; logarithmic (p,): where phi = log."""

    B: csr_array
    t: Array
    logarithmic: Array

    @property
    def rows(self) -> int:
        return self.t.size

    def residuals(self, theta: Array) -> Array:
        phi = theta
        if self.logarithmic.any():
            phi = theta.copy()
            phi[self.logarithmic] = np.log(theta[self.logarithmic])
        return np.asarray(self.B @ phi - self.t)

    def jacobian(self, theta: Array) -> Any:
        if not self.logarithmic.any():
            return self.B
        return csr_array(self.B * np.where(self.logarithmic, 1.0 / theta, 1.0))

    def pull(self, theta: Array, residuals_bar: Array) -> Array:
        return np.asarray(self.jacobian(theta).T @ residuals_bar)


@dataclass(frozen=True, eq=False)
class NetworkPenalty:
    """``L v`` with the values v of a network, the components `where` of theta, at `points`."""

    L: csr_array
    points: Array
    network: Network
    where: slice

    @property
    def rows(self) -> int:
        return int(self.L.shape[0])

    def residuals(self, theta: Array) -> Array:
        return np.asarray(self.L @ self._at(theta).value(self.points))

    def jacobian(self, theta: Array) -> Any:
        matrix = np.zeros((self.rows, theta.size), theta.dtype)
        matrix[:, self.where] = self.L @ self._at(theta).partials(self.points)["weights"]
        return csr_array(matrix)

    def pull(self, theta: Array, residuals_bar: Array) -> Array:
        theta_bar = np.zeros_like(theta)
        theta_bar[self.where] = self._at(theta).pull(self.points, self.L.T @ residuals_bar)
        return theta_bar

    def _at(self, theta: Array) -> Network:
        return replace(self.network, weights=theta[self.where])


@dataclass(frozen=True, eq=False)
class Penalties:
    """Several as one."""

    parts: tuple[Penalty, ...]
    size: int  # of theta

    @property
    def rows(self) -> int:
        return sum(part.rows for part in self.parts)

    def residuals(self, theta: Array) -> Array:
        return np.concatenate([np.zeros(0), *(part.residuals(theta) for part in self.parts)])

    def jacobian(self, theta: Array) -> Any:
        return vstack(
            [csr_array((0, self.size)), *(part.jacobian(theta) for part in self.parts)], "csr"
        )

    def pull(self, theta: Array, residuals_bar: Array) -> Array:
        theta_bar, first = np.zeros_like(theta), 0
        for part in self.parts:
            theta_bar += part.pull(theta, residuals_bar[first : first + part.rows])
            first += part.rows
        return theta_bar


def prior_of(study: Study, parameters: Parameters) -> Penalty:
    """The Gaussian priors of `fit.prior`."""
    if not study.fit.prior:
        return Penalties((), parameters.size)
    B = np.zeros((0, parameters.size))
    t = np.zeros(0)
    for name, prior in study.fit.prior.items():
        where = parameters.where[name]
        rows = np.eye(parameters.size)[where] / prior.sd
        B, t = np.vstack([B, rows]), np.append(t, np.full(len(rows), prior.mean / prior.sd))
    return LinearPenalty(csr_array(B), t, np.zeros(parameters.size, bool))


def curves_to_smooth(study: Study, parameters: Parameters) -> dict[str, Sample]:
    """Every unknown curve that is held smooth, by name: tables and networks; layers may jump."""
    found: dict[str, Sample] = {}
    if not (parameters.curves or parameters.networks):
        return found
    for experiment in study.experiments:
        for sample in samples_of(experiment):
            match sample.curve:
                case Table(values=Unknown(name=name)) | Network(weights=Unknown(name=name)):
                    found.setdefault(name, sample)
    return {name: found[name] for name in parameters.names if name in found}


def knots_of(curve: Table | Network) -> Array:
    """Where a curve's differences are taken.

    Of a network of the temperature beyond its range as well, as far as laws are laid out.
    """
    if isinstance(curve, Table):
        return curve.points
    assert curve.range is not None
    low, high = curve.range if curve.of == "x" else wider(*curve.range)
    return np.linspace(low, high, KNOTS)


def smoothing_of(
    curves: dict[str, Any], weights: dict[str, float], study: Study, parameters: Parameters
) -> Penalty:
    """The differences of the curves in `weights`, times the square roots of these."""
    parts: list[Penalty] = []
    for name, weight in weights.items():
        curve, where = curves[name], parameters.where[name]
        smoothing = study.fit.smoothing.get(name)
        order = smoothing.order if smoothing else 1
        points, logarithmic = knots_of(curve), parameters.logarithmic[where.start]
        if isinstance(curve, Network):
            L = np.sqrt(weight) * difference_rows(points, order, float(curve.level or 1.0))
            parts.append(NetworkPenalty(csr_array(L), points, curve, where))
            continue
        size = 1.0 if logarithmic else float(parameters.magnitudes[where.start])
        L = np.sqrt(weight) * difference_rows(points, order, size)
        left = csr_array((L.shape[0], where.start))
        right = csr_array((L.shape[0], parameters.size - where.stop))
        B = csr_array(block_array([[left, L, right]]))
        here = np.zeros(parameters.size, bool)
        here[where] = logarithmic
        parts.append(LinearPenalty(B, np.zeros(B.shape[0]), here))
    return Penalties(tuple(parts), parameters.size)
