"""The experiment document: JSON in, `solver.Experiment` out.

The schema follows the solver's registries: every law of `LAWS` and every end condition of
`BOUNDARIES` is a choice here with the fields of its dataclass, so a new one needs no line in this
file. Whatever is wrong comes back as problems with JSON pointers into the document as it was sent.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import MISSING, fields
from typing import Annotated, Any, Literal, get_type_hints

import numpy as np
from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationError, create_model

import solver
from app.limits import Limits, beyond
from app.problems import problems_of
from app.strict_json import parse_json
from solver import InvalidExperiment, Problem
from solver.curves import Curve, Number, Series


class Part(BaseModel):
    """A part of a document: no unknown keys, no strings for numbers, finite numbers only."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True)


class UnknownNumber(Part):
    """A number to be found, in the place of that number. The same name twice is one unknown."""

    unknown: str = Field(min_length=1, max_length=64, pattern=r"^[A-Za-z_][A-Za-z0-9_.\-]*$")
    start: float = Field(description="where the search starts")
    lower: float | None = Field(None, description="lower bound; none when left out")
    upper: float | None = Field(None, description="upper bound; none when left out")
    scale: Literal["linear", "log"] = Field("linear", description='"log" keeps the value positive')

    def build(self) -> solver.Unknown:
        """The solver's unknown."""
        lower = -np.inf if self.lower is None else self.lower
        upper = np.inf if self.upper is None else self.upper
        return solver.Unknown(self.unknown, self.start, lower, upper, self.scale)


class Expression(Part):
    """A formula of x (a profile) or t (a series)."""

    expression: str = Field(max_length=1000, examples=["exp(-50*(x-0.5)**2)"])


class SeriesTable(Part):
    """Piecewise linear in time."""

    times: list[float] = Field(description="s, increasing, covering the run")
    values: list[float]


class ProfileTable(Part):
    """Piecewise linear in space."""

    x: list[float] = Field(description="m, increasing, covering the bar")
    values: list[float]


# Tags name the branch of a choice. They appear in pydantic's error locations, where the brackets
# tell them from keys of the document.
def _choice(value: Any) -> str:
    """Which kind of Number, Series or Profile a JSON value is."""
    if isinstance(value, UnknownNumber) or (isinstance(value, dict) and "unknown" in value):
        return "<unknown>"
    if isinstance(value, Expression) or (isinstance(value, dict) and "expression" in value):
        return "<expression>"
    return "<table>" if isinstance(value, dict | SeriesTable | ProfileTable) else "<number>"


def _number_choice(value: Any) -> str:
    unknown = isinstance(value, dict | UnknownNumber)
    return "<unknown>" if unknown else "<number>"


Plain = Annotated[float, Tag("<number>")]
AnUnknown = Annotated[UnknownNumber, Tag("<unknown>")]
AnExpression = Annotated[Expression, Tag("<expression>")]
NumberPart = Annotated[Plain | AnUnknown, Discriminator(_number_choice)]
SeriesPart = Annotated[
    Plain | AnUnknown | AnExpression | Annotated[SeriesTable, Tag("<table>")],
    Discriminator(_choice),
]
ProfilePart = Annotated[
    Plain | AnUnknown | AnExpression | Annotated[ProfileTable, Tag("<table>")],
    Discriminator(_choice),
]


def _part_of(cls: type[Any], key: str, name: str, **more: Any) -> type[Part]:
    """The schema of a registered dataclass: ``{key: name, its fields...}``."""
    hints = get_type_hints(cls)
    definitions: dict[str, Any] = {key: (Literal[name], name), **more}
    for f in fields(cls):
        kind = {Number: NumberPart, Series: SeriesPart}[hints[f.name]]
        definitions[f.name] = (kind, ... if f.default is MISSING else f.default)
    summary = (cls.__doc__ or "").strip()
    return create_model(cls.__name__, __base__=Part, __doc__=summary, **definitions)


LAW_PARTS = {
    name: _part_of(cls, "law", name, of=(Literal["x"], "x")) for name, cls in solver.LAWS.items()
}
BOUNDARY_PARTS = {
    name: _part_of(cls, "kind", name) for name, cls in solver.BOUNDARIES.items()
}


def _law_choice(value: Any) -> str | None:
    if isinstance(value, dict) and "law" in value:
        return f"<{value['law']}>" if value["law"] in LAW_PARTS else None
    return f"<{value.law}>" if isinstance(value, tuple(LAW_PARTS.values())) else _number_choice(value)  # type: ignore[attr-defined]


