"""How large rows are: comparisons lane by lane, and one number of all lanes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from solver.kernels.lanes import (
    LANES,
    VECTOR,
    Lanes,
    LanesType,
    implements,
    over_lanes,
    spread,
    total,
)


def square(value: Any) -> Any:
    """The square of the magnitude, real."""
    raise NotImplementedError("compiled code only")


def root(value: Any) -> Any:
    """The square root."""
    raise NotImplementedError("compiled code only")


def magnitude(value: Any) -> Any:
    """The magnitude, real."""
    raise NotImplementedError("compiled code only")


def real_part(value: Any) -> Any:
    """The real part."""
    raise NotImplementedError("compiled code only")


def larger(a: Any, b: Any) -> Any:
    """The larger of two real values, lane by lane."""
    raise NotImplementedError("compiled code only")


def smaller(a: Any, b: Any) -> Any:
    """The smaller of two real values, lane by lane."""
    raise NotImplementedError("compiled code only")


def where_zero(tested: Any, then: Any, otherwise: Any) -> Any:
    """`then` where `tested` is zero, lane by lane."""
    raise NotImplementedError("compiled code only")


@implements(square)
def _square(value: Any) -> Any:
    if isinstance(value, types.Complex):
        return lambda value: value.real * value.real + value.imag * value.imag
    return lambda value: value * value


@intrinsic
def _root(typing: Any, value: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = ir.FunctionType(VECTOR, [VECTOR])
        declared = builder.module.declare_intrinsic(f"llvm.sqrt.v{LANES}f64", fnty=kind)
        return builder.call(declared, arguments)

    return Lanes(Lanes), generate


@implements(root)
def _root_of(value: Any) -> Any:
    if isinstance(value, LanesType):
        return lambda value: _root(value)
    return lambda value: np.sqrt(value)


@implements(magnitude)
def _magnitude(value: Any) -> Any:
    if isinstance(value, LanesType):
        return lambda value: _larger(value, -value)
    return lambda value: abs(value)


@implements(real_part)
def _real_part(value: Any) -> Any:
    return (lambda value: value.real) if isinstance(value, types.Complex) else lambda value: value


@implements(larger)
def _larger_of(a: Any, b: Any) -> Any:
    if isinstance(a, LanesType):
        return lambda a, b: _larger(a, b)
    return lambda a, b: a if a > b else b


@implements(smaller)
def _smaller_of(a: Any, b: Any) -> Any:
    if isinstance(a, LanesType):
        return lambda a, b: _smaller(a, b)
    return lambda a, b: a if a < b else b


def _chosen(comparison: str) -> Callable[..., Any]:
    @intrinsic
    def operation(typing: Any, a: Any, b: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            first, second = arguments
            return builder.select(builder.fcmp_ordered(comparison, *arguments), first, second)

        return Lanes(Lanes, Lanes), generate

    result: Callable[..., Any] = operation
    return result


_larger, _smaller = _chosen(">"), _chosen("<")


@intrinsic
def _where_zero(typing: Any, tested: Any, then: Any, otherwise: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        tested, then, otherwise = arguments
        zero = ir.Constant(tested.type, [0.0] * LANES)
        return builder.select(builder.fcmp_ordered("==", tested, zero), then, otherwise)

    return Lanes(Lanes, Lanes, Lanes), generate


@implements(where_zero)
def _where_zero_of(tested: Any, then: Any, otherwise: Any) -> Any:
    if isinstance(tested, LanesType):
        return lambda tested, then, otherwise: _where_zero(tested, spread(then), otherwise)
    return lambda tested, then, otherwise: then if tested == 0.0 else otherwise


def total_of(value: Any) -> Any:
    """The sum over the lanes, or the number."""
    raise NotImplementedError("compiled code only")


def largest_of(value: Any) -> Any:
    """The largest of the lanes, or the number."""
    raise NotImplementedError("compiled code only")


def least_of(value: Any) -> Any:
    """The least of the lanes, or the number."""
    raise NotImplementedError("compiled code only")


@implements(total_of)
def _total_of(value: Any) -> Any:
    if isinstance(value, LanesType):
        return lambda value: total(value)
    return lambda value: value


@implements(largest_of)
def _largest_of(value: Any) -> Any:
    if isinstance(value, LanesType):
        return lambda value: _largest(value)
    return lambda value: value


@implements(least_of)
def _least_of(value: Any) -> Any:
    if isinstance(value, LanesType):
        return lambda value: _least(value)
    return lambda value: value


_largest = over_lanes(lambda builder, a, b: builder.select(builder.fcmp_ordered(">", a, b), a, b))
_least = over_lanes(lambda builder, a, b: builder.select(builder.fcmp_ordered("<", a, b), a, b))
