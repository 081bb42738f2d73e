"""What peers are compared in: kinds, each some calls of one of the lecture's problems."""

from __future__ import annotations

FORWARD, BOTH = "forward", "value_and_gradient"

KINDS: dict[str, tuple[str, tuple[str, ...]]] = {
    "value": ("linear", (FORWARD,)),
    "gradient": ("linear", (BOTH,)),
    "nonlinear": ("nonlinear", (FORWARD, BOTH)),
    "ensemble": ("ensemble", (BOTH,)),
}


def problems(kinds: list[str]) -> dict[str, tuple[str, ...]]:
    """The problems that the kinds ask for, and the calls of each."""
    asked: dict[str, tuple[str, ...]] = {}
    for kind, (problem, calls) in KINDS.items():
        if kind in kinds:
            asked[problem] = (*asked.get(problem, ()), *calls)
    return asked
