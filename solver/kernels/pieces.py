r"""A function of the temperature as polynomial pieces: what a law is inside a compiled march.

No law is known here by name. Whatever it is, it comes as breaks b_0 < ... < b_B and, for piece j
between b_j and b_{j+1}, the coefficients of a polynomial in the local variable

    xi = (u - center_j) inverse_j,    -1 <= xi <= 1,    value = sum_d coefficients_{j, d} xi^d.

Beyond `limits` a law stays what it is there, and its integral goes on straight, so that an iterate
which strays meets matter that conducts and stores, and finds its way back; whether the temperatures
that a march ends with lie within is asked by the march.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from solver.kernels.compiled import aside, part
from solver.kernels.lanes import add, like, load, store
from solver.kernels.tridiagonal import Array


class Pieces(NamedTuple):
    """limits (2,), breaks (B + 1,), centers (B,), inverse (B,), coefficients (B, degree + 1)."""

    limits: Array
    breaks: Array
    centers: Array
    inverse: Array
    coefficients: Array


class Polynomial(NamedTuple):
    """The first piece of a law, up to degree 4, in numbers; `alone` where there is no other."""

    alone: bool
    curved: bool
    center: float
    inverse: float
    c0: float
    c1: float
    c2: float
    c3: float
    c4: float
    line0: float  # of a law that is a straight line
    line1: float


@part
def polynomial(law: Pieces) -> Polynomial:
    """The law's first piece."""
    c, degree = law.coefficients, law.coefficients.shape[1] - 1
    everywhere = law.limits[0] == -np.inf and law.limits[1] == np.inf
    nothing = 0.0 * c[0, 0]
    line1 = c[0, 1] * law.inverse[0] if degree >= 1 else nothing
    return Polynomial(
        law.centers.shape[0] == 1 and everywhere and degree <= 4,
        degree > 1,
        law.centers[0],
        law.inverse[0],
        c[0, 0],
        c[0, 1] if degree >= 1 else nothing,
        c[0, 2] if degree >= 2 else nothing,
        c[0, 3] if degree >= 3 else nothing,
        c[0, 4] if degree >= 4 else nothing,
        c[0, 0] - law.centers[0] * line1,
        line1,
    )


@part
def look_at(
    law: Pieces,
    beyond: float,
    u: Array,
    where: Array,
    xi: Array,
    value: Array,
    slope: Array,
    whole: bool,
) -> None:
    """The law's value and slope d value / d u at the rows u. See `evaluate`.

    A law of one piece is evaluated in the lanes; its xi, and the slope of a straight line, which
    stays what it is, only where the look is `whole`.
    """
    p, n = polynomial(law), u.size
    if not p.alone:
        evaluate(
            *(law, beyond, u.reshape(n), where, xi.reshape(n), value.reshape(n), slope.reshape(n))
        )
        return
    if p.curved:
        curve(p, u, value, slope)
    else:
        for r in range(u.shape[0]):
            store(value, r, p.line0 + p.line1 * load(u, r))
    if whole:
        for r in range(u.shape[0]):
            store(xi, r, (load(u, r) - p.center) * p.inverse)
            if not p.curved:
                store(slope, r, like(u, p.line1))


@part
def curve(p: Polynomial, u: Array, value: Array, slope: Array) -> None:
    """A polynomial of degree 2 to 4."""
    for r in range(u.shape[0]):
        xi = (load(u, r) - p.center) * p.inverse
        v, s = p.c4 * xi + p.c3, like(u, p.c4)
        s = s * xi + v
        v = v * xi + p.c2
        s = s * xi + v
        v = v * xi + p.c1
        store(slope, r, (s * xi + v) * p.inverse)
        store(value, r, v * xi + p.c0)


@aside
def evaluate(
    law: Pieces, beyond: float, u: Array, where: Array, xi: Array, value: Array, slope: Array
) -> None:
    """The law's value and slope d value / d u at the nodes' temperatures `u`, all (N,).

    beyond: the share of its slope with which it goes on, 0 or 1. where (N,): the piece in which
    each node was found last, and is now; xi (N,): how far into it.
    """
    c, degree = law.coefficients, law.coefficients.shape[1] - 1
    last = law.centers.shape[0] - 1
    for r in range(u.shape[0]):
        j = where[r]
        while j < last and u[r].real > law.breaks[j + 1]:
            j += 1
        while j > 0 and u[r].real < law.breaks[j]:
            j -= 1
        where[r] = j
        here = (u[r] - law.centers[j]) * law.inverse[j]
        x, share = here, 1.0
        if u[r].real < law.limits[0]:
            x, share = 0.0 * here + (law.limits[0] - law.centers[j]) * law.inverse[j], beyond
        elif u[r].real > law.limits[1]:
            x, share = 0.0 * here + (law.limits[1] - law.centers[j]) * law.inverse[j], beyond
        v, s = c[j, degree] + 0.0 * x, 0.0 * x
        for d in range(degree - 1, -1, -1):
            s = s * x + v
            v = v * x + c[j, d]
        xi[r] = x
        value[r] = v + share * s * (here - x)
        slope[r] = share * s * law.inverse[j]


@part
def no_powers(u: Array) -> Any:
    """What `add_power` carries to the first row."""
    return like(u, 0.0), like(u, 0.0), like(u, 0.0)


@part
def add_power(p: Polynomial, u: Any, value_bar: Any, powers: Array, sums: Any) -> Any:
    """Add the transpose of coefficients -> value of a law of one piece at a row's temperatures u.

    The first three to the sums, which it returns, the others to powers (degree + 1), lane by lane.
    """
    sum_0, sum_1, sum_2 = sums
    x = (u - p.center) * p.inverse
    power = value_bar * x
    sum_0, sum_1 = sum_0 + value_bar, sum_1 + power
    power = power * x
    sum_2 = sum_2 + power
    for d in range(3, powers.shape[0]):
        power = power * x
        add(powers, d, power)
    return sum_0, sum_1, sum_2


@part
def add_sums(sums: Any, powers: Array) -> None:
    """What `add_power` summed, to powers (degree + 1)."""
    sum_0, sum_1, sum_2 = sums
    add(powers, 0, sum_0)
    if powers.shape[0] > 1:
        add(powers, 1, sum_1)
    if powers.shape[0] > 2:
        add(powers, 2, sum_2)


@part
def add_powers(where: Array, xi: Array, value_bar: Array, coefficients_bar: Array) -> None:
    """Add to coefficients_bar (B, degree + 1) the transpose of coefficients -> values."""
    for r in range(xi.shape[0]):
        power = value_bar[r]
        j = where[r]
        for d in range(coefficients_bar.shape[1]):
            coefficients_bar[j, d] += power
            power *= xi[r]


@part
def add_values(coefficients: Array, where: Array, xi: Array, out: Array) -> None:
    """out += the values of other coefficients (B, degree + 1) at the same places."""
    degree = coefficients.shape[1] - 1
    for r in range(xi.shape[0]):
        j = where[r]
        v = coefficients[j, degree] + 0.0 * xi[r]
        for d in range(degree - 1, -1, -1):
            v = v * xi[r] + coefficients[j, d]
        out[r] += v
