"""Numbers with units in a document: `"10 mm"` becomes 0.01, before the schema sees it.

A number may be written as text with its unit; a table or a sensor may name the units of its lists
(`unit` of the values, `time_unit` or `x_unit` of the points). What quantity stands where follows
from the document; with a diffusivity, fluxes, coefficients, rates and sources are divided by the
heat capacity (K m/s, m/s, 1/s, K/s). Everything after this knows SI only.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from app.units import read_quantity, to_si
from solver import InvalidExperiment, Problem
from solver.errors import Place

DIFFERENCE = {"temperature": "temperature_difference"}


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
        law = self._lists(law, place, {"points": "x_unit", "edges": "x_unit"}, "length")
        law = self._lists(law, place, {"values": "unit"}, quantity)
        if law.get("law") in ("constant", "exponential"):
            law = self._keys(law, place, {"a": quantity})
        if isinstance(law.get("values"), list):
            here = (*place, "values")
            items = enumerate(law["values"])
            law["values"] = [self._number(v, quantity, (*here, i)) for i, v in items]
        return law

    def _end(self, end: dict[str, Any], place: Place, by: str) -> dict[str, Any]:
        value = "temperature" if end.get("kind") == "temperature" else f"{by}flux"
        end = self._keys(end, place, {"coefficient": f"{by}coefficient"})
        for key, quantity in (("ambient", "temperature"), ("value", value)):
            end = self._curve(end, key, quantity, place)
        return end

    def _source(self, source: Any, place: Place, by: str) -> Any:
        return self._curve(source, "profile", f"{by}source", place)

    def _sensor(self, sensor: Any, place: Place, by: str) -> Any:
        sensor = self._keys(sensor, place, {"x": "length", "sigma": "temperature_difference"})
        if not isinstance(sensor, dict):
            return sensor
        sensor = self._lists(sensor, place, {"sigma": "unit"}, "temperature_difference", keep=True)
        sensor = self._lists(sensor, place, {"temperatures": "unit"}, "temperature")
        return self._lists(sensor, place, {"times": "time_unit"}, "time")

    def _curve(self, part: Any, key: str, quantity: str, place: Place) -> Any:
        """`part` with the Number, profile or series under `key` in SI."""
        if not isinstance(part, dict) or key not in part:
            return part
        value, here = part[key], (*place, key)
        if isinstance(value, dict) and "values" in value:
            value = self._lists(value, here, {"times": "time_unit"}, "time")
            value = self._lists(value, here, {"x": "x_unit"}, "length")
            value = self._lists(value, here, {"values": "unit"}, quantity)
        else:
            value = self._number(value, quantity, here)
        return part | {key: value}

    def _parts(self, d: dict[str, Any], root: Place, readers: dict[str, Any]) -> dict[str, Any]:
        return d | {key: read(d[key], (*root, key)) for key, read in readers.items() if key in d}

    def _keys(self, part: Any, place: Place, quantities: dict[str, str]) -> Any:
        if not isinstance(part, dict):
            return part
        found = {key: quantity for key, quantity in quantities.items() if key in part}
        return part | {k: self._number(part[k], q, (*place, k)) for k, q in found.items()}

    def _number(self, value: Any, quantity: str, place: Place) -> Any:
        if isinstance(value, str):
            try:
                return read_quantity(value, quantity)
            except ValueError as error:
                code = "bad_unit" if any(c.isalpha() for c in value) else "type_error"
                self.problems.append(Problem(place, code, str(error)))
                return 1.0  # a place holder: the document is refused
        if isinstance(value, dict) and isinstance(value.get("unknown"), str):
            self.quantities[value["unknown"]] = quantity
            bounds = {key: quantity for key in ("start", "lower", "upper")}
            return self._keys(value, place, bounds)
        return value

    def _lists(
        self,
        part: dict[str, Any],
        place: Place,
        keys: dict[str, str],
        quantity: str,
        *,
        keep: bool = False,
    ) -> dict[str, Any]:
        """`part` with its lists under `keys` in SI; the units they name are taken out."""
        for key, unit_key in keys.items():
            unit = part.get(unit_key)
            if key not in part or not isinstance(unit, str):
                continue
            part = dict(part)
            if not keep:
                del part[unit_key]
            part[key] = self._list(part[key], unit, quantity, (*place, unit_key))
        return part

    def _list(self, values: Any, unit: str, quantity: str, place: Place) -> Any:
        if isinstance(values, dict):
            if isinstance(values.get("unknown"), str):
                self.quantities[values["unknown"]] = quantity
            listed = {k: values[k] for k in ("start", "lower", "upper") if k in values}
            return values | {k: self._list(v, unit, quantity, place) for k, v in listed.items()}
        try:
            array = np.array(values, dtype=np.float64)  # null becomes NaN
        except (TypeError, ValueError):
            return values
        try:
            converted = to_si(array, unit, quantity)
        except ValueError as error:
            self.problems.append(Problem(place, "bad_unit", str(error)))
            return values
        if array.ndim == 0:
            return float(converted)
        return [None if np.isnan(v) else v for v in converted.tolist()]
