"""What the endpoints and the commands have in common: a document in, an answer out."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable
from typing import Any

import solver
from app import answers, reporting
from app.aside import Read, read_here
from app.columns import Reader
from app.document import read_document
from app.limits import Limits
from app.logs import read_log, starter
from solver import InvalidExperiment, Joint, Parameters, Problem, Study
from solver.model import no_pulse
from solver.scaling import Report
from solver.simulate import simulation, slope, theta_at

Pulse = Callable[[], None]
At = dict[str, float | list[float]]


class Task:
    """One document to be worked on, timed from when it was read."""

    def __init__(
        self,
        data: bytes,
        limits: Limits | None = None,
        pulse: Pulse = no_pulse,
        read_file: Reader | None = None,
        log: bytes | None = None,
        read: Read = read_here,
    ) -> None:
        self._started = time.perf_counter()
        self._digest = hashlib.sha256(data).hexdigest()
        self.study: Study = read(pulse, read_document, data, limits, read_file, log)
        self.pulse = pulse

    def calibrate(self, report: Report = lambda iteration: None) -> answers.Answer:
        """Estimates, uncertainties, diagnostics and the proof."""
        return self.report(self.find(report))

    def find(self, report: Report = lambda iteration: None) -> solver.Calibration:
        """What `calibrate` reports."""
        return solver.calibrate(self.study, pulse=self.pulse, report=report)

    def report(self, found: solver.Calibration) -> answers.Answer:
        """A calibration as it is sent."""
        return reporting.answer_of(found, self._provenance(found.study))

    def gradient(self, at: At, *, hessian: bool = False) -> answers.GradientAnswer:
        """J and its gradient, with `hessian` its second derivatives too."""
        found = slope(self.study, at, hessian=hessian, pulse=self.pulse)
        H, gauss_newton = found.hessian, found.gauss_newton
        return answers.GradientAnswer(
            objective=found.objective,
            gradient=found.gradient,
            names=list(found.labels) if hessian else None,
            hessian=None if H is None else H.tolist(),
            gauss_newton=None if gauss_newton is None else gauss_newton.tolist(),
            at=self._point(at),
            provenance=self._provenance(found.study),
        )

    def simulate(self, at: At) -> answers.SimulationAnswer:
        """The readings of every sensor."""
        found = simulation(self.study, at, pulse=self.pulse)
        return answers.SimulationAnswer(
            sensors=reporting.simulated(found),
            at=self._point(at),
            provenance=self._provenance(found.study),
        )

    def simulate_field(self, at: At, max_values: int) -> answers.SimulationAnswer:
        """The temperatures of the whole bar, if they are no more than `max_values`."""
        if isinstance(self.study, Joint):
            detail = "a field is that of one experiment: ask for it alone"
            raise InvalidExperiment(Problem(("experiments",), "not_available", detail))
        bar, run = self.study.bar, self.study.time
        count = ((bar.cells or 1) + 1) * ((run.steps or 1) + 1)
        if count > max_values:
            detail = f"a field of {count} temperatures is beyond the limit of {max_values}"
            raise InvalidExperiment(Problem(("bar", "cells"), "answer_too_large", detail))
        field = solver.simulate_field(self.study, at, pulse=self.pulse)
        rows = [row.tolist() for row in field.temperatures]  # all at once would let nobody in
        return answers.SimulationAnswer(
            sensors={},
            field=answers.FieldAnswer(
                x=field.x.tolist(), times=field.t.tolist(), temperatures=rows
            ),
            at=self._point(at),
            provenance=self._provenance(field.experiment),
        )

    def check(self, at: At) -> answers.CheckAnswer:
        """The proof of the gradient."""
        found = solver.check(self.study, at, pulse=self.pulse)
        return reporting.check_answer(found, self._provenance(found.study))

    def _point(self, at: At) -> At:
        """The value of every unknown; a number given for a curve is all of its values."""
        parameters = Parameters.of(self.study)
        return parameters.named(theta_at(parameters, at))

    def _provenance(self, study: Study) -> answers.Provenance:
        """Of the study on the grid that was used."""
        seconds = time.perf_counter() - self._started
        return reporting.provenance_of(study, self._digest, seconds)


def start_from(
    log: bytes, *, time: str | None, units: dict[str, str], start: str | None, end: str | None
) -> answers.StarterAnswer:
    """A document to start from, with the log in it."""
    read = read_log(log, time=time, units=units, start=mark_of(start), end=mark_of(end))
    document, notes = starter(read)
    data = {key: value for key, value in document["data"].items() if key != "file"}
    data = {"csv": log.decode("utf-8-sig")} | data
    return answers.StarterAnswer(document=document | {"data": data}, notes=list(notes))


def mark_of(text: str | None) -> float | str | None:
    """A time of a log: a number where it is one, else a stamp."""
    try:
        return None if text is None else float(text)
    except ValueError:
        return text


def read_units(text: str | None) -> dict[str, str]:
    """Units of columns from JSON text ``{COLUMN: UNIT}``. Raises InvalidExperiment."""
    if text is None or not text.strip():
        return {}
    return units_of(_json(text, "units"))


def units_of(parsed: Any) -> dict[str, str]:
    """The same from parsed JSON."""
    if not isinstance(parsed, dict) or not all(isinstance(u, str) for u in parsed.values()):
        raise InvalidExperiment(Problem(("units",), "type_error", "write {COLUMN: UNIT}"))
    return parsed


def read_at(text: str | None) -> At:
    """Parameter values from JSON text ``{NAME: value}``, lists for curves.

    Raises InvalidExperiment.
    """
    if text is None or not text.strip():
        return {}
    values = _json(text, "at")
    if not isinstance(values, dict):
        raise InvalidExperiment(Problem(("at",), "type_error", "write {NAME: value}"))
    return {
        name: [_finite(name, v) for v in value] if isinstance(value, list) else _finite(name, value)
        for name, value in values.items()
    }


def _json(text: str, argument: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        problem = Problem((argument,), "invalid_json", "not a JSON object")
        raise InvalidExperiment(problem) from None


def _finite(name: str, value: Any) -> float:
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            number = float(value)
            if math.isfinite(number):
                return number
    except OverflowError:
        pass
    raise InvalidExperiment(Problem(("at", name), "type_error", "a value is a finite number"))
