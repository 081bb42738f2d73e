r"""What is held against theta besides the data: priors on numbers, smoothness of curves.

Both are sums of squares of residuals linear in phi(theta), ``p = B phi(theta) - t``, with
phi = log for an unknown searched in the logarithm where a curve is smoothed, else theta itself:

    prior       (theta_j - mean) / sd,
    smoothing   sqrt(weight) times the differences of neighbouring values, see `solver.smoothing`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import block_array, csr_array

from solver.curves import Table, Unknown
from solver.experiment import Study
from solver.kernels import Array
from solver.parameters import Parameters
from solver.sampling import samples_of
from solver.smoothing import difference_rows


@dataclass(frozen=True, eq=False)
class Penalty:
    """Rows B (rows, p) and t (rows,) of ``B phi(theta) - t``; logarithmic (p,): where phi = log."""

    B: csr_array
    t: Array
    logarithmic: Array

    def residuals(self, theta: Array) -> Array:
        """(rows,)."""
        phi = theta
        if self.logarithmic.any():
            phi = theta.copy()
            phi[self.logarithmic] = np.log(theta[self.logarithmic])
        return np.asarray(self.B @ phi - self.t)

    def jacobian(self, theta: Array) -> Any:
        """Their derivatives (rows, p), sparse."""
        if not self.logarithmic.any():
            return self.B
        return csr_array(self.B * np.where(self.logarithmic, 1.0 / theta, 1.0))


def prior_of(study: Study, parameters: Parameters) -> Penalty:
    """The Gaussian priors of `fit.prior`."""
    B = np.zeros((0, parameters.size))
    t = np.zeros(0)
    for name, prior in study.fit.prior.items():
        where = parameters.where[name]
        rows = np.eye(parameters.size)[where] / prior.sd
        B, t = np.vstack([B, rows]), np.append(t, np.full(len(rows), prior.mean / prior.sd))
    return Penalty(csr_array(B), t, np.zeros(parameters.size, bool))


def curves_to_smooth(study: Study, parameters: Parameters) -> dict[str, Array]:
    """The knots of every unknown curve that stands in a table; layers are free to jump."""
    knots: dict[str, Array] = {}
    for experiment in study.experiments:
        for sample in samples_of(experiment):
            curve = sample.curve
            if isinstance(curve, Table) and isinstance(curve.values, Unknown):
                knots.setdefault(curve.values.name, curve.points)
    return {name: knots[name] for name in parameters.names if name in knots}


def smoothing_of(
    knots: dict[str, Array], weights: dict[str, float], study: Study, parameters: Parameters
) -> Penalty:
    """The differences of the curves in `weights`, times the square roots of these."""
    blocks = []
    for name, weight in weights.items():
        points, where = knots[name], parameters.where[name]
        smoothing = study.fit.smoothing.get(name)
        logarithmic = parameters.logarithmic[where.start]
        size = 1.0 if logarithmic else float(parameters.magnitudes[where.start])
        L = difference_rows(points, smoothing.order if smoothing else 1, size)
        left = csr_array((L.shape[0], where.start))
        right = csr_array((L.shape[0], parameters.size - where.stop))
        blocks.append([csr_array(block_array([[left, np.sqrt(weight) * L, right]]))])
    B = csr_array(block_array(blocks)) if blocks else csr_array((0, parameters.size))
    smoothed = np.zeros(parameters.size, bool)
    for name in weights:
        smoothed[parameters.where[name]] = True
    return Penalty(B, np.zeros(B.shape[0]), parameters.logarithmic & smoothed)
