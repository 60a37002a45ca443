"""Iterations that were pulled from a resource of the service, with their performance as it reported it."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    with op.batch_alter_table("iteration") as batch:
        batch.add_column(sa.Column("is_pulled", sa.Boolean(), server_default="0", nullable=False))
    op.create_table(
        "performance_record",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("iteration_id", sa.String(), nullable=False),
        sa.Column("threshold", sa.Float(), nullable=True),
        sa.Column("overlap_threshold", sa.Float(), nullable=True),
        sa.Column("figures", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["iteration_id"], ["iteration.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_index("ix_performance_record_iteration", "performance_record", ["iteration_id", "threshold"])
