"""The answers' schema: the JSON of the service and of the command line.

NaN never leaves: a figure that does not exist is null. Beside a missing interval stands its reason.
"""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, BeforeValidator, Field


def _finite(value: Any) -> float | None:
    return float(value) if value is not None and np.isfinite(value) else None


Figure = Annotated[float | None, BeforeValidator(_finite)]


class Estimate(BaseModel):
    """One unknown: its value, standard error and 95 % interval, or why there is none."""

    value: float
    standard_error: Figure
    interval: tuple[float, float] | None
    reason: str | None = None


class StartPoint(BaseModel):
    """J and its gradient at the start values."""

    objective: float
    gradient: dict[str, float]


class Step(BaseModel):
    """One accepted iteration; the gradient norm is that of the internally scaled search."""

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

    parameters: dict[str, float]
    taylor_rate: Figure
    adjoint_tangent_gap: Figure
    gradient_error: Figure
    passed: bool


class Certificate(BaseModel):
    """The proof of the gradient, away from the optimum; the figures are the worst of the points.

    taylor_rate near 2 and the other two near round-off prove it. newton_residual is null: a march
    whose matter does not change with temperature has no Newton iteration.
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
    dx: float
    dt: float
    method: str


class Provenance(BaseModel):
    """What made this answer."""

    versions: dict[str, str]
    grid: Grid
    document_sha256: str
    seconds: float


class Answer(BaseModel):
    """The answer to a calibration."""

    status: str
    advice: str
    estimates: dict[str, Estimate]
    objective: float
    gradient: dict[str, float]
    start: StartPoint
    iterations: int
    method: str
    history: list[Step]
    fourier_number: float = Field(description="mean diffusivity x duration / length squared")
    warnings: list[str]
    names: list[str]
    covariance: list[list[Figure]]
    correlation: list[list[Figure]]
    sigma: Figure = Field(description="estimated from the residuals, K; null when it was given")
    degrees_of_freedom: int
    identifiability: Identifiability
    residuals: dict[str, SensorDiagnostics]
    certificate: Certificate
    fit: dict[str, SensorReadings]
    provenance: Provenance


class GradientAnswer(BaseModel):
    """J and dJ/d(unknown) at one point."""

    objective: float
    gradient: dict[str, float]
    at: dict[str, float]
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
    at: dict[str, float]
    provenance: Provenance


class ErrorCurveAnswer(BaseModel):
    """Relative error of finite differences against the adjoint, over relative step sizes."""

    steps: list[float]
    forward: list[Figure]
    central: list[Figure]
    complex_step: Figure


class CheckAnswer(BaseModel):
    """The proof of the gradient at one point."""

    objective: float
    gradient: dict[str, float]
    at: dict[str, float]
    certificate: Certificate
    error_curve: ErrorCurveAnswer
    provenance: Provenance
