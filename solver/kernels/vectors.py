"""Vectors of rows: their sums, and the transpose of what loads add to them."""

from __future__ import annotations

from solver.kernels.compiled import part
from solver.kernels.lanes import add, like, load, store
from solver.kernels.tridiagonal import Array


@part
def set_total(rows: int, terms: int, z: Array, at: int, out: Array, to: int) -> None:
    """out[to:] = the sum of z[at:], z[at + rows:], ..."""
    for r in range(rows):
        out_r = load(z, at + r)
        for i in range(1, terms):
            out_r = out_r + load(z, at + i * rows + r)
        store(out, to + r, out_r)


@part
def add_load_bars(
    rows: int,
    loads: int,
    step: float,
    z: Array,
    own: int,
    G: Array,
    histories: Array,
    at: int,
    G_bar: Array,
    histories_bar: Array,
) -> None:
    """The transpose of the loads, of one stage that they drive by phi = step z[own:]."""
    if G_bar.shape[0] > 0:
        for p in range(loads):
            for r in range(rows):
                add(G_bar, p * rows + r, load(histories, at + p) * (step * load(z, own + r)))
    if histories_bar.shape[0] > 0:
        for p in range(loads):
            dot = like(z, 0.0)
            for r in range(rows):
                dot = dot + load(G, p * rows + r) * (step * load(z, own + r))
            add(histories_bar, at + p, dot)


@part
def combine(
    rows: int, u: Array, start: int, terms: int, w: Array, G: Array, x: Array, to: int
) -> None:
    """x[to:] = u[start:] + sum_p w_p G_p, p < terms."""
    for r in range(rows):
        x_r = load(u, start + r)
        for p in range(terms):
            x_r = x_r + load(w, p) * load(G, p * rows + r)
        store(x, to + r, x_r)


@part
def set_sum(rows: int, terms: int, w: Array, G: Array, out: Array, to: int) -> None:
    """out[to:] = sum_p w_p G_p, p < terms."""
    for r in range(rows):
        store(out, to + r, like(out, 0.0))
    add_sum(rows, terms, w, G, out, to)


@part
def add_sum(rows: int, terms: int, w: Array, G: Array, out: Array, to: int) -> None:
    """out[to:] += sum_p w_p G_p, p < terms."""
    for r in range(rows):
        out_r = load(out, to + r)
        for p in range(terms):
            out_r = out_r + load(w, p) * load(G, p * rows + r)
        store(out, to + r, out_r)


@part
def copy(rows: int, a: Array, at: int, out: Array, to: int) -> None:
    """out[to:] = a[at:]."""
    for r in range(rows):
        store(out, to + r, load(a, at + r))


@part
def divide(rows: int, x: Array, scale: Array, out: Array) -> None:
    """out = x over a scale (rows), vector by vector; out may be x."""
    for v in range(x.shape[0] // rows):
        for r in range(rows):
            store(out, v * rows + r, load(x, v * rows + r) / load(scale, r))
