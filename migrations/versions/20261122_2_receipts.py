"""What a drawing was made with.

Revision ID: 20261122_2
Revises: 20261122
"""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "20261122_2"
down_revision: Final = "20261122"
branch_labels: Final = None
depends_on: Final = None

_ID: Final = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "task_receipts",
        sa.Column("task_id", _ID, autoincrement=False, nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["task_id"], ["tasks.id"], name=op.f("fk_task_receipts_task_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("task_id", name=op.f("pk_task_receipts")),
    )


def downgrade() -> None:
    op.drop_table("task_receipts")
