"""Suggestions for untagged images."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "suggestion",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("image_number", sa.Integer(), nullable=False),
        sa.Column("iteration_id", sa.String(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("predictions", sa.JSON(), nullable=False),
        sa.Column("uncertainty", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["image_number"], ["image.number"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["iteration_id"], ["iteration.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_index("ix_suggestion_image", "suggestion", ["image_number", "iteration_id"], unique=True)
    op.create_index("ix_suggestion_order", "suggestion", ["iteration_id", "uncertainty", "image_number"])
    op.create_index("ix_suggestion_created", "suggestion", ["created"])
