"""Folders and files that clients send.

Revision ID: 20261122_4
Revises: 20261122_3
"""

from typing import Final

revision: Final = "20261122_4"
down_revision: Final = "20261122_3"
branch_labels: Final = None
depends_on: Final = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
