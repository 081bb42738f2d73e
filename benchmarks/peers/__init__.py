"""The same value and gradient, by other means.

A peer is a module with a table of builds: which of the lecture's problems it solves, and how it is
got ready, ``build(bar, d) -> Peer``. To add one: a module, and a line in `PEERS`. A module is
imported when its peer is asked for, so that in a fresh process a peer loads no library but its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from shutil import which
from typing import cast

from benchmarks.peers.peer import Build


@dataclass(frozen=True)
class Entry:
    """Where a peer's builds are, ``module:TABLE``, and the library or program that it needs."""

    table: str
    needs: str
    find: Callable[[str], object] = find_spec

    @property
    def installed(self) -> bool:
        """Whether what it needs is there."""
        return self.find(self.needs) is not None

    def load_library(self) -> None:
        """Import what it needs, unless that is a program."""
        if self.find is find_spec:
            import_module(self.needs)

    def builds(self) -> Mapping[str, Build]:
        """By problem; loads the module."""
        module, _, table = self.table.partition(":")
        found = getattr(import_module(f"benchmarks.peers.{module}"), table)
        return cast(Mapping[str, Build], found)


PEERS: dict[str, Entry] = {
    "march": Entry("march:BUILDS", "solver"),
    "kappafit": Entry("kappafit:BUILDS", "solver"),
    "scipy": Entry("scipy_gttrf:BUILDS", "scipy"),
    "c-adjoint": Entry("c_bar:ADJOINT", "gcc", which),
    "c-tangents": Entry("c_bar:TANGENTS", "gcc", which),
    "jax": Entry("jax_scan:BUILDS", "jax"),
    "torch": Entry("torch_function:BUILDS", "torch"),
}
