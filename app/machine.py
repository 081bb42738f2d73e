"""What memory there is."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")
LIMIT_FILES = ("memory.max", "memory/memory.limit_in_bytes")  # of version 2, and of version 1


def available_memory() -> int:
    """Bytes that this process may use: of its container, or of the machine."""
    limits = [_installed()]
    for file in LIMIT_FILES:
        with suppress(OSError, ValueError):  # no such file, or "max": no limit
            limits.append(int((CGROUP / file).read_text()))
    return min(limits)


def _installed() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not said on this system
        return 4 * 2**30
