"""Traces that are owed.

Revision ID: 20261126_3
Revises: 20261126_2
"""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "20261126_3"
down_revision: Final = "20261126_2"
branch_labels: Final = None
depends_on: Final = None

_TIME: Final[sa.Double[float]] = sa.Double()
_ID: Final = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "task_traces",
        sa.Column("task_id", _ID, autoincrement=False, nullable=False),
        sa.Column("parent", sa.Text(), nullable=False),
        sa.Column("taken_until", _TIME, nullable=False),
        sa.ForeignKeyConstraint(["task_id"], ["tasks.id"], name=op.f("fk_task_traces_task_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("task_id", name=op.f("pk_task_traces")),
    )


def downgrade() -> None:
    op.drop_table("task_traces")
