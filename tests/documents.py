"""Documents that use much of the schema at once, and their twin data."""

from __future__ import annotations

import copy
import json
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from app.service import Task

Document = dict[str, Any]

AIR = "time [min],T_air [degC],other [V]\n" + "".join(
    f"{k},{15 + 0.2 * k:.2f},{k % 3}\n" for k in range(25)
)
KNOTS = [0.0, 240.0, 480.0, 720.0, 960.0, 1200.0]
TRUTH = {
    "T0": 300.0,
    "k": 2.0,
    "C": 1.5e6,
    "r": 800.0,
    "s": 2.0,
    "h": 12.0,
    "q": [0.0, 600.0, 1200.0, 1800.0, 1200.0, 600.0],
}
TIMES = [24.0 * k for k in range(1, 51)]


def rich() -> Document:
    """A bar of two layers with every kind of curve on it; seven unknowns, one of them a curve."""
    return {
        "data": {"csv": AIR, "time": "time"},
        "bar": {
            "length": "10 cm",
            "cells": 24,
            "initial": {
                "x": [0.0, 0.05, 0.1],
                "values": [293.0, {"unknown": "T0", "start": 295.0}, 293.0],
                "interpolation": "monotone-cubic",
            },
            "grading": {"towards": "left", "ratio": 2.0},
        },
        "time": {"end": "20 min", "steps": 50, "method": "tr-bdf2"},
        "material": {
            "conductivity": {
                "law": "polynomial",
                "coefficients": [{"unknown": "k", "start": 1.0, "lower": 0.1}, 3.0, 20.0],
            },
            "heat_capacity": {
                "law": "layers",
                "edges": [0.04],
                "values": [2e6, {"unknown": "C", "start": 1e6, "scale": "log"}],
            },
            "exchange": {
                "rate": {"unknown": "r", "start": 500.0, "lower": 0.0, "upper": 1e5},
                "ambient": {
                    "times": [0, 10, 20],
                    "time_unit": "min",
                    "values": [15.0, 18.0, 16.0],
                    "unit": "degC",
                    "interpolation": "monotone-cubic",
                },
            },
        },
        "source": [
            {
                "profile": {"x": [0.0, 0.1], "values": [0.0, {"unknown": "s", "start": 1.0}]},
                "history": {"expression": "2e4*exp(-t/600)"},
            }
        ],
        "left": {
            "kind": "flux",
            "value": {"times": KNOTS, "values": {"unknown": "q", "start": [500.0] * 6}},
        },
        "right": {
            "kind": "convection",
            "coefficient": {"unknown": "h", "start": "5 W/m2/K", "scale": "log"},
            "ambient": {"column": "T_air"},
        },
        "sensors": [
            {"name": f"{cm} cm", "x": f"{cm} cm", "times": TIMES, "sigma": "1 mK"}
            for cm in (0, 1, 3, 5, 8, 10)
        ],
        "fit": {
            "prior": {"T0": {"mean": "26 degC", "sd": "5 K"}},
            "smoothing": {"q": {"order": 2}},
        },
    }


def linear(cells: int | None = 20, steps: int | None = 40) -> Document:
    """A small quick bar in SI: one law with two unknowns, heated on the left, cold on the right."""
    return {
        "bar": {"length": 1.0, "cells": cells},
        "time": {"end": 1.0, "steps": steps},
        "material": {
            "diffusivity": {
                "law": "linear",
                "a": {"unknown": "a", "start": 0.5, "lower": 0.01},
                "b": {"unknown": "b", "start": 0.1},
            }
        },
        "left": {"kind": "flux", "value": {"expression": "sin(3*t)"}},
        "right": {"kind": "temperature", "value": 0.0},
        "sensors": [
            {"name": "in", "x": 0.25, "times": [0.05 * k for k in range(1, 21)], "sigma": 1e-3},
            {"name": "out", "x": 0.7, "times": [0.1 * k for k in range(1, 11)], "sigma": 1e-3},
        ],
    }


def hot() -> Document:
    """A bar that changes with temperature: a network conducts, a table with unknowns stores."""
    return {
        "bar": {"length": "10 cm", "cells": 16, "initial": "20 degC"},
        "time": {"end": "5 min", "steps": 30, "method": "sdirk2"},
        "material": {
            "conductivity": {
                "law": "network",
                "of": "u",
                "unknown": "k",
                "widths": [3, 2],
                "start": "40 W/m/K",
                "range": [0, 400],
                "u_unit": "degC",
            },
            "heat_capacity": {
                "law": "table",
                "of": "u",
                "points": [-50, 300, 1500],
                "u_unit": "degC",
                "values": [3.4e6, {"unknown": "C", "start": 4e6, "lower": 1e5}, 6e6],
            },
        },
        "left": {"kind": "flux", "value": "200 kW/m^2"},
        "right": {
            "kind": "convection",
            "coefficient": 50.0,
            "ambient": {"times": [0, 300], "values": [290.0, 320.0]},
        },
        "sensors": [
            {"name": "face", "x": 0.0, "times": TIMES[:12], "sigma": 0.5},
            {"name": "middle", "x": 0.05, "times": TIMES[:12], "sigma": 0.5},
        ],
        "fit": {"smoothing": {"k": {"weight": 10.0}}},
    }


def with_readings(
    document: Document, readings: dict[str, Any], noise: float, seed: int
) -> Document:
    """The document with computed `readings` (of ``/v1/simulate``) and Gaussian noise, in K."""
    document, rng = copy.deepcopy(document), np.random.default_rng(seed)
    for sensor, read in zip(document["sensors"], readings.values(), strict=True):
        exact = np.array(read["temperatures"])
        sensor["temperatures"] = (exact + noise * rng.standard_normal(exact.size)).tolist()
    return document


def twin(document: Document, at: dict[str, Any], noise: float = 1e-3, seed: int = 7) -> Document:
    """The document with the readings that it has at the values `at`."""
    simulated = Task(json.dumps(document).encode()).simulate(at)
    readings = {name: s.model_dump() for name, s in simulated.sensors.items()}
    return with_readings(document, readings, noise, seed)


def put(document: Document, path: tuple[str | int, ...], value: Any) -> Document:
    """The document with `value` at `path` (keys and indices); `...` removes what is there."""
    changed = copy.deepcopy(document)
    *parents, last = path
    part: Any = changed
    for step in parents:
        part = part[step]
    if value is ...:
        del part[last]
    else:
        part[last] = value
    return changed


def same(a: Any, b: Any) -> bool:
    """Whether two descriptions are equal field by field, arrays included."""
    if type(a) is not type(b):
        return False
    if is_dataclass(a):
        return all(same(getattr(a, f.name), getattr(b, f.name)) for f in fields(a) if f.compare)
    if isinstance(a, tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, np.ndarray):
        return np.array_equal(a, b, equal_nan=True)
    return bool(a == b)
