r"""What correlated residuals do to the standard errors, and what they say of model and sensors.

Where the weighted readings are off by e, least squares is off by ``dtheta = -A^-1 R^T e``, so

    cov(theta) = A^-1 B A^-1,    A = R^T R,    B = R^T cov(e) R = sum over sensors s: C_s^T S_s C_s.

This sandwich is taken in the cosine basis (orthonormal DCT-II) of each sensor's readings in their
order: C_s (M_s, p) are the cosine coefficients of its rows of R, and there a stationary noise is
nearly uncorrelated, coefficient j having the variance S_j, the spectrum.

* **Spectrum.** Discrepancy, drift and offsets are slow, so S may only fall with j: the antitonic
  regression (pool adjacent violators) of the periodogram Lambda_j^2 in the bands j = 0, 1, 2-3,
  4-7, ...; there is no bandwidth to choose. Residuals are not centred: Lambda_0 is the sensor's
  offset, one draw however many its readings. The fit has absorbed the share (leverage)
  ``h_j = (C A^-1 C^T)_jj`` of Lambda_j^2, so a band's mean is over ``nu = sum (1 - h_j)``.
* **Test.** The spectrum is used where white noise is refuted: by F tests of the slow bands against
  the others, for each sensor and for the rest together (Bonferroni, `LEVEL`). Elsewhere, and from
  below, S is the formal variance s^2: white residuals leave the formal answer, none narrow it.
* **Degrees of freedom** (Satterthwaite) of a parameter's variance ``sum_b S_b q_b``, q_b being the
  squares of its influence ``A^-1 C^T`` in block b: ``(sum S_b q_b)^2 / sum ((S_b q_b)^2 / nu_b)``.
* **Effective sample size** of sensor s for a mean: ``sum_j Lambda_j^2 / S_0``.

Lags count readings, not seconds; sensors are taken as independent of one another. What the unknowns
can imitate, such as an only sensor's offset, leaves no residual: no residual can show it.

References: Newey & West, Econometrica 55 (1987) 703-708 (sandwich); Lazarus, Lewis, Stock & Watson,
J. Bus. Econ. Stat. 36 (2018) 541-559 (cosines, t quantiles); Anevski & Soulier, Ann. Stat. 39
(2011) 418-438 (monotone spectrum); Satterthwaite, Biometrics Bull. 2 (1946) 110-114; Belsley, Kuh &
Welsch, Regression Diagnostics (1980) (deletion); Kennedy & O'Hagan, J. R. Stat. Soc. B 63 (2001)
425-464 (model discrepancy).
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
FAULT_LEVEL = 0.05  # chance that a sensor is called faulty where all are alike
LEAST = 0.05  # degrees of freedom of a band that its variance can be told from
SEEN = 1e-9  # least share, of a residual's power or of a direction, that is left to judge by


@dataclass(frozen=True)
class Linearisation:
    """A fit at its estimate.

    residuals: (M,), weighted; under Huber's loss the pseudo-residuals psi(r) / mean(psi').
    basis: ``R root`` (M, k), its columns orthonormal; root: (p, k) with ``root root^T = A^-1``.
    slices: the rows of each sensor in the order of time; rows in none, a prior's, count as white.
    variance: s^2 of a weighted residual, 1 where sigma is given; freedom: its M - p, or infinity.
    """

    residuals: Array
    basis: Array
    root: Array
    slices: tuple[slice, ...]
    variance: float
    freedom: float


@dataclass(frozen=True)
class Widening:
    """Covariance (p, p) that allows for correlation, and degrees of freedom (p,) for Student's t.

    inflation: of the standard errors over the formal ones, (p,), exactly 1 where all is white.
    effective_sample_sizes: (S,). correlated: (S,) bool, whose residuals are no white noise.
    """

    covariance: Array
    degrees_of_freedom: Array
    inflation: Array
    effective_sample_sizes: Array
    correlated: Array

    @property
    def dominated(self) -> Array:
        """Where model discrepancy is more than half of a parameter's variance, (p,) bool."""
        return np.asarray(self.inflation**2 > 2.0)


@dataclass(frozen=True)
class Fault:
    """A sensor that reads apart from the others.

    sensor: its place; ratio: its rms misfit to a fit of the others over what is expected of it from
    theirs; p_value: of such a ratio among sensors that are alike.
    """

    sensor: int
    ratio: float
    p_value: float


