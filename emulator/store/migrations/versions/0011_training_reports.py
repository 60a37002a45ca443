"""What the training of an iteration tried."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    with op.batch_alter_table("iteration") as batch:
        batch.add_column(sa.Column("training_report", sa.JSON(), nullable=True))
