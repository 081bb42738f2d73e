"""The figures that prove derivatives and convergence.

Functions return numbers; they never print and never assert, so a test can show that a right input
passes and a wrong one fails. What a trusted figure is: R0 -> 1 and R1 -> 2 for a Taylor test, a
gap at round-off for a dot product, the formal order for a refinement.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from solver import Field

Array = NDArray[np.float64]

COMPLEX_STEP = 1e-40  # no cancellation, so it may be as small as it likes
HALVINGS = 24
ABOVE_NOISE = 1000.0  # a remainder this far above round-off gives its rate to 0.003


@dataclass(frozen=True)
class TaylorRates:
    """Rates of ``J(m + h v) - J(m)`` (first) and of it less ``h g.v`` (second), coarse to fine.

    Only pairs of steps whose remainders stand clear of round-off are kept; where J does not move
    along v, or moves in a straight line, there is no such pair and the rate is NaN.
    """

    first: Array
    second: Array

    @property
    def straight(self) -> bool:
        """Whether J moves along v, and less ``h g.v`` not beyond round-off."""
        return self.first.size > 0 and self.second.size == 0

    @property
    def r0(self) -> float:
        """The finest rate without the gradient: 1 where the functional is not flat."""
        return _finest(self.first)

    @property
    def r1(self) -> float:
        """The finest rate with the gradient: 2 where the gradient is right."""
        return _finest(self.second)


def taylor(
    value: Callable[[Array], float], m: Array, v: Array, slope: float, first_step: float = 1e-2
) -> TaylorRates:
    """Taylor rates of `value` at `m` along `v`, `slope` being the derivative claimed along it."""
    here = value(m)
    steps = first_step / 2.0 ** np.arange(HALVINGS)
    change = np.array([value(m + h * v) - here for h in steps])
    noise = _round_off(value, m, v, here)
    return TaylorRates(
        first=_rates(np.abs(change), noise), second=_rates(np.abs(change - steps * slope), noise)
    )


def taylor_of_second_order(
    value: Callable[[Array], float],
    m: Array,
    v: Array,
    slope: float,
    bend: float,
    first_step: float = 5e-2,
) -> float:
    """The finest rate of ``J(m + h v) - J(m) - h slope - h^2 bend / 2``: 3 where both are right.

    NaN where the remainder does not stand clear of round-off.
    """
    here = value(m)
    steps = first_step / 2.0 ** np.arange(HALVINGS // 2 + 3)
    change = np.array([value(m + h * v) - here for h in steps])
    remainders = np.abs(change - steps * slope - 0.5 * steps**2 * bend)
    return _finest(_rates(remainders, _round_off(value, m, v, here)))


def dot_product_gap(jvp: Array, w: Array, v: Array, vjp: Array) -> float:
    """``|<J v, w> - <v, J^T w>| / (|J v| |w|)``."""
    reach = float(np.linalg.norm(jvp) * np.linalg.norm(w))
    return abs(float(jvp @ w - v @ vjp)) / reach


def relative_gap(a: Array, b: Array) -> float:
    """``|a - b| / |b|`` in the 2-norm over everything; 0 where both vanish."""
    gap, scale = float(np.linalg.norm(a - b)), float(np.linalg.norm(b))
    return gap / scale if gap > 0.0 else 0.0


def complex_step(function: Callable[[NDArray[np.complex128]], NDArray], m: Array) -> Array:
    """d function / d m, one column per component of m (p, ...) -> transposed to (..., p)."""
    columns = []
    for j in range(m.size):
        moved = m.astype(np.complex128)
        moved[j] += 1j * COMPLEX_STEP
        columns.append(np.imag(function(moved)) / COMPLEX_STEP)
    return np.stack(columns, axis=-1)


def central_differences(function: Callable[[Array], float], m: Array, steps: Array) -> Array:
    """The gradient by central differences with one step per component."""
    moves = np.diag(steps)
    return np.array([function(m + d) - function(m - d) for d in moves]) / (2.0 * steps)


def worst_error(found: Field, exact: Callable[[Array, Array], Array]) -> float:
    """The largest error over all nodes and steps against exact(x, t)."""
    t, x = np.meshgrid(found.t, found.x, indexing="ij")
    return float(np.abs(found.temperatures - exact(x, t)).max())


def observed_orders(errors: Sequence[float], ratio: float = 2.0) -> Array:
    """``log(e_i / e_{i+1}) / log(ratio)`` of errors on grids refined by `ratio`, coarse to fine."""
    return -np.diff(np.log(np.asarray(errors))) / np.log(ratio)


def observed_orders_without_truth(solutions: Sequence[Array], ratio: float = 2.0) -> Array:
    """The same from the solutions alone: differences of successive grids fall like the error."""
    differences = [float(np.linalg.norm(a - b)) for a, b in pairwise(solutions)]
    return observed_orders(differences, ratio)


def _round_off(value: Callable[[Array], float], m: Array, v: Array, here: float) -> float:
    """How much J jitters where it should hardly move."""
    jitter = max(abs(value(m + k * 1e-15 * v) - here) for k in (1, 2, 3))
    return max(jitter, float(np.finfo(float).eps) * abs(here))


def _rates(remainders: Array, noise: float) -> Array:
    clear = remainders > ABOVE_NOISE * noise
    usable = remainders[: clear.size if clear.all() else int(np.argmin(clear))]
    return observed_orders(usable) if usable.size >= 2 else np.zeros(0)


def _finest(rates: Array) -> float:
    return float(rates[-1]) if rates.size else float("nan")
