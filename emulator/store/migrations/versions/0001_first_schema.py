"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "project",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("description", sa.String(), nullable=False),
        sa.Column("domain_id", sa.String(), nullable=False),
        sa.Column("classification_type", sa.String(), nullable=False),
        sa.Column("target_export_platforms", sa.JSON(), nullable=False),
        sa.Column("use_negative_set", sa.Boolean(), nullable=False),
        sa.Column("detection_parameters", sa.String(), nullable=True),
        sa.Column("augmentation_methods", sa.JSON(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("last_modified", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("next_iteration", sa.Integer(), nullable=False),
        sa.Column("new_iteration_created", sa.BigInteger(), nullable=False),
        sa.Column("image_count", sa.Integer(), nullable=False),
        sa.Column("tagged_count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "image",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("project_id", sa.String(), nullable=False),
        sa.Column("blob", sa.String(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("metadata", sa.JSON(), nullable=True),
        sa.Column("born", sa.Integer(), nullable=False),
        sa.Column("removed", sa.Integer(), nullable=True),
        sa.Column("tag_count", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("number"),
        sa.UniqueConstraint("id"),
    )
    op.create_index("ix_image_blob", "image", ["blob"], unique=False)
    op.create_index(
        "ix_image_tagged",
        "image",
        ["project_id", "number"],
        unique=False,
        sqlite_where=sa.text("removed IS NULL AND tag_count > 0"),
    )
    op.create_index(
        "ix_image_unique",
        "image",
        ["project_id", "blob"],
        unique=True,
        sqlite_where=sa.text("removed IS NULL"),
    )
    op.create_index(
        "ix_image_untagged",
        "image",
        ["project_id", "number"],
        unique=False,
        sqlite_where=sa.text("removed IS NULL AND tag_count = 0"),
    )
    op.create_index("ix_image_workspace", "image", ["project_id", "removed", "number"], unique=False)
    op.create_table(
        "iteration",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("project_id", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("last_modified", sa.BigInteger(), nullable=False),
        sa.Column("trained_at", sa.BigInteger(), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("exportable", sa.Boolean(), nullable=False),
        sa.Column("domain_id", sa.String(), nullable=True),
        sa.Column("classification_type", sa.String(), nullable=True),
        sa.Column("training_type", sa.String(), nullable=False),
        sa.Column("reserved_budget_in_hours", sa.Integer(), nullable=False),
        sa.Column("training_time_in_minutes", sa.Integer(), nullable=False),
        sa.Column("publish_name", sa.String(), nullable=True),
        sa.Column("original_publish_resource_id", sa.String(), nullable=True),
        sa.Column("custom_base_model_info", sa.JSON(), nullable=True),
        sa.Column("training_error_details", sa.String(), nullable=True),
        sa.Column("selected_tags", sa.JSON(), nullable=True),
        sa.Column("model_tags", sa.JSON(), nullable=True),
        sa.Column("model_blob", sa.String(), nullable=True),
        sa.Column("evaluation_blob", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_iteration_project", "iteration", ["project_id", "number"], unique=False)
    op.create_index(
        "ix_iteration_publish_name",
        "iteration",
        ["project_id", "publish_name"],
        unique=True,
        sqlite_where=sa.text("publish_name IS NOT NULL"),
    )
    op.create_table(
        "stored_prediction",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("project_id", sa.String(), nullable=False),
        sa.Column("iteration_id", sa.String(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("application", sa.String(), nullable=True),
        sa.Column("blob", sa.String(), nullable=False),
        sa.Column("predictions", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("number"),
        sa.UniqueConstraint("id"),
    )
    op.create_index("ix_stored_prediction_blob", "stored_prediction", ["blob"], unique=False)
    op.create_index("ix_stored_prediction_created", "stored_prediction", ["created"], unique=False)
    op.create_index(
        "ix_stored_prediction_project", "stored_prediction", ["project_id", "number"], unique=False
    )
    op.create_table(
        "tag",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("project_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("description", sa.String(), nullable=True),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("born", sa.Integer(), nullable=False),
        sa.Column("removed", sa.Integer(), nullable=True),
        sa.Column("image_count", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_tag_project_removed", "tag", ["project_id", "removed"], unique=False)
    op.create_table(
        "image_tag",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("image_number", sa.Integer(), nullable=False),
        sa.Column("tag_id", sa.String(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("born", sa.Integer(), nullable=False),
        sa.Column("removed", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["image_number"], ["image.number"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["tag_id"], ["tag.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_index("ix_image_tag_image", "image_tag", ["image_number", "removed"], unique=False)
    op.create_index("ix_image_tag_tag", "image_tag", ["tag_id", "removed", "image_number"], unique=False)
    op.create_index(
        "ix_image_tag_unique",
        "image_tag",
        ["image_number", "tag_id"],
        unique=True,
        sqlite_where=sa.text("removed IS NULL"),
    )
    op.create_table(
        "job",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("iteration_id", sa.String(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("progress", sa.Float(), nullable=False),
        sa.Column("step", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["iteration_id"], ["iteration.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
