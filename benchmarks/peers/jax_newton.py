r"""JAX: Newton's method in every step, its gradient by the implicit function theorem.

A step's u is a root of F(u, v, ab) = u - v - dt (a + b u) D u with v the right side. Newton's
iterations are a loop that JAX does not look into, each with JAX's own tridiagonal solve (a scan
over the rows as in `jax_scan` is six times slower here). With the Jacobian F_u at the root and

    F_u^T z = u_bar:        v_bar = z,        ab_bar = -F_ab^T z.
"""

from __future__ import annotations

from typing import Any

from benchmarks.lecture import FAST, MOST, TOLERANCE, Array, LectureBar


def misfit_of(bar: LectureBar, d: Array) -> Any:
    """J as a JAX function of (a, b)."""
    import jax.numpy as jnp
    from jax import lax

    source, forcing, root = jnp.asarray(bar.dt * bar.g), jnp.asarray(bar.s), root_of(bar)

    def misfit(ab: Any) -> Any:
        def step(u: Any, s: Any) -> Any:
            u = root(ab, u + s * source, u)
            return u, u[0]

        _, u0 = lax.scan(step, jnp.zeros(bar.n), forcing)
        return jnp.sum((u0 - d) ** 2)

    return misfit


def root_of(bar: LectureBar) -> Any:
    """The differentiable map (ab, right side, where to start) -> u."""
    import jax
    import jax.numpy as jnp
    from jax import lax

    scale = bar.dt / bar.dx**2

    def residual(ab: Any, v: Any, u: Any) -> Any:
        return u - v - scale * (ab[0] + ab[1] * u) * second_difference(u)

    def jacobian(ab: Any, u: Any) -> tuple[Any, Any, Any]:
        arm = scale * (ab[0] + ab[1] * u)
        diagonal = 1.0 + 2.0 * arm - scale * ab[1] * second_difference(u)
        return (-arm).at[0].set(0.0), diagonal, (-arm).at[0].mul(2.0).at[-1].set(0.0)

    def newton(ab: Any, v: Any, start: Any) -> Any:
        def improve(state: Any) -> Any:
            u, last, _, count = state
            delta = solve(*jacobian(ab, u), residual(ab, v, u))
            u = u - delta
            change = jnp.max(jnp.abs(delta)) / jnp.max(jnp.abs(u))
            ahead = jnp.where(change < FAST * last, (change / last) ** 2, 1.0)
            return u, change, change * ahead, count + 1

        def unsettled(state: Any) -> Any:
            return (state[2] > TOLERANCE) & (state[3] < MOST)

        return lax.while_loop(unsettled, improve, (start, 0.0, jnp.inf, 0))[0]

    def forward(ab: Any, v: Any, start: Any) -> Any:
        u = newton(ab, v, start)
        return u, (ab, v, u)

    def backward(kept: Any, u_bar: Any) -> Any:
        ab, v, u = kept
        below, diagonal, above = jacobian(ab, u)
        z = solve(before(above), diagonal, after(below), u_bar)
        _, pull = jax.vjp(lambda ab: residual(ab, v, u), ab)
        return pull(-z)[0], z, jnp.zeros_like(u)

    root = jax.custom_vjp(newton)
    root.defvjp(forward, backward)
    return root


def solve(below: Any, diagonal: Any, above: Any, b: Any) -> Any:
    """The tridiagonal matrix divided into b: elimination and back substitution, (n,)."""
    from jax import lax

    return lax.linalg.tridiagonal_solve(below, diagonal, above, b[:, None])[:, 0]


def second_difference(u: Any) -> Any:
    """dx^2 D u, (n,)."""
    import jax.numpy as jnp

    return jnp.concatenate([u[1:2], u[:-1]]) - 2.0 * u + after(u)


def before(v: Any) -> Any:
    """v_{i-1}, the first 0."""
    import jax.numpy as jnp

    return jnp.concatenate([jnp.zeros(1), v[:-1]])


def after(v: Any) -> Any:
    """v_{i+1}, the last 0."""
    import jax.numpy as jnp

    return jnp.concatenate([v[1:], jnp.zeros(1)])
