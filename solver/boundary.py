r"""What stands at the ends of the bar.

Every condition reaches the march in the same two ways, as numbers: how the stencil of the end's
node changes, and a load ``weight value(t)`` on one row.

* `Temperature`: the end node is pinned to g(t). It is no state; its neighbour r feels it through
  the stencil's arm, ``weight = kappa_r / dx^2``.
* `Flux`: heat flux q(t) into the bar. The ghost node beyond the end continues the slope,
  ``u_ghost = u_1 + 2 dx q / kappa_0``, so the arm towards the bar doubles and, kappa_0 cancelling,
  ``weight = 2 / dx``. q = 0 is the insulated end.

To add a condition: a class with `value`, `pinned` and `weight`, and a line in `BOUNDARIES`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

from solver.curves import Series


class Boundary(Protocol):
    """What an end condition brings."""

    pinned: ClassVar[bool]

    @property
    def value(self) -> Series:
        """What is given at the end, over time."""

    @staticmethod
    def weight(dx: float) -> tuple[float, float]:
        """(w0, w1) of the load's weight w0 + w1 kappa, kappa taken at the loaded row."""


@dataclass(frozen=True)
class Temperature:
    """``u = value(t)`` at the end, in K."""

    value: Series
    pinned: ClassVar[bool] = True

    @staticmethod
    def weight(dx: float) -> tuple[float, float]:
        return 0.0, 1.0 / dx**2


@dataclass(frozen=True)
class Flux:
    """Heat flux ``value(t)`` into the bar, in K m/s for a bar described by its diffusivity."""

    value: Series = 0.0
    pinned: ClassVar[bool] = False

    @staticmethod
    def weight(dx: float) -> tuple[float, float]:
        return 2.0 / dx, 0.0


BOUNDARIES: dict[str, type[Boundary]] = {
    "temperature": Temperature,
    "flux": Flux,
}
