"""The schema of the job store: made, migrated, refused where it is not ours; one owner."""

import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from app.jobs import upgrade
from app.jobs.database import masked
from app.jobs.job import NewJob, StoreRefused, StoreUnavailable
from app.jobs.records import metadata
from app.jobs.store import Store
from app.jobs.transaction import transaction
from tests.conftest import ROOT

TODAY = upgrade.MIGRATIONS
NEXT = """
import sqlalchemy as sa
from alembic import op

revision, down_revision = "0002", "0001"


def upgrade():
    op.add_column("jobs", sa.Column("colour", sa.String(9), server_default="blue"))
    {then}
"""
OWN = """
import sys, time
from app.jobs.store import Store
store = Store.open(sys.argv[1], keep_seconds=60.0)
store.own()
print("owned", flush=True)
time.sleep(60)
"""
JOB = NewJob("", "calibrate", b"{}")


def opened(url):
    return closing(Store.open(url, keep_seconds=60.0))


@pytest.fixture
def newer(tmp_path, monkeypatch):
    """Turn this program into a later version, with one migration more, that may end in an error."""

    def install(then="pass"):
        folder = tmp_path / "migrations"
        shutil.copytree(TODAY, folder, dirs_exist_ok=True)
        (folder / "versions" / "0002_colour.py").write_text(NEXT.format(then=then))
        monkeypatch.setattr(upgrade, "MIGRATIONS", folder)

    return install


def colours(store):
    with transaction(store._database.reader) as connection:
        return set(connection.scalars(text("SELECT colour FROM jobs")))


def drop_everything(connection):
    for table in ("results", "jobs", "keys", upgrade.VERSION_TABLE):
        connection.execute(text(f"DROP TABLE {table}"))


def differences(connection):
    options = {"version_table": upgrade.VERSION_TABLE, "compare_type": True}
    context = MigrationContext.configure(connection, opts=options)
    return compare_metadata(context, metadata), context.get_current_revision()


def test_migrations_lead_to_the_tables_of_a_new_store(store):
    with transaction(store._database.writer) as connection:
        new = differences(connection)
        drop_everything(connection)
        upgrade.migrate(connection)
        assert differences(connection) == new == ([], upgrade.revisions()[-1])
        connection.execute(text("DROP INDEX jobs_by_end"))
        assert differences(connection) != new


def test_a_store_is_up_to_date_without_alembic(store_url):
    opened(store_url).thing.close()
    script = f"""
import sys
from app.jobs.store import Store
Store.open({store_url!r}, keep_seconds=60.0).close()
sys.exit("alembic" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT, timeout=60).returncode == 0


def test_an_empty_database_is_upgraded_step_by_step(store_url, newer):
    newer()
    scripts = ScriptDirectory(str(upgrade.MIGRATIONS))
    revisions = [script.revision for script in reversed(list(scripts.walk_revisions()))]
    assert revisions == upgrade.revisions() == ["0001", "0002"]
    with opened(store_url) as store, transaction(store._database.writer) as connection:
        drop_everything(connection)
        for revision in revisions:
            assert upgrade.is_behind(connection)
            upgrade.migrate(connection, revision)
        assert not upgrade.is_behind(connection)


def test_an_older_store_is_brought_up_to_date(store_url, newer):
    with opened(store_url) as store:
        jobs = store.accept([JOB] * 3)
    newer()
    with opened(store_url) as store:
        assert store.jobs("", limit=9) == jobs[::-1]
        assert colours(store) == {"blue"}
        store.accept([JOB])


def test_a_newer_store_is_refused(store_url, newer, monkeypatch):
    newer()
    with opened(store_url) as store:
        store.accept([JOB])
    later = upgrade.MIGRATIONS
    monkeypatch.setattr(upgrade, "MIGRATIONS", TODAY)
    with pytest.raises(StoreRefused, match=r"written by a newer kappafit \(schema 0002\)"):
        Store.open(store_url, keep_seconds=60.0)
    monkeypatch.setattr(upgrade, "MIGRATIONS", later)
    with opened(store_url) as store:
        assert store.counts()["accepted"] == 1


@pytest.mark.parametrize("error", ['op.execute("SELECT nonsense FROM nowhere")', "1 / 0"])
def test_a_migration_that_fails_changes_nothing(store_url, newer, error):
    with opened(store_url) as store:
        store.accept([JOB])
    newer(error)
    with pytest.raises((StoreRefused, ZeroDivisionError)):
        Store.open(store_url, keep_seconds=60.0)
    newer()  # mended: the same step is taken from the start
    with opened(store_url) as store:
        assert colours(store) == {"blue"}


def test_a_running_services_store_is_not_migrated(store, store_url, newer):
    newer()
    with pytest.raises(StoreRefused, match="another service owns"):
        Store.open(store_url, keep_seconds=60.0)
    assert store.accept([JOB])


def test_another_programs_tables_are_refused(store_url):
    with opened(store_url) as store, transaction(store._database.writer) as connection:
        connection.execute(text(f"DROP TABLE {upgrade.VERSION_TABLE}"))
    with pytest.raises(StoreRefused, match="not kappafit's"):
        Store.open(store_url, keep_seconds=60.0)


def test_all_who_open_at_once_find_one_store(store_url):
    def open_and_accept(_):
        with opened(store_url) as store:
            return store.accept([JOB])[0].id

    with ThreadPoolExecutor(2) as pool:
        ids = set(pool.map(open_and_accept, range(8)))
    with opened(store_url) as store:
        assert {job.id for job in store.jobs("", limit=99)} == ids


def test_one_service_owns_a_store(store, store_url):
    with opened(store_url) as other:
        with pytest.raises(StoreRefused, match="another service owns this job store"):
            other.own()
        secret = other.add_key("me")  # beside the service
        assert secret.startswith("kf_")
        assert [key.name for key in store.keys()] == ["me"]
        assert store.accept([JOB])
        store.close()
        other.own()
        assert other.accept([JOB])


def test_ownership_ends_with_the_process(store_url):
    child = subprocess.Popen(
        [sys.executable, "-c", OWN, store_url], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout.readline() == "owned\n"
    with opened(store_url) as store:
        with pytest.raises(StoreRefused):
            store.own()
        child.send_signal(signal.SIGKILL)
        child.wait(timeout=10)
        child.stdout.close()
        store.own()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("nonsense geheim", "is no database URL"),
        ("postgresql://u:geheim@h:port/db", "is no database URL"),
        ("mysql://u:geheim@127.0.0.1/db", "in SQLite or in PostgreSQL"),
        ("sqlite://", "needs a file"),
    ],
)
def test_what_is_no_place_for_a_store_is_refused(url, words):
    with pytest.raises(StoreRefused, match=words) as error:
        Store.open(url, keep_seconds=60.0)
    assert "geheim" not in str(error.value)


def test_a_server_that_is_not_there_is_unavailable():
    with pytest.raises(StoreUnavailable, match=r"^the job store does not answer$"):
        Store.open("postgresql://u:geheim@127.0.0.1:9/db", keep_seconds=60.0)


@pytest.mark.parametrize(
    "url",
    ["postgresql://u:geheim@h/db", "postgres://h/db?user=u&password=geheim", "u:geheim@h:x"],
)
def test_shown_urls_hide_passwords(url):
    assert "geheim" not in masked(url)
    assert masked("sqlite:////var/jobs.sqlite") == "sqlite:////var/jobs.sqlite"
