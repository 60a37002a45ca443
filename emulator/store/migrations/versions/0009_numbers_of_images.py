"""Numbers of images, also of test sets, are never used again.

Until now, an image could get the number of a deleted one. So deletions that can be undone no longer have
numbers: those of images get new ones, and those of tags, which are kept for an hour, are removed.
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

_IMAGE_COLUMNS = (
    "number, id, project_id, blob, size, width, height, created, metadata, born, removed, tag_count"
)
_TEST_IMAGE_COLUMNS = "number, id, test_set_id, name, blob, size, width, height, created"


def upgrade() -> None:
    op.create_table(
        "new_image",
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
        sqlite_autoincrement=True,
    )
    _replace("image", _IMAGE_COLUMNS)
    op.create_index("ix_image_blob", "image", ["blob"])
    op.create_index("ix_image_workspace", "image", ["project_id", "removed", "number"])
    for name, columns, rows in (
        ("tagged", ["project_id", "number"], "removed IS NULL AND tag_count > 0"),
        ("untagged", ["project_id", "number"], "removed IS NULL AND tag_count = 0"),
        ("unique", ["project_id", "blob"], "removed IS NULL"),
    ):
        op.create_index(
            f"ix_image_{name}", "image", columns, unique=name == "unique", sqlite_where=sa.text(rows)
        )
    op.create_table(
        "new_test_image",
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
        sqlite_autoincrement=True,
    )
    _replace("test_image", _TEST_IMAGE_COLUMNS)
    op.create_index("ix_test_image_unique", "test_image", ["test_set_id", "blob"], unique=True)
    op.create_index("ix_test_image_order", "test_image", ["test_set_id", "number"])
    op.create_index("ix_test_image_blob", "test_image", ["blob"])
    op.execute("UPDATE deletion SET content = json_set(content, '$.number', NULL) WHERE kind = 'image'")
    op.execute("DELETE FROM deletion WHERE kind = 'tag'")


def _replace(table: str, columns: str) -> None:
    """Replace a table by the new one of its name, with the same rows. Other tables refer to it by name."""
    op.execute(f"INSERT INTO new_{table} ({columns}) SELECT {columns} FROM {table}")  # noqa: S608  (our own names)
    op.drop_table(table)
    op.rename_table(f"new_{table}", table)