def _boundary_choice(value: Any) -> str | None:
    kind = value.get("kind") if isinstance(value, dict) else getattr(value, "kind", None)
    return f"<{kind}>" if isinstance(kind, str) and kind in BOUNDARY_PARTS else None


def _union(parts: dict[str, type[Part]], *others: Any) -> Any:
    choices = [*others, *(Annotated[part, Tag(f"<{name}>")] for name, part in parts.items())]
    union = choices[0]
    for choice in choices[1:]:
        union = union | choice
    return union


def _refusal(key: str, parts: dict[str, type[Part]]) -> dict[str, Any]:
    message = f'"{key}" must be one of {", ".join(parts)}'
    return {"custom_error_type": "not_available", "custom_error_message": message}


LawPart = Annotated[
    _union(LAW_PARTS, Plain, AnUnknown),
    Discriminator(_law_choice, **_refusal("law", LAW_PARTS)),
]
BoundaryPart = Annotated[
    _union(BOUNDARY_PARTS), Discriminator(_boundary_choice, **_refusal("kind", BOUNDARY_PARTS))
]


class BarPart(Part):
    """The rod."""

    length: float = Field(description="m")
    cells: int = Field(description="number of equal cells; nodes are cells + 1")
    initial: ProfilePart = Field(0.0, description="temperature at t = 0, K")


class TimePart(Part):
    """The run, from t = 0."""

    end: float = Field(description="s")
    steps: int = Field(description="number of equal steps")
    method: str = Field("backward-euler", description=f"one of {', '.join(solver.TABLEAUX)}")


class MaterialPart(Part):
    """``u_t = diffusivity(x) u_xx + f`` (the form "nondivergence")."""

    diffusivity: LawPart = Field(description="m2/s: a number, an unknown, or a law")
    form: str = Field("nondivergence", description='only "nondivergence" as yet')


class SourcePart(Part):
    """A heat source: profile(x) times history(t), K/s."""

    profile: ProfilePart
    history: SeriesPart = 1.0


class SensorPart(Part):
    """Readings at one place."""

    name: str = Field("", max_length=64, pattern=r"^[^\x00-\x1f\x7f]*$")
    x: float = Field(description="m, anywhere on the bar")
    times: list[float] | None = Field(None, description="s; every step when left out (simulation)")
    temperatures: list[float | None] | None = Field(None, description="K; null where missing")
    sigma: float | list[float | None] | None = Field(
        None, description="standard deviation of a reading, K; null: estimated from the residuals"
    )


class FitPart(Part):
    """How to search."""

    loss: str = Field("squared", description='only "squared" as yet')
    method: str = Field("auto", description="auto, levenberg-marquardt or l-bfgs-b")
    max_iterations: int = Field(200, le=10_000)


class Document(Part):
    """One experiment on one bar. SI units throughout."""

    bar: BarPart
    time: TimePart
    material: MaterialPart
    source: list[SourcePart] = Field([], max_length=1000, description="their sum heats the bar")
    left: BoundaryPart = Field(
        default_factory=lambda: BOUNDARY_PARTS["flux"](), description="insulated when left out"
    )
    right: BoundaryPart = Field(
        default_factory=lambda: BOUNDARY_PARTS["flux"](), description="insulated when left out"
    )
    sensors: list[SensorPart] = Field([], max_length=10_000)
    fit: FitPart = Field(default_factory=FitPart)


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


TAGGED: dict[str, type[BaseModel]] = {
    "<unknown>": UnknownNumber,
    "<expression>": Expression,
    **{f"<{name}>": part for name, part in (LAW_PARTS | BOUNDARY_PARTS).items()},
}


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
        if not isinstance(part, tuple(LAW_PARTS.values())):
            return _number(part)
        law = solver.LAWS[part.law]  # type: ignore[attr-defined]
        return law(**{f.name: _number(getattr(part, f.name)) for f in fields(law)})

    def boundary(self, part: Any, side: str) -> Any:
        condition = solver.BOUNDARIES[part.kind]
        names = [f.name for f in fields(condition)]
        return condition(**{n: self.curve(getattr(part, n), "t", (side, n)) for n in names})

    def curve(self, part: Any, variable: str, place: tuple[str | int, ...]) -> Number | Curve:
        match part:
            case Expression(expression=text):
                try:
                    return solver.Expression(text, variable)
                except ValueError as error:
                    here = (*place, "expression")
                    self.problems.append(Problem(here, "bad_expression", str(error)))
                    return 0.0
            case SeriesTable(times=points, values=values) | ProfileTable(x=points, values=values):
                return solver.Table(np.array(points, np.float64), np.array(values, np.float64))
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
