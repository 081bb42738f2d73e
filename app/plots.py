"""Plots where people would look rather than read (matplotlib, the extra `plot`)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from app.answers import CheckAnswer
from solver import Calibration, Problem, Sensor
from solver.bands import Band
from solver.kernels import Array
from solver.remarks import sensor_labels
from solver.residuals import autocorrelation

matplotlib.rcParams.update({"axes.spines.top": False, "axes.spines.right": False, "font.size": 10})

SUFFIXES = (".png", ".pdf", ".svg")
DATA, FIT, GUIDE = "#1c2430", "#c8501e", "#9aa4b1"
PANELS_ACROSS = 3
MOST_SENSORS, MOST_CURVES = 12, 6
MANY = 200  # readings from which on they are drawn as a line, not with their error bars
UNITS = {"diffusivity": "m²/s", "conductivity": "W/m/K", "heat_capacity": "J/m³/K"}

Draw = Callable[[Axes], None]


def calibration(found: Calibration, file: Path) -> None:
    """Data against fit for every sensor with its residuals below; then what is behind them.

    That is the residuals' autocorrelation, and every fitted law and curve with its band.
    """
    sensors = [sensor for experiment in found.study.experiments for sensor in experiment.sensors]
    read = [
        (name, sensor, fitted)
        for name, sensor, fitted in zip(
            sensor_labels(found.study), sensors, found.fitted, strict=True
        )
        if sensor.present.any()
    ]
    shown = read[:MOST_SENSORS]
    below: list[Draw] = [partial(_autocorrelations, shown=shown)]
    below += [partial(_band, band=band) for band in found.bands[:MOST_CURVES]]
    across = max(min(len(shown), PANELS_ACROSS), min(len(below), PANELS_ACROSS))
    down, rest = -(-len(shown) // across), -(-len(below) // across)
    figure = Figure(figsize=(1.0 + 4.2 * across, 4.8 * down + 3.2 * rest), layout="constrained")
    halves = figure.subfigures(2, 1, squeeze=False, height_ratios=[4.8 * down, 3.2 * rest])
    upper, lower = halves[:, 0]
    _sensors(upper, shown, down, across)
    _grid_of(lower, below, rest, across)
    hidden = f", {len(read) - len(shown)} sensors not drawn" if len(read) > len(shown) else ""
    figure.suptitle(_headline(found) + hidden, fontsize=11)
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


def _sensors(
    figure: SubFigure, shown: list[tuple[str, Sensor, Array]], down: int, across: int
) -> None:
    axes = figure.subplots(
        2 * down, across, squeeze=False, sharex="col", height_ratios=[2, 1] * down
    )
    for index in range(down * across):
        row, column = divmod(index, across)
        if index < len(shown):
            _fit_panel(axes[2 * row, column], *shown[index])
            _residual_panel(axes[2 * row + 1, column], *shown[index][1:])
        else:
            axes[2 * row, column].set_visible(False)
            axes[2 * row + 1, column].set_visible(False)


def _grid_of(figure: SubFigure, panels: list[Draw], down: int, across: int) -> None:
    axes = figure.subplots(down, across, squeeze=False)
    for index in range(down * across):
        row, column = divmod(index, across)
        if index < len(panels):
            panels[index](axes[row, column])
        else:
            axes[row, column].set_visible(False)


def _fit_panel(axes: Axes, name: str, sensor: Sensor, fitted: Array) -> None:
    times, data, sigma = _readings(sensor)
    if sigma is None or times.size > MANY:
        axes.plot(times, data, ".", color=DATA, ms=4 if times.size <= MANY else 2, label="data")
    else:
        axes.errorbar(times, data, sigma, fmt=".", color=DATA, ms=4, lw=0.7, label="data")
    marker = "o" if times.size == 1 else ""  # a line of one point is not seen
    axes.plot(times, fitted, "-", marker=marker, color=FIT, lw=1.5, label="fit")
    axes.set_title(f"{name}, x = {sensor.x:g} m", fontsize=10, loc="left")
    axes.set_ylabel("temperature / K")
    axes.legend(frameon=False)


def _residual_panel(axes: Axes, sensor: Sensor, fitted: Array) -> None:
    times, data, sigma = _readings(sensor)
    axes.axhline(0.0, color=GUIDE, lw=0.8)
    size = 4 if times.size <= MANY else 2
    axes.plot(times, (fitted - data) / (1.0 if sigma is None else sigma), ".", color=DATA, ms=size)
    axes.set_ylabel("residual / K" if sigma is None else "residual / sigma")
    axes.set_xlabel("time / s")
    axes.tick_params(labelbottom=True)


def _autocorrelations(axes: Axes, shown: list[tuple[str, Sensor, Array]]) -> None:
    """Of every sensor's residuals, over lags; noise stays within the dashed lines."""
    longest = max(sensor.present.sum() for _, sensor, _ in shown)
    for name, sensor, fitted in shown:
        _, data, sigma = _readings(sensor)
        rho = autocorrelation((fitted - data) / (1.0 if sigma is None else sigma))
        axes.plot(np.arange(rho.size), rho, lw=1.2, label=name)
    noise = 1.96 / np.sqrt(longest)
    for level in (-noise, noise):
        axes.axhline(level, color=GUIDE, lw=0.8, ls="--")
    axes.axhline(0.0, color=GUIDE, lw=0.8)
    axes.set_xlim(0, max(longest / 2, 1))
    axes.set_ylim(-1.05, 1.05)
    axes.set_xlabel("lag / readings")
    axes.set_title("autocorrelation of residuals", fontsize=10, loc="left")
    axes.legend(frameon=False, fontsize=8, ncols=2)


def _band(axes: Axes, band: Band) -> None:
    axes.fill_between(
        band.points, band.lower, band.upper, color=FIT, alpha=0.25, lw=0, label="95 %"
    )
    axes.plot(band.points, band.values, color=FIT, lw=1.5)
    name = str(band.place[-1])
    law = name in UNITS
    axes.set_title(Problem(band.place, "", "").pointer.lstrip("#/"), fontsize=10, loc="left")
    axes.set_ylabel(f"{name.replace('_', ' ')} / {UNITS[name]}" if law else name)
    along_bar = law or name in ("initial", "profile")
    axes.set_xlabel("x / m" if along_bar else "time / s")
    axes.locator_params(axis="x", nbins=5)
    axes.legend(frameon=False, fontsize=8)


def _readings(sensor: Sensor) -> tuple[Array, Array, Array | None]:
    """Times, temperatures and sigma of the readings that are there."""
    here = sensor.present
    assert sensor.times is not None
    assert sensor.temperatures is not None
    sigma = None if sensor.sigma is None else np.broadcast_to(sensor.sigma, here.shape)[here]
    return sensor.times[here], sensor.temperatures[here], sigma


def _headline(found: Calibration) -> str:
    p, errors = found.parameters, found.uncertainty.standard_errors
    numbers = [u.name for u in p.unknowns if not u.listed]
    shown = []
    for name in numbers[:4]:
        j = p.where[name].start
        error = f" ± {errors[j]:.2g}" if np.isfinite(errors[j]) else ""
        shown.append(f"{name} = {found.theta[j]:.5g}{error}")
    more = f" and {len(numbers) - 4} more" if len(numbers) > 4 else ""
    verdict = found.uncertainty.identifiability.verdict
    return f"{', '.join(shown)}{more}  ({verdict})" if shown else verdict
