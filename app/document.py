"""The experiment document: JSON in, `solver.Experiment` out.

Whatever is wrong comes back as problems with JSON pointers into the document as it was sent.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import numpy as np
from pydantic import ValidationError

import solver
from app.limits import Limits, beyond
from app.problems import problems_of
from app.schema import (
    TAGGED,
    Document,
    Part,
    ProfileFormula,
    ProfileTable,
    SensorPart,
    SeriesFormula,
    SeriesTable,
    UnknownNumber,
)
from app.strict_json import parse_json
from solver import InvalidExperiment, Problem
from solver.curves import Curve, Number
from solver.search import require_method


def read_document(data: bytes, limits: Limits | None = None) -> solver.Experiment:
    """The experiment that a JSON document describes.

    Raises NotJson when the bytes are no JSON, and InvalidExperiment with JSON pointers when the
    document is not one, or asks for more than `limits`. Meaning is checked by the solver.
    """
    try:
        document = Document.model_validate(parse_json(data))
    except ValidationError as error:
        raise InvalidExperiment(*problems_of(error, Document, TAGGED)) from None
    names = {unknown.unknown for unknown in _unknown_numbers(document)}
    problems = list(beyond(limits or Limits(), document, len(names)))
    if problems:
        raise InvalidExperiment(*problems)
    require_method(document.fit.method)
    return _Builder().experiment(document)


def _unknown_numbers(part: Any) -> Iterator[UnknownNumber]:
    if isinstance(part, UnknownNumber):
        yield part
    elif isinstance(part, list):
        for item in part:
            yield from _unknown_numbers(item)
    elif isinstance(part, Part) and not isinstance(part, SensorPart):
        for name in type(part).model_fields:
            yield from _unknown_numbers(getattr(part, name))


class _Builder:
    """Document parts to solver values; collects the problems that only show here."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def experiment(self, d: Document) -> solver.Experiment:
        experiment = solver.Experiment(
            bar=solver.Bar(
                d.bar.length, d.bar.cells, self.curve(d.bar.initial, "x", ("bar", "initial"))
            ),
            time=solver.Time(d.time.end, d.time.steps, d.time.method),
            material=solver.Material(self.law(d.material.diffusivity), d.material.form),
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
            fit=solver.Fit(d.fit.loss, d.fit.method, d.fit.max_iterations),
        )
        if self.problems:
            raise InvalidExperiment(*self.problems)
        return experiment

    def law(self, part: Any) -> Number | Curve:
        name = getattr(part, "law", None)
        if name is None:
            return _number(part)
        law: Any = solver.LAWS[name]
        found: Curve = law(**{f.name: _number(getattr(part, f.name)) for f in fields(law)})
        return found

    def boundary(self, part: Any, side: str) -> Any:
        condition: Any = solver.BOUNDARIES[part.kind]
        names = [f.name for f in fields(condition)]
        return condition(**{n: self.curve(getattr(part, n), "t", (side, n)) for n in names})

    def curve(self, part: Any, variable: str, place: tuple[str | int, ...]) -> Number | Curve:
        match part:
            case ProfileFormula(expression=text) | SeriesFormula(expression=text):
                try:
                    return solver.Expression(text, variable)
                except ValueError as error:
                    here = (*place, "expression")
                    self.problems.append(Problem(here, "bad_expression", str(error)))
                    return 0.0
            case SeriesTable(times=points, values=values) | ProfileTable(x=points, values=values):
                return solver.Table(np.array(points), np.array(values))
            case _:
                return _number(part)


def _number(part: float | UnknownNumber) -> Number:
    return part.build() if isinstance(part, UnknownNumber) else float(part)


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
