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
from app.document import read_document
from app.limits import Limits
from solver import Experiment, InvalidExperiment, Problem
from solver.objective import no_pulse
from solver.search import Report

Pulse = Callable[[], None]
At = dict[str, float]


class Task:
    """One document to be worked on, timed from when it was read."""

    def __init__(self, data: bytes, limits: Limits | None = None, pulse: Pulse = no_pulse) -> None:
        self._started = time.perf_counter()
        self._digest = hashlib.sha256(data).hexdigest()
        self.experiment: Experiment = read_document(data, limits)
        self.pulse = pulse

    def calibrate(self, report: Report = lambda iteration: None) -> answers.Answer:
        """Estimates, uncertainties, diagnostics and the proof."""
        found = solver.calibrate(self.experiment, pulse=self.pulse, report=report)
        return reporting.answer_of(found, self._provenance())

    def gradient(self, at: At) -> answers.GradientAnswer:
        """J and its gradient."""
        J, gradient = solver.value_and_gradient(self.experiment, at, pulse=self.pulse)
        return answers.GradientAnswer(
            objective=J, gradient=gradient, at=self._point(at), provenance=self._provenance()
        )

    def simulate(self, at: At) -> answers.SimulationAnswer:
        """The readings of every sensor."""
        readings = solver.simulate(self.experiment, at, pulse=self.pulse)
        return answers.SimulationAnswer(
            sensors=reporting.simulated(self.experiment, readings),
            at=self._point(at),
            provenance=self._provenance(),
        )

    def simulate_field(self, at: At, max_values: int) -> answers.SimulationAnswer:
        """The temperatures of the whole bar, if they are no more than `max_values`."""
        bar, run = self.experiment.bar, self.experiment.time
        count = (bar.cells + 1) * (run.steps + 1)
        if count > max_values:
            detail = f"a field of {count} temperatures is beyond the limit of {max_values}"
            raise InvalidExperiment(Problem(("bar", "cells"), "answer_too_large", detail))
        field = solver.simulate_field(self.experiment, at, pulse=self.pulse)
        return answers.SimulationAnswer(
            sensors={},
            field=answers.FieldAnswer(
                x=field.x.tolist(), times=field.t.tolist(), temperatures=field.temperatures.tolist()
            ),
            at=self._point(at),
            provenance=self._provenance(),
        )

    def check(self, at: At) -> answers.CheckAnswer:
        """The proof of the gradient."""
        found = solver.check(self.experiment, at, pulse=self.pulse)
        return reporting.check_answer(found, self._provenance())

    def _point(self, at: At) -> At:
        return solver.starts(self.experiment) | at

    def _provenance(self) -> answers.Provenance:
        seconds = time.perf_counter() - self._started
        return reporting.provenance_of(self.experiment, self._digest, seconds)


def read_at(text: str | None) -> At:
    """Parameter values from JSON text ``{NAME: value}``. Raises InvalidExperiment."""
    if text is None or not text.strip():
        return {}
    try:
        values: Any = json.loads(text)
    except (ValueError, RecursionError):
        raise InvalidExperiment(Problem(("at",), "invalid_json", "not a JSON object")) from None
    if not isinstance(values, dict):
        raise InvalidExperiment(Problem(("at",), "type_error", "write {NAME: value}"))
    return {name: _finite(name, value) for name, value in values.items()}


def _finite(name: str, value: Any) -> float:
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            number = float(value)
            if math.isfinite(number):
                return number
    except OverflowError:
        pass
    raise InvalidExperiment(Problem(("at", name), "type_error", "a value is a finite number"))
