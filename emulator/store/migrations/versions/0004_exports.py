"""Exports of iterations; URIs of projects for copies and notifications of them."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "export",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("iteration_id", sa.String(), nullable=False),
        sa.Column("platform", sa.String(), nullable=False),
        sa.Column("flavor", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("exporter", sa.Integer(), nullable=False),
        sa.Column("blob", sa.String(), nullable=True),
        sa.Column("suffix", sa.String(), nullable=True),
        sa.Column("size", sa.Integer(), nullable=True),
        sa.Column("failure", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["iteration_id"], ["iteration.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_export_unique", "export", ["iteration_id", "platform", "flavor"], unique=True)
    op.create_index("ix_export_blob", "export", ["blob"])
    op.add_column("project", sa.Column("export_model_container_uri", sa.String(), nullable=True))
    op.add_column("project", sa.Column("notification_queue_uri", sa.String(), nullable=True))
