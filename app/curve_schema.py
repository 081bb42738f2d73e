"""The schema of numbers, curves, laws and ends: what an experiment document is made of.

It follows the solver's registries: every law of `LAWS` and every end condition of `BOUNDARIES` is
a choice here with the fields of its dataclass, so a new one needs no line in this file.

Units and columns stand here for the document's readers; they are written out, in SI, before this
schema is asked (`app.columns`, `app.quantities`).
"""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_type_hints

import numpy as np
from pydantic import BaseModel, ConfigDict, Discriminator, FailFast, Field, Tag, create_model

import solver
from solver.curves import INTERPOLATIONS, Constant, Number, Numbers, Series
from solver.kernels import Array


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


Unit = Annotated[str | None, Field(description="of the plain numbers among the values; else SI")]
UnitOfPlaces = Annotated[str | None, Field(description="of the places; else m")]
UnitOfTemperatures = Annotated[
    str | None, Field(description="of the points where they are temperatures; else K")
]
UnitOfTimes = Annotated[str | None, Field(description="of the times; else s")]


class SeriesTable(Part):
    """Through points in time."""

    times: Floats = Field(description="s, increasing, covering the run")
    values: NumbersPart
    interpolation: Interpolation = "linear"
    unit: Unit = None
    time_unit: UnitOfTimes = None


class ProfileTable(Part):
    """Through points in space."""

    x: Floats = Field(description="m, increasing, covering the bar")
    values: NumbersPart
    interpolation: Interpolation = "linear"
    unit: Unit = None
    x_unit: UnitOfPlaces = None


class SeriesColumn(Part):
    """A column of the log in `data`."""

    column: str
    unit: Annotated[str | None, Field(description="of a column without one")] = None


def _choice(value: Any, table: str) -> str:
    """Which kind of Number, Series or Profile a JSON value is; `table` for what is none else."""
    if isinstance(value, UnknownNumber) or (isinstance(value, dict) and "unknown" in value):
        return "<unknown>"
    formula = isinstance(value, ProfileFormula | SeriesFormula)
    if formula or (isinstance(value, dict) and "expression" in value):
        return "<expression>"
    return table if isinstance(value, dict | SeriesTable | ProfileTable) else "<number>"


def _series_choice(value: Any) -> str:
    column = isinstance(value, dict) and any(str(key).startswith("col") for key in value)
    return "<column>" if column else _choice(value, "<series table>")


def _profile_choice(value: Any) -> str:
    return _choice(value, "<profile table>")


SeriesPart = Annotated[
    Plain
    | AnUnknown
    | Annotated[SeriesFormula, Tag("<expression>")]
    | Annotated[SeriesTable, Tag("<series table>")]
    | Annotated[SeriesColumn, Tag("<column>")],
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
        if f.name in more:
            continue
        kind = Interpolation if f.name == "interpolation" else KINDS[hints[f.name]]
        definitions[f.name] = (kind, ... if f.default is MISSING else f.default)
    summary = (cls.__doc__ or "").strip()
    return create_model(cls.__name__, __base__=Part, __doc__=summary, **definitions)


def _law_part(cls: type[Any], name: str) -> type[Part]:
    places = {f.name for f in fields(cls)} & {"points", "edges"}
    units: dict[str, Any] = {}
    if places:
        units = {"unit": (Unit, None), "x_unit": (UnitOfPlaces, None)}
        if "of" in cls.__dataclass_fields__:
            units["u_unit"] = (UnitOfTemperatures, None)
    of = Literal["x", "u"] if "of" in cls.__dataclass_fields__ or cls is Constant else Literal["x"]
    return _part_of(cls, "law", name, of=(of, "x"), **units)


Width = Annotated[int, Field(ge=1, description="units of a layer")]


class NetworkPart(Part):
    """A tanh multilayer perceptron, made positive by softplus; its weights are unknown."""

    law: Literal["network"] = "network"
    of: Literal["x", "u"] = "x"
    unknown: Name | None = Field(default=None, description="the name of its weights, else known")
    widths: list[Width] = Field(max_length=20, description="of the hidden layers")
    seed: int = Field(default=0, ge=0, le=2**32, description="of the weights to start from")
    weights: Floats | None = Field(default=None, description="to start from, instead of seeded")
    start: float | None = Field(default=None, description="the law's size where the search starts")
    range: Floats | None = Field(
        default=None,
        min_length=2,
        max_length=2,
        description="of x or u that it is made for; that of the experiment",
    )
    x_unit: UnitOfPlaces = None
    u_unit: UnitOfTemperatures = None


OWN_PARTS: dict[str, type[Part]] = {"network": NetworkPart}  # unlike the fields of their dataclass
LAW_PARTS = {name: OWN_PARTS.get(name) or _law_part(cls, name) for name, cls in solver.LAWS.items()}
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


TAGGED: dict[str, type[BaseModel]] = {
    "<unknown>": UnknownNumber,
    "<unknown curve>": UnknownCurve,
    "<series table>": SeriesTable,
    "<profile table>": ProfileTable,
    "<column>": SeriesColumn,
    "<expression>": SeriesFormula,  # its one key is that of a ProfileFormula
    **{f"<{name}>": part for name, part in (LAW_PARTS | BOUNDARY_PARTS).items()},
}
