"""Answers as tables for people."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from app.answers import (
    Answer,
    Certificate,
    CheckAnswer,
    Curve,
    CurveEstimate,
    Estimate,
    GradientAnswer,
    SensorReadings,
    SimulationAnswer,
)
from app.remote.results import Item, Items

MOST_ROWS = 40
CURVE_ROWS = 12
MOST_COLUMNS = 6  # of a matrix
UNITS = {"x": " x / m", "t": " t / s", "u": " T / K"}  # of what a curve is of


def calibration(console: Console, answer: Answer) -> None:
    """Estimates, verdict, residuals, proof."""
    numbers = {n: e for n, e in answer.estimates.items() if isinstance(e, Estimate)}
    curves = {n: e for n, e in answer.estimates.items() if isinstance(e, CurveEstimate)}
    if numbers:
        console.print(_numbers(numbers))
    for name, curve in curves.items():
        console.print(_curve(name, curve))
    console.print(
        f"{answer.status} after {answer.iterations} iterations ({answer.method}), "
        f"J = {answer.objective:.6g} with {answer.degrees_of_freedom:.4g} degrees of freedom; "
        f"{_grids(answer)}, {1e3 * answer.provenance.seconds:.0f} ms"
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
        at = answer.at[name]
        if isinstance(slope, list) or isinstance(at, list):
            table.add_row(name, "a curve", "--json prints it")
        else:
            table.add_row(name, f"{at:.8g}", f"{slope:.12g}")
    console.print(table)
    for title, rows in (("Hessian", answer.hessian), ("Gauss-Newton", answer.gauss_newton)):
        if rows is not None and answer.names is not None:
            console.print(_matrix(title, answer.names, rows))
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


def ensemble(console: Console, answer: Items) -> None:
    """Every item's estimates in a line, or what is wrong with it."""
    table = _table("item", "status", "J", "found")
    table.columns[-1].justify = "left"
    for item in answer.items:
        table.add_row(str(item.index), *_item(item))
    console.print(table)


def _item(item: Item) -> tuple[str, str, str]:
    if item.problem is not None:
        wrong = [f"{e.pointer} {e.detail}" for e in item.problem.errors] or [item.problem.detail]
        return "problem", "-", "; ".join(wrong)
    objective = getattr(item.answer, "objective", None)
    if not isinstance(item.answer, Answer):
        return "answered", _figure(objective, 6), "--json prints it"
    found = [
        f"{name} = {e.value:.6g} ± {_figure(e.standard_error, 2)}"
        if isinstance(e, Estimate)
        else f"{name}: a curve"
        for name, e in item.answer.estimates.items()
    ]
    return item.answer.status, _figure(objective, 6), ", ".join(found)


def _table(*headings: str) -> Table:
    table = Table(*headings, box=None, pad_edge=False, header_style="bold")
    for column in table.columns[1:]:
        column.justify = "right"
    return table


def _numbers(estimates: dict[str, Estimate]) -> Table:
    table = _table("unknown", "estimate", "± error", "95 % interval", "formal error", "grid error")
    for name, e in estimates.items():
        interval = f"[{e.interval[0]:.6g}, {e.interval[1]:.6g}]" if e.interval else "-"
        if e.reason:
            interval = f"none: {e.reason}"
        errors = (e.formal_standard_error, e.discretisation_error)
        table.add_row(
            name,
            f"{e.value:.8g}",
            _figure(e.standard_error, 3),
            interval,
            *(_figure(error, 3) for error in errors),
        )
    return table


def _curve(name: str, e: CurveEstimate) -> Table:
    """The curve at no more than `CURVE_ROWS` of its points; of temperatures those that were met."""
    points, unit = e.curve.points, UNITS.get(e.curve.of or "", "")
    title = f"of {e.spread.starts} starts" if e.spread else ""
    table = _table(f"{name} at{unit}", "estimate", "95 % band", *([title] if title else []))
    rows = _rows(e.curve)
    for i in rows[:: max(1, -(-len(rows) // CURVE_ROWS))]:
        cells = [f"{points[i]:.6g}", f"{e.curve.values[i]:.6g}"]
        cells.append(_range(e.curve.lower[i], e.curve.upper[i]))
        if e.spread:
            cells.append(_range(e.spread.lower[i], e.spread.upper[i]))
        table.add_row(*cells)
    if e.smoothing:
        s = e.smoothing
        parameters = _figure(s.effective_parameters, 3)
        table.caption = (
            f"held smooth with weight {s.weight:.3g} by differences of order {s.order} "
            f"({s.chosen_by}; {parameters} effective parameters)"
        )
    return table


def _rows(curve: Curve) -> list[int]:
    """Its points within what was met, and the next ones on either side."""
    if curve.met is None:
        return list(range(len(curve.points)))
    low, high = curve.met
    below = sum(point <= low for point in curve.points) - 1
    above = sum(point < high for point in curve.points)
    return list(range(max(below, 0), min(above, len(curve.points) - 1) + 1))


def _range(low: float | None, high: float | None) -> str:
    return f"[{_figure(low, 4)}, {_figure(high, 4)}]"


def _matrix(title: str, names: list[str], rows: list[list[float]]) -> Table | str:
    """A matrix of second derivatives, where a terminal is wide enough for it."""
    if len(names) > MOST_COLUMNS:
        return f"{title}: {len(names)} x {len(names)}, --json prints it"
    table = _table(title, *names)
    for name, row in zip(names, rows, strict=True):
        table.add_row(name, *(f"{value:.6g}" for value in row))
    return table


def _grids(answer: Answer) -> str:
    grid = answer.provenance.grid
    grids = grid if isinstance(grid, list) else [grid]
    chosen = ", chosen" if answer.discretisation.chosen else ""
    shown = [f"{g.cells} cells x {g.steps} steps of {g.method}" for g in grids]
    return " and ".join(dict.fromkeys(shown)) + chosen


def _verdict(answer: Answer) -> str:
    i = answer.identifiability
    return f"{i.verdict}: {i.advice}"


def _proof(certificate: Certificate) -> str:
    verdict = "proved" if certificate.passed else "NOT PROVED"
    note = f" ({certificate.note})" if certificate.note else ""
    left = certificate.newton_residual
    newton = "" if left is None else f"; Newton leaves {_figure(left, 2)}"
    return (
        f"gradient {verdict}{note}: Taylor rate {_figure(certificate.taylor_rate, 5)}, "
        f"adjoint-tangent gap {_figure(certificate.adjoint_tangent_gap, 2)}, "
        f"error against tangents {_figure(certificate.gradient_error, 2)}{newton}"
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
