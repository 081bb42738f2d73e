"""The job store as a SQLite file: what a crash leaves, and what it refuses, untouched."""

import hashlib
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
from contextlib import closing
from itertools import takewhile
from pathlib import Path

import pytest

from app.jobs.job import NewJob, StoreRefused, StoreUnavailable
from app.jobs.store import Store
from tests.conftest import ROOT

JOB = NewJob("", "calibrate", b"{}")
IS_ROOT = hasattr(os, "getuid") and os.getuid() == 0

ACCEPT_FOREVER = """
import sys
from app.jobs.job import NewJob
from app.jobs.store import Store
store = Store.open(sys.argv[1], keep_seconds=60.0)
store.own()
while True:
    for job in store.accept([NewJob("", "calibrate", b"x" * 2000)] * 3):
        print(job.id, flush=True)
"""
OPEN = """
import os, sys
from app.jobs.job import StoreRefused
from app.jobs.store import Store
os.setgid(65534); os.setuid(65534)
try:
    Store.open(sys.argv[1], keep_seconds=60.0).close()
except StoreRefused as error:
    print(error)
"""


def python(script, *arguments):
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, cwd=ROOT)


def url(file):
    return f"sqlite:///{file}"


def opened(file):
    return closing(Store.open(url(file), keep_seconds=60.0))


def digest(folder):
    """What is in the files, but for the index and the empty log that SQLite needs to read."""
    files = [path for path in folder.glob("*") if path.suffix != ".sqlite-shm"]
    contents = {path.name: path.read_bytes() for path in files}
    return {name: hashlib.sha256(data).hexdigest() for name, data in contents.items() if data}


@pytest.fixture
def file(tmp_path):
    """A store with one job."""
    path = tmp_path / "folder" / "jobs.sqlite"
    with opened(path) as store:
        store.accept([JOB])
    return path


def refusal(file):
    """Why a file is refused; it and its folder stay as they were, and the reason is one line."""
    before = digest(file.parent)
    with pytest.raises(StoreRefused) as error:
        Store.open(url(file), keep_seconds=60.0)
    assert digest(file.parent) == before
    assert "\n" not in str(error.value)
    return str(error.value)


def change(file, *statements):
    with closing(sqlite3.connect(file)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def test_commits_are_on_disk_before_they_are_said(file):
    with opened(file) as store:
        for engine in (store._database.reader, store._database.writer):
            with engine.connect() as connection:
                assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
                assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2  # FULL
                assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
def test_the_log_is_synced_between_any_two_answers(tmp_path):
    trace = tmp_path / "trace"
    strace = ["strace", "-f", "-e", "trace=fdatasync,fsync,write", "-y", "-o", trace]
    script = ACCEPT_FOREVER.replace("while True", "for _ in range(20)")
    command = [*strace, sys.executable, "-c", script, url(tmp_path / "jobs.sqlite")]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True)
    if done.returncode and "ptrace" in done.stderr:
        pytest.skip("strace may not trace here")
    assert done.returncode == 0, done.stderr
    synced, answers = 0, 0
    for line in trace.read_text().splitlines():
        if "sync(" in line and "jobs.sqlite-wal" in line:
            synced += 1
        elif "write(1<" in line and line.endswith("= 32"):
            answers += 1
            assert synced > (answers - 1) // 3  # three ids a commit
    assert answers == 60


def test_what_was_accepted_survives_kill_9(tmp_path):
    """Fifteen times, at random moments, each on what the one before left."""
    file, said, moments = tmp_path / "jobs.sqlite", [], random.Random(6)
    for _ in range(15):
        child = python(ACCEPT_FOREVER, url(file))
        said.append(child.stdout.readline().strip())  # it works
        killer = threading.Timer(moments.uniform(0.0, 0.2), child.kill)
        killer.start()
        said += [line.strip() for line in child.stdout if len(line) == 33]
        assert child.wait(timeout=10) == -signal.SIGKILL
        child.stdout.close()
    with opened(file) as store:
        store.own()
        there = {job.id for job in store.jobs("", limit=1_000_000)}
    assert len(said) > 100
    assert set(said) <= there
    assert len(there) % 3 == 0


def test_what_was_accepted_survives_a_power_cut(tmp_path):
    """The log cut off at any byte: the file is sound, and what was synced before is there."""
    file, log = tmp_path / "jobs.sqlite", tmp_path / "jobs.sqlite-wal"
    with opened(file) as store:
        accepted = [(store.accept([JOB])[0].id, log.stat().st_size) for _ in range(40)]
        contents, logged = file.read_bytes(), log.read_bytes()
    cuts = random.Random(6)
    for number in range(60):
        copy = tmp_path / str(number) / "jobs.sqlite"
        copy.parent.mkdir()
        copy.write_bytes(contents)
        cut = cuts.randrange(len(logged))
        copy.with_name("jobs.sqlite-wal").write_bytes(logged[:cut])
        if cut < accepted[0][1]:
            continue  # the tables themselves may be in the part that is gone
        with opened(copy) as store:
            there = {job.id for job in store.jobs("", limit=100)}
        assert {id for id, size in accepted if size <= cut} <= there


