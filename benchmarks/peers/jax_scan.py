r"""JAX: a compiled scan over the steps, differentiated by JAX.

The best form for a framework: the elimination's factors are made once, a step is two scans over the
rows, and `custom_linear_solve` tells JAX to differentiate the equation instead of the elimination.
With I - dt kappa D = L U, where U has the unit diagonal, p_i the inverse pivots and c_i the
multipliers above,

    L y = b:      y_i = p_i (b_i - below_i y_{i-1}),
    U u = y:      u_i = y_i - c_i u_{i+1},
    U^T y = b:    y_i = b_i - c_{i-1} y_{i-1},
    L^T z = y:    z_i = p_i (y_i - below_{i+1} z_{i+1}).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from benchmarks.lecture import TRIAL, Array, LectureBar, pairs
from benchmarks.peers import jax_newton
from benchmarks.peers.peer import Peer

UNROLL = 8  # rows per turn of a compiled loop; from 16 on XLA runs the loop 20 times slower
NEAR = 2**24  # doubles of an ensemble's trajectories; beyond, one by one is up to twice as fast


def linear(bar: LectureBar, d: Array) -> Peer:
    """J and its reverse-mode gradient, both compiled."""
    return peer(lambda: misfit_of(bar, d))


def nonlinear(bar: LectureBar, d: Array) -> Peer:
    """The same with Newton's method in every step."""
    return peer(lambda: jax_newton.misfit_of(bar, d))


def peer(make: Callable[[], Any]) -> Peer:
    """At the trial values."""
    import jax

    jax.config.update("jax_enable_x64", True)
    misfit, ab = make(), jax.numpy.array(TRIAL)
    value, both = jax.jit(misfit), jax.jit(jax.value_and_grad(misfit))

    def value_and_gradient() -> tuple[float, Array]:
        J, gradient = both(ab)
        return float(J), np.asarray(gradient)

    return Peer(lambda: float(value(ab)), value_and_gradient)


def ensemble(bar: LectureBar, d: Array) -> Peer:
    """All pairs at once, or one by one where their trajectories would not stay near the core."""
    import jax

    jax.config.update("jax_enable_x64", True)
    one, ab = jax.value_and_grad(misfit_of(bar, d)), jax.numpy.array(pairs())
    together = jax.vmap(one) if len(ab) * bar.n * bar.m < NEAR else partial(jax.lax.map, one)
    both = jax.jit(together)

    def value_and_gradient() -> tuple[Array, Array]:
        J, gradients = both(ab)
        return np.asarray(J), np.asarray(gradients)

    return Peer(None, value_and_gradient)


def misfit_of(bar: LectureBar, d: Array) -> Any:
    """J as a JAX function of (a, b)."""
    import jax.numpy as jnp
    from jax import lax

    x, source, forcing = jnp.asarray(bar.x), jnp.asarray(bar.dt * bar.g), jnp.asarray(bar.s)

    def misfit(ab: Any) -> Any:
        solve = solver_of(bar, ab[0] + ab[1] * x)

        def step(u: Any, s: Any) -> Any:
            u = solve(u + s * source)
            return u, u[0]

        _, u0 = lax.scan(step, jnp.zeros(bar.n), forcing)
        return jnp.sum((u0 - d) ** 2)

    return misfit


def solver_of(bar: LectureBar, kappa: Any) -> Any:
    """The map b -> u with (I - dt kappa D) u = b."""
    import jax.numpy as jnp
    from jax import lax

    arm = kappa * (bar.dt / bar.dx**2)

    def product(u: Any) -> Any:
        left = jnp.concatenate([u[1:2], u[:-1]])
        right = jnp.concatenate([u[1:], jnp.zeros(1)])
        return u - arm * (left - 2.0 * u + right)

    p, below, c = lax.stop_gradient(factor(arm))
    below_next = jnp.concatenate([below[1:], jnp.zeros(1)])
    c_before = jnp.concatenate([jnp.zeros(1), c[:-1]])

    def solve(_: Any, b: Any) -> Any:
        return recurrence(c, recurrence(p * below, p * b), reverse=True)

    def transpose_solve(_: Any, b: Any) -> Any:
        return recurrence(p * below_next, p * recurrence(c_before, b), reverse=True)

    return lambda b: lax.custom_linear_solve(product, b, solve, transpose_solve)


def factor(arm: Any) -> tuple[Any, Any, Any]:
    """Inverse pivots p, entries below and multipliers above of I - dt kappa D, each (n,)."""
    import jax.numpy as jnp
    from jax import lax

    below = (-arm).at[0].set(0.0)
    above = (-arm).at[0].mul(2.0).at[-1].set(0.0)

    def row(c: Any, entries: Any) -> Any:
        below_i, diagonal_i, above_i = entries
        p = 1.0 / (diagonal_i - below_i * c)
        return p * above_i, (p, p * above_i)

    _, (p, c) = lax.scan(row, jnp.zeros(()), (below, 1.0 + 2.0 * arm, above))
    return p, below, c


def recurrence(f: Any, b: Any, reverse: bool = False) -> Any:
    """y_i = b_i - f_i y_{i-1}, or with i + 1 in reverse."""
    import jax.numpy as jnp
    from jax import lax

    def row(y: Any, entries: Any) -> Any:
        y = entries[1] - entries[0] * y
        return y, y

    return lax.scan(row, jnp.zeros(()), (f, b), reverse=reverse, unroll=UNROLL)[1]


BUILDS = {"linear": linear, "nonlinear": nonlinear, "ensemble": ensemble}
