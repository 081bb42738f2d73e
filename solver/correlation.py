r"""What correlated residuals do to the standard errors, and what they say of model and sensors.

Least squares moves by ``dtheta = -(R^T R)^-1 R^T e`` where the weighted readings are off by e, so

    cov = A^-1 B A^-1,    A = R^T R,    B = R^T cov(e) R = sum over sensors s of C_s^T S_s C_s.

The sandwich's meat B is taken in the cosine basis (DCT-II, orthonormal) of each sensor's readings
in their order: there a stationary noise is nearly uncorrelated, coefficient j having the variance
S_j, its spectrum; C_s (M_s, p) are the cosine coefficients of the sensor's rows of R.

* **Spectrum.** Model discrepancy, drift and offsets are slow, so S may only fall with frequency: it
  is the antitonic (pool adjacent violators) regression of the periodogram Lambda_j^2, the squared
  cosine coefficients of the *uncentred* residuals, averaged over the bands j = 0, 1, 2-3, 4-7, ...
  Nothing is to be tuned. j = 0 is the sensor's mean: a constant offset counts as what it is, one
  draw. The fit has absorbed the share h_j = (C A^-1 C^T)_jj of each coefficient (leverage); sums of
  1 - h_j are a band's degrees of freedom, and its mean is Lambda^2 summed over them.
* **Test.** Only where white noise is refuted (F tests of the slow coefficients against the others,
  for each sensor and for all together, Bonferroni, level `LEVEL`) is S used; else S is the formal
  variance s^2. S is never below s^2, so that no interval is narrower than the formal one.
* **Degrees of freedom** of a variance ``sum_b S_b q_b`` over bands (Satterthwaite):
  ``(sum S_b q_b)^2 / sum (S_b q_b)^2 / nu_b``; few when a few slow coefficients carry it.
* **Effective sample size** of sensor s: ``sum_j Lambda_j^2 / S_0``.

Lags are counted in readings, not seconds. What the fit absorbs altogether (one sensor's offset that
the unknowns can imitate) leaves no residual, and nothing computed from residuals can show it.

References: Newey & West, Econometrica 55 (1987) 703-708 (sandwich); Lazarus, Lewis, Stock & Watson,
J. Bus. Econ. Stat. 36 (2018) 541-559 (cosine basis); Anevski & Soulier, Ann. Stat. 39 (2011)
418-438 (monotone spectrum); Satterthwaite, Biometrics Bull. 2 (1946) 110-114; Kennedy & O'Hagan,
J. R. Stat. Soc. B 63 (2001) 425-464 (model discrepancy); Belsley, Kuh & Welsch, Regression
Diagnostics (1980) (deletion).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.fft import dct
from scipy.optimize import isotonic_regression
from scipy.special import fdtrc

from solver.kernels import Array

LEVEL = 0.01  # chance that white noise is called correlated
FAULT_LEVEL = 0.05  # chance that one of the sensors is called faulty though all are alike
SEEN = 1e-9  # share of a direction that the other sensors must see for one to be judged by them


@dataclass(frozen=True)
class Linearisation:
    """A fit near its estimate.

    residuals: (M,), weighted; under Huber's loss the pseudo-residuals psi(r) / mean(psi').
    root: (p, k) factor of the bread, ``root root^T = A^-1``; basis: ``R root`` (M, k), orthonormal.
    slices: the rows of each sensor, in the order of time; rows in none (a prior's) count as white.
    variance: s^2 of a weighted residual, or 1 where sigma is given; freedom: M - p, or infinity.
    """

    residuals: Array
    basis: Array
    root: Array
    slices: tuple[slice, ...]
    variance: float
    freedom: float


@dataclass(frozen=True)
class Widening:
    """Covariance (p, p) and degrees of freedom (p,) that allow for correlated residuals.

    inflation: of each standard error over the formal one, (p,), 1 where the residuals are white.
    effective_sample_sizes: of each sensor, (S,). correlated: (S,) bool, refuted to be white.
    """

    covariance: Array
    degrees_of_freedom: Array
    inflation: Array
    effective_sample_sizes: Array
    correlated: Array

    @property
    def dominated(self) -> Array:
        """Whether more than half of a parameter's variance comes of the correlation, (p,)."""
        return self.inflation**2 > 2.0


@dataclass(frozen=True)
class Fault:
    """A sensor that reads apart from the others: its place among them, and by how much.

    ratio: its rms misfit to a fit of the others, over theirs; p_value: of so much, for S sensors.
    """

    sensor: int
    ratio: float
    p_value: float


@dataclass(frozen=True)
class _Periodogram:
    """One sensor's residuals in the cosine basis, summed over bands of coefficients.

    edges: each band's first coefficient, and M_s at the end; power: sums of Lambda^2; freedom: sums
    of 1 - h; rows: the cosine coefficients of the basis, (M_s, k).
    """

    edges: Array
    power: Array
    freedom: Array
    rows: Array


def widen(fit: Linearisation) -> Widening:
    """The covariance with the residuals' correlation in it, in O(M p^2), the price of A itself."""
    sensors = [_periodogram(fit.residuals[s], fit.basis[s]) for s in fit.slices]
    correlated = _refuted(sensors)
    sizes = np.array([float(sensor.edges[-1]) for sensor in sensors])
    formal = fit.variance * np.sum(fit.root**2, axis=1)
    covariance, white, slow = fit.variance * fit.root @ fit.root.T, formal, []
    for s in np.flatnonzero(correlated):
        blocks = list(_blocks(sensors[s]))
        sizes[s] = max(sensors[s].power.sum() / blocks[0][0], 1.0)
        for S, nu, rows in blocks:
            if fit.variance < S:
                influence = rows @ fit.root.T
                covariance = covariance + (S - fit.variance) * influence.T @ influence
                q = np.sum(influence**2, axis=0)
                white = white - fit.variance * q
                slow.append((S * q, nu))
    total = np.sum([np.maximum(white, 0.0), *(v for v, _ in slow)], axis=0)
    return Widening(
        covariance=covariance,
        degrees_of_freedom=_satterthwaite([(np.maximum(white, 0.0), fit.freedom), *slow], total),
        inflation=np.sqrt(np.divide(total, formal, out=np.ones_like(total), where=formal > 0.0)),
        effective_sample_sizes=sizes,
        correlated=correlated,
    )


def faulty_sensor(fit: Linearisation) -> Fault | None:
    """The sensor that the others contradict, if there are others enough to say so.

    The sensor of the largest misfit is left out (linearised), and its mean square misfit to the fit
    of the others is compared with theirs, plus the (widened) variance of that fit at the sensor.
    Since a discrepancy is one draw for a sensor however many its readings, the sensors are the
    units: the ratio is F(1, S - 1) were they alike, times S for the choice. So three sensors must
    differ by a factor of 8, six by 4, and of two none can be told from the other.
    """
    count = len(fit.slices)
    if count < 3:
        return None
    worst = int(np.argmax([_mean_square(fit.residuals[s], fit.basis[s]) for s in fit.slices]))
    rows = fit.basis[fit.slices[worst]]
    kept = np.ones(fit.residuals.size, bool)
    kept[fit.slices[worst]] = False
    values, vectors = np.linalg.eigh(np.eye(rows.shape[1]) - rows.T @ rows)
    if values.min(initial=1.0) < SEEN:
        return None
    root = vectors / np.sqrt(values)
    step = -root @ (root.T @ (fit.basis[kept].T @ fit.residuals[kept]))
    residuals = fit.residuals + fit.basis @ step
    others = tuple(s for j, s in enumerate(fit.slices) if j != worst)
    theirs = float(np.mean([np.mean(residuals[s] ** 2) for s in others]))
    without = Linearisation(
        np.where(kept, residuals, 0.0), fit.basis @ root, root, others, theirs, np.inf
    )
    predicted = float(np.sum((rows @ widen(without).covariance) * rows)) / rows.shape[0]
    own = float(np.mean(residuals[fit.slices[worst]] ** 2))
    if not 0.0 < theirs + predicted < np.inf:
        return None
    p_value = min(1.0, count * float(fdtrc(1, count - 1, own / (theirs + predicted))))
    ratio = float(np.sqrt(own / (theirs + predicted)))
    return Fault(worst, ratio, p_value) if p_value < FAULT_LEVEL else None


def describe(
    widening: Widening, fault: Fault | None, parameters: Sequence[str], sensors: Sequence[str]
) -> tuple[str, ...]:
    """What a user should be told: nothing where the residuals are white and no sensor is apart."""
    said = []
    if widening.correlated.any():
        said.append(_of_correlation(widening, parameters, sensors))
    if fault is not None:
        said.append(
            f"Sensor {sensors[fault.sensor]} reads apart from the others: a fit without it misses "
            f"its readings by {fault.ratio:.2g} times what it misses theirs by. Check it, or leave "
            "it out."
        )
    return tuple(said)


def _of_correlation(widening: Widening, parameters: Sequence[str], sensors: Sequence[str]) -> str:
    names = [parameters[j] for j in np.flatnonzero(widening.dominated)]
    worth = ", ".join(
        f"{name} {size:.2g}"
        for name, size, is_so in zip(
            sensors, widening.effective_sample_sizes, widening.correlated, strict=True
        )
        if is_so
    )
    factor = f"{widening.inflation.max():.2g}"
    if not names:
        return (
            f"The residuals are correlated (effective sample sizes: {worth}); the standard errors "
            f"allow for it and are up to {factor} times the formal ones."
        )
    return (
        f"Model discrepancy dominates the error of {', '.join(names)}: the residuals are no noise but "
        f"follow one another (effective sample sizes: {worth}), so that the standard errors are up "
        f"to {factor} times the formal ones. More such readings will not narrow them, and other "
        "sensors or another window may give another answer; look for what the model, the sensors' "
        "places or their calibration miss."
    )


def _periodogram(residuals: Array, basis: Array) -> _Periodogram:
    n = residuals.size
    edges = np.array(sorted({0, n, *(2**k for k in range(n.bit_length()) if 2**k < n)}))
    rows = dct(basis, type=2, norm="ortho", axis=0) if n else basis
    squares = dct(residuals, type=2, norm="ortho") ** 2 if n else residuals
    left = np.clip(1.0 - np.sum(rows**2, axis=1), SEEN, 1.0)
    power, freedom = (np.add.reduceat(a, edges[:-1]) for a in (squares, left))
    return _Periodogram(edges, power, freedom, rows)


def _blocks(sensor: _Periodogram) -> Iterator[tuple[float, float, Array]]:
    """The antitonic spectrum, slowest first: S, its degrees of freedom, its rows of the basis."""
    means = sensor.power / sensor.freedom
    found = isotonic_regression(means, weights=sensor.freedom, increasing=False)
    for first, last, nu in zip(found.blocks[:-1], found.blocks[1:], found.weights, strict=True):
        rows = sensor.rows[sensor.edges[first] : sensor.edges[last]]
        yield float(found.x[first]), max(float(nu), 1.0), rows


def _satterthwaite(parts: list[tuple[Array, float]], total: Array) -> Array:
    """Degrees of freedom (p,) of the sum `total` of variances v (p,) estimated with nu each."""
    total = np.where(total > 0.0, total, 1.0)
    inverse = np.sum([(v / total) ** 2 / nu for v, nu in parts], axis=0)
    with np.errstate(divide="ignore"):
        return np.minimum(1.0 / inverse, max(nu for _, nu in parts))


def _refuted(sensors: list[_Periodogram]) -> Array:
    """Which sensors' residuals are no white noise, (S,): by themselves, or all of them together."""
    count, bands = len(sensors), max((s.power.size for s in sensors), default=0)
    power, freedom = np.zeros((count, bands)), np.zeros((count, bands))
    for row, s in enumerate(sensors):
        mean = s.power.sum() / max(s.freedom.sum(), SEEN)
        power[row, : s.power.size] = s.power / (mean if mean > 0.0 else 1.0)
        freedom[row, : s.power.size] = s.freedom
    alone = np.array([_p_value(power[row], freedom[row]) for row in range(count)])
    together = _p_value(power.sum(axis=0), freedom.sum(axis=0)) if count else 1.0
    level = LEVEL / (count + 1 if count > 1 else 1)
    there = power.sum(axis=1) > 0.0
    return there & ((alone < level) | (together < level))


def _p_value(power: Array, freedom: Array) -> float:
    """Of white noise: F tests of the slow bands, up to each, against the quicker; Bonferroni."""
    T, W = np.cumsum(power), np.cumsum(freedom)
    tests = np.flatnonzero(W < W[-1])
    if tests.size == 0 or T[-1] == 0.0:
        return 1.0
    slow, rest = W[tests], W[-1] - W[tests]
    with np.errstate(divide="ignore"):
        F = (T[tests] / slow) / (np.maximum(T[-1] - T[tests], 0.0) / rest)
    p_values = fdtrc(np.maximum(slow, 1.0), np.maximum(rest, 1.0), F)
    return float(min(1.0, tests.size * p_values.min()))


def _mean_square(residuals: Array, basis: Array) -> float:
    """Of one sensor, corrected for what the fit has absorbed."""
    return float(residuals @ residuals) / max(residuals.size - float(np.sum(basis**2)), SEEN)
