"""From the order of the nodes to rows of lanes, and back; and what a march is begun with.

Where node i of a vector stands follows from the ranks of the arrays:

    x (q, N), out (q rows, 8)       the pieces of one bar: row i % rows, lane i // rows,
                                    and 0 beyond the last node,
    x (q, N), out (q rows,)         one bar node by node: row i,
    x (8, q, N), out (q rows, 8)    eight bars: row i, a lane each.
"""

from __future__ import annotations

from solver.kernels.compiled import kernel
from solver.kernels.lanes import LANES
from solver.kernels.symmetric import factor, set_scale
from solver.kernels.tridiagonal import Array
from solver.kernels.vectors import divide


@kernel
def pack(x: Array, rows: int, out: Array) -> None:
    """Vectors x to the front of `out`."""
    if out.ndim == 1:
        for q in range(x.shape[0]):
            for r in range(rows):
                out[q * rows + r] = x[q, r]
    elif x.ndim == 3:
        for lane in range(LANES):
            for q in range(x.shape[1]):
                for r in range(rows):
                    out[q * rows + r, lane] = x[lane, q, r]
    else:
        for q in range(x.shape[0]):
            for r in range(rows):
                for lane in range(LANES):
                    i = lane * rows + r
                    out[q * rows + r, lane] = x[q, i] if i < x.shape[1] else 0.0


@kernel
def unpack(packed: Array, rows: int, x: Array) -> None:
    """The transpose of `pack`."""
    if packed.ndim == 1:
        for q in range(x.shape[0]):
            for r in range(rows):
                x[q, r] = packed[q * rows + r]
    elif x.ndim == 3:
        for lane in range(LANES):
            for q in range(x.shape[1]):
                for r in range(rows):
                    x[lane, q, r] = packed[q * rows + r, lane]
    else:
        for q in range(x.shape[0]):
            for lane in range(LANES):
                for r in range(min(rows, x.shape[1] - lane * rows)):
                    x[q, lane * rows + r] = packed[q * rows + r, lane]


@kernel
def prepare(
    bands: Array,
    initial: Array,
    profiles: Array,
    rows: int,
    A: Array,
    dt: float,
    K: Array,
    scale: Array,
    f: Array,
    joint: Array | None,
    u: Array,
    G: Array,
) -> None:
    """What a march begins with: the scale of K, the factors of I - dt A_ii K for every stage.

    Packs K and u at t = 0; these and `profiles`, which are packed and go to G, over the scale.
    """
    pack(bands, rows, K)
    pack(initial, rows, u)
    set_scale(K, rows, joint, scale)
    for i in range(A.shape[0]):
        factor(K, scale, rows, dt * A[i, i], f, joint, i)
    divide(rows, u[:rows], scale, u)
    divide(rows, profiles, scale, G)
