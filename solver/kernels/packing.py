"""From the order of the nodes to rows of lanes, and back."""

from __future__ import annotations

from solver.kernels.compiled import kernel
from solver.kernels.lanes import LANES
from solver.kernels.tridiagonal import Array


@kernel
def pack(x: Array, rows: int, out: Array) -> None:
    """Vectors x (q, N) to out[: q rows] (rows, 8): node ``lane rows + row``, 0 beyond the last."""
    for q in range(x.shape[0]):
        for r in range(rows):
            for lane in range(LANES):
                i = lane * rows + r
                out[q * rows + r, lane] = x[q, i] if i < x.shape[1] else 0.0


@kernel
def unpack(packed: Array, rows: int, x: Array) -> None:
    """The transpose of `pack`."""
    for q in range(x.shape[0]):
        for lane in range(LANES):
            for r in range(min(rows, x.shape[1] - lane * rows)):
                x[q, lane * rows + r] = packed[q * rows + r, lane]
