"""A real PostgreSQL server on a loopback port, that can be killed and started again."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg
import pytest

from tests.conftest import free_port

PASSWORD = "not-to-be-seen"
PLACES = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql*/bin")


def binaries():
    """The folder of `initdb` and `postgres`, the newest there is; None where there is none."""
    found = [path for place in PLACES for path in Path("/").glob(f"{place[1:]}/initdb")]
    on_path = shutil.which("initdb")
    newest = sorted(found, key=lambda path: path.parent.parent.name)[-1:]
    return Path(on_path).parent if on_path else newest[0].parent if newest else None


class Postgres:
    """One server in a folder of its own. It refuses to run as root, so root starts it as nobody."""

    def __init__(self):
        self.bin = binaries()
        self.folder = Path(tempfile.mkdtemp(prefix="kappafit-postgres-"))
        self.port = free_port()
        self.process = None
        self.databases = 0
        self._user = {}
        if os.getuid() == 0:
            nobody = pwd.getpwnam("nobody")
            os.chown(self.folder, nobody.pw_uid, nobody.pw_gid)
            self._user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        password = self.folder / "password"
        password.write_text(PASSWORD)
        options = ("--auth=scram-sha-256", f"--pwfile={password}", "--username=kappafit")
        command = [self.bin / "initdb", "-D", self.folder / "data", *options, "--encoding=UTF8"]
        made = subprocess.run(command, **self._user, cwd=self.folder, capture_output=True)
        assert made.returncode == 0, made.stderr.decode()

    def url(self, database="postgres"):
        return f"postgresql://kappafit:{PASSWORD}@127.0.0.1:{self.port}/{database}"

    def new_database(self):
        """The URL of an empty database."""
        self.databases += 1
        name = f"test_{self.databases}"
        self.run(f"CREATE DATABASE {name}")
        return self.url(name)

    def run(self, statement, database="postgres"):
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def start(self, seconds=30.0):
        """Start it, and wait until it answers; a killed one's children may have to end first."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.process is None or self.process.poll() is not None:
                self.process = self._spawn()
            try:
                self.run("SELECT 1")
                return self
            except psycopg.OperationalError:
                time.sleep(0.1)
        raise AssertionError((self.folder / "log").read_text()[-2000:])

    def kill(self):
        """End it as a crash does."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(timeout=10)

    def remove(self):
        self.process.send_signal(signal.SIGINT)  # a fast shutdown
        self.process.wait(timeout=30)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _spawn(self):
        options = {"listen_addresses": "127.0.0.1", "unix_socket_directories": ""}
        options |= {"max_connections": "60", "shared_buffers": "16MB"}
        settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        command = [self.bin / "postgres", "-D", self.folder / "data", "-p", str(self.port)]
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                [*command, *settings], **self._user, cwd=self.folder, stdout=log, stderr=log
            )


def started():
    """A started server; skips the test where this machine has no PostgreSQL."""
    if binaries() is None:
        pytest.skip("no PostgreSQL on this machine (initdb is not found)")
    return Postgres().start()
