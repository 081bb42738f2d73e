"""Eight doubles that move together: the type of a SIMD vector, and arrays read by rows.

A sweep over a tridiagonal matrix waits, row after row, for the row before. Eight sweeps side by
side wait no longer than one; so the kernels are written for rows of lanes. What a lane is, they
need not know: a piece of one bar, or an experiment of an ensemble. An array is made of rows, and
its rank says what a row holds,

    (rows, 8) float64    eight lanes, loaded as one value of the type `Lanes`,
    (rows,)              one number, float64 or complex128 (a bar alone; a complex step),

so that one source serves both: the arithmetic of `Lanes` reads like that of numbers. It is LLVM's
``<8 x double>``, which becomes the registers that the machine has.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, models, overload, register_model

Function = TypeVar("Function", bound=Callable[..., Any])

LANES = 8
VECTOR = ir.VectorType(ir.DoubleType(), LANES)
INDEX = ir.IntType(32)
UNDEFINED = ir.Constant(VECTOR, ir.Undefined)
CONTRACT = ("contract",)  # a multiply and an add may be fused, as in every kernel
ALIGNED = 8  # bytes that a load may count on


class LanesType(types.Type):  # type: ignore[misc]
    """Numba's type of eight lanes."""

    def __init__(self) -> None:
        super().__init__(name="Lanes")


Lanes = LanesType()


@register_model(LanesType)
class LanesModel(models.PrimitiveModel):  # type: ignore[misc]
    """Eight lanes live in a vector register."""

    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, VECTOR)


def implements(function: Callable[..., Any]) -> Callable[[Function], Function]:
    """Compiled code calls what the decorated function returns for the types of the arguments."""
    decorator: Callable[[Function], Function] = overload(function, inline="always", strict=False)
    return decorator


# --- memory ------------------------------------------------------------------------------------


def load(array: Any, row: Any) -> Any:
    """Row `row` of an array: eight lanes, or one number."""
    raise NotImplementedError("compiled code only")


def store(array: Any, row: Any, value: Any) -> None:
    """Write `value` to row `row` of an array."""
    raise NotImplementedError("compiled code only")


def add(array: Any, row: Any, value: Any) -> None:
    """Add to a row; where it holds one number and `value` eight lanes, their sum is added."""
    raise NotImplementedError("compiled code only")


@implements(load)
def _load(array: Any, row: Any) -> Any:
    if array.ndim == 1:
        return lambda array, row: array[row]
    return lambda array, row: _load_lanes(array, row)


@implements(store)
def _store(array: Any, row: Any, value: Any) -> Any:
    if array.ndim == 1:

        def to_number(array: Any, row: Any, value: Any) -> None:
            array[row] = value

        return to_number
    return lambda array, row, value: _store_lanes(array, row, value)


@implements(add)
def _add(array: Any, row: Any, value: Any) -> Any:
    if array.ndim == 1 and isinstance(value, LanesType):

        def total_to_number(array: Any, row: Any, value: Any) -> None:
            array[row] += total(value)

        return total_to_number
    return lambda array, row, value: store(array, row, load(array, row) + value)


