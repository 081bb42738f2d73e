"""Plots where people would look rather than read (matplotlib, the extra `plot`)."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from functools import partial
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from app.answers import CheckAnswer
from solver import Calibration, Problem, Sensor, Study
from solver.bands import Band
from solver.curves import Unknown
from solver.kernels import Array
from solver.network import Network
from solver.remarks import sensor_labels
from solver.residuals import autocorrelation

matplotlib.rcParams.update({"axes.spines.top": False, "axes.spines.right": False, "font.size": 10})

SUFFIXES = (".png", ".pdf", ".svg")
DATA, FIT, GUIDE = "#1c2430", "#c8501e", "#9aa4b1"
PANELS_ACROSS = 3
MOST_SENSORS, MOST_CURVES, MOST_NAMES = 12, 6, 6
LETTERS_PER_INCH = 11
MANY = 200  # readings from which on they are drawn small, without their error bars
FEWEST_LAGS = 20
CLOCKS = ((2 * 86400.0, 86400.0, "d"), (3 * 3600.0, 3600.0, "h"), (0.0, 1.0, "s"))
LAWS = {"diffusivity": "m²/s", "conductivity": "W/m/K", "heat_capacity": "J/m³/K"}

Draw = Callable[[Axes], None]
Shown = list[tuple[str, Sensor, Array]]
Others = tuple[str, Array, Array]  # what they are, and from where to where they lie


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
    for band in _distinct(found.bands)[:MOST_CURVES]:
        others = _others(found, band)
        quantity = _quantity(found.study, band)
        below.append(partial(_band, band=band, quantity=quantity, others=others))
    (down, across), (rest, beside) = _grid(len(shown)), _grid(len(below))
    size = (1.0 + 4.4 * max(across, beside), 4.8 * down + 3.2 * rest)
    figure = Figure(figsize=size, layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.08))
    halves = figure.subfigures(2, 1, squeeze=False, height_ratios=[4.8 * down, 3.2 * rest])
    upper, lower = halves[:, 0]
    _sensors(upper, shown, down, across)
    _panels(lower, below, rest, beside)
    hidden = f", {len(read) - len(shown)} sensors not drawn" if len(read) > len(shown) else ""
    title = textwrap.fill(_headline(found) + hidden, int(LETTERS_PER_INCH * size[0]))
    figure.suptitle(title, fontsize=11)
    figure.savefig(file, dpi=150)


def _grid(count: int) -> tuple[int, int]:
    """Rows and columns for so many panels."""
    across = 2 if count == 4 else min(count, PANELS_ACROSS)
    return -(-count // across), across


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


def _sensors(figure: SubFigure, shown: Shown, down: int, across: int) -> None:
    axes = figure.subplots(
        2 * down, across, squeeze=False, sharex="col", height_ratios=[2, 1] * down
    )
    clock = _clock(max(sensor.times[-1] for _, sensor, _ in shown if sensor.times is not None))
    for index in range(down * across):
        row, column = divmod(index, across)
        above, below = axes[2 * row, column], axes[2 * row + 1, column]
        if index < len(shown):
            _fit_panel(above, clock, *shown[index])
            _residual_panel(below, clock, *shown[index][1:])
        else:
            above.set_visible(False)
            below.set_visible(False)


def _clock(end: float) -> tuple[float, str]:
    """The unit in which a run of `end` seconds is drawn: its seconds, and its name."""
    return next((seconds, name) for least, seconds, name in CLOCKS if end >= least)


def _panels(figure: SubFigure, panels: list[Draw], down: int, across: int) -> None:
    axes = figure.subplots(down, across, squeeze=False)
    for index in range(down * across):
        row, column = divmod(index, across)
        if index < len(panels):
            panels[index](axes[row, column])
        else:
            axes[row, column].set_visible(False)


def _fit_panel(
    axes: Axes, clock: tuple[float, str], name: str, sensor: Sensor, fitted: Array
) -> None:
    times, data, sigma = _readings(sensor)
    times = times / clock[0]
    if sigma is None or times.size > MANY:
        axes.plot(times, data, ".", color=DATA, ms=4 if times.size <= MANY else 2, label="data")
    else:
        axes.errorbar(times, data, sigma, fmt=".", color=DATA, ms=4, lw=0.7, label="data")
    marker = "o" if times.size == 1 else ""  # a line of one point is not seen
    axes.plot(times, fitted, "-", marker=marker, color=FIT, lw=1.5, label="fit")
    axes.set_title(f"{name}, x = {sensor.x:g} m", fontsize=10, loc="left")
    axes.set_ylabel("temperature / K")
    axes.legend(frameon=False)


def _residual_panel(axes: Axes, clock: tuple[float, str], sensor: Sensor, fitted: Array) -> None:
    times, data, sigma = _readings(sensor)
    times = times / clock[0]
    axes.axhline(0.0, color=GUIDE, lw=0.8)
    size = 4 if times.size <= MANY else 2
    axes.plot(times, (fitted - data) / (1.0 if sigma is None else sigma), ".", color=DATA, ms=size)
    axes.set_ylabel("residual / K" if sigma is None else "residual / sigma")
    axes.set_xlabel(f"time / {clock[1]}")
    axes.tick_params(labelbottom=True)


def _autocorrelations(axes: Axes, shown: Shown) -> None:
    """Of every sensor's residuals, over lags; noise stays within the dashed lines."""
    longest = max(sensor.present.sum() for _, sensor, _ in shown)
    noise, reach = 1.96 / np.sqrt(longest), FEWEST_LAGS
    for name, sensor, fitted in shown:
        _, data, sigma = _readings(sensor)
        rho = autocorrelation((fitted - data) / (1.0 if sigma is None else sigma))
        axes.plot(np.arange(rho.size), rho, lw=1.2, label=name)
        within = np.flatnonzero(np.abs(rho) <= noise)
        reach = max(reach, 3 * int(within[0]) if within.size else rho.size)
    for level in (-noise, noise):
        axes.axhline(level, color=GUIDE, lw=0.8, ls="--")
    axes.axhline(0.0, color=GUIDE, lw=0.8)
    axes.set_xlim(0, min(max(longest / 2, 1), reach))  # until they are noise, and some more
    axes.set_ylim(-1.05, 1.05)
    axes.set_xlabel("lag / readings")
    axes.set_title("autocorrelation of residuals", fontsize=10, loc="left")
    if len(shown) <= MOST_NAMES:
        axes.legend(frameon=False, fontsize=8, ncols=2)


