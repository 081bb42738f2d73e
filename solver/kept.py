"""What is made once for arguments of equal values, and kept for the next who asks.

A service meets the same bar again and again, with other readings: what depends on its set-up alone
(where curves are asked, coefficients that no unknown moves, how sensors interpolate) need not be
made anew, and equal set-ups are one object (`shared`), which has its grid and its unknowns.
Arguments are told apart by their values, arrays by their contents; what is kept must be left as it
is, since others hold it too: arrays that users see are `fixed`. What holds buffers is kept in a
list, from which a thread pops it and to which it gives it back (`solver.resolution`).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import fields, is_dataclass
from functools import cache, lru_cache, wraps
from typing import Any, ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray

PLAIN = {float, int, str, bool, type(None)}
KEPT = 64  # of each kind; the one that was asked for longest ago makes room
LARGEST = 2**16  # bytes of an array in an argument
VALUE = "_value"  # attribute of a dataclass that is `shared`

P = ParamSpec("P")
Made = TypeVar("Made")
Part = TypeVar("Part")


def kept(small: Callable[..., bool]) -> Callable[[Callable[P, Made]], Callable[P, Made]]:
    """Keep what a function returns, for arguments that are `small`: of others, making is little."""

    def decorate(make: Callable[P, Made]) -> Callable[P, Made]:
        by_values: Callable[..., Made] = make

        @lru_cache(KEPT)
        def store(asked: _Asked) -> Made:
            return by_values(*asked.arguments)

        @wraps(make)
        def found(*arguments: P.args, **named: P.kwargs) -> Made:
            if named or not small(*arguments):
                return make(*arguments, **named)
            try:
                asked = _Asked(arguments)
            except TypeError:  # too large, or a curve of the caller's own that is told by nothing
                return by_values(*arguments)
            return store(asked)

        _stores.append(store)
        return found

    return decorate


def shared(part: Part) -> Part:
    """The first of equal dataclasses, for all of them: with what it has found out about itself."""
    try:
        first: Part = _first(_Asked((part,)))
    except TypeError:
        return part
    return first


@lru_cache(KEPT)
def _first(asked: _Asked) -> Any:
    (part,) = asked.arguments
    vars(part)[VALUE] = asked.value[0]
    return part


_stores: list[Any] = [_first]


def fixed(array: NDArray[Any]) -> NDArray[Any]:
    """The same array, to which nobody can write any more."""
    array.flags.writeable = False
    return array


def forget() -> None:
    """Let go of everything that is kept."""
    for store in _stores:
        store.cache_clear()


class _Asked:
    """Arguments that are equal to others of the same values."""

    def __init__(self, arguments: tuple[Any, ...]) -> None:
        self.arguments = arguments
        self.value = _each(arguments)
        self._hash = hash(self.value)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Asked) and self.value == other.value


def value_of(part: Any) -> Hashable:
    """A part of an experiment as something that can be compared: arrays by their contents.

    Raises TypeError where an array is larger than `LARGEST`.
    """
    kind: Any = type(part)
    if kind is tuple or kind is list:
        return _each(part)
    if names := _compared(kind):
        known: Hashable = getattr(part, VALUE, None)
        if known is None:
            known = kind, _each([getattr(part, name) for name in names])
        return known
    if kind is np.ndarray:
        if part.nbytes > LARGEST:
            raise TypeError(f"an array of {part.nbytes} bytes is not kept")
        if part.dtype.hasobject:
            return value_of(part.tolist())
        return part.shape, part.dtype.char, part.tobytes()
    if isinstance(part, Mapping):
        return tuple(part), _each(part.values())
    if kind is slice:
        return part.start, part.stop
    by_itself: Hashable = part  # or it is not to be kept
    return by_itself


def _each(parts: Iterable[Any]) -> tuple[Hashable, ...]:
    return tuple([part if type(part) in PLAIN else value_of(part) for part in parts])


@cache
def _compared(kind: Any) -> tuple[str, ...]:
    """The fields of a dataclass by which its values are told apart."""
    return tuple(f.name for f in fields(kind) if f.compare) if is_dataclass(kind) else ()
