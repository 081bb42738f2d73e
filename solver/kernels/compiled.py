"""How every kernel is compiled, and where the machine code is kept between processes.

One policy for all: serial, without the GIL but for a few microseconds, IEEE results except that a
multiply and an add may be fused (``contract``). Kernels are generic over float64 and complex128, so
that a complex step goes through the very code that a march runs.

The cache folder carries a digest of all kernel sources. Numba notices an edit of the file that
holds a kernel, but not of a file whose functions that kernel calls; with the digest no edit can
leave a stale result behind.
"""

from __future__ import annotations

import atexit
import ctypes
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numba
from numba.core.registry import CPUDispatcher

Function = TypeVar("Function", bound=Callable[..., Any])
_kernels: list[Any] = []


def kernel(function: Function) -> Function:
    """Compile `function` on its first call, or load it from the cache folder."""
    return _kept(_compiled(function))


def brief(function: Function) -> Function:
    """As `kernel`, of a few microseconds: it holds the GIL, to wait for which takes longer."""
    return _kept(_compiled(function, nogil=False))


def _kept(compiled: Function) -> Function:
    _kernels.append(compiled)
    return compiled


def shed() -> None:
    """Let go of what Numba keeps of loaded kernels so that others could be built on them.

    That is their LLVM code, 30 MB of it; the memory is given back to the machine. To be called
    once all kernels are there. One that is built on them afterwards is slower, and not wrong.
    """
    for compiled in _kernels:
        for overload in compiled.overloads.values():
            overload.library._shared_module = None
    with suppress(OSError, AttributeError):  # where the C library is not glibc
        ctypes.CDLL(None).malloc_trim(0)


class Part(CPUDispatcher):
    """What only kernels call. Nothing is compiled to call it from Python, a third of the time."""

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        raise TypeError(f"{self.__name__} is a part of kernels: only compiled code can call it")


def part(function: Function) -> Function:
    """The same for what kernels do: it becomes a part of the kernel that calls it.

    It must neither make nor return arrays, for it counts no references. Of arrays in a tuple Numba
    would count them in every call, atomically, which is most of the time that a short march takes.
    """
    return _for_kernels(function, forceinline=True)


def aside(function: Function) -> Function:
    """As `part`, for what is seldom needed: it stays on its own, so that its callers stay small."""
    return _for_kernels(function)


def _for_kernels(function: Function, **options: Any) -> Function:
    compiled: Any = _compiled(function, _nrt=False, no_cpython_wrapper=True, **options)
    compiled.__class__ = Part
    part_of_kernels: Function = compiled
    return part_of_kernels


def _compiled(function: Function, *, nogil: bool = True, **options: Any) -> Function:
    # Numba reads the folder from a process-wide setting at decoration; the setting is put back so
    # that other packages' caches stay where they are.
    previous = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = str(cache_folder())
    try:
        compiled: Function = numba.njit(
            cache=True,
            nogil=nogil,
            error_model="numpy",
            fastmath={"contract"},
            no_cfunc_wrapper=True,
            **options,
        )(function)
    finally:
        numba.config.CACHE_DIR = previous
    return compiled


@cache
def cache_folder() -> Path:
    """The folder of the compiled kernels: ``$KAPPAFIT_CACHE`` or the user's cache, by digest.

    Numba needs to write there even to read. In a read-only installation (an image whose kernels
    were compiled when it was built) what is there is copied to a temporary folder.
    """
    folder = _cache_root() / f"kernels-{_source_digest()}"
    if _writable(folder):
        return folder
    root = Path(tempfile.mkdtemp(prefix="kappafit-kernels-"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    private = root / folder.name
    private.mkdir()
    if folder.is_dir():
        shutil.copytree(folder, private, dirs_exist_ok=True)
    return private


def clear_cache() -> None:
    """Remove the compiled kernels, so that a damaged cache file cannot fail every later call."""
    for file in cache_folder().rglob("*.nb?"):
        file.unlink(missing_ok=True)


def _cache_root() -> Path:
    configured = os.environ.get("KAPPAFIT_CACHE")
    if configured:
        return Path(configured)
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "kappafit"


def _source_digest() -> str:
    digest = hashlib.sha256()
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False
