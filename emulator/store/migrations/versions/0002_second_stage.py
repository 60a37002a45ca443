"""Regions; columns and indexes for queries of stored predictions and of metadata."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "region",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("image_number", sa.Integer(), nullable=False),
        sa.Column("tag_id", sa.String(), nullable=False),
        sa.Column("left", sa.Float(), nullable=False),
        sa.Column("top", sa.Float(), nullable=False),
        sa.Column("width", sa.Float(), nullable=False),
        sa.Column("height", sa.Float(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("born", sa.Integer(), nullable=False),
        sa.Column("removed", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["image_number"], ["image.number"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["tag_id"], ["tag.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("number"),
        sa.UniqueConstraint("id"),
    )
    op.create_index("ix_region_image", "region", ["image_number", "removed"], unique=False)
    op.create_index("ix_region_tag", "region", ["tag_id", "removed", "image_number"], unique=False)
    op.add_column("project", sa.Column("metadata_revision", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("stored_prediction", sa.Column("domain_id", sa.String(), nullable=False, server_default=""))
    # Older rows have no uncertainty; they expire within a month.
    op.add_column(
        "stored_prediction", sa.Column("uncertainty", sa.Float(), nullable=False, server_default="0")
    )
    op.execute(
        "UPDATE stored_prediction SET domain_id = coalesce("
        "(SELECT iteration.domain_id FROM iteration WHERE iteration.id = iteration_id), "
        "(SELECT project.domain_id FROM project WHERE project.id = project_id))"
    )
    op.drop_index("ix_stored_prediction_project", "stored_prediction")
    op.create_index("ix_stored_prediction_newest", "stored_prediction", ["project_id", "created", "number"])
    op.create_index(
        "ix_stored_prediction_suggested", "stored_prediction", ["project_id", "uncertainty", "number"]
    )
    with op.batch_alter_table("job") as job:
        job.alter_column("iteration_id", existing_type=sa.String(), nullable=True)
        job.add_column(sa.Column("project_id", sa.String(), nullable=True))
        job.add_column(sa.Column("details", sa.JSON(), nullable=True))
        job.create_foreign_key("fk_job_project", "project", ["project_id"], ["id"], ondelete="CASCADE")
    op.create_table(
        "usage",
        sa.Column("month", sa.String(), nullable=False),
        sa.Column("predictions", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("month"),
    )
