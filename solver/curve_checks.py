"""Whether the curves of an experiment make sense: cover the run, are finite, are positive."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from solver.boundary import BOUNDARIES
from solver.curves import INTERPOLATIONS, Curve, Expression, Table, Unknown, resolve, slots
from solver.errors import Place, Problem
from solver.experiment import Experiment
from solver.grid import ON_STEP
from solver.kept import kept
from solver.kernels import Array
from solver.laws import Layers, Polynomial
from solver.network import Network, count
from solver.parameters import EXCHANGES
from solver.sampling import (
    OverTemperatures,
    Sample,
    changes_with_temperature,
    laws_of,
    of_temperature,
    plain_samples,
    samples_of,
)
from solver.values import POSITIVE, column

SMALLEST, LARGEST = 1e-100, 1e100  # a square of either is still a float
SERIES = {"history", "ambient", *(end.drive for end in BOUNDARIES.values())}  # the keys of series
LAWS = ("diffusivity", "conductivity", "heat_capacity")


def curve_problems(experiment: Experiment, starts: Mapping[str, Any]) -> tuple[Problem, ...]:
    """Every problem of every curve, with the unknowns at `starts`.

    What temperatures a law meets, only its march can tell; so a law of the temperature is not asked
    here whether it covers them and is positive.
    """
    if changes_with_temperature(experiment):  # its laws look at what was measured
        return tuple(_problems(experiment, starts))
    return _problems_of_set_up(experiment.set_up, starts)


@kept(lambda experiment, _: experiment.grid.small)
def _problems_of_set_up(experiment: Experiment, starts: Mapping[str, Any]) -> tuple[Problem, ...]:
    return tuple(_problems(experiment, starts))


def _problems(experiment: Experiment, starts: Mapping[str, Any]) -> Iterator[Problem]:
    plain = plain_samples(experiment)
    shapes = [p for s in plain for p in _shape(s.place, s.curve, _span(s), experiment)]
    for place, law in laws_of(experiment):
        span = None if of_temperature(law) else (0.0, experiment.bar.length)
        shapes += _shape(place, law, span, experiment)
    yield from shapes
    wrong = {p.place[:k] for p in shapes for k in range(len(p.place) + 1)}
    samples = plain if shapes else samples_of(experiment)
    for sample in samples:
        if sample.place not in wrong:
            yield from _values(sample, starts)


def _span(sample: Sample) -> tuple[float, float]:
    s = sample.sampling.points
    return float(s[0]), float(s[-1])


def _shape(
    place: Place, curve: Curve, span: tuple[float, float] | None, experiment: Experiment
) -> Iterator[Problem]:
    """Whether a curve is well made, and covers `span` where that is known."""
    match curve:
        case Table() as table:
            yield from _table(place, table, span)
        case Layers() as layers:
            yield from _layers(place, layers, experiment.bar.length)
        case Network() as network:
            yield from _network(place, network)
        case Polynomial() as polynomial if not _count(polynomial.coefficients):
            here = (*place, "coefficients")
            yield Problem(here, "empty", "a polynomial has at least one coefficient")
        case Expression(variable=variable) if variable != _variable(place):
            detail = f"a formula of {_variable(place)} stands here, not of {variable}"
            yield Problem(place, "wrong_variable", detail)


def _variable(place: Place) -> str:
    return "t" if place[-1] in SERIES else "x"


def _axis(place: Place) -> str:
    """What a table's points are called in the document."""
    return "points" if place[-1] in LAWS else "times" if place[-1] in SERIES else "x"


def _count(values: Any) -> int:
    return values.size if isinstance(values, np.ndarray | Unknown) else len(values)


def _table(place: Place, table: Table, span: tuple[float, float] | None) -> Iterator[Problem]:
    axis = _axis(place)
    if table.interpolation not in INTERPOLATIONS:
        detail = f"{ascii(table.interpolation)[:66]} is not one of {', '.join(INTERPOLATIONS)}"
        yield Problem((*place, "interpolation"), "not_available", detail)
    count = _count(table.values)
    if table.points.size != count or count < 2:
        detail = f"{table.points.size} {axis} but {count} values; at least 2 of each"
        yield Problem((*place, "values"), "length_mismatch", detail)
        return
    yield from _increasing((*place, axis), table.points, axis)
    if span is not None:
        low, high = span
        slack = ON_STEP * (high - low)
        if table.points[0] > low + slack or table.points[-1] < high - slack:
            detail = (
                f"covers [{table.points[0]:g}, {table.points[-1]:g}] but the run needs "
                f"[{low:g}, {high:g}]"
            )
            yield Problem((*place, axis), "not_covered", detail)
    yield from _finite(place, table.values)


