"""A service does not start on a store that it cannot use: one line, and the store untouched."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from app.jobs.job import NewJob
from tests.conftest import ROOT
from tests.faults.__main__ import small_disk
from tests.faults.queues import opened

IS_ROOT = hasattr(os, "getuid") and os.getuid() == 0


def refusal(data):
    """What the service says as it refuses to start."""
    command = [sys.executable, "-m", "app", "serve", "--port", "0"]
    environment = os.environ | {"KAPPAFIT_DATA": str(data)}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith(f"kappafit: job store {data / 'jobs.sqlite'}: ")
    assert done.stderr.count("\n") == 1
    return done.stderr


def a_store(data):
    with closing(opened(data)) as store:
        store.accept([NewJob("", "simulate", b"{}")] * 300)
    return data / "jobs.sqlite"


def newer(file):
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE kappafit_version SET version_num = '9999'")


def empty(file):
    file.write_bytes(b"")


def damaged(file):
    contents = bytearray(file.read_bytes())
    for page in range(4 * 4096, len(contents) - 4096, 2 * 4096):
        contents[page : page + 600] = b"\xff" * 600
    file.write_bytes(contents)


@pytest.mark.parametrize(
    ("spoil", "words"), [(newer, "newer kappafit"), (empty, "is empty"), (damaged, "is damaged")]
)
def test_a_store_that_makes_no_sense(tmp_path, spoil, words):
    file = a_store(tmp_path)
    spoil(file)
    before = file.read_bytes()
    assert words in refusal(tmp_path)
    assert file.read_bytes() == before


@pytest.mark.skipif(not IS_ROOT, reason="only root can have a disk of its own")
def test_a_store_that_can_only_be_read():
    with small_disk() as folder:
        before = a_store(folder).read_bytes()
        subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
        assert "cannot" in refusal(folder)
        assert (folder / "jobs.sqlite").read_bytes() == before


def test_a_folder_that_cannot_be(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    assert "cannot make the folder" in refusal(tmp_path / "file" / "under it")
