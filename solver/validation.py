"""Does a study make sense? Every check names the place, says what is wrong and what to do.

Checks of meaning only: shapes and types are the caller's (the document's schema, or Python).
All problems of a stage are collected; a later stage runs when the earlier ones found nothing,
because it needs what they ask for (no law can be evaluated on a bar without length).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from solver.curve_checks import LARGEST, SMALLEST, curve_problems
from solver.curves import Table, Unknown
from solver.errors import InvalidExperiment, Place, Problem
from solver.experiment import Experiment, Fit, Material, Sensor, Study, sigma_given
from solver.grid import ON_STEP, TOWARDS, Grading
from solver.integrators import TABLEAUX
from solver.losses import LOSSES
from solver.network import Network
from solver.sampling import samples_of

FORMS = ("nondivergence", "divergence")
SCALES = ("linear", "log")
STEEPEST = 1e4  # ratio of the widest to the narrowest cell of a graded grid
MOST_STARTS = 100
DRAFT = 8  # cells or steps for the checks of a study whose grid is not chosen yet


def validate(study: Study) -> None:
    """Raise InvalidExperiment with every problem found."""
    _stop_on(p for i, e in enumerate(study.experiments) for p in _within(study.place(i), _grid(e)))
    _stop_on(_fit(study.fit))
    _stop_on(_unknowns(study))
    drafts = [draft(experiment) for experiment in study.experiments]
    _stop_on(p for i, e in enumerate(drafts) for p in _within(study.place(i), _sensors(e)))
    starts = {unknown.name: unknown.start for _, unknown in study.unknowns}
    _stop_on(
        p for i, e in enumerate(drafts) for p in _within(study.place(i), curve_problems(e, starts))
    )
    _stop_on(_names(study, drafts))


def draft(experiment: Experiment) -> Experiment:
    """The experiment on some grid, where none is chosen yet."""
    bar, time = experiment.bar, experiment.time
    if bar.cells is not None and time.steps is not None:
        return experiment
    return replace(
        experiment,
        bar=replace(bar, cells=bar.cells or DRAFT),
        time=replace(time, steps=time.steps or DRAFT, method=time.scheme),
    )


def validate_for_data(study: Study) -> None:
    """`validate`, and that there is something unknown and at least one reading to compare with."""
    validate(study)
    if not study.unknowns:
        detail = 'no Number is unknown: put {"unknown": NAME, "start": s} in its place'
        raise InvalidExperiment(Problem((), "nothing_unknown", detail))
    read = [
        (index, number, sensor.sigma is None)
        for index, experiment in enumerate(study.experiments)
        for number, sensor in enumerate(experiment.sensors)
        if sensor.present.any()
    ]
    if not read:
        detail = "no sensor has a reading: there is nothing to compare with"
        raise InvalidExperiment(Problem((*study.place(0), "sensors"), "no_readings", detail))
    if len({without for *_, without in read}) > 1:
        index, number = next((i, n) for i, n, without in read if without)
        detail = "some sensors have a sigma and this one has none: give it to all or to none"
        place = (*study.place(index), "sensors", number, "sigma")
        raise InvalidExperiment(Problem(place, "mixed_sigma", detail))
    if study.fit.loss == "huber" and study.fit.threshold is None and read[0][2]:
        detail = (
            "Huber's loss needs to know which residual is large: give the sensors a sigma, "
            "or a threshold here in K"
        )
        raise InvalidExperiment(Problem(("fit", "threshold"), "missing", detail))


def validate_for_fit(study: Study) -> None:
    """`validate_for_data`, and that there are enough readings for the unknowns."""
    validate_for_data(study)
    if study.fit.prior and not sigma_given(study):
        detail = "a prior is weighed against the noise of the readings: give the sensors a sigma"
        raise InvalidExperiment(Problem(("fit", "prior"), "missing_sigma", detail))
    named = {unknown.name: unknown for _, unknown in study.unknowns}
    readings = sum(int(s.present.sum()) for e in study.experiments for s in e.sensors)
    if readings >= sum(unknown.size for unknown in named.values()):
        return
    held = {name for name in study.fit.prior} | set(_curves(study))
    count = sum(u.size for name, u in named.items() if name not in held)
    if readings < count:
        detail = f"{readings} readings cannot determine {count} unknowns: add readings, or fix some"
        raise InvalidExperiment(Problem((*study.place(0), "sensors"), "too_few_readings", detail))


def _stop_on(problems: Iterator[Problem]) -> None:
    found = list(problems)
    if found:
        raise InvalidExperiment(*found)


def _within(place: Place, problems: Iterable[Problem]) -> Iterator[Problem]:
    for p in problems:
        yield Problem((*place, *p.place), p.code, p.detail)


def _grid(experiment: Experiment) -> Iterator[Problem]:
    bar, time = experiment.bar, experiment.time
    yield from _in_range(("bar", "length"), bar.length, "the bar's length in m")
    yield from _in_range(("time", "end"), time.end, "the end of the run in s")
    if bar.cells is not None and bar.cells < 2:
        yield Problem(("bar", "cells"), "too_small", f"at least 2 cells, not {bar.cells}")
    if time.steps is not None and time.steps < 1:
        yield Problem(("time", "steps"), "too_small", f"at least 1 step, not {time.steps}")
    yield from _one_of(("time", "method"), time.scheme, tuple(TABLEAUX))
    yield from _grading(bar.grading)
    yield from _material(experiment.material)


def _grading(grading: Grading | None) -> Iterator[Problem]:
    if grading is not None:
        yield from _one_of(("bar", "grading", "towards"), grading.towards, TOWARDS)
        if not 1.0 < grading.ratio <= STEEPEST:
            detail = f"the widest cell is more than 1 and up to {STEEPEST:g} times the narrowest"
            yield Problem(("bar", "grading", "ratio"), "out_of_range", detail)


def _material(material: Material) -> Iterator[Problem]:
    here: Place = ("material",)
    pair = (material.conductivity is not None, material.heat_capacity is not None)
    if material.form is not None:
        yield from _one_of((*here, "form"), material.form, FORMS)
    if material.diffusivity is not None and any(pair):
        detail = "give a diffusivity, or a conductivity with a heat capacity, not both"
        yield Problem((*here, "diffusivity"), "contradiction", detail)
    elif material.diffusivity is None and not all(pair):
        missing = "diffusivity" if not any(pair) else "heat_capacity" if pair[0] else "conductivity"
        detail = "matter has a diffusivity, or a conductivity with a heat capacity"
        yield Problem((*here, missing), "missing", detail)
    elif all(pair) and material.form == "nondivergence":
        detail = "a conductivity stands in the divergence form: leave the form out"
        yield Problem((*here, "form"), "contradiction", detail)


def _fit(fit: Fit) -> Iterator[Problem]:
    yield from _one_of(("fit", "loss"), fit.loss, tuple(LOSSES))
    if fit.max_iterations is not None and fit.max_iterations < 1:
        yield Problem(("fit", "max_iterations"), "too_small", "at least 1 iteration")
    if not 1 <= fit.starts <= MOST_STARTS:
        yield Problem(("fit", "starts"), "out_of_range", f"1 to {MOST_STARTS} starts")
    if fit.memory is not None and fit.memory < 1:
        yield Problem(("fit", "memory"), "too_small", "at least 1 byte")
    if fit.threshold is not None and not SMALLEST <= fit.threshold <= LARGEST:
        yield Problem(("fit", "threshold"), "out_of_range", "a threshold is positive")
    for name, prior in fit.prior.items():
        if not SMALLEST <= prior.sd <= LARGEST:
            detail = f"a standard deviation is positive, not {prior.sd:g}"
            yield Problem(("fit", "prior", name, "sd"), "out_of_range", detail)
        if not abs(prior.mean) <= LARGEST:
            yield Problem(("fit", "prior", name, "mean"), "out_of_range", "a mean is finite")
    for name, smoothing in fit.smoothing.items():
        if smoothing.order not in (1, 2):
            detail = "differences of order 1 or 2"
            yield Problem(("fit", "smoothing", name, "order"), "out_of_range", detail)
        if smoothing.weight is not None and not 0.0 <= smoothing.weight <= LARGEST:
            detail = "a weight is not negative; leave it out to have it chosen"
            yield Problem(("fit", "smoothing", name, "weight"), "out_of_range", detail)


def _names(study: Study, drafts: list[Experiment]) -> Iterator[Problem]:
    """Whether what `fit` says of unknowns is said of unknowns that there are."""
    if not (study.fit.prior or study.fit.smoothing):
        return
    names, curves = [unknown.name for _, unknown in study.unknowns], _curves(study)
    for key, known, kind in (("prior", names, "unknown"), ("smoothing", curves, "unknown curve")):
        for name in getattr(study.fit, key):
            if name not in known:
                detail = f"{ascii(name)[:66]} is no {kind}; there are: {', '.join(known) or 'none'}"
                yield Problem(("fit", key, name), "unknown_parameter", detail)


def _curves(study: Study) -> list[str]:
    """The names of the unknown curves that are held smooth: tables and networks."""
    curves = [s.curve for e in study.experiments for s in samples_of(draft(e))]
    values = [curve.values for curve in curves if isinstance(curve, Table)]
    values += [curve.weights for curve in curves if isinstance(curve, Network)]
    return list(dict.fromkeys(v.name for v in values if isinstance(v, Unknown)))


def _unknowns(study: Study) -> Iterator[Problem]:
    seen: dict[str, Unknown] = {}
    for place, unknown in study.unknowns:
        yield from _unknown(place, unknown)
        first = seen.setdefault(unknown.name, unknown)
        if first != unknown:
            detail = f"{unknown.name!r} stands elsewhere with another start, bound or scale"
            yield Problem(place, "unknown_disagrees", detail)


def _unknown(place: Place, unknown: Unknown) -> Iterator[Problem]:
    yield from _one_of((*place, "scale"), unknown.scale, SCALES)
    if not unknown.name or len(unknown.name) > 64 or not unknown.name.isprintable():
        yield Problem((*place, "unknown"), "bad_name", "a name has 1 to 64 printable characters")
    start = np.atleast_1d(np.asarray(unknown.start, np.float64))
    if start.size == 0:
        yield Problem((*place, "start"), "empty", "a curve has at least one start value")
        return
    if not (np.abs(start) <= LARGEST).all():
        yield Problem((*place, "start"), "out_of_range", f"the start lies within +-{LARGEST:g}")
    if not unknown.lower < unknown.upper:
        detail = f"lower {unknown.lower:g} is not below upper {unknown.upper:g}"
        yield Problem((*place, "lower"), "bounds_reversed", detail)
        return
    outside = np.flatnonzero(~((unknown.lower <= start) & (start <= unknown.upper)))
    if outside.size:
        value = start[outside[0]]
        detail = f"start {value:g} is outside [{unknown.lower:g}, {unknown.upper:g}]"
        yield Problem((*place, "start"), "start_outside_bounds", detail)
    if unknown.scale == "log" and not (start > 0).all():
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
    slack = ON_STEP * end / (experiment.time.steps or DRAFT)
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


def _in_range(place: Place, value: float, what: str) -> Iterator[Problem]:
    if not SMALLEST <= value <= LARGEST:
        detail = f"{what} must be positive, within [{SMALLEST:g}, {LARGEST:g}], not {value:g}"
        yield Problem(place, "out_of_range", detail)


def _one_of(place: Place, value: Any, allowed: tuple[str, ...]) -> Iterator[Problem]:
    if value not in allowed:
        detail = f"{ascii(value)[:66]} is not one of {', '.join(allowed)}"
        yield Problem(place, "not_available", detail)
