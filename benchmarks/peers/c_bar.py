"""C, compiled here by gcc for this machine and called through ctypes: see bar.c and newton.c.

The gradient of the linear problem comes in two variants: by the adjoint with the trajectory kept,
and by two tangents without one, which is the best for two parameters. An ensemble takes the same
two programs, as many pairs at once as fit side by side into a register.
"""

from __future__ import annotations

import ctypes
import subprocess
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks.lecture import TRIAL, Array, LectureBar, pairs
from benchmarks.peers.peer import Peer

FLAGS = ("-O3", "-march=native", "-ffast-math", "-fPIC", "-Wno-psabi")
FOLDER = Path(__file__).parent


class Bar(ctypes.Structure):
    """The struct of that name in bar.h."""

    _fields_ = [
        ("n", ctypes.c_long),
        ("m", ctypes.c_long),
        ("c", ctypes.c_double),
        ("g", ctypes.c_void_p),
        ("s", ctypes.c_void_p),
        ("d", ctypes.c_void_p),
    ]


def linear(gradient: str, bar: LectureBar, d: Array) -> Peer:
    """J by one march, its gradient by the function of that name."""
    return single(library("bar.c"), struct(bar, d), "forward", gradient)


def nonlinear(bar: LectureBar, d: Array) -> Peer:
    """J by Newton's method, its gradient by the adjoint."""
    return single(library("newton.c"), struct(bar, d), "newton_forward", "newton_adjoint")


def single(loaded: ctypes.CDLL, bar: Bar, value: str, gradient: str) -> Peer:
    """At the trial values, by the functions of these names."""
    ab = np.array([TRIAL])
    forward, both = bound(loaded[value], bar, ab, 1), bound(loaded[gradient], bar, ab, 3)

    def value_and_gradient() -> tuple[float, Array]:
        J, *gradient = both()[:, 0]
        return float(J), np.array(gradient)

    return Peer(lambda: float(forward()[0, 0]), value_and_gradient)


def ensemble(gradient: str, bar: LectureBar, d: Array) -> Peer:
    """As many pairs at once as there are lanes; the last turn is filled up with pairs again."""
    loaded, described, ab = library("bar.c", side_by_side=True), struct(bar, d), pairs()
    lanes = ctypes.c_long.in_dll(loaded, "lanes").value
    turns = np.resize(np.arange(len(ab)), (-(-len(ab) // lanes), lanes))
    calls = [bound(loaded[gradient], described, ab[turn], 3) for turn in turns]

    def both() -> tuple[Array, Array]:
        found = np.hstack([call() for call in calls])[:, : len(ab)]
        return found[0], found[1:].T

    return Peer(None, both)


def struct(bar: LectureBar, d: Array) -> Bar:
    """The bar as C reads it; its arrays live as long as it does."""
    kept = [np.ascontiguousarray(v, np.float64) for v in (bar.dt * bar.g, bar.s, d)]
    described = Bar(bar.n, bar.m, bar.dt / bar.dx**2, *(v.ctypes.data for v in kept))
    described.kept = kept
    return described


def bound(function: Any, bar: Bar, ab: Array, results: int) -> Callable[[], Array]:
    """A call at the pairs (lanes, 2); gives J, or J, dJ/da and dJ/db: (results, lanes)."""
    lanes = len(ab)
    numbers = aligned(5 * lanes).reshape(5, lanes)  # a, b; J, dJ/da, dJ/db
    numbers[:2] = ab.T
    places = [ctypes.c_void_p(numbers[row].ctypes.data) for row in (0, 2, 3)]
    words = (ctypes.byref(bar), *places[: 2 + (results > 1)])
    found = numbers[2 : 2 + results]

    def call() -> Array:
        function(*words)
        return found

    return call


def aligned(count: int) -> Array:
    """So many doubles, the first at a multiple of 64 bytes."""
    room = np.zeros(count + 8)
    start = -room.ctypes.data % 64 // 8
    return room[start : start + count]


@cache
def library(source: str, side_by_side: bool = False) -> ctypes.CDLL:
    """One of the programs, compiled and loaded."""
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        compiled, linked = Path(folder) / "peer.o", Path(folder) / "peer.so"
        lanes = f"-DSIDE_BY_SIDE={int(side_by_side)}"
        subprocess.run(["gcc", *FLAGS, lanes, "-c", FOLDER / source, "-o", compiled], check=True)
        # Linked with -ffast-math it would round the whole process's smallest numbers to zero.
        subprocess.run(["gcc", "-shared", compiled, "-o", linked, "-lm"], check=True)
        return ctypes.CDLL(str(linked))


ADJOINT = {
    "linear": partial(linear, "adjoint"),
    "nonlinear": nonlinear,
    "ensemble": partial(ensemble, "adjoint"),
}
TANGENTS = {
    "linear": partial(linear, "tangents"),
    "ensemble": partial(ensemble, "tangents"),
}