def _distinct(bands: tuple[Band, ...]) -> list[Band]:
    """The bands without those that are drawn already: a law that several experiments share."""
    kept: dict[tuple[bytes, ...], Band] = {}
    for band in bands:
        kept.setdefault((band.points.tobytes(), band.values.tobytes()), band)
    return list(kept.values())


def _band(axes: Axes, band: Band, quantity: str, others: Others | None) -> None:
    divisor, unit = _clock(band.points[-1]) if band.of == "t" else (1.0, "")
    points = band.points / divisor
    if np.isfinite(band.lower).any():
        axes.fill_between(points, band.lower, band.upper, color=FIT, alpha=0.25, lw=0, label="95 %")
    if others is not None:
        for edge, label in ((others[1], others[0]), (others[2], None)):
            axes.plot(points, edge, color=DATA, lw=0.8, ls="--", label=label)
    axes.plot(points, band.values, color=FIT, lw=1.5)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, fontsize=8)
    title = Problem(band.place, "", "").pointer.lstrip("#/")
    axes.set_title(title, fontsize=10, loc="left", pad=12)  # above the power of ten of the axis
    axes.set_ylabel(quantity)
    axes.set_xlabel({"x": "x / m", "u": "temperature / K"}.get(band.of, f"time / {unit}"))
    axes.locator_params(axis="x", nbins=5)


def _others(found: Calibration, band: Band) -> Others | None:
    """The edges of the curves that other starts of a network led to, at the points of its band."""
    experiment = found.study.experiments[int(band.place[1]) if "experiments" in band.place else 0]
    law = getattr(experiment.material, str(band.place[-1]), None)
    if not (isinstance(law, Network) and isinstance(law.weights, Unknown)):
        return None
    fit, knots = found.networks[law.weights.name], found.knots[law.weights.name]
    if fit.starts < 2:
        return None
    lower, upper = (np.interp(band.points, knots, edge) for edge in (fit.lower, fit.upper))
    return f"of {fit.starts} starts", lower, upper


def _quantity(study: Study, band: Band) -> str:
    """What a band's values are, and their unit."""
    *above, name = band.place
    experiment = study.experiments[int(above[1]) if above[0] == "experiments" else 0]
    divided = experiment.material.diffusivity is not None
    end = experiment.ends.get(str(above[-1]))
    if name in LAWS:
        return f"{str(name).replace('_', ' ')} / {LAWS[str(name)]}"
    if name in ("initial", "ambient") or (end is not None and end.pinned):
        return "temperature / K"
    if end is not None:
        return f"heat flux / {'K m/s' if divided else 'W/m²'}"
    return f"source's {name}"


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
        said = f"{name} = {_with_error(found.theta[j], errors[j])}"
        shown.append(said.replace(" ", "\N{NO-BREAK SPACE}"))
    more = f" and {len(numbers) - 4} more" if len(numbers) > 4 else ""
    verdict = found.uncertainty.identifiability.verdict
    return f"{', '.join(shown)}{more}  ({verdict})" if shown else verdict


def _with_error(value: float, error: float) -> str:
    """A value to the second digit of its standard error."""
    if not (np.isfinite(error) and error > 0.0 and value != 0.0):
        return f"{value:.5g}"
    digits = int(np.floor(np.log10(abs(value))) - np.floor(np.log10(error))) + 2
    return f"{value:.{min(max(digits, 2), 12)}g} ± {error:.2g}"
