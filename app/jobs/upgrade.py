"""The version of a database's schema: looked at without a trace, and brought up to date."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect

from app.jobs.job import StoreRefused

MIGRATIONS = Path(__file__).parent / "migrations"
VERSION_TABLE = "kappafit_version"


def is_behind(connection: Connection) -> bool:
    """Whether the schema is older than this program, or not there yet; reads only.

    Raises StoreRefused where the tables are not kappafit's, or are from a newer version.
    """
    tables = inspect(connection).get_table_names()
    if VERSION_TABLE not in tables:
        if tables:
            raise StoreRefused("this holds tables that are not kappafit's; give it its own place")
        return True
    context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
    version = context.get_current_revision()
    scripts = ScriptDirectory(str(MIGRATIONS))
    if version not in {script.revision for script in scripts.walk_revisions()}:
        raise StoreRefused(f"this was written by a newer kappafit (schema {version}): update first")
    return version != scripts.get_current_head()


def bring_up_to_date(connection: Connection, revision: str = "head") -> None:
    """Run the migrations up to `revision`, within the connection's transaction."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes |= {"connection": connection, "version_table": VERSION_TABLE}
    command.upgrade(config, revision)
