"""Plots where people would look rather than read (matplotlib, the extra `plot`)."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from app.answers import Answer, CheckAnswer
from app.reporting import sensor_names
from solver import Experiment, Sensor
from solver.kernels import Array

matplotlib.rcParams.update({"axes.spines.top": False, "axes.spines.right": False, "font.size": 10})

SUFFIXES = (".png", ".pdf", ".svg")
DATA, FIT = "#1c2430", "#c8501e"
PANELS_ACROSS = 3


def calibration(experiment: Experiment, answer: Answer, file: Path) -> None:
    """Data against fit for every sensor, its residuals below."""
    rows = [
        (name, sensor)
        for name, sensor in zip(sensor_names(experiment), experiment.sensors, strict=True)
        if sensor.present.any()
    ]
    across = min(len(rows), PANELS_ACROSS)
    down = -(-len(rows) // across)
    figure = Figure(figsize=(1.0 + 4.2 * across, 4.8 * down), layout="constrained")
    axes = figure.subplots(
        2 * down, across, squeeze=False, sharex="col", height_ratios=[2, 1] * down
    )
    for index, (name, sensor) in enumerate(rows):
        row, column = divmod(index, across)
        fitted = np.array(answer.fit[name].temperatures)
        _fit_panel(axes[2 * row, column], name, sensor, fitted)
        _residual_panel(axes[2 * row + 1, column], sensor, fitted)
    for empty in range(len(rows), down * across):
        row, column = divmod(empty, across)
        axes[2 * row, column].set_visible(False)
        axes[2 * row + 1, column].set_visible(False)
    figure.suptitle(_headline(answer), fontsize=11)
    figure.savefig(file, dpi=150)


def error_curve(answer: CheckAnswer, file: Path) -> None:
    """Error of finite differences over the step size, and that of the complex step."""
    curve = answer.error_curve
    figure = Figure(figsize=(6.4, 4.4), layout="constrained")
    axes: Axes = figure.subplots()
    for values, label, marker in (
        (curve.forward, "forward difference", "o"),
        (curve.central, "central difference", "s"),
    ):
        errors = np.array([np.nan if v is None else max(v, 1e-17) for v in values])
        axes.loglog(curve.steps, errors, marker, ls="-", ms=4, lw=1, label=label)
    if curve.complex_step is not None:
        level = max(curve.complex_step, 1e-17)
        axes.axhline(level, color=FIT, lw=1.5, label=f"complex step ({level:.1e})")
    axes.set_xlabel("relative step")
    axes.set_ylabel("relative error against the adjoint")
    axes.legend(frameon=False)
    verdict = "proved" if answer.certificate.passed else "NOT proved"
    rate = answer.certificate.taylor_rate
    axes.set_title(
        f"gradient {verdict}; Taylor rate {'-' if rate is None else format(rate, '.4f')}",
        fontsize=11,
    )
    figure.savefig(file, dpi=150)


def _fit_panel(axes: Axes, name: str, sensor: Sensor, fitted: Array) -> None:
    times, data, sigma = _readings(sensor)
    if sigma is None:
        axes.plot(times, data, ".", color=DATA, ms=4, label="data")
    else:
        axes.errorbar(times, data, sigma, fmt=".", color=DATA, ms=4, lw=0.7, label="data")
    marker = "o" if times.size == 1 else ""  # a line of one point is not seen
    axes.plot(times, fitted, "-", marker=marker, color=FIT, lw=1.5, label="fit")
    axes.set_title(f"{name}, x = {sensor.x:g} m", fontsize=10, loc="left")
    axes.set_ylabel("temperature / K")
    axes.legend(frameon=False)


def _residual_panel(axes: Axes, sensor: Sensor, fitted: Array) -> None:
    times, data, sigma = _readings(sensor)
    axes.axhline(0.0, color="#9aa4b1", lw=0.8)
    axes.plot(times, (fitted - data) / (1.0 if sigma is None else sigma), ".", color=DATA, ms=4)
    axes.set_ylabel("residual / K" if sigma is None else "residual / sigma")
    axes.set_xlabel("time / s")
    axes.tick_params(labelbottom=True)


def _readings(sensor: Sensor) -> tuple[Array, Array, Array | None]:
    """Times, temperatures and sigma of the readings that are there."""
    here = sensor.present
    assert sensor.times is not None
    assert sensor.temperatures is not None
    sigma = None if sensor.sigma is None else np.broadcast_to(sensor.sigma, here.shape)[here]
    return sensor.times[here], sensor.temperatures[here], sigma


def _headline(answer: Answer) -> str:
    shown = list(answer.estimates.items())[:4]
    values = ", ".join(
        f"{name} = {e.value:.5g}" + (f" ± {e.standard_error:.2g}" if e.standard_error else "")
        for name, e in shown
    )
    more = f" and {len(answer.estimates) - 4} more" if len(answer.estimates) > 4 else ""
    return f"{values}{more}  ({answer.identifiability.verdict})"
