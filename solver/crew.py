"""Threads over independent tasks, each thread with a worker of its own: an object with buffers.

Tasks are taken in order by whichever thread is free. So what comes of a task must depend neither on
the worker nor on what that did before; then it does not depend on the number of threads.
"""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from itertools import chain
from pathlib import Path
from typing import Generic, TypeVar

from solver.march import Pulse

Worker = TypeVar("Worker")
Task = TypeVar("Task")
Result = TypeVar("Result")

CGROUP = Path("/sys/fs/cgroup")
# Quota and period of version 2 and of version 1, which says -1 for no quota.
QUOTA_FILES = (("cpu.max",), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us"))


class Crew(Generic[Worker]):
    """Workers made by `make(pulse)`, as many as threads ask for at a time; `idle` are some of them.

    `pulse` runs in every thread. Where it or a task raises, all threads stop at their next pulse.
    """

    def __init__(
        self, make: Callable[[Pulse], Worker], *, pulse: Pulse, idle: Iterable[Worker] = ()
    ) -> None:
        self.idle = list(idle)
        self._make, self._pulse = make, pulse
        self._raised: list[BaseException] = []

    def over(
        self, tasks: Sequence[Task], work: Callable[[Worker, Task], Result], threads: int
    ) -> list[Result]:
        """What `work` returns for every task. The caller's thread takes part, with the first."""
        self._raised.clear()
        found: dict[int, Result] = {}
        left = deque(enumerate(tasks))

        def take_part(mine: Iterable[tuple[int, Task]] = ()) -> None:
            try:
                with self.worker() as worker:
                    for number, task in chain(mine, _taken(left)):
                        found[number] = work(worker, task)
            except BaseException as error:
                self._raised.append(error)
                left.clear()
                raise

        first = [left.popleft()] if left else []
        count = min(threads - 1, len(left))
        with ThreadPoolExecutor(count) if count > 0 else nullcontext() as pool:
            others = [pool.submit(take_part) for _ in range(count)] if pool else []
            take_part(first)
        for other in others:
            other.result()
        return [found[number] for number in range(len(tasks))]

    @contextmanager
    def worker(self) -> Iterator[Worker]:
        """One that nobody else works with."""
        try:
            worker = self.idle.pop()
        except IndexError:
            worker = self._make(self._pulse_or_stop)
        try:
            yield worker
        finally:
            self.idle.append(worker)

    def _pulse_or_stop(self) -> None:
        if self._raised:
            raise self._raised[0]
        self._pulse()


def _taken(left: deque[Task]) -> Iterator[Task]:
    """Tasks, until none is left."""
    while True:
        try:
            yield left.popleft()
        except IndexError:
            return


def cores() -> int:
    """The cores that this process may use: its affinity, and the quota of its container.

    ``KAPPAFIT_THREADS`` lowers it, for processes that share a machine.
    """
    affinity = getattr(os, "sched_getaffinity", None)
    count = len(affinity(0)) if affinity else os.cpu_count() or 1
    for files in QUOTA_FILES:
        try:
            quota, period = " ".join((CGROUP / file).read_text() for file in files).split()
            count = min(count, math.ceil(int(quota) / int(period)) or count)
        except (OSError, ValueError):  # no such file, or "max": no quota
            pass
    wanted = os.environ.get("KAPPAFIT_THREADS", "")
    return max(1, min(count, int(wanted)) if wanted.isdigit() else count)
