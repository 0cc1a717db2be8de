"""What watched tasks look like on their way.

Revision ID: 20261124_3
Revises: 20261124_2
"""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "20261124_3"
down_revision: Final = "20261124_1"
branch_labels: Final = None
depends_on: Final = None

_TIME: Final[sa.Double[float]] = sa.Double()
_ID: Final = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "task_previews",
        sa.Column("task_id", _ID, autoincrement=False, nullable=False),
        sa.Column("wanted_until", _TIME, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=True),
        sa.Column("sample", sa.Integer(), nullable=True),
        sa.Column("step", sa.Integer(), nullable=True),
        sa.Column("total_steps", sa.Integer(), nullable=True),
        sa.Column("width", sa.Integer(), nullable=True),
        sa.Column("height", sa.Integer(), nullable=True),
        sa.Column("jpeg", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["task_id"], ["tasks.id"], name=op.f("fk_task_previews_task_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("task_id", name=op.f("pk_task_previews")),
    )


def downgrade() -> None:
    op.drop_table("task_previews")
