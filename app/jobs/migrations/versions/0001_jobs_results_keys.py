"""Jobs, their results, and keys. A migration that was shipped is never edited."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

STATUSES = "('accepted', 'running', 'successful', 'failed', 'dismissed')"


def upgrade() -> None:
    """Make the first tables."""
    op.create_table(
        "jobs",
        sa.Column("sequence", sa.Integer, primary_key=True),
        sa.Column("id", sa.String(32), nullable=False, unique=True),
        sa.Column("holder", sa.String(32), nullable=False),
        sa.Column("task", sa.String(32), nullable=False),
        sa.Column("status", sa.String(10), nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("pieces", sa.Integer, nullable=False),
        sa.Column("progress", sa.Integer, nullable=False),
        sa.Column("created", sa.Double, nullable=False),
        sa.Column("updated", sa.Double, nullable=False),
        sa.Column("started", sa.Double),
        sa.Column("finished", sa.Double),
        sa.Column("idempotency_key", sa.String(255)),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("problem", sa.JSON),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("events", sa.LargeBinary),
        sa.UniqueConstraint("holder", "idempotency_key", name="one_job_per_idempotency_key"),
        sa.CheckConstraint(f"status IN {STATUSES}", name="status_is_known"),
        sqlite_autoincrement=True,
    )
    op.create_index("jobs_by_status", "jobs", ["status", "holder", "sequence"])
    op.create_index("jobs_by_holder", "jobs", ["holder", "sequence"])
    op.create_index("jobs_by_end", "jobs", ["finished"])
    op.create_table(
        "results",
        sa.Column("job", sa.String(32), sa.ForeignKey("jobs.id", ondelete="CASCADE")),
        sa.Column("piece", sa.Integer),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("job", "piece"),
    )
    op.create_table(
        "keys",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False, unique=True),
        sa.Column("hint", sa.String(6), nullable=False),
        sa.Column("created", sa.Double, nullable=False),
        sa.Column("revoked", sa.Double),
    )
    lives = sa.text("revoked IS NULL")
    op.create_index(
        "living_names", "keys", ["name"], unique=True, sqlite_where=lives, postgresql_where=lives
    )
