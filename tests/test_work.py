"""Solving in threads: small requests one after the other, long ones beside each other."""

import asyncio
import threading
import time
from types import SimpleNamespace

import pytest

from app.metrics import Metrics
from app.work import ALONE_SECONDS, Room, Workers

SHORT, LONG = 0.2 * ALONE_SECONDS, 6.0 * ALONE_SECONDS
SLEEP = 0.001


class Work:
    """Sleeps for so long, with or without a pulse; `most` is how many did so at a time."""

    def __init__(self, pulsing=True):
        self.most, self._now, self._lock, self._pulsing = 0, 0, threading.Lock(), pulsing

    def of(self, seconds):
        def work(pulse):
            with self._lock:
                self._now += 1
                self.most = max(self.most, self._now)
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                time.sleep(SLEEP)
                if self._pulsing:
                    pulse()
            with self._lock:
                self._now -= 1

        return work


async def stays():
    """A client that is not gone."""
    return False


def at_once(*works):
    """Seconds until each of them is done, or what it raised."""

    async def run():
        workers = Workers(2, Room(9, 60.0, 60.0), Metrics())
        route = SimpleNamespace(name="calibrate")
        request = SimpleNamespace(scope={"route": route}, is_disconnected=stays)
        began = time.monotonic()

        async def one(work):
            await workers.run(request, work)
            return time.monotonic() - began

        try:
            return await asyncio.gather(*map(one, works), return_exceptions=True)
        finally:
            workers.close()

    return asyncio.run(run())


def test_small_requests_are_solved_one_after_the_other():
    work = Work()
    at_once(*[work.of(SHORT)] * 6)
    assert work.most == 1


@pytest.mark.parametrize("pulsing", [True, False])
def test_long_requests_are_solved_beside_each_other(pulsing):
    work = Work(pulsing)
    at_once(work.of(LONG), work.of(LONG))
    assert work.most == 2


@pytest.mark.parametrize("pulsing", [True, False])
def test_a_small_request_does_not_wait_for_the_end_of_a_long_one(pulsing):
    work = Work(pulsing)
    long, short = at_once(work.of(LONG), work.of(SHORT))
    assert short < long


def test_whoever_fails_lets_the_next_one_in():
    def fail(pulse):
        raise ZeroDivisionError

    work = Work()
    failed, *_ = at_once(fail, work.of(SHORT), work.of(SHORT))
    assert isinstance(failed, ZeroDivisionError)
    assert work.most == 1
