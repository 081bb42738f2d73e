r"""How well the data determine what was found.

Near the estimate the readings are linear in theta. With R = diag(1/sigma) dy/dtheta, and the rows
of priors and smoothing below it, the formal covariance is ``s^2 (R^T R)^-1``: s^2 is 1 where sigma
is given, else ``|r|^2 / (M - tr H)`` with the effective number of parameters tr H (p, where nothing
is held smooth). Formal errors take the residuals for independent; they are widened by the
correlation that the residuals show (`solver.correlation`), and intervals take Student's t with the
degrees of freedom that are left. Under Huber's loss the residuals are psi(r) / mean(psi').

The verdict takes one singular value decomposition of R with its columns scaled by max(|theta|,
|start|): singular value i is the inverse of the relative standard error along right vector i.
Curves are no numbers one can name: their columns are projected out of R first, as far as what holds
them smooth lets them go, and with nothing but curves unknown the verdict is on their bands.

Reference: Seber & Wild, Nonlinear Regression (1989), sections 2.1 and 3.4.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri, stdtrit

from solver.advice import Sensitivity, advise
from solver.correlation import Fault, Linearisation, Widening, faulty_sensor, widen
from solver.curvature import observed_errors
from solver.experiment import sigma_given
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


@dataclass(frozen=True, eq=False)
class Uncertainty:
    """Standard errors (p,), intervals (p, 2) and covariance (p, p); NaN where there is none.

    formal_errors and formal_intervals: those of independent residuals; inflation: how much wider
    the others are. observed_errors: as wide, from the exact Hessian (`solver.curvature`).
    quantile (p,): Student's t for the degrees of freedom that are left.
    reasons: for each component why it has no interval, or None. sigma: the standard deviation of a
    reading estimated from the residuals, or None where it was given. widening and fault: what the
    residuals' correlation does, and a sensor that the others contradict. fit: the linearisation
    that all this rests on, of the components that are `free` (p,) of a bound.
    """

    standard_errors: Array
    intervals: Array
    covariance: Array
    correlation: Array
    formal_errors: Array
    formal_intervals: Array
    observed_errors: Array
    inflation: Array
    quantile: Array
    reasons: tuple[str | None, ...]
    sigma: float | None
    degrees_of_freedom: float
    widening: Widening
    fault: Fault | None
    fit: Linearisation
    free: Array
    identifiability: Identifiability

    def shift(self, errors: Array) -> Array:
        """How far the estimate is off where the weighted readings are off by `errors`, (p,)."""
        shift = np.zeros(self.free.size)
        shift[self.free] = -self.fit.root @ (self.fit.basis[: errors.size].T @ errors)
        return shift


def quantify(objective: Objective, theta: Array, *, arrived: bool = True) -> Uncertainty:
    """Uncertainties and verdict at an estimate; intervals only where the search has `arrived`."""
    objective.pulse()
    p, given = objective.parameters, sigma_given(objective.study)
    r, R = _pseudo_residuals(objective, theta)
    held = (theta <= p.lower) | (theta >= p.upper)
    root, basis, null = _factor(R[:, ~held])
    M = objective.data.size
    freedom = round(M - float(np.sum(basis[:M] ** 2)), 9)  # a whole number without curves
    s2 = _variance(r[:M], freedom, given)
    known = np.isfinite(s2)
    fit = Linearisation(
        residuals=r,
        basis=basis,
        root=root,
        slices=tuple(objective.sensor_rows),
        variance=s2 if known else 1.0,
        freedom=np.inf if given else max(freedom, 1.0),
    )
    wide = widen(fit)
    lost = np.zeros(theta.size, bool)
    lost[~held] = null
    reasons = _reasons(theta, objective, lost, known_noise=known, arrived=arrived)
    missing = np.array([reason is not None for reason in reasons], bool)
    covariance = _embedded(wide.covariance, ~held, missing)
    errors = np.sqrt(np.diagonal(covariance))
    inflation, quantile = np.full(theta.size, np.nan), np.full(theta.size, np.nan)
    inflation[~held], quantile[~held] = wide.inflation, _quantile(wide.degrees_of_freedom)
    intervals = _intervals(theta, errors, quantile, p.logarithmic)
    formal, plain = errors / inflation, _quantile(np.full(theta.size, fit.freedom))
    observed = observed_errors(objective, theta, ~held, s2, inflation)
    endless = ~missing & ~np.isfinite(intervals).all(axis=1)
    # With s = 0, of data that the model meets to the last bit, the correlation is the formal one.
    shape = covariance if s2 != 0.0 else _embedded(root @ root.T, ~held, missing)
    spread = np.sqrt(np.diagonal(shape))
    return Uncertainty(
        standard_errors=errors,
        intervals=intervals,
        covariance=covariance,
        correlation=shape / np.outer(spread, spread),
        formal_errors=formal,
        formal_intervals=_intervals(theta, formal, plain, p.logarithmic),
        observed_errors=np.where(missing, np.nan, observed),
        inflation=inflation,
        quantile=quantile,
        reasons=tuple(TOO_WIDE if endless[j] else reason for j, reason in enumerate(reasons)),
        sigma=None if given or not known else float(np.sqrt(s2)),
        degrees_of_freedom=freedom,
        widening=wide,
        fault=faulty_sensor(fit),
        fit=fit,
        free=~held,
        identifiability=_identifiability(objective, theta, R, float(np.sqrt(s2)), errors),
    )


def _embedded(covariance: Array, free: Array, missing: Array) -> Array:
    """A covariance of the free components as one of all, NaN where there is none."""
    whole = np.full((free.size, free.size), np.nan)
    whole[np.ix_(free, free)] = covariance
    whole[missing, :] = whole[:, missing] = np.nan
    return whole


def _pseudo_residuals(objective: Objective, theta: Array) -> tuple[Array, Array]:
    """Weighted residuals, under Huber's loss psi / mean(psi'), penalties below, and Jacobian."""
    y, y_dot = objective.linearise(theta)
    shaped = objective.shaped(y)
    r = shaped.psi / max(float(np.mean(shaped.psi_slope)), 1.0 / y.size)
    return objective.with_penalties(theta, r, y_dot * objective.weights[:, None])


def _variance(r: Array, freedom: float, given: bool) -> float:
    """Variance s^2 of a weighted residual; NaN where there is nothing to tell it from."""
    if given:
        return 1.0
    return float(r @ r / freedom) if freedom > 1e-6 * r.size else float("nan")


def _factor(R: Array) -> tuple[Array, Array, Array]:
    """root (p, k) with ``root root^T = (R^T R)^-1``, R root, and which columns have no variance.

    On the directions that the data see; that is judged on columns of unit length, whatever the
    parameters' sizes.
    """
    norms = np.linalg.norm(R, axis=0)
    lengths = np.where(norms > 0.0, norms, 1.0)
    left, values, vectors = np.linalg.svd(R / lengths, full_matrices=False)
    seen = values > RANK_TOLERANCE * values.max(initial=0.0)
    root = vectors[seen].T / values[seen] / lengths[:, None]
    unseen = 1.0 - np.sum(vectors[seen] ** 2, axis=0)
    return root, left[:, seen], unseen > 1e-12


def _quantile(freedom: Array) -> Array:
    """Student's t, or the normal distribution's where the freedom is infinite."""
    tail = 0.5 + CONFIDENCE / 2
    finite = np.where(np.isfinite(freedom), freedom, 1.0)
    return np.where(np.isfinite(freedom), stdtrit(finite, tail), ndtri(tail))


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


def _intervals(theta: Array, errors: Array, quantile: Array, logarithmic: Array) -> Array:
    """Symmetric about the estimate, in the logarithm where the search was."""
    half = quantile * errors
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        factor = np.exp(half / np.where(logarithmic, theta, 1.0))
    lower = np.where(logarithmic, theta / factor, theta - half)
    upper = np.where(logarithmic, theta * factor, theta + half)
    return np.stack([lower, upper], axis=1)


def _identifiability(
    objective: Objective, theta: Array, R: Array, s: float, errors: Array
) -> Identifiability:
    scalar = objective.parameters.scalar
    if not scalar.any():
        return _curves_verdict(objective, theta, errors)
    columns = R * objective.parameters.sizes(theta)
    S = columns[: objective.data.size, scalar]
    if not scalar.all():
        S = np.vstack([S, np.zeros((columns.shape[0] - S.shape[0], S.shape[1]))])
        Q = np.linalg.svd(columns[:, ~scalar], full_matrices=False)[0]
        S = S - Q @ (Q.T @ S)
    sensitivity = Sensitivity(objective, theta, S, s)
    lengths = np.linalg.norm(S, axis=0)
    unit = np.linalg.svd(S / np.where(lengths > 0.0, lengths, 1.0), compute_uv=False)
    seen = bool((unit > RANK_TOLERANCE * unit.max(initial=0.0)).all())
    _, values, vectors = np.linalg.svd(S, full_matrices=False)
    worst = float(s / values[-1]) if seen else np.inf
    direction = vectors[-1] * np.sign(vectors[-1][np.argmax(np.abs(vectors[-1]))])
    verdict = _verdict(worst)
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


def _verdict(worst: float) -> str:
    if worst <= NOT_IDENTIFIABLE:
        return "weak" if worst > WEAK else "determined"
    return "not-identifiable"  # also where worst is NaN, because the noise is not known


def _curves_verdict(objective: Objective, theta: Array, errors: Array) -> Identifiability:
    """Each curve counts as a whole: the rms of its standard errors over its largest value."""
    p = objective.parameters
    sizes = p.sizes(theta)
    relative = {
        name: float(np.sqrt(np.mean((errors[where] / sizes[where]) ** 2)))
        for name, where in p.where.items()
    }
    name = max(relative, key=lambda n: relative[n] if np.isfinite(relative[n]) else np.inf)
    worst = relative[name]
    said = f"{name} is known to {100 * worst:.2g} % of its largest value, held smooth as it is."
    return Identifiability(
        verdict=_verdict(worst),
        condition_number=float("nan"),
        weakest_direction={n: float(n == name) for n in relative},
        relative_standard_error=worst,
        advice=said if np.isfinite(worst) else "The readings leave a part of the curve open.",
    )
