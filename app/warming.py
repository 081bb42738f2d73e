"""Before the first request every kernel is there: compiled by a process beside, or only loaded.

Who compiles comes to hold a gigabyte, and cannot be stopped for tens of seconds; so the service
lets another process do it, and loads what that has left in the cache.
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys

import solver
from app.logbook import logger

log = logger("kappafit")


class Stopped(Exception):
    """The service stopped before its kernels were there."""


class WarmUp:
    """Of one service; `run` is for a thread, `stop` ends it from another."""

    def __init__(self) -> None:
        self._compiler: subprocess.Popen[bytes] | None = None
        self._stopped = False

    def run(self) -> None:
        """Compile where nothing is compiled yet, then load. Raises Stopped, or what failed."""
        if not solver.is_warm():
            self._compile()
        if self._stopped:
            raise Stopped
        try:
            solver.warm_up()
        except Exception as error:
            log.error("the kernels cannot be made ready", exc_info=error)
            raise
        # What is there now stays, so the garbage collector, which stops every thread for as long
        # as it looks at it, need not look again.
        gc.collect()
        gc.freeze()

    def stop(self) -> None:
        """Compile no more."""
        self._stopped = True
        if self._compiler is not None:
            self._compiler.kill()

    def _compile(self) -> None:
        """Where that process fails, this one meets the reason as it loads."""
        log.info("compiling the kernels")
        command = [sys.executable, "-m", "app", "warm-up"]
        environment = os.environ | {"KAPPAFIT_CACHE": str(solver.cache_folder().parent)}
        self._compiler = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,  # the terminal's Ctrl-C is for the service
        )
        if self._stopped:
            self._compiler.kill()
        self._compiler.wait()
