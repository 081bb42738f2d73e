"""Parts of kernels called from Python, through a small kernel around each."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numba


@cache
def called(part: Any) -> Callable[..., Any]:
    """`part` as Python can call it."""

    @numba.njit
    def whole(*arguments: Any) -> Any:
        return part(*arguments)

    found: Callable[..., Any] = whole
    return found
