"""Figures for Prometheus, none of a single user. Each application has a registry of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
REQUESTS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
JOBS = (0.01, 0.1, 1, 10, 60, 300, 1800, 3600, 6 * 3600, 24 * 3600)


class Metrics:
    """What a service counts."""

    def __init__(self) -> None:
        self._registry = one = CollectorRegistry()
        ProcessCollector(registry=one)
        self._requests = Counter(
            "kappafit_requests", "answered requests", ["method", "route", "status"], registry=one
        )
        self._request_seconds = Histogram(
            "kappafit_request_seconds",
            "from the headers to the end of the answer",
            ["method", "route"],
            buckets=REQUESTS,
            registry=one,
        )
        self._in_flight = Gauge(
            "kappafit_requests_in_flight", "requests being answered", registry=one
        )
        self._solves = Counter(
            "kappafit_solves", "documents worked on in requests", ["task", "outcome"], registry=one
        )
        self._solve_seconds = Histogram(
            "kappafit_solve_seconds",
            "in a worker's thread, reading included",
            ["task"],
            buckets=REQUESTS,
            registry=one,
        )
        self._waiting = Gauge(
            "kappafit_requests_waiting", "requests waiting for a worker", registry=one
        )
        self._rejected = Counter(
            "kappafit_rejected", "what was refused by a limit", ["reason"], registry=one
        )
        self._jobs = Gauge("kappafit_jobs", "jobs in the store", ["status"], registry=one)
        self._workers = Gauge("kappafit_workers", "workers of jobs", ["state"], registry=one)
        self._jobs_ended = Counter("kappafit_jobs_ended", "ended jobs", ["status"], registry=one)
        self._job_waited = Histogram(
            "kappafit_job_queue_seconds",
            "from accepted to running",
            buckets=JOBS,
            registry=one,
        )
        self._job_ran = Histogram(
            "kappafit_job_run_seconds", "from running to ended", buckets=JOBS, registry=one
        )

    def text(self) -> bytes:
        """All of it, in Prometheus' text format."""
        return generate_latest(self._registry)

    def request_began(self) -> None:
        """A request's headers are there."""
        self._in_flight.inc()

    def request_ended(self, method: str, route: str, status: int, seconds: float) -> None:
        """It was answered; `route` is the template of its path."""
        self._in_flight.dec()
        method = method if method in METHODS else "other"
        self._requests.labels(method, route, status).inc()
        self._request_seconds.labels(method, route).observe(seconds)

    def solved(self, task: str, outcome: str, seconds: float) -> None:
        """A worker is done with a document: "ok", "refused", "stopped" or "failed"."""
        self._solves.labels(task, outcome).inc()
        self._solve_seconds.labels(task).observe(seconds)

    def waiting(self, count: Callable[[], int]) -> None:
        """Ask `count` how many requests wait for a worker."""
        self._waiting.set_function(count)

    def rejected(self, reason: str) -> None:
        """Something was beyond a limit: one word, of a closed set."""
        self._rejected.labels(reason).inc()

    def workers(self, idle: Callable[[], int], busy: Callable[[], int]) -> None:
        """Ask these how many workers of jobs there are."""
        self._workers.labels("idle").set_function(idle)
        self._workers.labels("busy").set_function(busy)

    def forget_jobs(self) -> None:
        """Say nothing of the store, until it has answered."""
        self._jobs.clear()

    def jobs(self, counts: Mapping[str, int]) -> None:
        """How many jobs of each status there are."""
        for status, count in counts.items():
            self._jobs.labels(status).set(count)

    def job_ended(self, status: str, waited: float, ran: float) -> None:
        """A job ended after so many seconds in the queue and running."""
        self._jobs_ended.labels(status).inc()
        self._job_waited.observe(waited)
        self._job_ran.observe(ran)
