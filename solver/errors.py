"""What can go wrong, as values that say where and what to do.

SolverError
├── InvalidExperiment   the description makes no sense; one `Problem` per place
├── TrialError          the model has no answer at these parameter values (an optimiser steps back)
└── Cancelled           the caller's pulse asked the march to stop
"""

from __future__ import annotations

from dataclasses import dataclass

Place = tuple[str | int, ...]


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a description: where it stands, a stable code, and words."""

    place: Place
    code: str
    detail: str

    @property
    def pointer(self) -> str:
        """The place as a JSON pointer fragment (RFC 6901), e.g. ``#/sensors/0/times/3``."""
        steps = (str(step).replace("~", "~0").replace("/", "~1") for step in self.place)
        return "#" + "".join(f"/{step}" for step in steps)


class SolverError(Exception):
    """Everything that this package raises on purpose."""


class InvalidExperiment(SolverError):
    """The experiment cannot be meant as it stands."""

    def __init__(self, *problems: Problem) -> None:
        self.problems = problems
        super().__init__(*problems)

    def __str__(self) -> str:
        return "; ".join(f"{p.pointer}: {p.detail}" for p in self.problems)


class TrialError(SolverError):
    """The model has no finite answer at these parameter values."""

    def __init__(self, place: Place, code: str, detail: str) -> None:
        self.problem = Problem(place, code, detail)
        super().__init__(place, code, detail)

    def __str__(self) -> str:
        return self.problem.detail

    def within(self, place: Place) -> TrialError:
        """The same error of an experiment that stands at `place`."""
        p = self.problem
        return TrialError((*place, *p.place), p.code, p.detail) if place else self


class Cancelled(SolverError):
    """Raised by a caller's pulse to stop a march or a fit."""
