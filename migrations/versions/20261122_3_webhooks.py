"""The outbox of webhooks.

Revision ID: 20261122_3
Revises: 20261122_2
"""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "20261122_3"
down_revision: Final = "20261122_2"
branch_labels: Final = None
depends_on: Final = None

_ID: Final = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TIME: Final[sa.Double[float]] = sa.Double()
_WAITING: Final = sa.text("next_at IS NOT NULL")


def upgrade() -> None:
    _create_webhooks()
    _create_webhook_attempts()
    _create_webhook_secrets()


def downgrade() -> None:
    op.drop_table("webhook_secrets")
    op.drop_table("webhook_attempts")
    op.drop_table("webhooks")


def _create_webhooks() -> None:
    op.create_table(
        "webhooks",
        sa.Column("id", _ID, sa.Identity(always=False), nullable=False),
        sa.Column("uuid", sa.Text(), nullable=False),
        sa.Column("task_id", _ID, nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("endpoint", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("next_at", _TIME, nullable=True),
        sa.Column("lease_token", sa.Text(), nullable=True),
        sa.Column("lease_until", _TIME, nullable=True),
        sa.ForeignKeyConstraint(["task_id"], ["tasks.id"], name=op.f("fk_webhooks_task_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhooks")),
        sa.UniqueConstraint("task_id", name=op.f("uq_webhooks_task_id")),
        sa.UniqueConstraint("uuid", name=op.f("uq_webhooks_uuid")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_webhooks_due", "webhooks", ["next_at"], sqlite_where=_WAITING, postgresql_where=_WAITING)
    op.create_index("ix_webhooks_state", "webhooks", ["state", "id"])


def _create_webhook_attempts() -> None:
    op.create_table(
        "webhook_attempts",
        sa.Column("webhook_id", _ID, autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["webhook_id"], ["webhooks.id"], name=op.f("fk_webhook_attempts_webhook_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("webhook_id", "number", name=op.f("pk_webhook_attempts")),
    )


def _create_webhook_secrets() -> None:
    op.create_table(
        "webhook_secrets",
        sa.Column("id", _ID, sa.Identity(always=False), nullable=False),
        sa.Column("project_id", _ID, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("secret_encrypted", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("expires_at", _TIME, nullable=True),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_webhook_secrets_project_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_secrets")),
        sa.UniqueConstraint("project_id", "number", name=op.f("uq_webhook_secrets_project_id")),
        sqlite_autoincrement=True,
    )
