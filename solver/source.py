"""Heat sources: a profile in space times a history in time; a bar carries a sum of them."""

from __future__ import annotations

from dataclasses import dataclass

from solver.curves import Profile, Series


@dataclass(frozen=True)
class Source:
    """``f(x, t) = profile(x) history(t)``, in K/s for a bar described by its diffusivity."""

    profile: Profile
    history: Series = 1.0
