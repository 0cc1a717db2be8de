"""What the prompt gate refused.

Revision ID: 20261122_6
Revises: 20261122_5
"""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "20261122_6"
down_revision: Final = "20261122_5"
branch_labels: Final = None
depends_on: Final = None


_ID: Final = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TIME: Final[sa.Double[float]] = sa.Double()


def upgrade() -> None:
    op.create_table(
        "refusals",
        sa.Column("id", _ID, sa.Identity(always=False), nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("project_id", _ID, nullable=False),
        sa.Column("task_id", _ID, nullable=True),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("gate_version", sa.Text(), nullable=False),
        sa.Column("rules", sa.JSON(), nullable=False),
        sa.Column("prompt_sha256", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refusals")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_refusals_project", "refusals", ["project_id", "at"])


def downgrade() -> None:
    op.drop_table("refusals")
