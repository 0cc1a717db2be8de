"""What the prompt gate refused.

Revision ID: 20261122_6
Revises: 20261122_5
"""

from typing import Final

revision: Final = "20261122_6"
down_revision: Final = "20261122_5"
branch_labels: Final = None
depends_on: Final = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
