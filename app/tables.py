"""Answers as tables for people."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from app.answers import (
    Answer,
    Certificate,
    CheckAnswer,
    Estimate,
    GradientAnswer,
    SensorReadings,
    SimulationAnswer,
)

MOST_ROWS = 40


def calibration(console: Console, answer: Answer) -> None:
    """Estimates, verdict, residuals, proof."""
    table = _table("unknown", "estimate", "standard error", "95 % interval")
    for name, e in answer.estimates.items():
        table.add_row(name, *_estimate(e))
    console.print(table)
    grid = answer.provenance.grid
    console.print(
        f"{answer.status} after {answer.iterations} iterations ({answer.method}), "
        f"J = {answer.objective:.6g} with {answer.degrees_of_freedom} degrees of freedom; "
        f"{grid.cells} cells x {grid.steps} steps of {grid.method}, "
        f"{1e3 * answer.provenance.seconds:.0f} ms"
    )
    for line in (answer.advice, *answer.warnings, _verdict(answer)):
        if line:
            console.print(line)
    table = _table("sensor", "readings", "rms residual", "autocorrelation", "effective readings")
    for name, r in answer.residuals.items():
        figures = (r.rms, r.autocorrelation, r.effective_sample_size)
        table.add_row(name, str(r.readings), *(_figure(f, 3) for f in figures))
    console.print(table)
    console.print(_proof(answer.certificate))


def gradient(console: Console, answer: GradientAnswer) -> None:
    """The point, J and its gradient."""
    table = _table("unknown", "at", "dJ / d unknown")
    for name, slope in answer.gradient.items():
        table.add_row(name, f"{answer.at[name]:.8g}", f"{slope:.12g}")
    console.print(table)
    console.print(f"J = {answer.objective:.12g}")


def simulation(console: Console, answer: SimulationAnswer) -> None:
    """Readings sensor by sensor; of a field its extremes, since no terminal holds it."""
    for name, readings in answer.sensors.items():
        console.print(_readings(name, readings))
    if answer.field is not None:
        values = [value for row in answer.field.temperatures for value in row]
        console.print(
            f"{len(answer.field.times)} times x {len(answer.field.x)} places, "
            f"{min(values):.6g} to {max(values):.6g} K; --json prints them all"
        )


def check(console: Console, answer: CheckAnswer) -> None:
    """The proof, and the best that finite differences could do."""
    curve = answer.error_curve
    table = _table("relative step", "forward difference", "central difference")
    for h, forward, central in zip(curve.steps, curve.forward, curve.central, strict=True):
        table.add_row(f"{h:.1e}", _figure(forward, 2), _figure(central, 2))
    console.print(table)
    console.print(f"relative error of the complex step: {_figure(curve.complex_step, 2)}")
    console.print(_proof(answer.certificate))


def _table(*headings: str) -> Table:
    table = Table(*headings, box=None, pad_edge=False, header_style="bold")
    for column in table.columns[1:]:
        column.justify = "right"
    return table


def _estimate(e: Estimate) -> tuple[str, str, str]:
    interval = f"[{e.interval[0]:.6g}, {e.interval[1]:.6g}]" if e.interval else f"none: {e.reason}"
    return f"{e.value:.8g}", _figure(e.standard_error, 3), interval


def _verdict(answer: Answer) -> str:
    i = answer.identifiability
    return f"{i.verdict}: {i.advice}"


def _proof(certificate: Certificate) -> str:
    verdict = "proved" if certificate.passed else "NOT PROVED"
    note = f" ({certificate.note})" if certificate.note else ""
    return (
        f"gradient {verdict}{note}: Taylor rate {_figure(certificate.taylor_rate, 5)}, "
        f"adjoint-tangent gap {_figure(certificate.adjoint_tangent_gap, 2)}, "
        f"error against tangents {_figure(certificate.gradient_error, 2)}"
    )


def _readings(name: str, readings: SensorReadings) -> Table:
    table = _table(f"{name}: t / s", "T / K")
    rows = list(zip(readings.times, readings.temperatures, strict=True))
    for t, value in rows[:MOST_ROWS]:
        table.add_row(f"{t:.6g}", f"{value:.8g}")
    if len(rows) > MOST_ROWS:
        table.add_row(f"... {len(rows) - MOST_ROWS} more", "--json prints them all")
    return table


def _figure(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}g}"
