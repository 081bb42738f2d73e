r"""PyTorch: its tape over the steps, each step a function of our own.

PyTorch has no tridiagonal solve, so a step u = (I - dt kappa D)^-1 b calls LAPACK and brings its
own transpose: with (I - dt kappa D)^T z = u_bar,

    b_bar = z,        kappa_bar = dt z (D u).
"""

from __future__ import annotations

from typing import Any

from scipy.linalg.lapack import dgttrs

from benchmarks.lecture import TRIAL, Array, LectureBar
from benchmarks.peers.peer import Peer
from benchmarks.peers.scipy_gttrf import Factors, factor


def build(bar: LectureBar, d: Array) -> Peer:
    """J without a tape, and J with its gradient from the tape."""
    import torch

    torch.set_num_threads(1)
    step = step_of(bar)
    x, readings = torch.from_numpy(bar.x), torch.from_numpy(d)
    source, history = torch.from_numpy(bar.dt * bar.g), bar.s.tolist()

    def misfit(ab: Any) -> Any:
        kappa = ab[0] + ab[1] * x
        factors = factor(bar, *ab.tolist())
        u, u0 = torch.zeros(bar.n, dtype=torch.float64), []
        for s in history:
            u = step(kappa, torch.add(u, source, alpha=s), factors)
            u0.append(u[0])
        return torch.sum((torch.stack(u0) - readings) ** 2)

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


def second_difference(u: Any) -> Any:
    """dx^2 D u."""
    out = -2.0 * u
    out[1:] += u[:-1]
    out[:-1] += u[1:]
    out[0] += u[1]
    return out
