r"""Standard errors from the observed information: the curvature that J really has at the estimate.

The formal errors take the readings for linear in theta over the width of an interval: with R the
residuals' Jacobian their information is ``R^T R``, half of Gauss-Newton's Hessian. The exact
Hessian H of J has the residuals' own curvature in it,

    H = 2 R^T R + 2 sum_i r_i d2r_i/dtheta2,    covariance = 2 s^2 H^-1,

so where the two errors differ, the model bends over the intervals and these are approximate. The
same variance s^2 stands in both, and the same widening by correlation.

Only of the squared loss (Huber's H leaves out the readings beyond its threshold), of few unknowns
(a complex gradient each), and where J has its minimum, as far as an error tells: H positive
definite, and Newton's step short beside the errors. Elsewhere NaN.

Reference: Efron & Hinkley, Biometrika 65 (1978) 457-482.
"""

from __future__ import annotations

import numpy as np

from solver.errors import TrialError
from solver.kernels import Array
from solver.objective import Objective

MOST = 30  # unknowns
DEFINITE = 1e-12  # least eigenvalue, of a unit diagonal, that is not round-off
SHORT, ROUND_OFF = 0.1, 1e-9  # Newton's step over an error, and over a size, that leads nowhere
ALIKE = (0.8, 1.25)  # observed over formal error, within which the intervals stand as they are


def observed_errors(
    objective: Objective, theta: Array, free: Array, variance: float, inflation: Array
) -> Array:
    """Standard errors (p,) from H, of the components that are `free` (p,) of a bound.

    variance: s^2, NaN where it is not known; inflation (p,): of the errors, by correlation.
    """
    errors = np.full(theta.size, np.nan)
    count = int(free.sum())
    if theta.size > MOST or count == 0 or objective.study.fit.loss != "squared":
        return errors
    sizes = objective.parameters.sizes(theta)
    try:
        columns = [objective.hessian_vector(theta, e) for e in np.diag(sizes)[free]]
        gradient = objective.value_and_gradient(theta)[1]
    except TrialError:
        return errors
    H = (np.stack(columns, axis=1) * sizes[:, None])[free]
    inverse = _inverse(0.5 * (H + H.T))
    if inverse is None:
        return errors
    relative = np.sqrt(2.0 * variance * np.diagonal(inverse))
    step = np.abs(inverse @ (gradient * sizes)[free])
    if (step <= SHORT * relative + ROUND_OFF).all():
        errors[free] = sizes[free] * relative
    return np.asarray(errors * inflation)


def bent(observed: Array, straight: Array) -> Array:
    """The ratio (p,) of the two errors where they are not `ALIKE`, elsewhere 1."""
    known = (observed > 0.0) & (straight > 0.0)
    ratio = np.divide(observed, straight, out=np.ones_like(observed), where=known)
    low, high = ALIKE
    return np.where((ratio < low) | (ratio > high), ratio, 1.0)


def _inverse(H: Array) -> Array | None:
    """H^-1; None where H is not positive definite beyond round-off.

    That is judged on a unit diagonal, whatever the parameters' sizes.
    """
    diagonal = np.diagonal(H)
    if not (diagonal > 0.0).all():
        return None
    lengths = np.sqrt(diagonal)
    values, vectors = np.linalg.eigh(H / np.outer(lengths, lengths))
    if not values[0] > DEFINITE * values[-1]:
        return None
    return np.asarray((vectors / values) @ vectors.T / np.outer(lengths, lengths))
