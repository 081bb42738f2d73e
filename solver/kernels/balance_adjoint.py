r"""The heat balance's way back: from cotangents of heat and flow to those of what they are made of.

The transposes of E(u) and of q(u) (`solver.kernels.balance`) at fixed temperatures: by arms and
capacities, and by the coefficients of both laws (`solver.kernels.pieces`).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from solver.kernels.balance import Books, Scratch
from solver.kernels.compiled import part
from solver.kernels.lanes import add, like, load, store
from solver.kernels.nodes import left_of_first, right_of
from solver.kernels.pieces import (
    Polynomial,
    add_power,
    add_powers,
    add_sums,
    no_powers,
    polynomial,
)
from solver.kernels.tridiagonal import Array


class Cotangents(NamedTuple):
    """Of all that is marched; those of no rows are left out of the work.

    heat (rows): of E; arms (3 rows), capacities (rows); conduct and store: of the laws' pieces, and
    of a law of one piece the sums (degree + 1), lane by lane; of G's profiles, of histories and of
    pinned temperatures.
    """

    heat: Array
    arms: Array
    capacities: Array
    conduct: Array
    conduct_powers: Array
    store: Array
    store_powers: Array
    G: Array
    histories: Array
    pinned: Array
    initial: Array


@part
def add_arms_bar(
    books: Books, joint: Array | None, s: Scratch, step: float, z: Array, at: int, arms_bar: Array
) -> None:
    """The transpose of ``phi . q`` by the arms, phi = step z[at:]."""
    u, kappa, rows, share, own = s.u, s.kappa, s.u.shape[0], books.share, 1.0 - books.share
    here, k = load(u, 0), load(kappa, 0)
    left, k_left = left_of_first(u, 0, rows, joint), left_of_first(kappa, 0, rows, joint)
    for r in range(rows):
        right, k_right = right_of(u, 0, r, rows, joint), right_of(kappa, 0, r, rows, joint)
        p = step * load(z, at + r)
        add(arms_bar, r, p * (own * k + share * k_left) * (left - here))
        add(arms_bar, rows + r, p * here)
        add(arms_bar, 2 * rows + r, p * (own * k + share * k_right) * (right - here))
        left, k_left, here, k = here, k, right, k_right


@part
def add_conduct_bar(
    books: Books,
    joint: Array | None,
    s: Scratch,
    step: float,
    z: Array,
    at: int,
    conduct_bar: Array,
    powers: Array,
) -> None:
    """The transpose of ``phi . q`` by the law that conducts, phi = step z[at:]."""
    p, sums = polynomial(books.conduct), no_powers(s.u)
    if books.share == 0.0:
        sums = add_kappa_bar_of_nodes(p, books, joint, s, step, z, at, powers, sums)
    else:
        sums = add_kappa_bar_through_faces(p, books, joint, s, step, z, at, powers, sums)
    finish_law_bar(p, sums, s.conduct_where, s.conduct_xi, s.saved, conduct_bar, powers)


@part
def add_kappa_bar_of_nodes(
    p: Polynomial,
    books: Books,
    joint: Array | None,
    s: Scratch,
    step: float,
    z: Array,
    at: int,
    powers: Array,
    sums: Any,
) -> Any:
    """The transpose by the kappa of every node, in the lecture's form. See `add_value_bar`."""
    arms, u, rows = books.arms, s.u, s.u.shape[0]
    left, here = left_of_first(u, 0, rows, joint), load(u, 0)
    for r in range(rows):
        right = right_of(u, 0, r, rows, joint)
        bend = load(arms, r) * (left - here) + load(arms, 2 * rows + r) * (right - here)
        value_bar = step * load(z, at + r) * bend
        sums = add_value_bar(p, here, value_bar, r, s.saved, powers, sums)
        left, here = here, right
    return sums


@part
def add_kappa_bar_through_faces(
    p: Polynomial,
    books: Books,
    joint: Array | None,
    s: Scratch,
    step: float,
    z: Array,
    at: int,
    powers: Array,
    sums: Any,
) -> Any:
    """In the divergence form, where a face takes half of the kappa of both its nodes."""
    arms, u, rows = books.arms, s.u, s.u.shape[0]
    half, here, z_here, below = 0.5 * step, load(u, 0), load(z, at), load(arms, 0)
    rise = here - left_of_first(u, 0, rows, joint)
    above_left = left_of_first(arms, 2 * rows, rows, joint)
    came = rise * (left_of_first(z, at, rows, joint) * above_left - z_here * below)
    for r in range(rows):
        right, z_right = right_of(u, 0, r, rows, joint), right_of(z, at, r, rows, joint)
        below_right = right_of(arms, 0, r, rows, joint)
        goes = (right - here) * (z_here * load(arms, 2 * rows + r) - z_right * below_right)
        sums = add_value_bar(p, here, half * (came + goes), r, s.saved, powers, sums)
        here, z_here, came = right, z_right, goes
    return sums


@part
def add_value_bar(
    p: Polynomial, u: Any, value_bar: Any, r: int, saved: Array, powers: Array, sums: Any
) -> Any:
    """The cotangent of a law's value at row r: to the sums; where there are pieces, to `saved`."""
    if p.alone:
        sums = add_power(p, u, value_bar, powers, sums)
    else:
        store(saved, r, value_bar)
    return sums


@part
def finish_law_bar(
    p: Polynomial,
    sums: Any,
    where: Array,
    xi: Array,
    saved: Array,
    coefficients_bar: Array,
    powers: Array,
) -> None:
    """What `add_value_bar` left to do, after the last row."""
    if p.alone:
        add_sums(sums, powers)
    else:
        add_powers(where, xi.reshape(xi.size), saved.reshape(xi.size), coefficients_bar)


@part
def add_heat_bar(
    books: Books, s: Scratch, bars: Cotangents, is_last: bool, z: Array | None, at: int
) -> None:
    """The transpose of the heat content at fixed temperatures, by capacities and by h."""
    capacities, p, sums = books.capacities, polynomial(books.store), no_powers(s.u)
    for r in range(s.u.shape[0]):
        y = load(bars.heat, r) if is_last else like(bars.heat, 0.0)
        if z is not None:
            y = y - load(z, at + r)
        if bars.capacities.shape[0] > 0:
            add(bars.capacities, r, load(s.h, r) * y)
        if bars.store.shape[0] > 0:
            h_bar = load(capacities, r) * y
            sums = add_value_bar(p, load(s.u, r), h_bar, r, s.saved, bars.store_powers, sums)
    if bars.store.shape[0] > 0:
        where, xi = s.store_where, s.store_xi
        finish_law_bar(p, sums, where, xi, s.saved, bars.store, bars.store_powers)
