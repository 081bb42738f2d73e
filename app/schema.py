"""The schema of the experiment document.

It follows the solver's registries: every law of `LAWS` and every end condition of `BOUNDARIES` is
a choice here with the fields of its dataclass, so a new one needs no line in this file.
"""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_type_hints

import numpy as np
from pydantic import BaseModel, ConfigDict, Discriminator, FailFast, Field, Tag, create_model

import solver
from solver.curves import INTERPOLATIONS, Number, Numbers, Series
from solver.grid import TOWARDS
from solver.kernels import Array
from solver.search import METHODS
from solver.validation import FORMS


class Part(BaseModel):
    """A part of a document: no unknown keys, no strings for numbers, finite numbers only."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True)


# One bad number stops a list: a million messages about it would help nobody, and take seconds.
class StopAtFirst(FailFast):
    """`FailFast` that can stand in a union of Python 3.11, which needs to hash it."""

    __hash__ = object.__hash__


Floats = Annotated[list[float], StopAtFirst()]
FloatsOrNulls = Annotated[list[float | None], StopAtFirst()]


Name = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z_][A-Za-z0-9_.\-]*$")]
Interpolation = Annotated[
    str, Field(description="between the points", json_schema_extra={"enum": list(INTERPOLATIONS)})
]
Scale = Annotated[Literal["linear", "log"], Field(description='"log" keeps the value positive')]


class UnknownNumber(Part):
    """A number to be found, in the place of that number. The same name twice is one unknown."""

    unknown: Name
    start: float = Field(description="where the search starts")
    lower: float | None = Field(default=None, description="lower bound; none when left out")
    upper: float | None = Field(default=None, description="upper bound; none when left out")
    scale: Scale = "linear"


class UnknownCurve(Part):
    """A whole list of values to be found, in the place of that list."""

    unknown: Name
    start: Floats = Field(description="where the search starts, a value for each point")
    lower: float | None = Field(default=None, description="lower bound of every value")
    upper: float | None = Field(default=None, description="upper bound of every value")
    scale: Scale = "linear"


def unknown_of(part: UnknownNumber | UnknownCurve) -> solver.Unknown:
    """The solver's unknown."""
    lower = -np.inf if part.lower is None else part.lower
    upper = np.inf if part.upper is None else part.upper
    start = tuple(part.start) if isinstance(part.start, list) else part.start
    return solver.Unknown(part.unknown, start, lower, upper, part.scale)


class ProfileFormula(Part):
    """A formula of x."""

    expression: str = Field(max_length=1000, examples=["exp(-50*(x-0.5)**2)"])


class SeriesFormula(Part):
    """A formula of t."""

    expression: str = Field(max_length=1000, examples=["exp(-t)"])


# Tags name the branch of a choice. They appear in pydantic's error locations, where the brackets
# tell them from keys of the document.
def _number_choice(value: Any) -> str:
    return "<unknown>" if isinstance(value, dict | UnknownNumber) else "<number>"


def _numbers_choice(value: Any) -> str:
    if isinstance(value, dict | UnknownCurve):
        return "<unknown curve>"
    mixed = isinstance(value, list) and any(isinstance(v, dict | UnknownNumber) for v in value)
    return "<numbers>" if mixed else "<floats>"


Plain = Annotated[float, Tag("<number>")]
AnUnknown = Annotated[UnknownNumber, Tag("<unknown>")]
NumberPart = Annotated[Plain | AnUnknown, Discriminator(_number_choice)]
NumbersPart = Annotated[
    Annotated[Floats, Tag("<floats>")]
    | Annotated[list[NumberPart], Tag("<numbers>")]
    | Annotated[UnknownCurve, Tag("<unknown curve>")],
    Discriminator(_numbers_choice),
]


class SeriesTable(Part):
    """Piecewise linear in time."""

    times: Floats = Field(description="s, increasing, covering the run")
    values: NumbersPart
    interpolation: Interpolation = "linear"


class ProfileTable(Part):
    """Piecewise linear in space."""

    x: Floats = Field(description="m, increasing, covering the bar")
    values: NumbersPart
    interpolation: Interpolation = "linear"


