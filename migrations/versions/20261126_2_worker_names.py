"""Names of workers, and what operators wish of them.

Revision ID: 20261126_2
Revises: 20261126_1
"""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "20261126_2"
down_revision: Final = "20261126_1"
branch_labels: Final = None
depends_on: Final = None


def upgrade() -> None:
    op.add_column("workers", sa.Column("name", sa.Text(), nullable=True))
    op.add_column("workers", sa.Column("wish", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("workers", "wish")
    op.drop_column("workers", "name")
