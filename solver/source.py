"""Heat sources, and heat lost through the sides.

A bar carries a sum of sources, each a profile in space times a history in time, and may exchange
heat with its surroundings all along: ``- rate (u - ambient(t))``.
"""

from __future__ import annotations

from dataclasses import dataclass

from solver.curves import Number, Profile, Series


@dataclass(frozen=True)
class Source:
    """``f = profile(x) history(t)``, in W/m3, or K/s for a bar described by its diffusivity."""

    profile: Profile
    history: Series = 1.0


@dataclass(frozen=True)
class Exchange:
    """Heat lost through the sides: `rate` in W/m3/K, or 1/s with a diffusivity; `ambient` in K."""

    rate: Number
    ambient: Series = 0.0
