"""The tables of webhooks: the outbox, what became of each attempt, and the secrets they are signed with."""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from server.adapters.sql.tables import METADATA

# SQLite counts by itself only in columns declared INTEGER.
_ID: Final = BigInteger().with_variant(Integer(), "sqlite")
_WAITING: Final = text("next_at IS NOT NULL")

WEBHOOKS: Final = Table(
    "webhooks",
    METADATA,
    Column("id", _ID, Identity(), primary_key=True),
    Column("uuid", Text, nullable=False, unique=True),
    Column("task_id", _ID, ForeignKey("tasks.id", ondelete="CASCADE"), nullable=False, unique=True),
    Column("url", Text, nullable=False),
    Column("endpoint", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("created_at", Double, nullable=False),
    # Set while something is still to be sent; the lease only while somebody sends it.
    Column("next_at", Double, nullable=True),
    Column("lease_token", Text, nullable=True),
    Column("lease_until", Double, nullable=True),
    Index("ix_webhooks_due", "next_at", sqlite_where=_WAITING, postgresql_where=_WAITING),
    Index("ix_webhooks_state", "state", "id"),
    sqlite_autoincrement=True,
)

WEBHOOK_ATTEMPTS: Final = Table(
    "webhook_attempts",
    METADATA,
    Column("webhook_id", _ID, ForeignKey("webhooks.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("at", Double, nullable=False),
    Column("status", Integer, nullable=True),
    Column("reason", Text, nullable=False),
)

WEBHOOK_SECRETS: Final = Table(
    "webhook_secrets",
    METADATA,
    Column("id", _ID, Identity(), primary_key=True),
    Column("project_id", _ID, ForeignKey("projects.id", ondelete="CASCADE"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("secret_encrypted", LargeBinary, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double, nullable=True),
    UniqueConstraint("project_id", "number"),
    sqlite_autoincrement=True,
)