@intrinsic  # type: ignore[untyped-decorator]
def _load_lanes(typing: Any, array: Any, row: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        loaded = builder.load(_pointer(context, builder, signature, arguments))
        loaded.align = ALIGNED
        return loaded

    return Lanes(array, types.intp), generate


@intrinsic  # type: ignore[untyped-decorator]
def _store_lanes(typing: Any, array: Any, row: Any, value: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        stored = builder.store(arguments[2], _pointer(context, builder, signature, arguments))
        stored.align = ALIGNED
        return context.get_dummy_value()

    return types.void(array, types.intp, Lanes), generate


def _pointer(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
    first = builder.mul(arguments[1], ir.Constant(arguments[1].type, LANES))
    return builder.bitcast(builder.gep(data, [first], inbounds=True), VECTOR.as_pointer())


def empty(array: Any, rows: Any) -> Any:
    """A new array of rows like those of `array`."""
    raise NotImplementedError("compiled code only")


@implements(empty)
def _empty(array: Any, rows: Any) -> Any:
    if array.ndim == 1:
        return lambda array, rows: np.empty(rows, array.dtype)
    return lambda array, rows: np.empty((rows, LANES), array.dtype)


# --- arithmetic --------------------------------------------------------------------------------


def _binary(instruction: str) -> Callable[..., Any]:
    @intrinsic  # type: ignore[untyped-decorator]
    def operation(typing: Any, a: Any, b: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return getattr(builder, instruction)(*arguments, flags=CONTRACT)

        return Lanes(Lanes, Lanes), generate

    result: Callable[..., Any] = operation
    return result


_plus, _minus = _binary("fadd"), _binary("fsub")
_times, _over = _binary("fmul"), _binary("fdiv")


def _arithmetic(symbol: Any, lanes: Callable[..., Any]) -> None:
    """``a symbol b`` where one of them, or both, are lanes; a number stands for eight of it."""

    @implements(symbol)
    def operation(a: Any, b: Any) -> Any:
        left, right = isinstance(a, LanesType), isinstance(b, LanesType)
        if left and right:
            return lambda a, b: lanes(a, b)
        if left and isinstance(b, types.Float):
            return lambda a, b: lanes(a, spread(b))
        if right and isinstance(a, types.Float):
            return lambda a, b: lanes(spread(a), b)
        return None


_arithmetic(operator.add, _plus)
_arithmetic(operator.sub, _minus)
_arithmetic(operator.mul, _times)
_arithmetic(operator.truediv, _over)


@implements(operator.neg)
def _negative(a: Any) -> Any:
    return (lambda a: _minus(spread(-0.0), a)) if isinstance(a, LanesType) else None


# --- across the lanes --------------------------------------------------------------------------


@intrinsic  # type: ignore[untyped-decorator]
def spread(typing: Any, number: Any) -> Any:
    """Eight times the same number."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _shuffled(builder, builder.insert_element(UNDEFINED, *arguments, INDEX(0)), [0] * 8)

    return Lanes(types.float64), generate


def like(array: Any, number: Any) -> Any:
    """A number as the rows of `array` hold it."""
    raise NotImplementedError("compiled code only")


@implements(like)
def _like(array: Any, number: Any) -> Any:
    if array.ndim == 1:
        return lambda array, number: number
    return lambda array, number: spread(number)


def from_left(value: Any) -> Any:
    """What the lane to the left holds; 0 in lane 0, and of one number alone."""
    raise NotImplementedError("compiled code only")


def from_right(value: Any) -> Any:
    """What the lane to the right holds; 0 in the last lane, and of one number alone."""
    raise NotImplementedError("compiled code only")


@implements(from_left)
def _from_left(value: Any) -> Any:
    if isinstance(value, LanesType):
        return lambda value: _shift_right(value)
    return lambda value: 0.0 * value


@implements(from_right)
def _from_right(value: Any) -> Any:
    if isinstance(value, LanesType):
        return lambda value: _shift_left(value)
    return lambda value: 0.0 * value


def _rearranged(order: list[int]) -> Callable[..., Any]:
    @intrinsic  # type: ignore[untyped-decorator]
    def operation(typing: Any, value: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return _shuffled(builder, arguments[0], order)

        return Lanes(Lanes), generate

    result: Callable[..., Any] = operation
    return result


def _shuffled(builder: Any, value: Any, order: list[int]) -> Any:
    """The lanes in another order; lane 8 is a zero."""
    zero = ir.Constant(VECTOR, [0.0] * LANES)
    mask = ir.Constant(ir.VectorType(INDEX, LANES), order)
    return builder.shuffle_vector(value, zero, mask)


_shift_right = _rearranged([LANES, *range(LANES - 1)])
_shift_left = _rearranged(list(range(1, LANES + 1)))
P0, P1, P2, P3, P4, P5, P6, P7 = (_rearranged([lane] * LANES) for lane in range(LANES))


@intrinsic  # type: ignore[untyped-decorator]
def total(typing: Any, value: Any) -> Any:
    """The sum over the lanes."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        lanes = [builder.extract_element(arguments[0], INDEX(lane)) for lane in range(LANES)]
        while len(lanes) > 1:
            lanes = [builder.fadd(a, b) for a, b in zip(lanes[::2], lanes[1::2], strict=True)]
        return lanes[0]

    return types.float64(Lanes), generate


# --- one node of a bar -------------------------------------------------------------------------


def read(u: Any, row: Any, lane: Any, readings: Any, at: Any) -> None:
    """Write u at a node to a row of `readings`, which holds as many experiments as u does."""
    raise NotImplementedError("compiled code only")


def add_reading(u_bar: Any, row: Any, lane: Any, readings_bar: Any, at: Any) -> None:
    """The transpose of `read`, added to u_bar."""
    raise NotImplementedError("compiled code only")


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
