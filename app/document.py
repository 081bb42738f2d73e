"""The experiment document: JSON in, `solver.Experiment` or `solver.Joint` out.

Whatever is wrong comes back as problems with JSON pointers into the document as it was sent.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import numpy as np
from pydantic import ValidationError

import solver
from app.columns import Reader, with_columns
from app.curve_schema import (
    TAGGED,
    NetworkPart,
    Part,
    ProfileFormula,
    ProfileTable,
    SeriesFormula,
    SeriesTable,
    UnknownCurve,
    UnknownNumber,
    unknown_of,
)
from app.limits import Limits, Size, beyond
from app.problems import problems_of
from app.quantities import in_si
from app.schema import (
    Document,
    ExchangePart,
    FitPart,
    JointDocument,
    MaterialPart,
    SensorPart,
)
from app.strict_json import parse_json
from solver import InvalidExperiment, Problem
from solver.curves import Curve, Number
from solver.errors import Place
from solver.network import Network, count, initial_weights, unknown_network
from solver.search import require_method

UNKNOWN = (UnknownNumber, UnknownCurve, NetworkPart)


def read_document(
    data: bytes,
    limits: Limits | None = None,
    read_file: Reader | None = None,
    log: bytes | None = None,
) -> solver.Study:
    """The experiment, or several for a joint fit, that a JSON document describes.

    `read_file` reads a log that the document names by its file, without it there is none; `log` is
    read instead of any.

    Raises NotJson when the bytes are no JSON, and InvalidExperiment with JSON pointers when the
    document is not one, or asks for more than `limits`. Meaning is checked by the solver.
    """
    return study_of(parse_json(data), limits, read_file, log)


def study_of(
    document: Any,
    limits: Limits | None = None,
    read_file: Reader | None = None,
    log: bytes | None = None,
) -> solver.Study:
    """The same from parsed JSON. Raises InvalidExperiment."""
    limits = limits or Limits()
    parsed = in_si(with_columns(document, limits, read_file, log))
    joint = isinstance(parsed, dict) and "experiments" in parsed
    schema = JointDocument if joint else Document
    try:
        read: Any = schema.model_validate(parsed)
    except ValidationError as error:
        raise InvalidExperiment(*problems_of(error, schema, TAGGED)) from None
    unknown = {part.unknown: part for part in _unknown_parts(read)}
    networks = any(isinstance(part, NetworkPart) for part in unknown.values() if part.unknown)
    size = Size(sum(map(_size, unknown.values())), read.fit.starts, networks)
    parts = read.experiments if joint else [read]
    _stop_on(beyond(limits, parts, size, joint=joint))
    require_method(read.fit.method)
    if not joint:
        return _Builder(()).experiment(read)
    _stop_on(_fits_within(parts))
    experiments = [_Builder(("experiments", i)).experiment(part) for i, part in enumerate(parts)]
    return solver.Joint(tuple(experiments), _fit(read.fit))


def _stop_on(problems: Iterator[Problem]) -> None:
    found = list(problems)
    if found:
        raise InvalidExperiment(*found)


def _fits_within(parts: list[Document]) -> Iterator[Problem]:
    for index, part in enumerate(parts):
        if "fit" in part.model_fields_set:
            detail = "in a joint fit there is one fit, beside the experiments"
            yield Problem(("experiments", index, "fit"), "contradiction", detail)


def _unknown_parts(part: Any) -> Iterator[UnknownNumber | UnknownCurve | NetworkPart]:
    if isinstance(part, UNKNOWN):
        yield part
    elif isinstance(part, list):
        if part and not isinstance(part[0], float):  # a list of plain numbers hides nothing
            for item in part:
                yield from _unknown_parts(item)
    elif isinstance(part, Part) and not isinstance(part, SensorPart):
        for value in vars(part).values():
            yield from _unknown_parts(value)


def _size(part: UnknownNumber | UnknownCurve | NetworkPart) -> int:
    if isinstance(part, NetworkPart):
        return count(tuple(part.widths))
    return len(part.start) if isinstance(part, UnknownCurve) else 1


class _Builder:
    """Document parts to solver values; collects the problems that only show here."""

    def __init__(self, root: Place) -> None:
        self.root = root
        self.problems: list[Problem] = []

    def experiment(self, d: Document) -> solver.Experiment:
        grading = d.bar.grading
        experiment = solver.Experiment(
            bar=solver.Bar(
                d.bar.length,
                d.bar.cells,
                self.curve(d.bar.initial, "x", ("bar", "initial")),
                None if grading is None else solver.Grading(grading.towards, grading.ratio),
            ),
            time=solver.Time(d.time.end, d.time.steps, d.time.method),
            material=self.material(d.material),
            source=tuple(
                solver.Source(
                    self.curve(s.profile, "x", ("source", i, "profile")),
                    self.curve(s.history, "t", ("source", i, "history")),
                )
                for i, s in enumerate(d.source)
            ),
            left=self.boundary(d.left, "left"),
            right=self.boundary(d.right, "right"),
            sensors=tuple(_sensor(sensor) for sensor in d.sensors),
            fit=_fit(d.fit),
        )
        if self.problems:
            raise InvalidExperiment(*self.problems)
        return experiment

    def material(self, part: MaterialPart) -> solver.Material:
        return solver.Material(
            diffusivity=_law(part.diffusivity),
            form=part.form,
            conductivity=_law(part.conductivity),
            heat_capacity=_law(part.heat_capacity),
            exchange=None if part.exchange is None else self.exchange(part.exchange),
        )

    def exchange(self, part: ExchangePart) -> solver.Exchange:
        ambient = self.curve(part.ambient, "t", ("material", "exchange", "ambient"))
        return solver.Exchange(_number(part.rate), ambient)

    def boundary(self, part: Any, side: str) -> Any:
        condition: Any = solver.BOUNDARIES[part.kind]
        names = [f.name for f in fields(condition)]
        return condition(**{n: self.curve(getattr(part, n), "t", (side, n)) for n in names})

    def curve(self, part: Any, variable: str, place: Place) -> Number | Curve:
        match part:
            case ProfileFormula(expression=text) | SeriesFormula(expression=text):
                try:
                    return solver.Expression(text, variable)
                except ValueError as error:
                    here = (*self.root, *place, "expression")
                    self.problems.append(Problem(here, "bad_expression", str(error)))
                    return 0.0
            case SeriesTable(times=points) | ProfileTable(x=points):
                return solver.Table(np.array(points), _field(part.values), part.interpolation)
            case _:
                number: Number = _number(part)
                return number


def _law(part: Any) -> Any:
    if isinstance(part, NetworkPart):
        return _network(part)
    name = getattr(part, "law", None)
    if name is None:
        return None if part is None else _number(part)
    law: Any = solver.LAWS[name]
    found = {f.name: getattr(part, f.name) for f in fields(law)}
    return law(**{name: _field(value) for name, value in found.items()})


def _network(part: NetworkPart) -> Network:
    widths = tuple(part.widths)
    weights = None if part.weights is None else tuple(part.weights)
    made_for = None if part.range is None else (part.range[0], part.range[1])
    if part.unknown is None:
        weights = weights or initial_weights(widths, part.seed)
        return Network(np.array(weights), widths, part.of, made_for, part.start)
    return unknown_network(part.unknown, widths, part.seed, weights, part.of, made_for, part.start)


def _field(part: Any) -> Any:
    """What stands for a field of a law or a table: a Number, several, an unknown curve, or text."""
    if isinstance(part, str):
        return part
    if isinstance(part, list):
        return [_number(item) for item in part]
    return _number(part)


def _number(part: Any) -> Any:
    return unknown_of(part) if isinstance(part, UnknownNumber | UnknownCurve) else float(part)


def _fit(part: FitPart) -> solver.Fit:
    return solver.Fit(
        loss=part.loss,
        method=part.method,
        max_iterations=part.max_iterations,
        prior={name: solver.Prior(p.mean, p.sd) for name, p in part.prior.items()},
        smoothing={name: solver.Smoothing(s.weight, s.order) for name, s in part.smoothing.items()},
        starts=part.starts,
        threshold=part.threshold,
        memory=part.memory,
    )


def _sensor(part: SensorPart) -> solver.Sensor:
    return solver.Sensor(
        x=part.x,
        times=_array(part.times),
        temperatures=_array(part.temperatures),
        sigma=_array(part.sigma) if isinstance(part.sigma, list) else part.sigma,
        name=part.name,
    )


def _array(values: list[float] | list[float | None] | None) -> Any:
    """Null becomes NaN, which the solver reads as missing."""
    return None if values is None else np.array(values, dtype=np.float64)
