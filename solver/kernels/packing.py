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
from solver.kernels.tridiagonal import Array, factor, factor_transposed, transpose


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
    rows: int,
    A: Array,
    dt: float,
    K: Array,
    f: Array,
    joint: Array | None,
    u: Array,
    both: bool,
    K_T: Array,
    f_T: Array,
    joint_T: Array | None,
) -> None:
    """Pack K and u at t = 0, and factor I - dt A_ii K for every stage; with `both`, of K^T too."""
    pack(bands, rows, K)
    pack(initial, rows, u)
    if both:
        transpose(K, rows, joint, K_T)
    for i in range(A.shape[0]):
        factor(K, rows, dt * A[i, i], None, f, joint, i)
        if both:
            factor_transposed(K, rows, dt * A[i, i], f, joint, f_T, joint_T, i)
