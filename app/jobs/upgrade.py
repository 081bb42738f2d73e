"""The version of a database's schema: looked at without a trace, made, and brought up to date.

A new database is made as `records` says, an older one by Alembic. That takes 10 MB, which a service
whose store is up to date does without.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Column, Connection, MetaData, String, Table, insert, inspect, select

from app.jobs import records
from app.jobs.job import StoreRefused

MIGRATIONS = Path(__file__).parent / "migrations"
VERSION_TABLE = "kappafit_version"

version = Table(VERSION_TABLE, MetaData(), Column("version_num", String(32), primary_key=True))


def revisions() -> list[str]:
    """Of the schema, oldest first: the files of `migrations/versions` begin with them."""
    files = (MIGRATIONS / "versions").glob("[0-9]*.py")
    return sorted(file.name.partition("_")[0] for file in files)


def is_behind(connection: Connection) -> bool:
    """Whether the schema is older than this program, or not there yet; reads only.

    Raises StoreRefused where the tables are not kappafit's, or are from a newer version.
    """
    if is_empty(connection):
        return True
    found, known = connection.scalar(select(version.c.version_num)), revisions()
    if found is not None and found not in known:
        raise StoreRefused(f"this was written by a newer kappafit (schema {found}): update first")
    return found != known[-1]


def is_empty(connection: Connection) -> bool:
    """Whether there are no tables. Raises StoreRefused where there are, and not kappafit's."""
    tables = inspect(connection).get_table_names()
    if tables and VERSION_TABLE not in tables:
        raise StoreRefused("this holds tables that are not kappafit's; give it its own place")
    return not tables


def bring_up_to_date(connection: Connection) -> None:
    """Make the tables or run the migrations, within the connection's transaction."""
    if is_empty(connection):
        records.metadata.create_all(connection)
        version.create(connection)
        connection.execute(insert(version).values(version_num=revisions()[-1]))
    else:
        migrate(connection)


def migrate(connection: Connection, revision: str = "head") -> None:
    """Run the migrations up to `revision`, within the connection's transaction."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes |= {"connection": connection, "version_table": VERSION_TABLE}
    command.upgrade(config, revision)
