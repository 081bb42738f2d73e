"""Nodes of a bar in rows of lanes: one of them, read and written alone; the neighbours of a row."""

from __future__ import annotations

from typing import Any

from solver.kernels.compiled import part
from solver.kernels.lanes import add, from_left, from_right, implements, load, store


def read(u: Any, row: Any, lane: Any, scale: Any, own: Any, readings: Any, at: Any) -> None:
    """Write u at a node to a row of `readings`, which holds as many experiments as u does.

    Times the scale at the node, in its row `own`, where there is one.
    """
    raise NotImplementedError("compiled code only")


def add_reading(
    u_bar: Any, row: Any, lane: Any, scale: Any, own: Any, readings_bar: Any, at: Any
) -> None:
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
def _read(u: Any, row: Any, lane: Any, scale: Any, own: Any, readings: Any, at: Any) -> Any:
    if u.ndim == readings.ndim:

        def whole_row(
            u: Any, row: Any, lane: Any, scale: Any, own: Any, readings: Any, at: Any
        ) -> None:
            value = load(u, row)
            if scale is not None:
                value = value * load(scale, own)
            store(readings, at, value)

        return whole_row

    def from_lane(
        u: Any, row: Any, lane: Any, scale: Any, own: Any, readings: Any, at: Any
    ) -> None:
        value = u[row, lane]
        if scale is not None:
            value = value * scale[own, lane]
        readings[at] = value

    return from_lane


@implements(add_reading)
def _add_reading(
    u_bar: Any, row: Any, lane: Any, scale: Any, own: Any, readings_bar: Any, at: Any
) -> Any:
    if u_bar.ndim == readings_bar.ndim:

        def whole_row(
            u_bar: Any, row: Any, lane: Any, scale: Any, own: Any, readings_bar: Any, at: Any
        ) -> None:
            value = load(readings_bar, at)
            if scale is not None:
                value = value * load(scale, own)
            add(u_bar, row, value)

        return whole_row

    def to_lane(
        u_bar: Any, row: Any, lane: Any, scale: Any, own: Any, readings_bar: Any, at: Any
    ) -> None:
        value = readings_bar[at]
        if scale is not None:
            value = value * scale[own, lane]
        u_bar[row, lane] += value

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
def read_probes(u: Any, at: int, probes: Any, scale: Any | None, readings: Any, step: int) -> None:
    """Read u[at:], times a scale, at the probes, into the readings of a step."""
    for q in range(probes.shape[1]):
        row, lane, place = probes[0, q], probes[1, q], step * probes.shape[1] + q
        read(u, at + row, lane, scale, row, readings, place)


@part
def add_readings(
    u_bar: Any, at: int, probes: Any, scale: Any | None, readings_bar: Any, step: int
) -> None:
    """The transpose of `read_probes`, added to u_bar[at:]."""
    for q in range(probes.shape[1]):
        row, lane, place = probes[0, q], probes[1, q], step * probes.shape[1] + q
        add_reading(u_bar, at + row, lane, scale, row, readings_bar, place)
