r"""How well the data determine what was found.

Near the estimate the readings are linear in theta, so with R = diag(1/sigma) dy/dtheta the
covariance is ``s^2 (R^T R)^-1``; s^2 is 1 where sigma is given, else ``J / (M - p)``, and the
interval takes Student's t with M - p degrees of freedom. All of it comes from one singular value
decomposition of R with its columns scaled by max(|theta|, |start|): singular value i is then the
inverse of the relative standard error along right vector i, which gives the verdict.

Reference: Seber & Wild, Nonlinear Regression (1989), sections 2.1 and 3.4.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri, stdtrit

from solver.advice import Sensitivity, advise
from solver.experiment import Experiment
from solver.kernels import Array
from solver.objective import Objective

CONFIDENCE = 0.95
RANK_TOLERANCE = 1e-11  # relative singular value below which a direction moves no reading at all
TOO_WIDE = "the interval is wider than floating point can say"
UNKNOWN_NOISE = "As many unknowns as readings: give sigma, which the residuals cannot tell."
WEAK, NOT_IDENTIFIABLE = 0.3, 1.0  # relative standard error of the worst direction


@dataclass(frozen=True)
class Identifiability:
    """Which parameters the data determine.

    weakest_direction: unit vector in relative changes of the parameters, by name.
    relative_standard_error: along it; infinite where no reading moves.
    """

    verdict: str
    condition_number: float
    weakest_direction: dict[str, float]
    relative_standard_error: float
    advice: str


@dataclass(frozen=True)
class Uncertainty:
    """Standard errors (p,), intervals (p, 2) and covariance (p, p); NaN where there is none.

    reasons: for each parameter why it has no interval, or None. sigma: the standard deviation of a
    reading estimated from the residuals, or None where it was given.
    """

    standard_errors: Array
    intervals: Array
    covariance: Array
    correlation: Array
    reasons: tuple[str | None, ...]
    sigma: float | None
    degrees_of_freedom: int
    identifiability: Identifiability


def quantify(objective: Objective, theta: Array, *, arrived: bool = True) -> Uncertainty:
    """Uncertainties and verdict at an estimate; intervals only where the search has `arrived`."""
    objective.pulse()
    p = objective.parameters
    r, R = objective.residuals_and_jacobian(theta)
    sizes = p.sizes(theta)
    freedom = r.size - theta.size
    given = _sigma_given(objective.experiment)
    s, quantile = _noise(float(r @ r), freedom, given)
    held = (theta <= p.lower) | (theta >= p.upper)
    unit, null = _covariance(R[:, ~held])
    covariance = np.full((theta.size, theta.size), np.nan)
    covariance[np.ix_(~held, ~held)] = unit
    lost = np.zeros(theta.size, bool)
    lost[~held] = null
    reasons = _reasons(theta, objective, lost, known_noise=np.isfinite(s), arrived=arrived)
    missing = np.array([reason is not None for reason in reasons])
    covariance[missing, :] = covariance[:, missing] = np.nan
    spread = np.sqrt(np.diagonal(covariance))  # standard errors for s = 1: s may be zero
    errors = s * spread
    intervals = _intervals(theta, errors, quantile, p.logarithmic)
    endless = ~missing & ~np.isfinite(intervals).all(axis=1)
    reasons = tuple(TOO_WIDE if endless[j] else reason for j, reason in enumerate(reasons))
    return Uncertainty(
        standard_errors=errors,
        intervals=intervals,
        covariance=s**2 * covariance,
        correlation=covariance / np.outer(spread, spread),
        reasons=reasons,
        sigma=None if given or not np.isfinite(s) else s,
        degrees_of_freedom=freedom,
        identifiability=_identifiability(Sensitivity(objective, theta, R * sizes, s)),
    )


def _noise(J: float, freedom: int, given: bool) -> tuple[float, float]:
    """Standard deviation s of a weighted residual (NaN: unknown), and the interval's quantile."""
    tail = 0.5 + CONFIDENCE / 2
    if given:
        return 1.0, float(ndtri(tail))
    if freedom > 0:
        return float(np.sqrt(J / freedom)), float(stdtrit(freedom, tail))
    return float("nan"), float("nan")


def _sigma_given(experiment: Experiment) -> bool:
    return any(sensor.sigma is not None for sensor in experiment.sensors if sensor.present.any())


def _covariance(R: Array) -> tuple[Array, Array]:
    """(R^T R)^-1 on the directions that the data see, and which columns lie in the others.

    What is seen is judged on columns of unit length, whatever the parameters' sizes.
    """
    norms = np.linalg.norm(R, axis=0)
    lengths = np.where(norms > 0.0, norms, 1.0)
    values, vectors, seen = _directions(R / lengths)
    inverse = vectors[seen].T / values[seen] / lengths[:, None]
    blind = np.linalg.norm(vectors[~seen], axis=0) > 1e-6
    return inverse @ inverse.T, blind


def _directions(unit: Array) -> tuple[Array, Array, Array]:
    """Singular values, right vectors, and which of them move readings at all."""
    _, values, vectors = np.linalg.svd(unit, full_matrices=False)
    return values, vectors, values > RANK_TOLERANCE * values.max(initial=0.0)


def _reasons(
    theta: Array, objective: Objective, lost: Array, *, known_noise: bool, arrived: bool
) -> tuple[str | None, ...]:
    p = objective.parameters
    out: list[str | None] = []
    for j in range(theta.size):
        if not arrived:
            out.append("the search did not arrive")
        elif theta[j] <= p.lower[j]:
            out.append("the estimate lies on its lower bound")
        elif theta[j] >= p.upper[j]:
            out.append("the estimate lies on its upper bound")
        elif lost[j]:
            out.append("the data do not determine it: a change of it moves no reading")
        elif not known_noise:
            out.append(UNKNOWN_NOISE)
        else:
            out.append(None)
    return tuple(out)


def _intervals(theta: Array, errors: Array, quantile: float, logarithmic: Array) -> Array:
    """Symmetric about the estimate, in the logarithm where the search was."""
    half = quantile * errors
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        factor = np.exp(half / np.where(logarithmic, theta, 1.0))
    lower = np.where(logarithmic, theta / factor, theta - half)
    upper = np.where(logarithmic, theta * factor, theta + half)
    return np.stack([lower, upper], axis=1)


def _identifiability(sensitivity: Sensitivity) -> Identifiability:
    S = sensitivity.S
    lengths = np.linalg.norm(S, axis=0)
    seen = bool(_directions(S / np.where(lengths > 0.0, lengths, 1.0))[2].all())
    _, values, vectors = np.linalg.svd(S, full_matrices=False)
    worst = float(sensitivity.s / values[-1]) if seen else np.inf
    verdict = "not-identifiable"  # also where worst is NaN, because the noise is not known
    if worst <= NOT_IDENTIFIABLE:
        verdict = "weak" if worst > WEAK else "determined"
    direction = vectors[-1] * np.sign(vectors[-1][np.argmax(np.abs(vectors[-1]))])
    if verdict == "determined":
        advice = "The data determine every unknown."
    elif np.isnan(worst):
        advice = UNKNOWN_NOISE
    else:
        advice = advise(sensitivity, direction, worst)
    return Identifiability(
        verdict=verdict,
        condition_number=float(values[0] / values[-1]) if seen else np.inf,
        weakest_direction=dict(zip(sensitivity.names, map(float, direction), strict=True)),
        relative_standard_error=worst,
        advice=advice,
    )