@dataclass(frozen=True)
class _Periodogram:
    """One sensor in the cosine basis, over bands of coefficients.

    edges: each band's first coefficient, and M_s; power: sums of Lambda^2; freedom: sums of 1 - h;
    rows: the coefficients of the basis, (M_s, k).
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
    covariance, white = fit.variance * fit.root @ fit.root.T, formal
    slow: list[tuple[Array, float]] = []
    for s in np.flatnonzero(correlated):
        blocks = list(_blocks(sensors[s]))
        sizes[s] = max(1.0, sensors[s].power.sum() / blocks[0][0])
        for S, nu, rows in blocks:
            if fit.variance < S:
                influence = rows @ fit.root.T
                covariance = covariance + (S - fit.variance) * influence.T @ influence
                q = np.sum(influence**2, axis=0)
                white = np.maximum(white - fit.variance * q, 0.0)
                slow.append((S * q, nu))
    total = white + sum(v for v, _ in slow)
    return Widening(
        covariance=covariance,
        degrees_of_freedom=_satterthwaite(total, [(white, fit.freedom), *slow]),
        inflation=np.sqrt(np.divide(total, formal, out=np.ones_like(total), where=formal > 0.0)),
        effective_sample_sizes=sizes,
        correlated=correlated,
    )


def faulty_sensor(fit: Linearisation) -> Fault | None:
    """The sensor that the others contradict, where there are others enough to say so.

    The sensor of the largest misfit is left out, and its mean square misfit to the (linearised) fit
    of the others is compared with theirs plus the widened variance of that fit at its place. A
    discrepancy is one draw for a sensor, however many its readings: the sensors are the units, and
    were they alike the ratio would be F(1, S - 1), S times over because the largest was picked. So
    of three sensors one must be off by 7.7 times the others' misfit, of six by 4.2, of two neither
    can be told from the other; None too where the others do not determine the fit.
    """
    count = len(fit.slices)
    if count < 3:
        return None
    worst = int(np.argmax([_misfit(fit.residuals[s], fit.basis[s]) for s in fit.slices]))
    left_out = fit.slices[worst]
    without = _leave_out(fit, left_out)
    if without is None:
        return None
    rows = without.basis[left_out]
    predicted = float(np.sum((rows @ widen(without).covariance) * rows)) / max(rows.shape[0], 1)
    expected = without.variance + predicted
    if not 0.0 < expected < np.inf:
        return None
    own = float(np.mean(without.residuals[left_out] ** 2))
    p_value = min(1.0, count * float(fdtrc(1, count - 1, own / expected)))
    ratio = float(np.sqrt(own / expected))
    return Fault(worst, ratio, p_value) if p_value < FAULT_LEVEL else None


def describe(
    widening: Widening, fault: Fault | None, parameters: Sequence[str], sensors: Sequence[str]
) -> tuple[str, ...]:
    """What to tell the user; nothing where the residuals are white and no sensor stands apart.

    parameters: a name for every component, the same for all of a curve.

    Residuals of the size of round-off say nothing; passing over them is the caller's part.
    """
    said = []
    sizes = [
        f"{sensor} {size:.2g}"
        for sensor, size, correlated in zip(
            sensors, widening.effective_sample_sizes, widening.correlated, strict=True
        )
        if correlated
    ]
    if sizes:
        said.append(
            "The residuals follow one another (effective sample size by sensor: "
            f"{', '.join(sizes)}). The intervals allow for it: standard errors are up to "
            f"{np.max(widening.inflation, initial=1.0):.2g} times what white noise would give."
        )
    if widening.dominated.any():
        names = ", ".join(dict.fromkeys(np.array(parameters)[widening.dominated]))
        said.append(
            f"Model discrepancy, not noise, dominates the error of {names}: denser readings will "
            "not narrow it, and other sensors or another window may move the estimate by as much. "
            "See what the model, the sensors' places or their calibration miss."
        )
    if fault is not None:
        said.append(
            f"Sensor {sensors[fault.sensor]} reads apart from the others: a fit without it misses "
            f"its readings by {fault.ratio:.2g} times what theirs let expect. Check it, or leave "
            "it out."
        )
    return tuple(said)


def _periodogram(residuals: Array, basis: Array) -> _Periodogram:
    n = residuals.size
    edges = np.array(sorted({0, n, *(2**k for k in range(n.bit_length()) if 2**k < n)}))
    rows = dct(basis, type=2, norm="ortho", axis=0) if basis.size else basis
    squares = dct(residuals, type=2, norm="ortho") ** 2 if n else residuals
    left = np.clip(1.0 - np.sum(rows**2, axis=1), SEEN, 1.0)
    edges = _with_freedom(edges, left)
    power, freedom = (np.add.reduceat(a, edges[:-1]) for a in (squares, left))
    return _Periodogram(edges, power, freedom, rows)


def _with_freedom(edges: Array, left: Array) -> Array:
    """The bands' edges, bands joined where the fit has left less than `LEAST` of their freedom.

    What is left of a coefficient that the fit has all but absorbed would be blown up by
    1 / (1 - h), and with it every curvature of the model and every bias of sigma.
    """
    if edges.size < 2:
        return edges
    kept = [int(edges[0])]
    for edge in edges[1:-1]:
        if left[kept[-1] : edge].sum() >= LEAST:
            kept.append(int(edge))
    return np.array([*kept, int(edges[-1])])


def _blocks(sensor: _Periodogram) -> Iterator[tuple[float, float, Array]]:
    """The antitonic spectrum, slowest block first: S, its degrees of freedom, rows of the basis."""
    means = sensor.power / sensor.freedom
    found = isotonic_regression(means, weights=sensor.freedom, increasing=False)
    for first, last, nu in zip(found.blocks[:-1], found.blocks[1:], found.weights, strict=True):
        rows = sensor.rows[sensor.edges[first] : sensor.edges[last]]
        yield float(found.x[first]), max(1.0, float(nu)), rows


def _satterthwaite(total: Array, parts: list[tuple[Array, float]]) -> Array:
    """Degrees of freedom (p,) of the sum of variances v (p,), each estimated with nu of them."""
    total = np.where(total > 0.0, total, 1.0)
    inverse = np.sum([(v / total) ** 2 / nu for v, nu in parts], axis=0)
    with np.errstate(divide="ignore"):
        return np.asarray(np.minimum(1.0 / inverse, parts[0][1]))


def _refuted(sensors: list[_Periodogram]) -> Array:
    """Which sensors' residuals are no white noise, (S,) bool: each alone, or the rest together."""
    shape = len(sensors), max((s.power.size for s in sensors), default=0)
    power, freedom = np.zeros(shape), np.zeros(shape)
    for row, s in enumerate(sensors):
        mean = s.power.sum() / max(SEEN, s.freedom.sum())  # sensors count alike
        power[row, : s.power.size] = s.power / mean if mean > 0.0 else 0.0
        freedom[row, : s.power.size] = s.freedom
    level = LEVEL / (shape[0] + 1 if shape[0] > 1 else 1)
    alone = np.array([_p_value(p, f) < level for p, f in zip(power, freedom, strict=True)], bool)
    rest = ~alone & (power.sum(axis=1) > 0.0)
    together = _p_value(power[rest].sum(axis=0), freedom[rest].sum(axis=0)) < level
    return np.asarray(alone | (rest & together))


