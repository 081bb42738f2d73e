"""How vectors over the nodes of a bar stand in the rows of lanes that the kernels march.

Every layout gives the same few things: the number of rows; `pack`, from the order of the nodes to
rows, and `unpack`, back (see `solver.kernels.packing`); `probes`, where nodes stand; and room for
the separators where the lanes are joined (see `solver.kernels.tridiagonal`).
"""

from __future__ import annotations

from math import prod
from typing import Any, Protocol

import numpy as np

from solver.kernels import LANES, Array, pack, unpack

ALIGNMENT = 64  # bytes: a row of lanes never crosses a line of the cache


class Layout(Protocol):
    """One way to stand."""

    nodes: int
    rows: int
    bytes: int  # of a vector

    def room(self, vectors: int) -> Array: ...

    def zeros(self, vectors: int) -> Array: ...

    def vectors(self, x: Array) -> Array: ...

    def pack(self, x: Array, out: Array | None = None) -> Array: ...

    def unpack(self, packed: Array, vectors: int) -> Array: ...

    def numbers(self, x: Array) -> Array: ...

    def blank(self, count: int) -> Array: ...

    def numbers_of(self, packed: Array, shape: tuple[int, ...]) -> Array: ...

    def probes(self, nodes: Array) -> Array: ...

    def sums(self, count: int) -> Array: ...

    def padding(self) -> Array: ...

    def node(self, flat: int) -> int: ...

    def joint(self, stages: int) -> Array | None: ...


