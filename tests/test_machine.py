"""What a container allows counts, in either version of control groups."""

import os

import pytest

from app import machine
from app.settings import Settings
from solver import crew

HALF_A_GIGABYTE = 2**29
MEMORY = ["memory.max", "memory/memory.limit_in_bytes"]
CORES = ["cpu.max", "cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us"]


@pytest.fixture
def cgroup(tmp_path, monkeypatch):
    """Writes what a container's control group says."""
    monkeypatch.setattr(machine, "CGROUP", tmp_path)
    monkeypatch.setattr(crew, "CGROUP", tmp_path)
    monkeypatch.delenv("KAPPAFIT_THREADS", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)

    def says(files):
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(f"{text}\n")

    return says


@pytest.mark.parametrize("file", MEMORY)
def test_memory_of_a_container(cgroup, file):
    installed = machine.available_memory()
    cgroup({file: HALF_A_GIGABYTE})
    assert machine.available_memory() == HALF_A_GIGABYTE < installed


@pytest.mark.parametrize(
    ("file", "text"),
    [(MEMORY[0], "max"), (MEMORY[1], 2**63 - 4096)],
)
def test_a_container_without_limit_has_the_memory_of_the_machine(cgroup, file, text):
    installed = machine.available_memory()
    cgroup({file: text})
    assert machine.available_memory() == installed


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({}, 8),
        ({CORES[0]: "150000 100000"}, 2),
        ({CORES[0]: "max 100000"}, 8),
        ({CORES[1]: 50000, CORES[2]: 100000}, 1),
        ({CORES[1]: -1, CORES[2]: 100000}, 8),
    ],
)
def test_cores_of_a_container(cgroup, files, cores):
    cgroup(files)
    assert crew.cores() == cores


def test_a_small_container_takes_small_documents(cgroup):
    """Its service does the jobs itself: one that is too large for it would end it, every time."""
    cgroup({MEMORY[0]: HALF_A_GIGABYTE})
    assert Settings().max_bytes == HALF_A_GIGABYTE // 8
    assert Settings().max_job_bytes == HALF_A_GIGABYTE // 4
