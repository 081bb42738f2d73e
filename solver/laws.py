"""Material laws: the diffusivity as a function of place.

A law is a curve (see `solver.curves`). To add one: a frozen dataclass whose fields are its
parameters, with `value` and `partials`, and a line in `LAWS`; documents, catalogue and tests follow
from the registry.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from solver.curves import Constant, Curve, Number
from solver.kernels import Array


@dataclass(frozen=True)
class Linear:
    """``a + b s``."""

    a: Number
    b: Number

    def value(self, s: Array) -> Array:
        return self.a + self.b * s  # type: ignore[operator]  # resolved: no Unknown left

    def partials(self, s: Array) -> dict[str, Array]:
        return {"a": np.ones_like(s), "b": s}


Law = Number | Curve

LAWS: dict[str, type[Curve]] = {
    "constant": Constant,
    "linear": Linear,
}
