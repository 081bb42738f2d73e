"""The schema of the experiment document, and of several for a joint fit."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag

import solver
from app.curve_schema import (
    BOUNDARY_PARTS,
    BoundaryPart,
    Floats,
    FloatsOrNulls,
    LawPart,
    NumberPart,
    Part,
    Plain,
    ProfilePart,
    SeriesPart,
    UnitOfTimes,
)
from solver.grid import TOWARDS
from solver.search import METHODS
from solver.validation import FORMS


def _sigma_choice(value: Any) -> str:
    return "<floats>" if isinstance(value, list) else "<none>" if value is None else "<number>"


def _mark_choice(value: Any) -> str:
    return "<text>" if isinstance(value, str) else "<none>" if value is None else "<number>"


Nothing = Annotated[None, Tag("<none>")]
SigmaPart = Annotated[
    Plain | Annotated[FloatsOrNulls, Tag("<floats>")] | Nothing, Discriminator(_sigma_choice)
]
MarkPart = Annotated[Plain | Annotated[str, Tag("<text>")] | Nothing, Discriminator(_mark_choice)]


# Ranges stand in the schema for its readers; the solver checks them, and says what to do.
class GradingPart(Part):
    """Cells refined towards an end."""

    towards: str = Field(json_schema_extra={"enum": list(TOWARDS)})
    ratio: float = Field(
        description="the widest cell over the narrowest", json_schema_extra={"exclusiveMinimum": 1}
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
    sigma: SigmaPart = Field(
        default=None,
        description="standard deviation of a reading, K; null: estimated from the residuals",
    )
    column: str | None = Field(
        default=None, description="of the log in data, instead of times and temperatures"
    )
    unit: str | None = Field(default=None, description="of temperatures and sigma; else K")
    time_unit: UnitOfTimes = None


class DataPart(Part):
    """A sensor log whose columns the document refers to."""

    csv: str | None = Field(default=None, description="the log's text")
    file: str | None = Field(default=None, description="its file; on the command line only")
    time: str | None = Field(default=None, description="the column of the time; found by its name")
    units: dict[str, str] = Field(default={}, description="column: unit; wins over the header")
    start: MarkPart = Field(default=None, description="t = 0 of the run, as in the log")
    end: MarkPart = Field(default=None, description="rows after it are not used")


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
    max_iterations: int | None = Field(
        default=None, le=10_000, description="200, of L-BFGS-B 2000, when left out"
    )
    prior: dict[str, PriorPart] = Field(default={}, max_length=10_000)
    smoothing: dict[str, SmoothingPart] = Field(default={}, max_length=1_000)
    starts: int = Field(default=1, description="from how many points to search")
    memory: int | None = Field(
        default=None,
        le=2**34,
        description="bytes of temperatures that a march may keep, 256 MiB when left out; "
        "less costs time, not digits",
    )


def _insulated() -> Any:
    return BOUNDARY_PARTS["flux"]()


class Document(Part):
    """One experiment on one bar, in SI; a number may be text with its unit, such as "10 mm"."""

    data: DataPart | None = Field(default=None, description="a log whose columns are used below")
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
