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
from numba.core.errors import TypingError
from numba.extending import intrinsic, models, overload, register_model

Function = TypeVar("Function", bound=Callable[..., Any])

LANES = 8
VECTOR = ir.VectorType(ir.DoubleType(), LANES)
INDEX = ir.IntType(32)
UNDEFINED = ir.Constant(VECTOR, ir.Undefined)
ROW = {"forceinline": True, "error_model": "numpy", "fastmath": {"contract"}}  # as `compiled.part`
CONTRACT = ("contract",)  # a multiply and an add may be fused, as in every kernel
ALIGNED = 8  # bytes that a load may count on
LINE = 64  # bytes of a line of the cache


class LanesType(types.Type):
    """Numba's type of eight lanes."""

    def __init__(self) -> None:
        super().__init__(name="Lanes")


Lanes = LanesType()


@register_model(LanesType)
class LanesModel(models.PrimitiveModel):
    """Eight lanes live in a vector register."""

    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, VECTOR)


def implements(function: Callable[..., Any]) -> Callable[[Function], Function]:
    """Compiled code calls what the decorated function returns for the types of the arguments."""
    decorator: Callable[[Function], Function] = overload(function, strict=False, jit_options=ROW)
    return decorator


# --- memory ------------------------------------------------------------------------------------


@intrinsic
def load(typing: Any, array: Any, row: Any) -> Any:
    """Row `row` of an array: eight lanes, or one number."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        loaded = builder.load(_pointer(context, builder, signature, arguments))
        loaded.align = ALIGNED
        return loaded

    return _row_of(array)(array, types.intp), generate


@intrinsic
def store(typing: Any, array: Any, row: Any, value: Any) -> Any:
    """Write `value` to row `row` of an array."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        stored = builder.store(arguments[2], _pointer(context, builder, signature, arguments))
        stored.align = ALIGNED
        return context.get_dummy_value()

    return types.void(array, types.intp, _row_of(array)), generate


def _row_of(array: Any) -> Any:
    """The type of a row."""
    if array.layout != "C":
        raise TypingError("rows are read from contiguous arrays only")
    return array.dtype if array.ndim == 1 else Lanes


def _pointer(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    """Where a row stands; the arrays are contiguous."""
    kind, row = signature.args[0], arguments[1]
    data = context.make_array(kind)(context, builder, arguments[0]).data
    if kind.ndim == 1:
        return builder.gep(data, [row], inbounds=True)
    first = builder.gep(data, [builder.mul(row, ir.Constant(row.type, LANES))], inbounds=True)
    return builder.bitcast(first, VECTOR.as_pointer())


def add(array: Any, row: Any, value: Any) -> None:
    """Add to a row; where it holds one number and `value` eight lanes, their sum is added."""
    raise NotImplementedError("compiled code only")


@implements(add)
def _add(array: Any, row: Any, value: Any) -> Any:
    if array.ndim == 1 and isinstance(value, LanesType):
        return lambda array, row, value: store(array, row, load(array, row) + total(value))
    return lambda array, row, value: store(array, row, load(array, row) + value)


def empty(array: Any, rows: Any) -> Any:
    """A new array of rows like those of `array`."""
    raise NotImplementedError("compiled code only")


@implements(empty)
def _empty(array: Any, rows: Any) -> Any:
    if array.ndim == 1:
        return lambda array, rows: np.empty(rows, array.dtype)

    def on_lines(array: Any, rows: Any) -> Any:
        """A row that stands across two lines of the cache is read and written twice."""
        room = np.empty((rows + 1) * LANES, array.dtype)
        first = -room.ctypes.data % LINE // room.itemsize
        return room[first : first + rows * LANES].reshape((rows, LANES))

    return on_lines


# --- arithmetic --------------------------------------------------------------------------------


def _binary(instruction: str) -> Callable[..., Any]:
    @intrinsic
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


@intrinsic
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
    @intrinsic
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


def filled(value: Any, number: Any) -> Any:
    """`number` as `value` is: in eight lanes, or alone."""
    raise NotImplementedError("compiled code only")


@implements(filled)
def _filled(value: Any, number: Any) -> Any:
    if isinstance(value, LanesType):
        return lambda value, number: spread(number)
    return lambda value, number: number


def over_lanes(combine: Callable[[Any, Any, Any], Any]) -> Callable[..., Any]:
    """One number of eight, pair by pair."""

    @intrinsic
    def operation(typing: Any, value: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            lanes = [builder.extract_element(arguments[0], INDEX(lane)) for lane in range(LANES)]
            while len(lanes) > 1:
                pairs = zip(lanes[::2], lanes[1::2], strict=True)
                lanes = [combine(builder, a, b) for a, b in pairs]
            return lanes[0]

        return types.float64(Lanes), generate

    result: Callable[..., Any] = operation
    return result


total = over_lanes(lambda builder, a, b: builder.fadd(a, b))
