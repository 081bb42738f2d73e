r"""What stands at the ends of the bar.

An end either pins its node to a temperature g(t), or lets heat through. A free end's node receives,
per unit area of the bar,

    q = amount (drive(t) - [it exchanges] u),

so a condition is three entries: the Series that drives it, the Number that is its amount (none: 1),
and whether the end's own temperature counts against the drive. How that reaches the march is the
same for all of them and stands in `solver.assemble`.

To add a condition: a frozen dataclass with these entries, and a line in `BOUNDARIES`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from solver.curves import Number, Series


class Boundary(Protocol):
    """What an end condition brings: its fields, and how they are to be read."""

    pinned: ClassVar[bool]
    drive: ClassVar[str]
    amount: ClassVar[str | None]
    exchanges: ClassVar[bool]
    __dataclass_fields__: ClassVar[dict[str, Any]]


@dataclass(frozen=True)
class Temperature:
    """``u = value(t)`` at the end, in K."""

    value: Series
    pinned: ClassVar[bool] = True
    drive: ClassVar[str] = "value"
    amount: ClassVar[str | None] = None
    exchanges: ClassVar[bool] = False


@dataclass(frozen=True)
class Flux:
    """Heat flux ``value(t)`` into the bar, W/m2; K m/s for a bar described by its diffusivity."""

    value: Series = 0.0
    pinned: ClassVar[bool] = False
    drive: ClassVar[str] = "value"
    amount: ClassVar[str | None] = None
    exchanges: ClassVar[bool] = False


@dataclass(frozen=True)
class Convection:
    """``coefficient (ambient(t) - u)`` into the bar: W/m2/K, or m/s with a diffusivity."""

    coefficient: Number
    ambient: Series
    pinned: ClassVar[bool] = False
    drive: ClassVar[str] = "ambient"
    amount: ClassVar[str | None] = "coefficient"
    exchanges: ClassVar[bool] = True


BOUNDARIES: dict[str, type[Boundary]] = {
    "temperature": Temperature,
    "flux": Flux,
    "convection": Convection,
}
