"""The picture of ``scaling``: a small panel for each size that grows."""

from __future__ import annotations

import platform
from datetime import date
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator, ScalarFormatter

from benchmarks.scaling import Curve

BOTH, VALUE, GUIDE = "#c8501e", "#1c2430", "#9aa4b1"
ACROSS = 3


def draw(curves: list[Curve], file: Path) -> None:
    """All curves over logarithmic axes, the machine and the day above them."""
    down = -(-len(curves) // ACROSS)
    figure = Figure(
        figsize=(4.0 * min(len(curves), ACROSS), 3.3 * down + 0.4), layout="constrained"
    )
    panels = figure.subplots(down, min(len(curves), ACROSS), squeeze=False)
    for index, axes in enumerate(panels.flat):
        if index < len(curves):
            panel(axes, curves[index])
        else:
            axes.set_visible(False)
    figure.suptitle(f"Cost of one evaluation: {machine_name()}, {date.today().isoformat()}")
    figure.savefig(file, dpi=150)


def panel(axes: Axes, curve: Curve) -> None:
    """One size that grows, in ms; the thin line is what grows, or over threads falls, like it."""
    both = [1e3 * t for t in curve.value_and_gradient_s]
    if curve.forward_s is not None:
        value = [1e3 * t for t in curve.forward_s]
        axes.loglog(curve.sizes, value, "s-", color=VALUE, ms=4, lw=1.2, label="value")
    axes.loglog(curve.sizes, both, "o-", color=BOTH, ms=4, lw=1.2, label="value and gradient")
    if curve.over == "threads":
        guide = [both[0] / size for size in curve.sizes]
    elif curve.over == "unknowns of the fit":  # the adjoint's cost is to stay
        guide = []
    else:
        guide = [both[-1] * size / curve.sizes[-1] for size in curve.sizes]
    if guide:
        axes.loglog(curve.sizes, guide, "--", color=GUIDE, lw=0.8, label="in proportion")
    if curve.over == "threads":
        axes.xaxis.set_major_locator(FixedLocator(list(curve.sizes)))
        axes.xaxis.set_major_formatter(ScalarFormatter())
        axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())
    low, high = axes.get_ylim()
    axes.set_ylim(min(low, 0.5 * min(both)), max(high, 2.0 * max(both)))
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_title(curve.setting, fontsize=10, loc="left")
    axes.set_xlabel(curve.over)
    axes.set_ylabel("time / ms")
    axes.legend(frameon=False, fontsize=8)


def machine_name() -> str:
    """The processor's name where the system tells it, else its architecture."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            return next(line.partition(":")[2].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
