"""Test sets: labeled images for evaluations, and the evaluations of iterations on them."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "test_set",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("project_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("last_modified", sa.BigInteger(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("image_count", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_test_set_project", "test_set", ["project_id", "created"])
    op.create_table(
        "test_image",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("test_set_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=True),
        sa.Column("blob", sa.String(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["test_set_id"], ["test_set.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("number"),
        sa.UniqueConstraint("id"),
    )
    op.create_index("ix_test_image_unique", "test_image", ["test_set_id", "blob"], unique=True)
    op.create_index("ix_test_image_order", "test_image", ["test_set_id", "number"])
    op.create_index("ix_test_image_blob", "test_image", ["blob"])
    op.create_table(
        "test_label",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("image_number", sa.Integer(), nullable=False),
        sa.Column("tag_id", sa.String(), nullable=False),
        sa.Column("left", sa.Float(), nullable=True),
        sa.Column("top", sa.Float(), nullable=True),
        sa.Column("width", sa.Float(), nullable=True),
        sa.Column("height", sa.Float(), nullable=True),
        sa.ForeignKeyConstraint(["image_number"], ["test_image.number"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["tag_id"], ["tag.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_index("ix_test_label_image", "test_label", ["image_number"])
    op.create_index("ix_test_label_tag", "test_label", ["tag_id", "image_number"])
    op.create_table(
        "test_evaluation",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("test_set_id", sa.String(), nullable=False),
        sa.Column("iteration_id", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("evaluated", sa.BigInteger(), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("image_count", sa.Integer(), nullable=False),
        sa.Column("domain_id", sa.String(), nullable=True),
        sa.Column("classification_type", sa.String(), nullable=True),
        sa.Column("model_tags", sa.JSON(), nullable=True),
        sa.Column("trained_tag_count", sa.Integer(), nullable=False),
        sa.Column("evaluation_blob", sa.String(), nullable=True),
        sa.Column("failure", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["test_set_id"], ["test_set.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["iteration_id"], ["iteration.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "ix_test_evaluation_unique", "test_evaluation", ["test_set_id", "iteration_id"], unique=True
    )
    op.create_index("ix_test_evaluation_blob", "test_evaluation", ["evaluation_blob"])