def test_a_creation_that_was_killed_is_begun_again(tmp_path):
    file = tmp_path / "jobs.sqlite"
    for ending in (".new", ".new-journal", ".new-wal"):
        file.with_name(f"jobs.sqlite{ending}").write_bytes(b"half of it")
    with opened(file) as store:
        store.accept([JOB])
    assert not list(tmp_path.glob("*.new*"))


def test_others_cannot_look_into_the_folder(file):
    assert file.parent.stat().st_mode & 0o077 == 0


def test_a_newer_store_is_refused(file):
    change(file, "UPDATE kappafit_version SET version_num = '9999'")
    assert "newer kappafit (schema 9999)" in refusal(file)
    assert str(file) in refusal(file)


def test_another_programs_database_is_refused(tmp_path):
    change(tmp_path / "other.sqlite", "CREATE TABLE photos (id INTEGER)")
    assert "not kappafit's" in refusal(tmp_path / "other.sqlite")


@pytest.mark.parametrize("contents", [b"", b"Dear diary, \n" * 1000, b"SQLite format 3\0"])
def test_what_is_no_database_is_refused(tmp_path, contents):
    file = tmp_path / "jobs.sqlite"
    file.write_bytes(contents)
    assert ("empty" if not contents else "damaged") in refusal(file)


def test_a_damaged_page_is_found(file):
    with opened(file) as store:
        store.accept([JOB] * 500)
    size = file.stat().st_size
    with file.open("r+b") as damaged:
        for page in range(4096 * 4, size, 4096 * 3):
            damaged.seek(page)
            damaged.write(os.urandom(600))
    assert "damaged" in refusal(file)


def test_a_log_without_its_file_is_refused(file):
    file.rename(file.with_suffix(".gone"))
    file.with_name("jobs.sqlite-wal").write_bytes(b"x")
    assert "put the file back" in refusal(file)


def test_a_folder_that_cannot_be_is_refused(file):
    assert "cannot make the folder" in refusal(file / "under a file" / "jobs.sqlite")


@pytest.mark.skipif(not IS_ROOT, reason="needs root, to be someone else")
@pytest.mark.parametrize(
    ("path", "mode"), [("", 0o555), ("jobs.sqlite", 0o444), ("jobs.sqlite", 0)]
)
def test_what_may_not_be_written_is_refused(file, path, mode):
    for parent in takewhile(lambda parent: parent != Path(tempfile.gettempdir()), file.parents):
        parent.chmod(0o777)
    for present in file.parent.iterdir():
        present.chmod(0o666)
    (file.parent / path).chmod(mode)
    before = digest(file.parent)
    child = python(OPEN, url(file))
    said, _ = child.communicate(timeout=60)
    assert child.returncode == 0
    assert re_one_line(said)
    assert digest(file.parent) == before


def re_one_line(text):
    return text.startswith("job store ") and text.count("\n") == 1 and "cannot" in text


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 2 MB."""
    mounted = tmp_path / "disk"
    mounted.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", mounted]
    if not IS_ROOT or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("cannot mount a small disk here")
    yield mounted
    subprocess.run(["umount", mounted], check=True)


def test_a_full_disk_is_said_and_got_over(small_disk):
    big = NewJob("", "calibrate", b"x" * 100_000)
    with opened(small_disk / "jobs.sqlite") as store:
        store.own()
        running = store.accept([JOB])[0]
        store.start_next({})
        store.add_key("me")
        (small_disk / "filler").write_bytes(b"x" * 1_000_000)
        accepted = [running.id]
        with pytest.raises(StoreUnavailable, match=r"^the disk of the job store is full$"):
            accepted.extend(store.accept([big])[0].id for _ in range(100))
        assert {job.id for job in store.jobs("", limit=99)} == set(accepted)
        assert len(store.keys()) == 1
        (small_disk / "filler").unlink()
        assert store.finish(running.id, "successful", piece=0, body=b"r" * 100_000)
        accepted.append(store.accept([big])[0].id)
    with opened(small_disk / "jobs.sqlite") as store:
        assert {job.id for job in store.jobs("", limit=99)} == set(accepted)


def test_a_disk_that_turns_read_only_is_refused(small_disk):
    file = small_disk / "jobs.sqlite"
    with opened(file) as store:
        store.accept([JOB])
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    assert "cannot" in refusal(file)
    assert "cannot write in the folder" in refusal(small_disk / "new.sqlite")
