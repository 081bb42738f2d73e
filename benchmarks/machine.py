"""The machine a benchmark runs on: one thread of one core, and the memory it took.

Imports nothing that starts threads: `settle` has to come before NumPy is loaded.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
)
XLA_ONE_THREAD = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
ALLOWED = frozenset(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else frozenset()


def settle() -> None:
    """Bind this process to one thread and, where the system allows it, to one core.

    The core is the last of those allowed, so that an outer choice of cores is kept.
    """
    os.environ.update(dict.fromkeys(THREADS, "1"))
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {XLA_ONE_THREAD}".strip()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def pinned_core() -> int | None:
    """The one core this process is bound to, or None."""
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
    return next(iter(cores)) if len(cores) == 1 else None


@contextmanager
def all_cores() -> Iterator[None]:
    """Free this process for all the cores that it had before it was bound to one."""
    if not ALLOWED:
        yield
        return
    bound = os.sched_getaffinity(0)
    os.sched_setaffinity(0, ALLOWED)
    try:
        yield
    finally:
        os.sched_setaffinity(0, bound)


def peak_rss_mb() -> float | None:
    """The most memory this process ever held, in units of 2^20 bytes; None where nothing tells.

    Linux's own figure is taken first: getrusage there remembers the parent that started us.
    """
    return _status_mb("VmHWM") or _getrusage_mb()


def rss_mb() -> float | None:
    """The memory this process holds now; elsewhere than on Linux the most it held so far."""
    return _status_mb("VmRSS") or _getrusage_mb()


def _status_mb(entry: str) -> float | None:
    try:
        with open("/proc/self/status", encoding="ascii") as status:
            return next(int(line.split()[1]) / 2**10 for line in status if line.startswith(entry))
    except (OSError, StopIteration):
        return None


def _getrusage_mb() -> float | None:
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(peak / (2**20 if sys.platform == "darwin" else 2**10))
