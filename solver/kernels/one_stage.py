r"""The march and its adjoint by a method of one stage, which is what most marches are.

    M u_{k+1} = u_k + dt A_11 S^T h_k,        M^T z_k = lam_{k+1},    lam_k = z_k + readings,

M = I - dt A_11 K, all of it in v: see `solver.kernels.march`, whose loops over stages would do the
same. At 100 unknowns a step forward takes 60 ns here and 70 ns there, for what stands between two
solves.
"""

from __future__ import annotations

from solver.kernels.compiled import part
from solver.kernels.lanes import load, store
from solver.kernels.nodes import add_readings, read_probes
from solver.kernels.products import GROUP, add_outer, add_outers
from solver.kernels.symmetric import sweep, sweep_back
from solver.kernels.tridiagonal import Array
from solver.kernels.vectors import add_load_bars


@part
def march_on(
    scale: Array,
    f: Array,
    joint: Array | None,
    step: float,
    G: Array,
    histories: Array,
    first: int,
    last: int,
    start: int,
    states: Array,
    keep: bool,
    probes: Array,
    readings: Array,
) -> None:
    """`march.forward` of one stage and one load; step: dt A_11."""
    rows = G.shape[0]
    now = (first - start if keep else min(first - start, 1)) * rows
    for k in range(first, last):
        to = (1 + k - start if keep else 1) * rows
        sweep(f, joint, 0, rows, states, now, step * load(histories, k), G, states, to)
        sweep_back(f, joint, 0, rows, states, to)
        read_probes(states, to, probes, scale, readings, k + 1)
        now = to


@part
def march_back(
    scale: Array,
    f: Array,
    joint: Array | None,
    step: float,
    G: Array,
    histories: Array,
    first: int,
    last: int,
    start: int,
    states: Array,
    probes: Array,
    readings_bar: Array,
    z: Array,
    kept: Array,
    K_bar: Array,
    G_bar: Array,
    histories_bar: Array,
) -> None:
    """`march.adjoint` of one stage, from and to the cotangent of u in front of z (1 + GROUP rows).

    The z of `GROUP` steps wait, each in the place of the lam of the step before it, until they go
    to K_bar together. kept: room for the rows with probes.
    """
    rows = K_bar.shape[0] // 3
    loads, waiting = G.shape[0] // rows, 0
    for k in range(last - 1, first - 1, -1):
        lam = waiting * rows
        own = lam + rows
        for q in range(probes.shape[1]):  # as z that waits it has no part of the readings
            store(kept, q, load(z, lam + probes[0, q]))
        add_readings(z, lam, probes, scale, readings_bar, k + 1)
        sweep(f, joint, 0, rows, z, lam, None, None, z, own)
        for q in range(probes.shape[1]):
            store(z, lam + probes[0, q], load(kept, q))
        sweep_back(f, joint, 0, rows, z, own)
        add_load_bars(rows, loads, step, z, own, G, histories, k * loads, G_bar, histories_bar)
        waiting += 1
        if waiting == GROUP or k == first:
            y = (k - start + waiting) * rows
            add_group(z, step, scale, joint, rows, states, y, waiting, K_bar)
            for r in range(rows):
                store(z, r, load(z, own + r))
            waiting = 0


@part
def add_group(
    z: Array,
    step: float,
    scale: Array,
    joint: Array | None,
    rows: int,
    states: Array,
    y: int,
    count: int,
    K_bar: Array,
) -> None:
    """What `count` steps add to K_bar, the last one first: with z behind lam, their Y from y on."""
    if count == GROUP:
        add_outers(z, rows, step, scale, joint, rows, states, y, K_bar)
    else:
        for c in range(count):
            add_outer(z, (1 + c) * rows, step, scale, joint, rows, states, y - c * rows, K_bar)
