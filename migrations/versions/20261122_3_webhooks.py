"""The outbox of webhooks.

Revision ID: 20261122_3
Revises: 20261122_2
"""

from typing import Final

revision: Final = "20261122_3"
down_revision: Final = "20261122_2"
branch_labels: Final = None
depends_on: Final = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
