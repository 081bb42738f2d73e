"""The answers' schema: the JSON of the service and of the command line.

NaN never leaves: a figure that does not exist is null. Beside a missing interval stands its reason.
"""

from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field


def _finite(value: Any) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None


def _all_finite(values: Any) -> Any:
    if type(values) is not list or (None not in values and all(map(math.isfinite, values))):
        return values
    return [_finite(value) for value in values]


Figure = Annotated[float | None, BeforeValidator(_finite)]
Figures = Annotated[list[float | None], BeforeValidator(_all_finite)]
Named = dict[str, float | list[float]]  # numbers, and lists for curves
Interval = tuple[float, float]
Variable = Annotated[str | None, Field(description="what the points are: x in m, t in s, u in K")]
Met = Annotated[Interval | None, Field(description="temperatures that the bar met, of a law of u")]


class Estimate(BaseModel):
    """One unknown: its value, standard error and 95 % interval, or why there is none.

    These allow for the correlation of the residuals; the formal ones take them for independent.
    """

    value: float
    standard_error: Figure
    interval: Interval | None
    formal_standard_error: Figure = None
    formal_interval: Interval | None = None
    observed_standard_error: Figure = Field(
        default=None, description="from the exact curvature of J; null where that tells none"
    )
    inflation: Figure = Field(default=None, description="of the standard error by correlation")
    discretisation_error: Figure = Field(
        default=None, description="by how much the grid's error moves the estimate"
    )
    reason: str | None = None


class Curve(BaseModel):
    """An unknown curve: its values and their 95 % bands at its points.

    What the temperatures beyond `met` are answered is what holding it smooth makes of the others.
    """

    of: Variable = None
    met: Met = None
    points: list[float]
    values: list[float]
    lower: Figures
    upper: Figures


class SmoothingAnswer(BaseModel):
    """How the curve was held smooth, and how the weight was chosen."""

    weight: float
    order: int
    chosen_by: str = Field(description="discrepancy, generalised cross-validation, or given")
    effective_parameters: Figure = None
    remark: str | None = None


class Spread(BaseModel):
    """The lowest and highest of the curves that fit as well as the best, over all starts."""

    starts: int = Field(description="that ended as well")
    lower: Figures
    upper: Figures


class NetworkLaw(BaseModel):
    """A fitted network as a document takes it, in the place of the unknown one."""

    law: str = "network"
    of: str
    widths: list[int]
    weights: list[float]
    range: Interval
    start: float = Field(description="its size")


class CurveEstimate(BaseModel):
    """A whole curve that was unknown."""

    curve: Curve
    formal_lower: Figures
    formal_upper: Figures
    inflation: Figures
    discretisation_error: Figures
    smoothing: SmoothingAnswer | None = Field(description="null where it is free to jump")
    spread: Spread | None = Field(default=None, description="of a network")
    law: NetworkLaw | None = Field(default=None, description="of a network")
    weights: list[float] | None = Field(default=None, description="of a network, those of its law")
    reason: str | None = None


class StartPoint(BaseModel):
    """J and its gradient at the start values."""

    objective: float
    gradient: Named


class Step(BaseModel):
    """One accepted iteration; the gradient norm is that of the internally scaled search.

    Of the parameters the numbers; curves are left out.
    """

    iteration: int
    objective: float
    gradient_norm: float
    parameters: dict[str, float]


class Identifiability(BaseModel):
    """Whether the data determine the unknowns: determined, weak or not-identifiable."""

    verdict: str
    condition_number: Figure = Field(description="null when a direction moves no reading")
    relative_standard_error: Figure = Field(description="of the weakest direction")
    weakest_direction: dict[str, float] = Field(description="unit vector in relative changes")
    advice: str


class SensorDiagnostics(BaseModel):
    """One sensor's residuals: rms in K, lag-one autocorrelation, effective sample size."""

    readings: int
    rms: Figure
    autocorrelation: Figure
    effective_sample_size: Figure


class CertificatePoint(BaseModel):
    """The checks at one point."""

    parameters: Named
    taylor_rate: Figure
    adjoint_tangent_gap: Figure
    gradient_error: Figure
    passed: bool


