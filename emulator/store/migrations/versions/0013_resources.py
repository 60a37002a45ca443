"""Resources with keys of their own. What there was belongs to the default one."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"

_LARGE_INTEGER = sa.Integer().with_variant(sa.BigInteger(), "postgresql")


def upgrade() -> None:
    op.create_table(
        "resource",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("tier", sa.String(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "access_key",
        sa.Column("hash", sa.String(), nullable=False),
        sa.Column("resource", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=True),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("hash"),
    )
    op.create_index("ix_access_key_name", "access_key", ["resource", "kind", "name"], unique=True)
    op.add_column("project", sa.Column("resource", sa.String(), server_default="default", nullable=False))
    # SQLite cannot change the primary key of a table.
    months = op.get_bind().execute(sa.text("SELECT month, predictions FROM usage")).all()
    op.drop_table("usage")
    usage = op.create_table(
        "usage",
        sa.Column("month", sa.String(), nullable=False),
        sa.Column("resource", sa.String(), nullable=False),
        sa.Column("predictions", _LARGE_INTEGER, nullable=False),
        sa.PrimaryKeyConstraint("month", "resource"),
    )
    op.bulk_insert(
        usage,
        [{"month": month, "resource": "default", "predictions": number} for month, number in months],
    )
