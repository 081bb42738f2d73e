"""What the residuals of a fit say of each sensor: their size, and whether they have a memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from solver.kernels import Array

FEWEST = 4  # readings below which nothing is said of their memory


@dataclass(frozen=True)
class SensorResiduals:
    """One sensor's residuals: rms in K, lag-one autocorrelation, effective sample size.

    The autocorrelation is about zero, where a right model's residuals lie: an offset counts as
    memory. The effective sample size is that of independent readings as informative as these (see
    `solver.correlation`); far below `readings`, the model misses something. Both are NaN below
    `FEWEST` readings, or where nothing is left.
    """

    readings: int
    rms: float
    autocorrelation: float
    effective_sample_size: float


def diagnose(residuals: Array, effective_sample_size: float) -> SensorResiduals:
    """The diagnostics of residuals y - d (M,) in the order of time."""
    count = residuals.size
    rms = float(np.sqrt(np.mean(residuals**2))) if count else float("nan")
    if count < FEWEST or rms == 0.0:
        return SensorResiduals(count, rms, float("nan"), float("nan"))
    return SensorResiduals(
        count, rms, float(autocorrelation(residuals)[1]), float(effective_sample_size)
    )


def autocorrelation(residuals: Array) -> Array:
    """``rho_k = sum_i r_i r_{i+k} / sum_i r_i^2``, k = 0 .. M - 1; zeros where all residuals are.

    By the fast Fourier transform, padded so that no lag wraps around.
    """
    if not np.any(residuals):
        return np.zeros(residuals.size)
    spectrum = np.abs(np.fft.rfft(residuals, 2 * residuals.size)) ** 2
    covariance = np.fft.irfft(spectrum)[: residuals.size]
    return np.asarray(covariance / covariance[0])