def _p_value(power: Array, freedom: Array) -> float:
    """Of white noise: F tests of the bands up to each against those beyond; Bonferroni."""
    T, W = np.cumsum(power), np.cumsum(freedom)
    tests = np.flatnonzero(W < W[-1]) if W.size else W
    if tests.size == 0 or T[-1] == 0.0:
        return 1.0
    slow, quick = W[tests], W[-1] - W[tests]
    with np.errstate(divide="ignore"):
        F = (T[tests] / slow) / (np.maximum(T[-1] - T[tests], 0.0) / quick)
    p_values = fdtrc(np.maximum(slow, 1.0), np.maximum(quick, 1.0), F)
    return float(min(1.0, tests.size * p_values.min()))


def _misfit(residuals: Array, basis: Array) -> float:
    """Mean square of a sensor's residuals, allowing for what the fit has absorbed of them."""
    return float(residuals @ residuals) / max(SEEN, residuals.size - float(np.sum(basis**2)))


def _leave_out(fit: Linearisation, rows: slice) -> Linearisation | None:
    """The fit without these rows, by one Gauss-Newton step; residuals there are predictions."""
    basis = fit.basis[rows]
    values, vectors = np.linalg.eigh(np.eye(basis.shape[1]) - basis.T @ basis)
    if values.min(initial=1.0) < SEEN:
        return None
    root = vectors / np.sqrt(values)
    gradient = fit.basis.T @ fit.residuals - basis.T @ fit.residuals[rows]
    residuals = fit.residuals - fit.basis @ (root @ (root.T @ gradient))
    others = tuple(s for s in fit.slices if s != rows)
    variance = float(np.mean([np.mean(residuals[s] ** 2) for s in others if residuals[s].size]))
    return Linearisation(
        residuals, fit.basis @ root, np.eye(root.shape[1]), others, variance, np.inf
    )