class Pieces:
    """One bar in eight pieces, a lane each."""

    def __init__(self, nodes: int) -> None:
        self.nodes = nodes
        self.rows = max(2, -(-nodes // LANES))
        self.bytes = 8 * LANES * self.rows

    def room(self, vectors: int) -> Array:
        """Room (rows of all, 8) for so many vectors."""
        return aligned((vectors * self.rows, LANES))

    def zeros(self, vectors: int) -> Array:
        """So many vectors of zeros."""
        out = self.room(vectors)
        out.fill(0.0)
        return out

    def vectors(self, x: Array) -> Array:
        """Vectors (..., nodes) as they are packed."""
        return plain(x, np.float64).reshape(-1, self.nodes)

    def pack(self, x: Array, out: Array | None = None) -> Array:
        """Vectors (..., nodes), written to the front of `out`."""
        x = self.vectors(x)
        out = self.room(x.shape[0]) if out is None else out
        pack(x, self.rows, out)
        return out

    def unpack(self, packed: Array, vectors: int) -> Array:
        """The vectors (vectors, nodes)."""
        x = np.empty((vectors, self.nodes))
        unpack(packed, self.rows, x)
        return x

    def numbers(self, x: Array) -> Array:
        """What is not over the nodes, in one row after the other."""
        return plain(x, np.float64).reshape(-1)

    def blank(self, count: int) -> Array:
        """Room for so many of them."""
        return np.empty(count)

    def numbers_of(self, packed: Array, shape: tuple[int, ...]) -> Array:
        """The transpose of `numbers`."""
        return packed.reshape(shape)

    def probes(self, nodes: Array) -> Array:
        """Rows and lanes (2, Q) of nodes."""
        return np.stack([nodes % self.rows, nodes // self.rows]).astype(np.int64)

    def sums(self, count: int) -> Array:
        """So many sums of 0, lane by lane."""
        return np.zeros((count, LANES))

    def padding(self) -> Array:
        """Rows and lanes (2, G) where no node stands."""
        return self.probes(np.arange(self.nodes, LANES * self.rows))

    def node(self, flat: int) -> int:
        """The node of a number of a packed vector; the last one's where none stands."""
        row, lane = divmod(flat, LANES)
        return min(lane * self.rows + row, self.nodes - 1)

    def joint(self, stages: int) -> Array | None:
        """Room for the inverse of the separators' matrix of every stage."""
        return aligned((stages * LANES, LANES))


class Alone:
    """One bar node by node: what a complex step marches, and what lanes are measured against."""

    def __init__(self, nodes: int, dtype: Any = np.float64) -> None:
        self.nodes = self.rows = nodes
        self._dtype = np.dtype(dtype)
        self.bytes = self._dtype.itemsize * nodes

    def room(self, vectors: int) -> Array:
        """Room for so many vectors."""
        return np.empty(vectors * self.rows, self._dtype)

    def zeros(self, vectors: int) -> Array:
        """So many vectors of zeros."""
        return np.zeros(vectors * self.rows, self._dtype)

    def vectors(self, x: Array) -> Array:
        """Vectors (..., nodes) as they are packed."""
        return plain(x, self._dtype).reshape(-1, self.nodes)

    def pack(self, x: Array, out: Array | None = None) -> Array:
        """Vectors (..., nodes), written to the front of `out`."""
        x = self.vectors(x)
        out = self.room(x.shape[0]) if out is None else out
        pack(x, self.rows, out)
        return out

    def unpack(self, packed: Array, vectors: int) -> Array:
        """The vectors (vectors, nodes)."""
        x = np.empty((vectors, self.nodes), self._dtype)
        unpack(packed, self.rows, x)
        return x

    def numbers(self, x: Array) -> Array:
        """What is not over the nodes, in one row after the other."""
        return plain(x, self._dtype).reshape(-1)

    def blank(self, count: int) -> Array:
        """Room for so many of them."""
        return np.empty(count, self._dtype)

    def numbers_of(self, packed: Array, shape: tuple[int, ...]) -> Array:
        """The transpose of `numbers`."""
        return packed.reshape(shape)

    def probes(self, nodes: Array) -> Array:
        """Rows (and lane 0) of nodes, (2, Q)."""
        return np.stack([nodes, np.zeros_like(nodes)]).astype(np.int64)

    def sums(self, count: int) -> Array:
        """So many sums of 0."""
        return np.zeros(count, self._dtype)

    def padding(self) -> Array:
        """Every row has a node."""
        return np.empty((2, 0), np.int64)

    def node(self, flat: int) -> int:
        """The node of a number of a packed vector."""
        return flat

    def joint(self, stages: int) -> Array | None:
        """Nothing is joined."""
        return None


class Experiments:
    """Eight bars, a lane each; their arrays come with an axis of eight in front."""

    def __init__(self, nodes: int) -> None:
        self.nodes = self.rows = nodes
        self.bytes = 8 * LANES * nodes

    def room(self, vectors: int) -> Array:
        """Room for so many vectors of every bar."""
        return aligned((vectors * self.rows, LANES))

    def zeros(self, vectors: int) -> Array:
        """So many vectors of zeros."""
        out = self.room(vectors)
        out.fill(0.0)
        return out

    def vectors(self, x: Array) -> Array:
        """Vectors (8, ..., nodes) as they are packed."""
        return plain(x, np.float64).reshape(LANES, -1, self.nodes)

    def pack(self, x: Array, out: Array | None = None) -> Array:
        """Vectors (8, ..., nodes), written to the front of `out`."""
        x = self.vectors(x)
        out = self.room(x.shape[1]) if out is None else out
        pack(x, self.rows, out)
        return out

    def unpack(self, packed: Array, vectors: int) -> Array:
        """The vectors (8, vectors, nodes)."""
        x = np.empty((LANES, vectors, self.nodes))
        unpack(packed, self.rows, x)
        return x

    def numbers(self, x: Array) -> Array:
        """What is not over the nodes, (8, ...), a row of lanes after the other."""
        return plain(x.reshape(LANES, -1).T, np.float64)

    def blank(self, count: int) -> Array:
        """Room for so many rows of them."""
        return np.empty((count, LANES))

    def numbers_of(self, packed: Array, shape: tuple[int, ...]) -> Array:
        """The transpose of `numbers`."""
        return np.ascontiguousarray(packed.T).reshape(LANES, *shape)

    def probes(self, nodes: Array) -> Array:
        """Rows (and lane 0, which nobody asks for) of nodes, (2, Q)."""
        return np.stack([nodes, np.zeros_like(nodes)]).astype(np.int64)

    def sums(self, count: int) -> Array:
        """So many sums of 0, for every bar."""
        return np.zeros((count, LANES))

    def padding(self) -> Array:
        """Every row has a node."""
        return np.empty((2, 0), np.int64)

    def node(self, flat: int) -> int:
        """The node of a number of a packed vector."""
        return flat // LANES

    def joint(self, stages: int) -> Array | None:
        """Nothing is joined."""
        return None


def alone_or_in_pieces(nodes: int, dtype: Any) -> Layout:
    """The layout of one bar: in pieces, but for a complex step."""
    return Pieces(nodes) if dtype == np.float64 else Alone(nodes, dtype)


def plain(x: Array, dtype: Any) -> Array:
    """The array in the one form that the kernels are compiled for: contiguous and writable."""
    if x.dtype == dtype and x.flags.c_contiguous and x.flags.writeable:
        return x
    return np.array(x, dtype, order="C")


def aligned(shape: tuple[int, ...]) -> Array:
    """An empty array of doubles that begins where a line of the cache does."""
    count = prod(shape)
    whole = np.empty(count + ALIGNMENT // 8)
    first = -whole.__array_interface__["data"][0] % ALIGNMENT // 8
    return whole[first : first + count].reshape(shape)
