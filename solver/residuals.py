"""What the residuals of a fit say: their size, and whether they are noise or have a memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from solver.kernels import Array


@dataclass(frozen=True)
class SensorResiduals:
    """One sensor's residuals: rms in K, lag-one autocorrelation, effective sample size.

    The effective sample size is that of independent readings as informative about a mean as
    these; far below `readings`, the model misses something and standard errors are too small.
    Autocorrelation and effective size are NaN below four readings, or where nothing varies.
    """

    readings: int
    rms: float
    autocorrelation: float
    effective_sample_size: float


def diagnose(residuals: Array) -> SensorResiduals:
    """The diagnostics of residuals y - d (M,) in the order of time.

    ``M_eff = M / (1 + 2 sum_k rho_k)``, the sum ending before the first pair of lags whose
    autocorrelations add up to less than zero. Reference: Geyer, Practical Markov chain Monte Carlo,
    Statistical Science 7 (1992) 473-483 (initial positive sequence).
    """
    count = residuals.size
    rms = float(np.sqrt(np.mean(residuals**2))) if count else float("nan")
    centred = residuals - residuals.mean() if count else residuals
    power = float(centred @ centred)
    if count < 4 or power == 0.0:
        return SensorResiduals(count, rms, float("nan"), float("nan"))
    rho = _autocorrelation_of(centred)
    pairs = rho[: 2 * (count // 2)].reshape(-1, 2).sum(axis=1)
    ends = np.flatnonzero(pairs <= 0.0)
    total = 2.0 * pairs[: ends[0] if ends.size else pairs.size].sum() - 1.0
    effective = count / max(total, 1.0)
    return SensorResiduals(count, rms, float(rho[1]), float(effective))


def _autocorrelation_of(centred: Array) -> Array:
    """rho_0 .. rho_{M-1}, by the fast Fourier transform, padded so that no lag wraps around."""
    spectrum = np.abs(np.fft.rfft(centred, 2 * centred.size)) ** 2
    covariance = np.fft.irfft(spectrum)[: centred.size]
    return np.asarray(covariance / covariance[0])


def autocorrelation(residuals: Array) -> Array:
    """rho_0 .. rho_{M-1} of residuals (M,) about zero, where a right model's lie."""
    return _autocorrelation_of(residuals) if np.any(residuals) else np.zeros(residuals.size)
