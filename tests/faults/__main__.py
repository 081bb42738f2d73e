"""`python -m tests.faults NAME`: an experiment in full, its figures printed as JSON."""

import json
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

from tests.faults.batches import bad_items, gain_of_workers
from tests.faults.cancels import random_cancels
from tests.faults.crashes import kills_of_the_service
from tests.faults.losses import (
    kills_of_workers,
    loss_of_a_worker_in_a_batch,
    loss_of_the_scheduler_in_a_batch,
)
from tests.faults.mixed import mixed_load
from tests.faults.outages import full_disk, postgres_away
from tests.faults.queues import fairness, restart_with_a_queue
from tests.faults.traffic import started
from tests.postgres import started as started_postgres


def on_a_server(experiment, **sizes):
    with started(job_workers=2) as server:
        return experiment(server, **sizes)


@contextmanager
def small_disk(megabytes=4):
    """A folder on a file system of this size; only root can have one."""
    with tempfile.TemporaryDirectory(prefix="kappafit-disk-") as folder:
        mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", folder]
        subprocess.run(mount, check=True)
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", folder], check=True)


def on_a_small_disk():
    with small_disk() as folder:
        return full_disk(folder)


def with_a_postgres():
    postgres = started_postgres()
    try:
        return postgres_away(postgres, seconds=30.0)
    finally:
        postgres.remove()


EXPERIMENTS = {
    "kills-of-the-service": lambda: kills_of_the_service(kills=50, jobs=200),
    "kills-of-workers": lambda: kills_of_workers(kills=50),
    "batch-loses-a-worker": lambda: loss_of_a_worker_in_a_batch(items=200),
    "batch-loses-the-scheduler": lambda: loss_of_the_scheduler_in_a_batch(items=200, seconds=10.0),
    "full-disk": on_a_small_disk,
    "postgres-away": with_a_postgres,
    "random-cancels": lambda: on_a_server(random_cancels, jobs=500, one_by_one=20),
    "ten-thousand-queued": lambda: restart_with_a_queue(jobs=10_000),
    "fairness": lambda: fairness(jobs=300),
    "bad-items": lambda: on_a_server(bad_items, items=1000, bad=10),
    "mixed-load": lambda: on_a_server(mixed_load, seconds=600.0, warm=120.0),
    "gain-of-workers": lambda: gain_of_workers(items=2000),
}

if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in EXPERIMENTS:
        sys.exit(f"usage: python -m tests.faults {{{','.join(EXPERIMENTS)}}}")
    sys.stdout.write(json.dumps(EXPERIMENTS[sys.argv[1]](), indent=2) + "\n")
