"""Numbers with units in a document: `"10 mm"` becomes 0.01, before the schema sees it.

A number may be written as text with its unit; a table or a sensor may name the units of its lists
(`unit` of the values, `time_unit`, `x_unit` or `u_unit` of the points), and there a number with a
unit of its own keeps that. What quantity stands where follows from the document; with a
diffusivity, fluxes, coefficients, rates and sources are divided by the heat capacity (K m/s, m/s,
1/s, K/s). Everything after this knows SI only.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from app.problems import MAX_ERRORS
from app.units import NoUnit, read_quantity, to_si
from solver import InvalidExperiment, Problem
from solver.errors import Place

DIFFERENCE = {"temperature": "temperature_difference"}
PLAIN = {int, float, type(None)}
MOST_TEXTS = 10_000  # numbers with a unit of their own; a foreign unit takes half a millisecond


def in_si(document: Any) -> Any:
    """The document, or each experiment of a joint one, in SI.

    Raises InvalidExperiment where a unit is unknown or does not fit.
    """
    if not isinstance(document, dict):
        return document
    parts, reader = document.get("experiments"), _Reader()
    if isinstance(parts, list):
        written = [reader.experiment(part, ("experiments", i)) for i, part in enumerate(parts)]
        document = document | {"experiments": written}
    else:
        document = reader.experiment(document, ())
    document = reader.priors(document)
    if reader.problems:
        raise InvalidExperiment(*reader.problems)
    return document


class _Reader:
    """Follows the document's shape; what has another shape is left to the schema to refuse."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.quantities: dict[str, str] = {}  # of the unknowns, by name
        self.texts = 0

    def experiment(self, d: Any, root: Place) -> Any:
        if not isinstance(d, dict):
            return d
        material = d.get("material")
        divided = isinstance(material, dict) and "diffusivity" in material
        by = "kinematic_" if divided else ""
        d = self._parts(d, root, {"bar": self._bar, "time": self._time})
        if isinstance(material, dict):
            d["material"] = self._material(material, (*root, "material"), by)
        for side in ("left", "right"):
            if isinstance(d.get(side), dict):
                d[side] = self._end(d[side], (*root, side), by)
        for key, read in (("source", self._source), ("sensors", self._sensor)):
            rows = d.get(key)
            if isinstance(rows, list):
                d[key] = [read(row, (*root, key, i), by) for i, row in enumerate(rows)]
        return d

    def priors(self, document: dict[str, Any]) -> dict[str, Any]:
        """The document with the priors of its unknowns in SI."""
        fit = document.get("fit")
        priors = fit.get("prior") if isinstance(fit, dict) else None
        if not isinstance(fit, dict) or not isinstance(priors, dict):
            return document
        written = {name: self._prior(name, prior) for name, prior in priors.items()}
        return document | {"fit": fit | {"prior": written}}

    def _prior(self, name: str, prior: Any) -> Any:
        if not isinstance(prior, dict) or name not in self.quantities:
            return prior
        quantity, place = self.quantities[name], ("fit", "prior", name)
        spread = DIFFERENCE.get(quantity, quantity)
        return self._keys(prior, place, {"mean": quantity, "sd": spread})

    def _bar(self, bar: Any, place: Place) -> Any:
        bar = self._keys(bar, place, {"length": "length"})
        return self._curve(bar, "initial", "temperature", place)

    def _time(self, time: Any, place: Place) -> Any:
        return self._keys(time, place, {"end": "time"})

    def _material(self, material: dict[str, Any], place: Place, by: str) -> dict[str, Any]:
        laws = ("diffusivity", "conductivity", "heat_capacity")
        material = {
            key: self._law(value, key, (*place, key)) if key in laws else value
            for key, value in material.items()
        }
        exchange = material.get("exchange")
        if isinstance(exchange, dict):
            here = (*place, "exchange")
            exchange = self._keys(exchange, here, {"rate": f"{by}rate"})
            material["exchange"] = self._curve(exchange, "ambient", "temperature", here)
        return material

    def _law(self, law: Any, quantity: str, place: Place) -> Any:
        if not isinstance(law, dict) or "law" not in law:
            return self._number(law, quantity, place)
        hot = law.get("of") == "u"
        of, unit = ("temperature", "u_unit") if hot else ("length", "x_unit")
        lists = [(key, unit, of) for key in ("points", "edges", "range")]
        law = self._lists(law, place, *lists, ("values", "unit", quantity))
        # a is the law's value at s = 0, start a network's size
        return self._keys(law, place, {"a": quantity, "start": quantity})

    def _end(self, end: dict[str, Any], place: Place, by: str) -> dict[str, Any]:
        value = "temperature" if end.get("kind") == "temperature" else f"{by}flux"
        end = self._keys(end, place, {"coefficient": f"{by}coefficient"})
        for key, quantity in (("ambient", "temperature"), ("value", value)):
            end = self._curve(end, key, quantity, place)
        return end

    def _source(self, source: Any, place: Place, by: str) -> Any:
        """The profile carries the unit; the history is a factor, over times that may have one."""
        source = self._curve(source, "profile", f"{by}source", place)
        history = source.get("history") if isinstance(source, dict) else None
        if not isinstance(history, dict):
            return source
        here = (*place, "history")
        return source | {"history": self._lists(history, here, ("times", "time_unit", "time"))}

    def _sensor(self, sensor: Any, place: Place, by: str) -> Any:
        if not isinstance(sensor, dict):
            return sensor
        lists = (
            ("times", "time_unit", "time"),
            ("temperatures", "unit", "temperature"),
            ("sigma", "unit", "temperature_difference"),
        )
        return self._lists(self._keys(sensor, place, {"x": "length"}), place, *lists)

    def _curve(self, part: Any, key: str, quantity: str, place: Place) -> Any:
        """`part` with the Number, profile or series under `key` in SI."""
        if not isinstance(part, dict) or key not in part:
            return part
        value, here = part[key], (*place, key)
        if isinstance(value, dict) and "values" in value:
            profile = key in ("initial", "profile")
            axis = ("x", "x_unit", "length") if profile else ("times", "time_unit", "time")
            value = self._lists(value, here, axis, ("values", "unit", quantity))
        else:
            value = self._number(value, quantity, here)
        return part | {key: value}

    def _parts(self, d: dict[str, Any], root: Place, readers: dict[str, Any]) -> dict[str, Any]:
        return d | {key: read(d[key], (*root, key)) for key, read in readers.items() if key in d}

    def _keys(self, part: Any, place: Place, quantities: dict[str, str], unit: str = "") -> Any:
        if not isinstance(part, dict):
            return part
        found = {key: quantity for key, quantity in quantities.items() if key in part}
        return part | {k: self._values(part[k], q, (*place, k), unit) for k, q in found.items()}

    def _lists(self, part: dict[str, Any], place: Place, *lists: tuple[str, str, str]) -> Any:
        """`part` with its lists in SI, and the units taken out that it names for them.

        lists: the key of each, that of its unit, and its quantity.
        """
        written = dict(part)
        for key, unit_key, quantity in lists:
            if key not in part:
                continue
            said, unit = part.get(unit_key), ""
            if isinstance(said, str):
                written.pop(unit_key, None)
                unit = said if self._fits(said, quantity, (*place, unit_key)) else ""
            written[key] = self._values(part[key], quantity, (*place, key), unit)
        return written

    def _fits(self, unit: str, quantity: str, place: Place) -> bool:
        try:
            to_si(0.0, unit, quantity)
        except ValueError as error:
            if place not in [problem.place for problem in self.problems]:
                self._problem(place, "bad_unit", error)
            return False
        return True

    def _values(self, value: Any, quantity: str, place: Place, unit: str = "") -> Any:
        """A number or a list of them in SI; plain ones are in `unit`, in SI where it is empty."""
        if not isinstance(value, list):
            return self._number(value, quantity, place, unit)
        if not set(map(type, value)) <= PLAIN:
            return self._one_by_one(value, quantity, place, unit)
        return _converted(value, unit, quantity) if unit else value

    def _one_by_one(self, values: list[Any], quantity: str, place: Place, unit: str) -> list[Any]:
        """The list in SI up to its first wrong item: a thousand of its kind would help nobody."""
        written, before = [], len(self.problems)
        for i, value in enumerate(values):
            written.append(self._number(value, quantity, (*place, i), unit))
            if len(self.problems) > before:
                break
        return written

    def _number(self, value: Any, quantity: str, place: Place, unit: str = "") -> Any:
        if isinstance(value, str):
            self.texts += 1
            if self.texts > MOST_TEXTS:
                detail = f"more than {MOST_TEXTS} numbers have a unit: name it once for a list"
                raise InvalidExperiment(Problem(place, "too_many_units", detail))
            try:
                return read_quantity(value, quantity)
            except ValueError as error:
                code = "type_error" if isinstance(error, NoUnit) else "bad_unit"
                self._problem(place, code, error)
                return 1.0  # a place holder: the document is refused
        if isinstance(value, dict) and isinstance(value.get("unknown"), str):
            self.quantities[value["unknown"]] = quantity
            bounds = {key: quantity for key in ("start", "lower", "upper")}
            return self._keys(value, place, bounds, unit)
        return _converted([value], unit, quantity)[0] if unit and type(value) in PLAIN else value

    def _problem(self, place: Place, code: str, error: ValueError) -> None:
        """Note a problem; as many as are shown end the search for more."""
        self.problems.append(Problem(place, code, str(error)))
        if len(self.problems) >= MAX_ERRORS:
            raise InvalidExperiment(*self.problems)


def _converted(values: list[Any], unit: str, quantity: str) -> list[Any]:
    """Numbers and nulls in SI."""
    try:
        array = np.array(values, dtype=np.float64)  # null becomes NaN
    except OverflowError:  # an integer beyond all floats: the schema refuses it
        return values
    with np.errstate(over="ignore"):  # infinity too
        converted = to_si(array, unit, quantity)
    return [None if np.isnan(v) else v for v in converted.tolist()]