class Certificate(BaseModel):
    """The proof of the gradient, away from the optimum; the figures are the worst of the points.

    taylor_rate near 2 and the other two near round-off prove it. newton_residual: the relative
    change that Newton's iterations left undone; null where no matter changes with temperature.
    """

    passed: bool
    taylor_rate: Figure
    adjoint_tangent_gap: Figure
    gradient_error: Figure
    newton_residual: Figure = None
    note: str | None = None
    points: list[CertificatePoint]


class SensorReadings(BaseModel):
    """Computed temperatures of one sensor."""

    times: list[float]
    temperatures: list[float]


class Grid(BaseModel):
    """What it was solved on."""

    cells: int
    steps: int
    dx: float = Field(description="of the narrowest cell")
    dt: float
    method: str
    bytes: int = Field(description="that one gradient takes, as planned before it")
    marched_again: float = Field(description="steps marched again for it, as a share of the steps")


class FittedCurve(BaseModel):
    """A law, profile or series with unknowns in it, as fitted, with its 95 % band."""

    pointer: str = Field(description="where it stands in the document")
    of: Variable = None
    points: list[float]
    values: list[float]
    lower: Figures
    upper: Figures


class Discretisation(BaseModel):
    """The error that the grid leaves in the readings, beside the noise; null where not known."""

    cells: Figure = Field(description="rms over the readings, K, by the cells")
    steps: Figure = Field(description="by the steps")
    relative_to_noise: Figure
    chosen: bool = Field(description="whether the service chose cells or steps")


class Discrepancy(BaseModel):
    """What the model misses: whether that, and not noise, makes the errors."""

    dominates: bool
    inflation: float = Field(description="largest, of a standard error by correlation")
    faulty_sensor: str | None = Field(description="one that the others contradict")


class Provenance(BaseModel):
    """What made this answer."""

    versions: dict[str, str]
    grid: Grid | list[Grid] = Field(description="of a joint fit, one for each experiment")
    document_sha256: str
    seconds: float


class Answer(BaseModel):
    """The answer to a calibration."""

    status: str
    advice: str
    estimates: dict[str, Estimate | CurveEstimate]
    objective: float
    terms: dict[str, float] = Field(description="what J is made of: data, prior, smoothing")
    gradient: Named
    start: StartPoint
    iterations: int
    method: str
    history: list[Step]
    discretisation: Discretisation
    discrepancy: Discrepancy
    fourier_number: float = Field(description="mean diffusivity x duration / length squared")
    warnings: list[str]
    names: list[str] = Field(description="of the covariance's rows: the unknown numbers")
    covariance: list[Figures]
    correlation: list[Figures]
    sigma: Figure = Field(description="estimated from the residuals, K; null when it was given")
    degrees_of_freedom: float
    identifiability: Identifiability
    residuals: dict[str, SensorDiagnostics]
    certificate: Certificate
    fit: dict[str, SensorReadings]
    curves: list[FittedCurve] = Field(description="fitted laws, profiles and series")
    provenance: Provenance


class GradientAnswer(BaseModel):
    """J and dJ/d(unknown) at one point, and the second derivatives where they were asked for."""

    objective: float
    gradient: Named
    names: list[str] | None = Field(
        default=None, description="of the Hessian's rows: every unknown number, q[0] of a curve q"
    )
    hessian: list[list[float]] | None = Field(
        default=None, description="d2J/d(unknown)d(unknown), exact to round-off"
    )
    gauss_newton: list[list[float]] | None = Field(
        default=None, description="2 R^T R: the Hessian without the residuals' own curvature"
    )
    at: Named
    provenance: Provenance


class FieldAnswer(BaseModel):
    """Temperatures of the whole bar: a row for each time, a column for each place."""

    x: list[float]
    times: list[float]
    temperatures: list[list[float]]


class SimulationAnswer(BaseModel):
    """Computed readings of every sensor, or the field."""

    sensors: dict[str, SensorReadings]
    field: FieldAnswer | None = None
    at: Named
    provenance: Provenance


class ErrorCurveAnswer(BaseModel):
    """Relative error of finite differences against the adjoint, over relative step sizes."""

    steps: list[float]
    forward: Figures
    central: Figures
    complex_step: Figure


class CheckAnswer(BaseModel):
    """The proof of the gradient at one point."""

    objective: float
    gradient: Named
    at: Named
    certificate: Certificate
    error_curve: ErrorCurveAnswer
    provenance: Provenance


class StarterAnswer(BaseModel):
    """A document guessed from a sensor log, and what was guessed: edit it, then calibrate."""

    document: dict[str, Any]
    notes: list[str]
