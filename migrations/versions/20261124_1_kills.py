"""What it took to free the device of a killed task.

Revision ID: 20261124_1
Revises: 20261124_2
"""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "20261124_1"
down_revision: Final = "20261124_2"
branch_labels: Final = None
depends_on: Final = None


_ID: Final = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "task_kills",
        sa.Column("task_id", _ID, autoincrement=False, nullable=False),
        sa.Column("attempt", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("phase", sa.Text(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("total_steps", sa.Integer(), nullable=False),
        sa.Column("means", sa.Text(), nullable=False),
        sa.Column("milliseconds", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["task_id"], ["tasks.id"], name=op.f("fk_task_kills_task_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("task_id", "attempt", name=op.f("pk_task_kills")),
    )


def downgrade() -> None:
    op.drop_table("task_kills")
