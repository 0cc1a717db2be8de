"""What a drawing was made with.

Revision ID: 20261122_2
Revises: 20261122
"""

from typing import Final

revision: Final = "20261122_2"
down_revision: Final = "20261122"
branch_labels: Final = None
depends_on: Final = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
