"""Labels that a person has confirmed."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "kept_labels",
        sa.Column("image_number", sa.Integer(), nullable=False),
        sa.Column("labels", sa.String(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["image_number"], ["image.number"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("image_number"),
    )