def _choice(value: Any, table: str) -> str:
    """Which kind of Number, Series or Profile a JSON value is; `table` for what is none else."""
    if isinstance(value, UnknownNumber) or (isinstance(value, dict) and "unknown" in value):
        return "<unknown>"
    formula = isinstance(value, ProfileFormula | SeriesFormula)
    if formula or (isinstance(value, dict) and "expression" in value):
        return "<expression>"
    return table if isinstance(value, dict | SeriesTable | ProfileTable) else "<number>"


def _series_choice(value: Any) -> str:
    return _choice(value, "<series table>")


def _profile_choice(value: Any) -> str:
    return _choice(value, "<profile table>")


SeriesPart = Annotated[
    Plain
    | AnUnknown
    | Annotated[SeriesFormula, Tag("<expression>")]
    | Annotated[SeriesTable, Tag("<series table>")],
    Discriminator(_series_choice),
]
ProfilePart = Annotated[
    Plain
    | AnUnknown
    | Annotated[ProfileFormula, Tag("<expression>")]
    | Annotated[ProfileTable, Tag("<profile table>")],
    Discriminator(_profile_choice),
]

KINDS = {  # what stands in the document for a field of a registered dataclass
    Number: NumberPart,
    Series: SeriesPart,
    Numbers: NumbersPart,
    Array: Floats,
}


def _part_of(cls: type[Any], key: str, name: str, **more: Any) -> type[Part]:
    """The schema of a registered dataclass: ``{key: name, its fields...}``."""
    hints = get_type_hints(cls)
    definitions: dict[str, Any] = {key: (Literal[name], name), **more}
    for f in fields(cls):
        kind = Interpolation if f.name == "interpolation" else KINDS[hints[f.name]]
        definitions[f.name] = (kind, ... if f.default is MISSING else f.default)
    summary = (cls.__doc__ or "").strip()
    return create_model(cls.__name__, __base__=Part, __doc__=summary, **definitions)


LAW_PARTS = {
    name: _part_of(cls, "law", name, of=(Literal["x"], "x")) for name, cls in solver.LAWS.items()
}
BOUNDARY_PARTS = {name: _part_of(cls, "kind", name) for name, cls in solver.BOUNDARIES.items()}


def _law_choice(value: Any) -> str | None:
    law = value.get("law") if isinstance(value, dict) else getattr(value, "law", None)
    if law is None:
        return _number_choice(value)
    return f"<{law}>" if isinstance(law, str) and law in LAW_PARTS else None


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


if TYPE_CHECKING:  # made of the registries at run time, where a type checker cannot follow
    LawPart = Any
    BoundaryPart = Any
else:
    LawPart = Annotated[
        _union(LAW_PARTS, Plain, AnUnknown),
        Discriminator(_law_choice, **_refusal("law", LAW_PARTS)),
    ]
    BoundaryPart = Annotated[
        _union(BOUNDARY_PARTS), Discriminator(_boundary_choice, **_refusal("kind", BOUNDARY_PARTS))
    ]


# Ranges stand in the schema for its readers; the solver checks them, and says what to do.
class GradingPart(Part):
    """Cells refined towards an end."""

    towards: str = Field(json_schema_extra={"enum": list(TOWARDS)})
    ratio: float = Field(
        description="the widest cell over the narrowest", json_schema_extra={"minimum": 1}
    )


class BarPart(Part):
    """The rod."""

    length: float = Field(description="m", json_schema_extra={"exclusiveMinimum": 0})
    cells: int | None = Field(
        default=None,
        description="number of cells; nodes are cells + 1; chosen when left out",
        json_schema_extra={"minimum": 2},
    )
    initial: ProfilePart = Field(default=0.0, description="temperature at t = 0, K")
    grading: GradingPart | None = Field(default=None, description="all cells equal when left out")


class TimePart(Part):
    """The run, from t = 0."""

    end: float = Field(description="s", json_schema_extra={"exclusiveMinimum": 0})
    steps: int | None = Field(
        default=None,
        description="number of equal steps; chosen when left out",
        json_schema_extra={"minimum": 1},
    )
    method: str | None = Field(
        default=None,
        description="backward-euler when left out; tr-bdf2 where the steps are left out too",
        json_schema_extra={"enum": [*solver.TABLEAUX, None]},
    )


class ExchangePart(Part):
    """Heat lost through the sides: rate (u - ambient)."""

    rate: NumberPart = Field(description="W/m3/K; 1/s with a diffusivity")
    ambient: SeriesPart = Field(default=0.0, description="K")


