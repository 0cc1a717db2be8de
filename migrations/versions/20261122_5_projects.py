"""Limits, keys in rotation, and keys of idempotency.

Revision ID: 20261122_5
Revises: 20261122_4
"""

from typing import Final

revision: Final = "20261122_5"
down_revision: Final = "20261122_4"
branch_labels: Final = None
depends_on: Final = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
