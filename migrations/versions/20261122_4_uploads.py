"""Folders and files that clients send, what tasks read of them, and files on their way out.

Revision ID: 20261122_4
Revises: 20261122_3
"""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "20261122_4"
down_revision: Final = "20261122_3"
branch_labels: Final = None
depends_on: Final = None

_ID: Final = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TIME: Final[sa.Double[float]] = sa.Double()


def upgrade() -> None:
    _create_folders()
    _create_uploads()
    _create_task_inputs()
    op.create_table(
        "dropped_files",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("due_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_dropped_files")),
    )
    op.create_index("ix_dropped_files_due_at", "dropped_files", ["due_at"])
    op.create_table(
        "task_removals",
        sa.Column("task_id", _ID, autoincrement=False, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("removed_at", _TIME, nullable=False),
        sa.ForeignKeyConstraint(["task_id"], ["tasks.id"], name=op.f("fk_task_removals_task_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("task_id", name=op.f("pk_task_removals")),
    )
    op.create_index("ix_files_created_at", "files", ["created_at"])


def downgrade() -> None:
    op.drop_index("ix_files_created_at", "files")
    for table in ("task_removals", "dropped_files", "task_inputs", "uploads", "folders"):
        op.drop_table(table)


def _create_folders() -> None:
    op.create_table(
        "folders",
        sa.Column("id", _ID, sa.Identity(always=False), nullable=False),
        sa.Column("project_id", _ID, nullable=False),
        sa.Column("parent_id", _ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_folders_project_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_folders")),
        sa.UniqueConstraint("project_id", "parent_id", "name", name=op.f("uq_folders_project_id")),
        sqlite_autoincrement=True,
    )


def _create_uploads() -> None:
    op.create_table(
        "uploads",
        sa.Column("id", _ID, sa.Identity(always=False), nullable=False),
        sa.Column("project_id", _ID, nullable=False),
        sa.Column("folder_id", _ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("content_type", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("access_key", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_uploads_project_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_uploads")),
        sa.UniqueConstraint("access_key", name=op.f("uq_uploads_access_key")),
        sa.UniqueConstraint("key", name=op.f("uq_uploads_key")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_uploads_created_at", "uploads", ["created_at"])


def _create_task_inputs() -> None:
    op.create_table(
        "task_inputs",
        sa.Column("task_id", _ID, autoincrement=False, nullable=False),
        sa.Column("place", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("parameter", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["task_id"], ["tasks.id"], name=op.f("fk_task_inputs_task_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("task_id", "place", name=op.f("pk_task_inputs")),
    )
    op.create_index("ix_task_inputs_key", "task_inputs", ["key"])
