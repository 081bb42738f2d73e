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
from solver.curves import Number, Series
from solver.search import METHODS


class Part(BaseModel):
    """A part of a document: no unknown keys, no strings for numbers, finite numbers only."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True)


class UnknownNumber(Part):
    """A number to be found, in the place of that number. The same name twice is one unknown."""

    unknown: str = Field(min_length=1, max_length=64, pattern=r"^[A-Za-z_][A-Za-z0-9_.\-]*$")
    start: float = Field(description="where the search starts")
    lower: float | None = Field(default=None, description="lower bound; none when left out")
    upper: float | None = Field(default=None, description="upper bound; none when left out")
    scale: Literal["linear", "log"] = Field(
        default="linear", description='"log" keeps the value positive'
    )

    def build(self) -> solver.Unknown:
        """The solver's unknown."""
        lower = -np.inf if self.lower is None else self.lower
        upper = np.inf if self.upper is None else self.upper
        return solver.Unknown(self.unknown, self.start, lower, upper, self.scale)


class ProfileFormula(Part):
    """A formula of x."""

    expression: str = Field(max_length=1000, examples=["exp(-50*(x-0.5)**2)"])


class SeriesFormula(Part):
    """A formula of t."""

    expression: str = Field(max_length=1000, examples=["exp(-t)"])


# One bad number stops a list: a million messages about it would help nobody, and take seconds.
class StopAtFirst(FailFast):
    """`FailFast` that can stand in a union of Python 3.11, which needs to hash it."""

    __hash__ = object.__hash__


Floats = Annotated[list[float], StopAtFirst()]
FloatsOrNulls = Annotated[list[float | None], StopAtFirst()]


class SeriesTable(Part):
    """Piecewise linear in time."""

    times: Floats = Field(description="s, increasing, covering the run")
    values: Floats


class ProfileTable(Part):
    """Piecewise linear in space."""

    x: Floats = Field(description="m, increasing, covering the bar")
    values: Floats


# Tags name the branch of a choice. They appear in pydantic's error locations, where the brackets
# tell them from keys of the document.
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


def _number_choice(value: Any) -> str:
    unknown = isinstance(value, dict | UnknownNumber)
    return "<unknown>" if unknown else "<number>"


Plain = Annotated[float, Tag("<number>")]
AnUnknown = Annotated[UnknownNumber, Tag("<unknown>")]
NumberPart = Annotated[Plain | AnUnknown, Discriminator(_number_choice)]
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
class BarPart(Part):
    """The rod."""

    length: float = Field(description="m", json_schema_extra={"exclusiveMinimum": 0})
    cells: int = Field(
        description="number of equal cells; nodes are cells + 1", json_schema_extra={"minimum": 2}
    )
    initial: ProfilePart = Field(default=0.0, description="temperature at t = 0, K")


class TimePart(Part):
    """The run, from t = 0."""

    end: float = Field(description="s", json_schema_extra={"exclusiveMinimum": 0})
    steps: int = Field(description="number of equal steps", json_schema_extra={"minimum": 1})
    method: str = Field(default="backward-euler", json_schema_extra={"enum": list(solver.TABLEAUX)})


class MaterialPart(Part):
    """``u_t = diffusivity(x) u_xx + f`` (the form "nondivergence")."""

    diffusivity: LawPart = Field(description="m2/s: a number, an unknown, or a law")
    form: str = Field(default="nondivergence", description='only "nondivergence" as yet')


class SourcePart(Part):
    """A heat source: profile(x) times history(t), K/s."""

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


class FitPart(Part):
    """How to search."""

    loss: str = Field(default="squared", description='only "squared" as yet')
    method: str = Field(default="auto", json_schema_extra={"enum": list(METHODS)})
    max_iterations: int = Field(default=200, le=10_000)


class Document(Part):
    """One experiment on one bar. SI units throughout."""

    bar: BarPart
    time: TimePart
    material: MaterialPart
    source: list[SourcePart] = Field(
        default=[], max_length=1000, description="their sum heats the bar"
    )
    left: BoundaryPart = Field(
        default_factory=lambda: BOUNDARY_PARTS["flux"](), description="insulated when left out"
    )
    right: BoundaryPart = Field(
        default_factory=lambda: BOUNDARY_PARTS["flux"](), description="insulated when left out"
    )
    sensors: list[SensorPart] = Field(default=[], max_length=10_000)
    fit: FitPart = Field(default_factory=lambda: FitPart())


TAGGED: dict[str, type[BaseModel]] = {
    "<unknown>": UnknownNumber,
    "<series table>": SeriesTable,
    "<profile table>": ProfileTable,
    "<expression>": SeriesFormula,  # its one key is that of a ProfileFormula
    **{f"<{name}>": part for name, part in (LAW_PARTS | BOUNDARY_PARTS).items()},
}