class MaterialPart(Part):
    """A diffusivity, or a conductivity with a heat capacity."""

    diffusivity: LawPart | None = Field(
        default=None, description="m2/s: a number, an unknown, or a law"
    )
    form: str | None = Field(
        default=None,
        description="of the equation with a diffusivity; nondivergence when left out",
        json_schema_extra={"enum": [*FORMS, None]},
    )
    conductivity: LawPart | None = Field(default=None, description="W/m/K")
    heat_capacity: LawPart | None = Field(default=None, description="J/m3/K, of a volume")
    exchange: ExchangePart | None = None


class SourcePart(Part):
    """A heat source: profile(x) times history(t); W/m3, or K/s with a diffusivity."""

    profile: ProfilePart
    history: SeriesPart = 1.0


class SensorPart(Part):
    """Readings at one place."""

    name: str = Field(default="", max_length=64, pattern=r"^[^\x00-\x1f\x7f]*$")
    x: float = Field(description="m, anywhere on the bar")
    times: Floats | None = Field(
        default=None, description="s; every step when left out (simulation)"
    )
    temperatures: FloatsOrNulls | None = Field(default=None, description="K; null where missing")
    sigma: float | FloatsOrNulls | None = Field(
        None, description="standard deviation of a reading, K; null: estimated from the residuals"
    )


class DataPart(Part):
    """A sensor log whose columns the document refers to."""

    csv: str | None = Field(default=None, description="the log's text")
    file: str | None = Field(default=None, description="its file; on the command line only")
    time: str | None = Field(default=None, description="the column of the time; found by its name")
    units: dict[str, str] = Field(default={}, description="column: unit; wins over the header")
    start: float | str | None = Field(default=None, description="t = 0 of the run, as in the log")
    end: float | str | None = Field(default=None, description="rows after it are not used")


class PriorPart(Part):
    """What is known of an unknown beforehand: Gaussian."""

    mean: float
    sd: float = Field(json_schema_extra={"exclusiveMinimum": 0})


class SmoothingPart(Part):
    """How an unknown curve is held smooth."""

    weight: float | None = Field(default=None, description="chosen from the data when left out")
    order: int = Field(default=1, json_schema_extra={"enum": [1, 2]})


class FitPart(Part):
    """How to search, and what to hold against the data."""

    loss: str = Field(default="squared", json_schema_extra={"enum": list(solver.LOSSES)})
    threshold: float | None = Field(
        default=None,
        description="where Huber's loss turns linear, in units of sigma (K without one)",
    )
    method: str = Field(default="auto", json_schema_extra={"enum": list(METHODS)})
    max_iterations: int = Field(default=200, le=10_000)
    prior: dict[str, PriorPart] = Field(default={}, max_length=10_000)
    smoothing: dict[str, SmoothingPart] = Field(default={}, max_length=1_000)
    starts: int = Field(default=1, description="from how many points to search")


def _insulated() -> Any:
    return BOUNDARY_PARTS["flux"]()


class Document(Part):
    """One experiment on one bar. SI units throughout."""

    bar: BarPart
    time: TimePart
    material: MaterialPart
    source: list[SourcePart] = Field(
        default=[], max_length=1000, description="their sum heats the bar"
    )
    left: BoundaryPart = Field(default_factory=_insulated, description="insulated when left out")
    right: BoundaryPart = Field(default_factory=_insulated, description="insulated when left out")
    sensors: list[SensorPart] = Field(default=[], max_length=10_000)
    fit: FitPart = Field(default_factory=FitPart)


class JointDocument(Part):
    """Several experiments with one set of unknowns: the same name is the same unknown."""

    experiments: list[Document] = Field(min_length=1, max_length=1_000)
    fit: FitPart = Field(default_factory=FitPart)


TAGGED: dict[str, type[BaseModel]] = {
    "<unknown>": UnknownNumber,
    "<unknown curve>": UnknownCurve,
    "<series table>": SeriesTable,
    "<profile table>": ProfileTable,
    "<expression>": SeriesFormula,  # its one key is that of a ProfileFormula
    **{f"<{name}>": part for name, part in (LAW_PARTS | BOUNDARY_PARTS).items()},
}
