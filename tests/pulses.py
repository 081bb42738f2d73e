"""The classical test of an unknown boundary flux: two pulses, seen from the middle of the bar.

The bar's response to every knot of its flux comes from the solver, the readings from a finer grid.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from solver import Bar, Experiment, Flux, Linear, Material, Sensor, Table, Time, simulate
from solver.smoothing import Choice, choose_weight, difference_rows
from tests.experiments import Array

END = 2.0  # Fourier number over the run, of a bar of length and diffusivity 1
KNOTS = np.linspace(0.0, END, 100)
PULSES = {
    "triangle": np.interp(KNOTS / END, [0.2, 0.5, 0.8], [0.0, 1.0, 0.0]),
    "step": np.where(np.abs(KNOTS / END - 0.5) <= 0.2, 1.0, 0.0),
}
NOISE = 0.01  # of the largest temperature
FIRST = difference_rows(KNOTS, 1, 1.0).toarray()

GIVEN = pytest.mark.parametrize("given", [True, False], ids=["sigma", "no sigma"])
PULSE = pytest.mark.parametrize("name", sorted(PULSES))


def readings_of(flux: Array, count: int, *, cells: int, steps: int) -> Array:
    """Readings at mid-depth of a bar heated from the left and insulated on the right."""
    experiment = Experiment(
        bar=Bar(1.0, cells),
        time=Time(END, steps, "sdirk2"),
        material=Material(Linear(1.0, 0.0)),
        left=Flux(Table(KNOTS, flux)),
        sensors=(Sensor(0.5, END * np.arange(1, count + 1) / count),),
    )
    return simulate(experiment)[0]


@cache
def response(count: int) -> Array:
    """The readings' Jacobian by the flux at its knots (readings, knots)."""
    hats = np.eye(KNOTS.size)
    return np.stack([readings_of(hat, count, cells=40, steps=400) for hat in hats], axis=1)


@cache
def clean(name: str, count: int) -> Array:
    return readings_of(PULSES[name], count, cells=100, steps=1600)


def noisy(name: str, count: int, seed: int) -> tuple[Array, float]:
    """Readings of a pulse, and sigma."""
    y = clean(name, count)
    sigma = NOISE * y.max()
    return y + sigma * np.random.default_rng(seed).standard_normal(count), sigma


def fit(r: Array, R: Array, L: Array, values: Array, weight: float) -> Array:
    """The step d of least ``|r + R d|^2 + weight |values + L d|^2``."""
    root = np.sqrt(weight)
    stacked, rhs = np.vstack([R, root * L]), np.concatenate([r, root * values])
    return np.linalg.lstsq(stacked, -rhs)[0]


@cache
def basis(count: int) -> tuple[Array, ...]:
    """The singular value decomposition of R L^-1, and L, made square by a row next to nothing."""
    whole = np.vstack([FIRST, np.full(KNOTS.size, 1e-6)])
    return *np.linalg.svd(np.linalg.solve(whole.T, response(count).T).T, full_matrices=False), whole


def fits(d: Array, weights: Array) -> Array:
    """The curves (weights, knots) of least ``|R v - d|^2 + weight |L v|^2`` at many weights."""
    U, s, Vt, whole = basis(d.size)
    bends = (s / (s**2 + weights[:, None])) * (U.T @ d)
    return np.linalg.solve(whole, Vt.T @ bends.T).T


def error(found: Array, name: str) -> Array:
    """The rms error over the peak, over the whole run."""
    return np.sqrt(np.mean((found - PULSES[name]) ** 2, axis=-1))


def chosen(d: Array, sigma: float, R: Array, *, given: bool) -> Choice:
    unit = sigma if given else 1.0
    nothing = np.zeros(FIRST.shape[0])
    return choose_weight(-d / unit, R / unit, FIRST, nothing, sigma_given=given)
