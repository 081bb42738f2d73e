"""What one document may ask for, estimated from its numbers before anything is allocated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import isqrt
from typing import Any

from solver import TABLEAUX, Problem, Time
from solver.checkpoints import CACHE, MEMORY, WHOLE
from solver.errors import Place
from solver.march import DIRECTIONS
from solver.resolution import MOST_CELLS, MOST_STEPS

NEWTON = 15  # linear marches that one with laws of the temperature takes the time of
NETWORK = 100  # fits that one with an unknown network takes the time of


@dataclass(frozen=True)
class Limits:
    """Bounds on cells x steps x stages (the time of one march), memory, and unknowns.

    A march by Newton counts `NEWTON` times, one of a fit of networks `NETWORK` times, and each of
    several starts once.
    """

    cell_steps: int = 2_000_000_000
    bytes: int = 8 * 2**30
    unknowns: int = 2_000


@dataclass(frozen=True)
class Size:
    """What a fit searches for: unknown numbers, from how many starts, and whether networks."""

    unknowns: int
    starts: int = 1
    networks: bool = False


def beyond(
    limits: Limits, parts: list[Any], size: Size, *, joint: bool = False
) -> Iterator[Problem]:
    """What in the experiments `parts`, of a joint fit or one alone, is beyond the limits.

    Python integers throughout: they do not wrap. A grid that is left out counts as a fine one; how
    fine it gets is bounded where it is chosen.
    """
    marches = max(size.starts, 1) * (NETWORK if size.networks else 1)
    works = [marches * _march(d) for d in parts]
    if sum(works) > limits.cell_steps:
        most = works.index(max(works))
        grid = f"{_count(_cells(parts[most]))} cells x {_count(_steps(parts[most]))} steps"
        if joint:
            grid = f"{len(parts)} experiments, this one of {grid},"
        newton = f" (by Newton, each counts as {NEWTON})" if _by_newton(parts[most]) else ""
        several = f" (each counts as {_count(marches)}: starts, networks)" if marches > 1 else ""
        detail = (
            f"{grid} are {_count(sum(works))} cell-steps{newton}{several}, "
            f"beyond the limit of {limits.cell_steps}: take fewer cells or steps"
        )
        yield Problem((*_place(joint, most), "bar", "cells"), "problem_too_large", detail)
    unknowns = size.unknowns
    if unknowns > limits.unknowns:
        detail = f"{_count(unknowns)} unknowns are beyond the limit of {limits.unknowns}"
        yield Problem((), "problem_too_large", detail)
    sizes = [estimated_bytes(d, unknowns) for d in parts]
    if (needed := sum(sizes)) > limits.bytes:
        detail = (
            f"this needs about {_count(needed // 2**20)} MiB, beyond the limit of "
            f"{limits.bytes // 2**20} MiB: take fewer steps, cells, sources or readings"
        )
        place = _place(joint, sizes.index(max(sizes)))
        yield Problem((*place, "time", "steps"), "problem_too_large", detail)


def _place(joint: bool, index: int) -> Place:
    return ("experiments", index) if joint else ()


def _count(number: int) -> str:
    """A count in words of bounded length."""
    return str(number) if number < 10**9 else f"{number:.3g}" if number < 10**18 else "over 1e18"


def _march(document: Any) -> int:
    """What one march takes, in cell-steps of a linear one."""
    newton = NEWTON if _by_newton(document) else 1
    return _cells(document) * _steps(document) * _stages(document) * newton


def _cells(document: Any) -> int:
    cells = document.bar.cells
    return MOST_CELLS // 4 if cells is None else max(int(cells), 1)


def _steps(document: Any) -> int:
    steps = document.time.steps
    return MOST_STEPS // 10 if steps is None else max(int(steps), 1)


def _stages(document: Any) -> int:
    """Stages of the time method; an unknown method is refused elsewhere."""
    run = document.time
    tableau = TABLEAUX.get(Time(run.end, run.steps, run.method).scheme)
    return len(tableau.rows) if tableau else 1


def _by_newton(document: Any) -> bool:
    """Whether a law is of the temperature."""
    material = document.material
    laws = (material.diffusivity, material.conductivity, material.heat_capacity)
    return any(getattr(law, "of", "x") == "u" for law in laws)


def estimated_bytes(document: Any, unknowns: int) -> int:
    """Memory of a calibration: coefficients and readings, each with its tangents; interpolation."""
    cells, steps, stages = _cells(document), _steps(document), _stages(document)
    loads = len(document.source) + 3
    columns = 1 + min(unknowns, DIRECTIONS)
    readings = sum(
        steps + 1 if sensor.times is None else len(sensor.times) for sensor in document.sensors
    )
    nodes = min(2 * len(document.sensors), cells + 1)
    coefficients = cells * (3 + loads) + steps * stages * loads
    field = (steps + 1) * nodes
    interpolation = 16 * readings  # four weights with row, column and sorting space
    jacobian = 4 * (readings + unknowns) * unknowns  # with its scaled copy and decomposition
    memory = getattr(document.fit, "memory", None) or MEMORY  # the parts of a joint fit have none
    trajectory = 8 * cells * steps * stages
    if trajectory > WHOLE:  # see `solver.checkpoints`, which plans it
        trajectory = min(memory, CACHE + 16 * cells * stages * isqrt(steps))
    return int(
        8 * (columns * (coefficients + field + readings) + interpolation + jacobian) + trajectory
    )
