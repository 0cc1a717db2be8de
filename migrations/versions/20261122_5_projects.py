"""Limits, keys in rotation, and keys of idempotency.

Revision ID: 20261122_5
Revises: 20261122_4
"""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "20261122_5"
down_revision: Final = "20261122_4"
branch_labels: Final = None
depends_on: Final = None

_ID: Final = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TIME: Final[sa.Double[float]] = sa.Double()
_LEASED: Final = sa.text("lease_until IS NOT NULL")
_QUEUED: Final = sa.text("status = 'task_queue'")
_SUCCEEDED: Final = sa.text("pexit = '0'")
_OF_PROJECTS: Final = (
    "retiring_key_hash",
    "retiring_key_prefix",
    "retiring_secret_encrypted",
    "retiring_until",
    "revoked_at",
    "queued_limit",
    "running_limit",
)


def upgrade() -> None:
    types = (sa.Text(), sa.Text(), sa.LargeBinary(), _TIME, _TIME, sa.Integer(), sa.Integer())
    for name, kind in zip(_OF_PROJECTS, types, strict=True):
        op.add_column("projects", sa.Column(name, kind, nullable=True))
    op.create_index("uq_projects_retiring_key_hash", "projects", ["retiring_key_hash"], unique=True)
    op.add_column("tasks", sa.Column("cps", _TIME, nullable=False, server_default="0"))
    _queue_indexes(["status"])
    op.create_index("ix_tasks_running", "tasks", ["project_id"], sqlite_where=_LEASED, postgresql_where=_LEASED)
    op.create_index(
        "ix_tasks_pace", "tasks", ["model", "task_end_at"], sqlite_where=_SUCCEEDED, postgresql_where=_SUCCEEDED
    )
    op.create_table(
        "run_keys",
        sa.Column("project_id", _ID, autoincrement=False, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("body_hash", sa.Text(), nullable=False),
        sa.Column("task_id", _ID, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_run_keys_project_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["task_id"], ["tasks.id"], name=op.f("fk_run_keys_task_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("project_id", "key", name=op.f("pk_run_keys")),
    )
    op.create_index("ix_run_keys_task_id", "run_keys", ["task_id"])
    op.create_index("ix_run_keys_created_at", "run_keys", ["created_at"])


def downgrade() -> None:
    op.drop_table("run_keys")
    op.drop_index("ix_tasks_pace", "tasks")
    op.drop_index("ix_tasks_running", "tasks")
    _queue_indexes([])
    op.drop_column("tasks", "cps")
    op.drop_index("uq_projects_retiring_key_hash", "projects")
    for name in reversed(_OF_PROJECTS):
        op.drop_column("projects", name)


def _queue_indexes(last: list[str]) -> None:
    for name, columns in (("ix_tasks_claim", ["turn", "id"]), ("ix_tasks_turns", ["project_id", "turn"])):
        op.drop_index(name, "tasks")
        op.create_index(name, "tasks", [*columns, *last], sqlite_where=_QUEUED, postgresql_where=_QUEUED)
