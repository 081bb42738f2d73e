r"""PyTorch: its tape over the steps, each step a function of our own.

PyTorch has no tridiagonal solve, so a step u = (I - dt kappa D)^-1 b calls LAPACK and brings its
own transpose: with (I - dt kappa D)^T z = u_bar,

    b_bar = z,        kappa_bar = dt z (D u).

A step of the nonlinear problem brings the transposed Jacobian at its root in the same way. An
ensemble would be a loop over its pairs, and is left out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.linalg.lapack import dgttrs

from benchmarks.lecture import TRIAL, Array, LectureBar, second_difference
from benchmarks.peers.peer import Peer
from benchmarks.peers.scipy_gttrf import Factors, factor
from benchmarks.peers.scipy_newton import root, solve


def linear(bar: LectureBar, d: Array) -> Peer:
    """The matrix is factored once for all steps."""
    import torch

    step, x = step_of(bar), torch.from_numpy(bar.x)
    source, history = torch.from_numpy(bar.dt * bar.g), bar.s.tolist()

    def temperatures(ab: Any) -> Any:
        kappa = ab[0] + ab[1] * x
        factors = factor(bar, *ab.tolist())
        u, u0 = torch.zeros(bar.n, dtype=torch.float64), []
        for s in history:
            u = step(kappa, torch.add(u, source, alpha=s), factors)
            u0.append(u[0])
        return torch.stack(u0)

    return peer(temperatures, d)


def nonlinear(bar: LectureBar, d: Array) -> Peer:
    """A step is Newton's method in NumPy and SciPy."""
    import torch

    step = newton_step_of(bar)
    source, history = torch.from_numpy(bar.dt * bar.g), bar.s.tolist()

    def temperatures(ab: Any) -> Any:
        u, u0 = torch.zeros(bar.n, dtype=torch.float64), []
        for s in history:
            u = step(ab, torch.add(u, source, alpha=s), u.detach())
            u0.append(u[0])
        return torch.stack(u0)

    return peer(temperatures, d)


def peer(temperatures: Callable[[Any], Any], d: Array) -> Peer:
    """J without a tape, and J with its gradient from the tape."""
    import torch

    torch.set_num_threads(1)
    readings = torch.from_numpy(d)

    def misfit(ab: Any) -> Any:
        return torch.sum((temperatures(ab) - readings) ** 2)

    def forward() -> float:
        with torch.no_grad():
            return float(misfit(torch.tensor(TRIAL, dtype=torch.float64)))

    def value_and_gradient() -> tuple[float, Array]:
        ab = torch.tensor(TRIAL, dtype=torch.float64, requires_grad=True)
        J = misfit(ab)
        J.backward()
        return float(J.detach()), ab.grad.numpy()

    return Peer(forward, value_and_gradient)


def step_of(bar: LectureBar) -> Any:
    """The differentiable map (kappa, b, factors) -> u."""
    import torch

    scale = bar.dt / bar.dx**2

    class Step(torch.autograd.Function):  # type: ignore[misc]
        @staticmethod
        def forward(ctx: Any, kappa: Any, b: Any, factors: Factors) -> Any:
            u = torch.from_numpy(dgttrs(*factors, b.detach().numpy())[0])
            ctx.factors = factors
            ctx.save_for_backward(u)
            return u

        @staticmethod
        def backward(ctx: Any, u_bar: Any) -> Any:
            (u,) = ctx.saved_tensors
            z = torch.from_numpy(dgttrs(*ctx.factors, u_bar.numpy(), trans="T")[0])
            return scale * z * second_difference(u), z, None

    return Step.apply


def newton_step_of(bar: LectureBar) -> Any:
    """The differentiable map (a and b, right side, where to start) -> u."""
    import torch

    scale = bar.dt / bar.dx**2

    class Step(torch.autograd.Function):  # type: ignore[misc]
        @staticmethod
        def forward(ctx: Any, ab: Any, right: Any, start: Any) -> Any:
            ctx.ab = ab.tolist()
            a, b = ctx.ab
            u = torch.from_numpy(root(bar, a, b, right.detach().numpy(), start.numpy()))
            ctx.save_for_backward(u)
            return u

        @staticmethod
        def backward(ctx: Any, u_bar: Any) -> Any:
            u = ctx.saved_tensors[0].numpy()
            a, b = ctx.ab
            z = solve(bar, a, b, u, u_bar.numpy(), trans="T")
            products = scale * z * second_difference(u)
            ab_bar = np.array([products.sum(), products @ u])
            return torch.from_numpy(ab_bar), torch.from_numpy(z), None

    return Step.apply


BUILDS = {"linear": linear, "nonlinear": nonlinear}
