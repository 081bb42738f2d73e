"""The same value and gradient, by other means.

A peer is a module with ``build(bar, d) -> Peer`` that imports its library inside `build`. To add
one: a module, and a line in `PEERS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec

from benchmarks.lecture import Array, LectureBar
from benchmarks.peers import jax_scan, kappafit, march, scipy_gttrf, torch_function
from benchmarks.peers.peer import Peer

Build = Callable[[LectureBar, Array], Peer]


@dataclass(frozen=True)
class Entry:
    """How a peer is built, and the library it needs."""

    build: Build
    library: str

    @property
    def installed(self) -> bool:
        """Whether its library can be imported."""
        return find_spec(self.library) is not None


PEERS: dict[str, Entry] = {
    "march": Entry(march.build, "solver"),
    "kappafit": Entry(kappafit.build, "solver"),
    "scipy": Entry(scipy_gttrf.build, "scipy"),
    "jax": Entry(jax_scan.build, "jax"),
    "torch": Entry(torch_function.build, "torch"),
}
