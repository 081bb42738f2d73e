"""What Alembic runs: the migrations, within the transaction that `app.jobs.upgrade` began."""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    version_table=context.config.attributes["version_table"],
)
context.run_migrations()
