"""What the random studies can be: everything that is registered, unknown in every place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any, get_type_hints

from hypothesis import given
from hypothesis.strategies import SearchStrategy

from solver import BOUNDARIES, LAWS, LOSSES, TABLEAUX, Experiment, Unknown
from solver.curves import Number, Numbers, as_curve
from solver.errors import Place
from solver.experiment import Study
from tests.experiments import examples, studies
from tests.random_curves import WIDTHS

PROPERTIES = ("diffusivity", "conductivity", "heat_capacity")
CURVES = ("bar/initial", "material/exchange/ambient", "source/profile", "source/history")


def spelt(place: Place, unknown: Unknown) -> str:
    """Where an unknown stands, whichever experiment or source it is; a list's are told apart."""
    words = "/".join(str(step) for step in place if isinstance(step, str) and step != "experiments")
    return words + ("[]" if unknown.listed else "[i]" if isinstance(place[-1], int) else "")


def what_it_is(study: Study) -> Iterator[str]:
    yield study.fit.loss
    how_many = "joint" if len(study.experiments) > 1 else "single"
    yield how_many
    yield "prior" if study.fit.prior else "no prior"
    yield from (spelt(place, unknown) for place, unknown in study.unknowns)
    for e in study.experiments:
        yield from of_one_bar(e)
        yield from (f"{how_many}, {law}" for law in laws_of(e))


def of_one_bar(e: Experiment) -> Iterator[str]:
    yield str(e.time.method)
    yield "graded" if e.bar.grading else "even"
    yield str(e.material.form)
    yield from (f"{side} {type(end).__name__}" for side, end in e.ends.items())
    yield from laws_of(e)


def laws_of(e: Experiment) -> Iterator[str]:
    for name in PROPERTIES:
        law = getattr(e.material, name)
        if law is not None:
            yield f"{name} {type(as_curve(law)).__name__} of {getattr(law, 'of', 'x')}"


def whatever_is_registered() -> Iterator[str]:
    yield from (*LOSSES, *TABLEAUX, "None", "nondivergence", "divergence")
    yield from ("joint", "single", "prior", "no prior", "graded", "even")
    yield "material/exchange/rate"
    for place in CURVES:
        yield from series(place)
    for name in PROPERTIES:
        yield f"material/{name}"
        for law in LAWS.values():
            for variable in variables(law):
                known = f"{name} {law.__name__} of {variable}"
                yield from (known, f"joint, {known}", f"single, {known}")
            yield from numbers_of(law, f"material/{name}")
    for side in ("left", "right"):
        for end in BOUNDARIES.values():
            yield f"{side} {end.__name__}"
            yield from series(f"{side}/{end.drive}")
            yield from numbers_of(end, side)


def variables(law: Any) -> str:
    return "xu" if hasattr(law, "of") else "x"


def series(place: str) -> Iterator[str]:
    yield from (place, f"{place}/values[]", f"{place}/values[i]")


def numbers_of(part: Any, place: str) -> Iterator[str]:
    """Where unknowns may stand in a law or an end."""
    hints = get_type_hints(part)
    for f in fields(part):
        if hints[f.name] == Number:
            yield f"{place}/{f.name}"
        if hints[f.name] == Numbers:
            yield f"{place}/{f.name}[]"
            if WIDTHS not in hints.values():  # a network's weights are known or unknown together
                yield f"{place}/{f.name}[i]"


def seen(draw: SearchStrategy[Study]) -> set[str]:
    found: set[str] = set()

    @examples(1200)  # the rarest come once in 130; other modules that are loaded change the draws
    @given(draw)
    def look(study: Study) -> None:
        found.update(what_it_is(study))

    look()
    return found


def test_random_studies_leave_nothing_out() -> None:
    assert set(whatever_is_registered()) - seen(studies()) == set()


def test_what_is_left_out_is_missed() -> None:
    missed = set(whatever_is_registered()) - seen(studies(of="x"))
    assert missed == {what for what in whatever_is_registered() if what.endswith(" of u")}
