"""Nodes of a bar in rows of lanes: one of them, read and written alone; the neighbours of a row."""

from __future__ import annotations

from typing import Any

from solver.kernels.compiled import part
from solver.kernels.lanes import add, from_left, from_right, implements, load, store


def read(u: Any, row: Any, lane: Any, readings: Any, at: Any) -> None:
    """Write u at a node to a row of `readings`, which holds as many experiments as u does."""
    raise NotImplementedError("compiled code only")


def add_reading(u_bar: Any, row: Any, lane: Any, readings_bar: Any, at: Any) -> None:
    """The transpose of `read`, added to u_bar."""
    raise NotImplementedError("compiled code only")


def element(array: Any, row: Any, lane: Any) -> Any:
    """The number at a node."""
    raise NotImplementedError("compiled code only")


def put(array: Any, row: Any, lane: Any, number: Any) -> None:
    """Write the number at a node."""
    raise NotImplementedError("compiled code only")


@implements(element)
def _element(array: Any, row: Any, lane: Any) -> Any:
    if array.ndim == 1:
        return lambda array, row, lane: array[row]
    return lambda array, row, lane: array[row, lane]


@implements(put)
def _put(array: Any, row: Any, lane: Any, number: Any) -> Any:
    if array.ndim == 1:

        def alone(array: Any, row: Any, lane: Any, number: Any) -> None:
            array[row] = number

        return alone

    def in_lane(array: Any, row: Any, lane: Any, number: Any) -> None:
        array[row, lane] = number

    return in_lane


@implements(read)
def _read(u: Any, row: Any, lane: Any, readings: Any, at: Any) -> Any:
    if u.ndim == readings.ndim:
        return lambda u, row, lane, readings, at: store(readings, at, load(u, row))

    def from_lane(u: Any, row: Any, lane: Any, readings: Any, at: Any) -> None:
        readings[at] = u[row, lane]

    return from_lane


@implements(add_reading)
def _add_reading(u_bar: Any, row: Any, lane: Any, readings_bar: Any, at: Any) -> Any:
    if u_bar.ndim == readings_bar.ndim:
        return lambda u_bar, row, lane, readings_bar, at: add(u_bar, row, load(readings_bar, at))

    def to_lane(u_bar: Any, row: Any, lane: Any, readings_bar: Any, at: Any) -> None:
        u_bar[row, lane] += readings_bar[at]

    return to_lane


@part
def right_of(x: Any, at: int, r: int, rows: int, joint: Any) -> Any:
    """The row of x[at:] to the right of row r; where there is none, row r."""
    value = load(x, at + r)
    if r < rows - 1:
        value = load(x, at + r + 1)
    elif joint is not None:
        value = from_right(load(x, at))
    return value


@part
def left_of_first(x: Any, at: int, rows: int, joint: Any) -> Any:
    """The row of x[at:] to the left of the first; where there is none, the first."""
    value = load(x, at)
    if joint is not None:
        value = from_left(load(x, at + rows - 1))
    return value


@part
def read_probes(u: Any, at: int, probes: Any, readings: Any, step: int) -> None:
    """Read u[at:] at the probes, into the readings of a step."""
    for q in range(probes.shape[1]):
        read(u, at + probes[0, q], probes[1, q], readings, step * probes.shape[1] + q)


@part
def add_readings(u_bar: Any, at: int, probes: Any, readings_bar: Any, step: int) -> None:
    """The transpose of `read_probes`, added to u_bar[at:]."""
    for q in range(probes.shape[1]):
        add_reading(
            u_bar, at + probes[0, q], probes[1, q], readings_bar, step * probes.shape[1] + q
        )
