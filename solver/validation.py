"""Does an experiment make sense? Every check names the place, says what is wrong and what to do.

Checks of meaning only: shapes and types are the caller's (the document's schema, or Python).
All problems of a stage are collected; a later stage runs when the earlier ones found nothing,
because it needs what they ask for (no law can be evaluated on a bar without length).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from solver.curves import Curve, Expression, Table, Unknown, resolve, unknown_fields
from solver.errors import InvalidExperiment, Place, Problem
from solver.experiment import ON_STEP, Experiment, Sensor, curves_of
from solver.integrators import TABLEAUX
from solver.kernels import Array

FORMS = ("nondivergence",)
LOSSES = ("squared",)
SCALES = ("linear", "log")
SMALLEST, LARGEST = 1e-100, 1e100  # a square of either is still a float


def validate(experiment: Experiment) -> None:
    """Raise InvalidExperiment with every problem found."""
    for stage in (_grid, _unknowns, _sensors, _curves):
        problems = list(stage(experiment))
        if problems:
            raise InvalidExperiment(*problems)


def validate_for_data(experiment: Experiment) -> None:
    """`validate`, and that there is something unknown and at least one reading to compare with."""
    validate(experiment)
    if not experiment.unknowns:
        detail = 'no Number is unknown: put {"unknown": NAME, "start": s} in its place'
        raise InvalidExperiment(Problem((), "nothing_unknown", detail))
    if not any(sensor.present.any() for sensor in experiment.sensors):
        detail = "no sensor has a reading: there is nothing to compare with"
        raise InvalidExperiment(Problem(("sensors",), "no_readings", detail))
    rows = [(i, s.sigma is None) for i, s in enumerate(experiment.sensors) if s.present.any()]
    if len({without for _, without in rows}) > 1:
        index = next(i for i, without in rows if without)
        detail = "some sensors have a sigma and this one has none: give it to all or to none"
        raise InvalidExperiment(Problem(("sensors", index, "sigma"), "mixed_sigma", detail))


def validate_for_fit(experiment: Experiment) -> None:
    """`validate_for_data`, and that there are enough readings for the unknowns."""
    validate_for_data(experiment)
    count = len({unknown.name for _, unknown in experiment.unknowns})
    readings = sum(int(sensor.present.sum()) for sensor in experiment.sensors)
    if readings < count:
        detail = f"{readings} readings cannot determine {count} unknowns: add readings, or fix some"
        raise InvalidExperiment(Problem(("sensors",), "too_few_readings", detail))


def _grid(experiment: Experiment) -> Iterator[Problem]:
    bar, time = experiment.bar, experiment.time
    yield from _in_range(("bar", "length"), bar.length, "the bar's length in m")
    yield from _in_range(("time", "end"), time.end, "the end of the run in s")
    if bar.cells < 2:
        yield Problem(("bar", "cells"), "too_small", f"at least 2 cells, not {bar.cells}")
    if time.steps < 1:
        yield Problem(("time", "steps"), "too_small", f"at least 1 step, not {time.steps}")
    yield from _one_of(("time", "method"), time.method, tuple(TABLEAUX))
    yield from _one_of(("material", "form"), experiment.material.form, FORMS)
    yield from _one_of(("fit", "loss"), experiment.fit.loss, LOSSES)
    if experiment.fit.max_iterations < 1:
        yield Problem(("fit", "max_iterations"), "too_small", "at least 1 iteration")


def _unknowns(experiment: Experiment) -> Iterator[Problem]:
    seen: dict[str, Unknown] = {}
    for place, unknown in experiment.unknowns:
        yield from _unknown(place, unknown)
        first = seen.setdefault(unknown.name, unknown)
        if first != unknown:
            detail = f"{unknown.name!r} stands elsewhere with another start, bound or scale"
            yield Problem(place, "unknown_disagrees", detail)


def _unknown(place: Place, unknown: Unknown) -> Iterator[Problem]:
    yield from _one_of((*place, "scale"), unknown.scale, SCALES)
    if not unknown.name or len(unknown.name) > 64 or not unknown.name.isprintable():
        yield Problem((*place, "unknown"), "bad_name", "a name has 1 to 64 printable characters")
    if not abs(unknown.start) <= LARGEST:
        yield Problem((*place, "start"), "out_of_range", f"the start lies within +-{LARGEST:g}")
    if not unknown.lower < unknown.upper:
        detail = f"lower {unknown.lower:g} is not below upper {unknown.upper:g}"
        yield Problem((*place, "lower"), "bounds_reversed", detail)
    elif not unknown.lower <= unknown.start <= unknown.upper:
        detail = f"start {unknown.start:g} is outside [{unknown.lower:g}, {unknown.upper:g}]"
        yield Problem((*place, "start"), "start_outside_bounds", detail)
    if unknown.scale == "log" and unknown.start <= 0:
        yield Problem((*place, "start"), "not_positive", 'scale "log" needs a start above 0')


def _sensors(experiment: Experiment) -> Iterator[Problem]:
    names: dict[str, int] = {}
    for index, sensor in enumerate(experiment.sensors):
        place: Place = ("sensors", index)
        if sensor.name and names.setdefault(sensor.name, index) != index:
            detail = f"the name {sensor.name!r} is that of sensor {names[sensor.name]}"
            yield Problem((*place, "name"), "duplicate_name", detail)
        if not 0.0 <= sensor.x <= experiment.bar.length:
            detail = f"x = {sensor.x:.17g} is not on the bar, [0, {experiment.bar.length:.17g}] m"
            yield Problem((*place, "x"), "sensor_outside", detail)
        yield from _times(place, sensor, experiment)
        yield from _readings(place, sensor)


def _times(place: Place, sensor: Sensor, experiment: Experiment) -> Iterator[Problem]:
    times, end = sensor.times, experiment.time.end
    if times is None:
        if sensor.temperatures is not None:
            yield Problem((*place, "times"), "missing", "temperatures need their times")
        return
    if times.size == 0:
        yield Problem((*place, "times"), "empty", "at least one time, or leave the key out")
        return
    slack = ON_STEP * end / experiment.time.steps
    backward = np.flatnonzero(~(np.diff(times) > 0))
    if backward.size:
        k = int(backward[0]) + 1
        detail = f"times must increase: {times[k]:.17g} s follows {times[k - 1]:.17g} s"
        yield Problem((*place, "times", k), "times_not_increasing", detail)
    outside = np.flatnonzero(~((times >= -slack) & (times <= end + slack)))
    if outside.size:
        k = int(outside[0])
        detail = f"{times[k]:.17g} s is outside the run, [0, {end:.17g}] s"
        yield Problem((*place, "times", k), "time_outside", detail)


def _readings(place: Place, sensor: Sensor) -> Iterator[Problem]:
    if sensor.times is None or sensor.temperatures is None:
        return
    if sensor.times.size != sensor.temperatures.size:
        detail = f"{sensor.times.size} times but {sensor.temperatures.size} temperatures"
        yield Problem((*place, "temperatures"), "length_mismatch", detail)
        return
    wild = np.flatnonzero(np.abs(sensor.temperatures) > LARGEST)
    if wild.size:
        detail = f"a temperature lies within +-{LARGEST:g} K"
        yield Problem((*place, "temperatures", int(wild[0])), "out_of_range", detail)
    yield from _sigma(place, sensor)


def _sigma(place: Place, sensor: Sensor) -> Iterator[Problem]:
    if sensor.sigma is None or sensor.times is None:
        return
    sigma = np.atleast_1d(sensor.sigma)
    listed = np.ndim(sensor.sigma) > 0
    if listed and sigma.size != sensor.times.size:
        detail = f"{sensor.times.size} times but {sigma.size} sigmas"
        yield Problem((*place, "sigma"), "length_mismatch", detail)
        return
    used = sensor.present if listed else np.ones(1, bool)
    bad = np.flatnonzero(used & ~((sigma >= SMALLEST) & (sigma <= LARGEST)))
    if bad.size:
        k = int(bad[0])
        where = (*place, "sigma", k) if listed else (*place, "sigma")
        detail = (
            f"sigma must be positive, at least {SMALLEST:g} K, not {sigma[k]:g}; "
            "leave out a reading that has none by making its temperature null"
        )
        yield Problem(where, "sigma_not_positive", detail)


def _curves(experiment: Experiment) -> Iterator[Problem]:
    starts = {unknown.name: unknown.start for _, unknown in experiment.unknowns}
    for place, curve, s in curves_of(experiment):
        if isinstance(curve, Table) and (problems := list(_table(place, curve, s))):
            yield from problems
            continue
        variable = "t" if place[-1] in ("history", "value") else "x"
        if isinstance(curve, Expression) and curve.variable != variable:
            detail = f"a formula of {variable} stands here, not of {curve.variable}"
            yield Problem(place, "wrong_variable", detail)
            continue
        with np.errstate(over="ignore", invalid="ignore"):
            values = resolve(curve, starts).value(s)
        wild = np.flatnonzero(~(np.abs(values) <= LARGEST))
        if wild.size:
            k = int(wild[0])
            detail = (
                f"the value at {s[k]:g} is {values[k]:g}; it must be finite, within +-{LARGEST:g}"
            )
            yield Problem(place, "not_finite", detail)
        elif place == ("material", "diffusivity"):
            yield from _positive(place, curve, s, values)


def _table(place: Place, table: Table, s: Array) -> Iterator[Problem]:
    axis = "times" if s.size and place[-1] in ("history", "value") else "x"
    if table.points.size != table.values.size or table.points.size < 2:
        detail = f"{table.points.size} {axis} but {table.values.size} values; at least 2 of each"
        yield Problem((*place, "values"), "length_mismatch", detail)
        return
    backward = np.flatnonzero(~(np.diff(table.points) > 0))
    if backward.size:
        k = int(backward[0]) + 1
        detail = f"{axis} must increase: {table.points[k]:g} follows {table.points[k - 1]:g}"
        yield Problem((*place, axis, k), f"{axis}_not_increasing", detail)
    slack = ON_STEP * (s[-1] - s[0])
    if table.points[0] > s[0] + slack or table.points[-1] < s[-1] - slack:
        detail = (
            f"covers [{table.points[0]:g}, {table.points[-1]:g}] but the run needs "
            f"[{s[0]:g}, {s[-1]:g}]"
        )
        yield Problem((*place, axis), "not_covered", detail)
    wild = np.flatnonzero(~(np.abs(table.values) <= LARGEST))
    if wild.size:
        detail = f"values must be finite, within +-{LARGEST:g}"
        yield Problem((*place, "values", int(wild[0])), "not_finite", detail)


def _positive(place: Place, law: Curve, x: Array, kappa: Array) -> Iterator[Problem]:
    k = int(np.argmin(kappa))
    if kappa[k] >= SMALLEST:
        return
    detail = f"the diffusivity at the start values is {kappa[k]:g} m^2/s at x = {x[k]:g} m; "
    if _never_positive(law, x[k : k + 1]):
        yield Problem(
            place,
            "diffusivity_never_positive",
            detail + "no value within the bounds makes it positive there: widen the bounds",
        )
    else:
        yield Problem(
            place,
            "diffusivity_not_positive",
            detail + "it must be positive everywhere on the bar: choose other start values",
        )


def _never_positive(law: Curve, x: Array) -> bool:
    """Whether no corner of the bounds gives a positive value at `x`."""
    best = {}
    for name, unknown in unknown_fields(law).items():
        start = {u.name: u.start for u in unknown_fields(law).values()}
        slope = float(resolve(law, start).partials(x)[name][0])
        bound = unknown.upper if slope > 0 else unknown.lower
        best[unknown.name] = bound if slope != 0 else unknown.start
    with np.errstate(invalid="ignore"):
        return bool(resolve(law, best).value(x)[0] <= 0)


def _in_range(place: Place, value: float, what: str) -> Iterator[Problem]:
    if not SMALLEST <= value <= LARGEST:
        detail = f"{what} must be positive, within [{SMALLEST:g}, {LARGEST:g}], not {value:g}"
        yield Problem(place, "out_of_range", detail)


def _one_of(place: Place, value: Any, allowed: tuple[str, ...]) -> Iterator[Problem]:
    if value not in allowed:
        detail = f"{ascii(value)[:66]} is not one of {', '.join(allowed)}"
        yield Problem(place, "not_available", detail)
