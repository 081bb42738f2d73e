"""How a comparison is written: as a line of JSON, or as a table to read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.kinds import BOTH, FORWARD
from benchmarks.machine import pinned_core
from benchmarks.output import as_json, as_table, duration, megabytes, times

if TYPE_CHECKING:
    from benchmarks.comparison import Comparison, Row

OURS, OTHERS = "kappafit", {"C": "c-", "JAX": "jax"}
HEADINGS = (
    "",
    "value",
    "value+gradient",
    "/ value",
    "/ march",
    "/ best C",
    "/ scipy",
    "gradient error",
    "memory",
    "first call",
)
LEGEND = (
    "memory: the most held in a fresh process, above what its imports hold; "
    "first call: from the start of a fresh process to its first answer, with all that is compiled "
    "anew for it (kappafit's kernels come from their cache)"
)


def as_record(comparison: Comparison) -> str:
    """One line of JSON."""
    return as_json(
        {
            "n": comparison.bar.n,
            "m": comparison.bar.m,
            "problem": comparison.problem,
            "rounds": comparison.rounds,
            "core": pinned_core(),
            "missing": list(comparison.missing),
            "lacking": list(comparison.lacking),
            "peers": {row.name: record_of(comparison, row) for row in comparison.rows.values()},
        }
    )


def record_of(comparison: Comparison, row: Row) -> dict[str, Any]:
    """One peer's part of the line."""
    fresh = row.fresh
    return {
        "objective": np.asarray(row.objective).tolist(),
        "objective_error": row.objective_error,
        "gradient": None if row.gradient is None else row.gradient.tolist(),
        "gradient_error": row.gradient_error,
        "agrees": row.agrees,
        "forward_s": row.forward_s,
        "value_and_gradient_s": row.value_and_gradient_s,
        **comparison.ratios(row),
        "memory_mb": None if fresh is None else fresh.memory_mb,
        "first_call_s": None if fresh is None else fresh.first_call_s,
    }


def as_text(comparison: Comparison) -> str:
    """A table to read, and below it ours over the best of the others."""
    bar, core, rows = comparison.bar, pinned_core(), comparison.rows.values()
    title = (
        f"{comparison.problem}: {bar.n} unknowns, {bar.m} steps; "
        f"medians of {comparison.rounds} rounds, "
        + ("not pinned to a core" if core is None else f"pinned to core {core}")
    )
    table = as_table([list(HEADINGS), *(cells(comparison, row) for row in rows)])
    lines = [title, table, *verdicts(comparison)]
    if comparison.missing:
        lines.append(f"not installed: {', '.join(comparison.missing)}")
    if any(row.fresh for row in rows):
        lines.append(LEGEND)
    return "\n".join(lines) + "\n"


def cells(comparison: Comparison, row: Row) -> list[str]:
    """One line of the table."""
    error = "-" if row.gradient_error is None else f"{row.gradient_error:.1e}"
    fresh = row.fresh
    return [
        row.name,
        duration(row.forward_s),
        duration(row.value_and_gradient_s),
        *(times(ratio) for ratio in comparison.ratios(row).values()),
        error if row.agrees else f"{error} WRONG",
        "-" if fresh is None else megabytes(fresh.memory_mb),
        "-" if fresh is None else duration(fresh.first_call_s),
    ]


def verdicts(comparison: Comparison) -> list[str]:
    """What ours takes in units of the best C and the best JAX."""
    ours = comparison.rows.get(OURS)
    if ours is None:
        return [f"{OURS} does not solve this problem"]
    said = []
    for other, prefix in OTHERS.items():
        over = {
            "value": comparison.over_best(ours, prefix, FORWARD),
            "value+gradient": comparison.over_best(ours, prefix, BOTH),
        }
        ratios = ", ".join(f"{times(r)} ({word})" for word, r in over.items() if r is not None)
        if ratios:
            said.append(f"{OURS} over the best {other}: {ratios}")
    return said
