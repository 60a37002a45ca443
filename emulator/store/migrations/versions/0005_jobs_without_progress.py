"""Jobs without the columns of progress, which were never used."""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    with op.batch_alter_table("job") as job:
        job.drop_column("progress")
        job.drop_column("step")