def _layers(place: Place, layers: Layers, length: float) -> Iterator[Problem]:
    edges, count = layers.edges, _count(layers.values)
    if count < 1 or edges.size not in (count - 1, count + 1):
        detail = (
            f"{count} values but {edges.size} edges: give the {max(count - 1, 0)} edges between "
            f"the layers, or all {count + 1} with the bar's ends"
        )
        yield Problem((*place, "edges"), "length_mismatch", detail)
        return
    yield from _increasing((*place, "edges"), edges, "edges")
    slack = ON_STEP * length
    if edges.size > count and not (abs(edges[0]) <= slack and abs(edges[-1] - length) <= slack):
        detail = f"the outermost edges are the bar's ends, 0 and {length:g} m"
        yield Problem((*place, "edges"), "not_covered", detail)
    elif not ((layers.inner > 0.0) & (layers.inner < length)).all():
        detail = f"edges between layers lie inside the bar, between 0 and {length:g} m"
        yield Problem((*place, "edges"), "edge_outside", detail)
    yield from _finite(place, layers.values)


def _network(place: Place, network: Network) -> Iterator[Problem]:
    try:
        wanted = count(network.widths)
    except ValueError as error:
        yield Problem((*place, "widths"), "out_of_range", str(error))
        return
    if _count(network.weights) != wanted:
        detail = (
            f"{_count(network.weights)} weights, but widths {list(network.widths)} take {wanted}: "
            "leave them out to have them seeded"
        )
        yield Problem((*place, "weights"), "length_mismatch", detail)
    if network.range is not None and not -LARGEST <= network.range[0] < network.range[1] <= LARGEST:
        detail = "the range of a network increases, from its low end to its high one"
        yield Problem((*place, "range"), "out_of_range", detail)
    if network.level is not None and not SMALLEST <= network.level <= LARGEST:
        detail = f"the law's size must be positive, not {network.level:g}"
        yield Problem((*place, "start"), "out_of_range", detail)


def _finite(place: Place, values: Any) -> Iterator[Problem]:
    if isinstance(values, np.ndarray):
        wild = np.flatnonzero(~(np.abs(values) <= LARGEST))
        if wild.size:
            detail = f"values must be finite, within +-{LARGEST:g}"
            yield Problem((*place, "values", int(wild[0])), "not_finite", detail)


def _increasing(place: Place, points: Array, what: str) -> Iterator[Problem]:
    backward = np.flatnonzero(~(np.diff(points) > 0))
    if backward.size:
        k = int(backward[0]) + 1
        detail = f"{what} must increase: {points[k]:g} follows {points[k - 1]:g}"
        yield Problem((*place, k), f"{what}_not_increasing", detail)


def _values(sample: Sample, starts: Mapping[str, Any]) -> Iterator[Problem]:
    place, sampling = sample.place, sample.sampling
    curve = resolve(sample.curve, starts)
    s = sampling.points
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        values = curve.value(s)
    wild = np.flatnonzero(~(np.abs(values) <= LARGEST))
    if wild.size:
        k = int(wild[0])
        detail = f"the value at {s[k]:g} is {values[k]:g}; it must be finite, within +-{LARGEST:g}"
        yield Problem(place, "not_finite", detail)
    elif place in POSITIVE and not isinstance(sampling, OverTemperatures):
        yield from _positive(sample, curve, values)
    elif place[-1] in EXCHANGES and values[0] < 0.0:
        detail = f"it must not be negative, not {values[0]:g}: heat flows from warm to cold"
        yield Problem(place, "negative", detail)


def _positive(sample: Sample, curve: Curve, values: Array) -> Iterator[Problem]:
    place, x = sample.place, sample.sampling.points
    name, unit = POSITIVE[place]
    if isinstance(curve, Layers):  # a layer may lie between two nodes
        values, x = np.asarray(curve.values), np.append(0.0, curve.inner)
    k = int(np.argmin(values))
    if values[k] >= SMALLEST:
        return
    detail = f"the {name} at the start values is {values[k]:g} {unit} at x = {x[k]:g} m; "
    if _never_positive(sample.curve, x[k : k + 1]):
        yield Problem(
            place,
            f"{place[-1]}_never_positive",
            detail + "no value within the bounds makes it positive there: widen the bounds",
        )
    else:
        yield Problem(
            place,
            f"{place[-1]}_not_positive",
            detail + "it must be positive everywhere on the bar: choose other start values",
        )


def _never_positive(law: Curve, x: Array) -> bool:
    """Whether no corner of the bounds gives a positive value at `x`."""
    found = list(slots(law))
    if any(slot.unknown.listed or slot.index is not None for slot in found):
        return all(slot.unknown.upper <= 0.0 for slot in found)
    start = {slot.unknown.name: slot.unknown.start for slot in found}
    partials = resolve(law, start).partials(x)
    best: dict[str, Any] = {}
    for slot in found:
        slope, unknown = float(column(partials[slot.field], slot)[0]), slot.unknown
        bound = unknown.upper if slope > 0 else unknown.lower
        best[unknown.name] = bound if slope != 0 else unknown.start
    with np.errstate(invalid="ignore", over="ignore"):
        return bool(resolve(law, best).value(x)[0] <= 0)
