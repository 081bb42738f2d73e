r"""What an experiment itself says of its temperatures and of the size of its matter's properties.

Laws of the temperature are laid out for the temperatures that are expected, and a network that was
given no range and no level of its own takes both from here: the bar's length or these temperatures,
and the value at which heat crosses the bar in the time of the run,

    diffusivity L^2 / T,    conductivity C L^2 / T,    heat capacity k T / L^2.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from solver.curves import as_curve, resolve, slots
from solver.kernels import Array
from solver.network import Network

WILD = 1e100  # beyond it a temperature is none to lay out laws for
LOOKS = 257  # places or times at which a curve is looked at
PROPERTIES = ("diffusivity", "conductivity", "heat_capacity")


def expected_temperatures(experiments: Iterable[Any]) -> tuple[float, float]:
    """The range of the temperatures given, read or around; unknowns at their start values."""
    with np.errstate(all="ignore"):
        every = np.concatenate([t for e in experiments for t in _temperatures(e)])
    every = every[np.abs(every) <= WILD]
    low, high = float(every.min(initial=np.inf)), float(every.max(initial=-np.inf))
    if not low < high:
        low, high = (low - 0.5, high + 0.5) if low == high else (0.0, 1.0)
    return low, high


def filled(law: Any, key: str, experiments: tuple[Any, ...]) -> Any:
    """A network with range and level where it has none; any other law as it is."""
    if not isinstance(law, Network) or None not in (law.range, law.level):
        return law
    if law.of == "u":
        span = expected_temperatures(experiments)
    else:
        span = (0.0, max(e.bar.length for e in experiments))
    of_it = next(e for e in experiments if getattr(e.material, key) is not None)
    return law.filled(span, _level(of_it, key))


def with_networks_filled(experiments: tuple[Any, ...]) -> tuple[Any, ...]:
    """Experiments with unknowns in common, whose networks then are the same functions."""
    return tuple(
        replace(
            e,
            material=replace(
                e.material,
                **{key: filled(getattr(e.material, key), key, experiments) for key in PROPERTIES},
            ),
        )
        for e in experiments
    )


def _temperatures(e: Any) -> Iterator[Array]:
    yield _seen(e.bar.initial, e.bar.length)
    for end in e.ends.values():
        if end.pinned or end.exchanges:
            yield _seen(getattr(end, end.drive), e.time.end)
    if e.material.exchange is not None:
        yield _seen(e.material.exchange.ambient, e.time.end)
    for sensor in e.sensors:
        if sensor.temperatures is not None:
            yield sensor.temperatures[~np.isnan(sensor.temperatures)]


def _seen(part: Any, reach: float) -> Array:
    """A curve's values over [0, reach]; none where it is malformed, which validation reports."""
    curve = as_curve(part)
    s = np.union1d(np.linspace(0.0, reach, LOOKS), getattr(curve, "points", []))
    starts = {slot.unknown.name: slot.unknown.start for slot in slots(curve)}
    try:
        return np.asarray(resolve(curve, starts).value(s), np.float64)
    except (ValueError, IndexError):
        return np.zeros(0)


def _level(e: Any, key: str) -> float:
    """The property at which the Fourier number of the run is 1; 1 where that is not finite."""
    kappa = e.bar.length**2 / e.time.end
    if key == "diffusivity":
        return _positive(kappa)
    other = e.material.heat_capacity if key == "conductivity" else e.material.conductivity
    if other is None:  # which validation reports
        return 1.0
    if isinstance(other, Network):
        return 1.0 if other.level is None else _positive(_ratio(key, kappa, other.level))
    reach = e.bar.length if getattr(other, "of", "x") == "x" else expected_temperatures([e])[1]
    seen = _seen(other, reach)
    return _positive(_ratio(key, kappa, float(np.median(seen)) if seen.size else np.nan))


def _ratio(key: str, kappa: float, other: float) -> float:
    return other * kappa if key == "conductivity" else other / kappa


def _positive(level: float) -> float:
    return float(level) if 0.0 < level < np.inf else 1.0
