"""Roll-outs of published names, and the iterations that were published before."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.create_table(
        "rollout",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("project_id", sa.String(), nullable=False),
        sa.Column("publish_name", sa.String(), nullable=False),
        sa.Column("current_id", sa.String(), nullable=False),
        sa.Column("candidate_id", sa.String(), nullable=False),
        sa.Column("mode", sa.String(), nullable=False),
        sa.Column("percent", sa.Float(), nullable=True),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("started", sa.BigInteger(), nullable=False),
        sa.Column("last_modified", sa.BigInteger(), nullable=False),
        sa.Column("ended", sa.BigInteger(), nullable=True),
        sa.Column("figures", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_rollout_name", "rollout", ["project_id", "publish_name"], unique=True)
    op.create_table(
        "former_publication",
        sa.Column("project_id", sa.String(), nullable=False),
        sa.Column("publish_name", sa.String(), nullable=False),
        sa.Column("iteration_id", sa.String(), nullable=False),
        sa.Column("resource_id", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["iteration_id"], ["iteration.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("project_id", "publish_name"),
    )
