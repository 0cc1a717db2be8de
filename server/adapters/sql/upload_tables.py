"""The tables of what clients send, and of files on their way out."""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
)

from server.adapters.sql.tables import METADATA

_ID: Final = BigInteger().with_variant(Integer(), "sqlite")


def _project_column() -> Column[int]:
    return Column("project_id", _ID, ForeignKey("projects.id"), nullable=False)


# 0 stands for the root, which has no row: as NULL it would be unequal to itself in the unique constraint.
FOLDERS: Final = Table(
    "folders",
    METADATA,
    Column("id", _ID, Identity(), primary_key=True),
    _project_column(),
    Column("parent_id", _ID, nullable=False),
    Column("name", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    UniqueConstraint("project_id", "parent_id", "name"),
    sqlite_autoincrement=True,
)

UPLOADS: Final = Table(
    "uploads",
    METADATA,
    Column("id", _ID, Identity(), primary_key=True),
    _project_column(),
    Column("folder_id", _ID, nullable=False),
    Column("name", Text, nullable=False),
    Column("content_type", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("access_key", Text, nullable=False, unique=True),
    Column("key", Text, nullable=False, unique=True),
    Column("created_at", Double, nullable=False),
    Index("ix_uploads_created_at", "created_at"),
    sqlite_autoincrement=True,
)

# By key, because an input may be an upload or another task's output.
TASK_INPUTS: Final = Table(
    "task_inputs",
    METADATA,
    Column("task_id", _ID, ForeignKey("tasks.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("place", Integer, primary_key=True, autoincrement=False),
    Column("parameter", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("key", Text, nullable=False),
    Index("ix_task_inputs_key", "key"),
)

# Keys whose bytes are to be erased from `due_at` on. A file about to be written stands here too, until its row does.
DROPPED_FILES: Final = Table(
    "dropped_files",
    METADATA,
    Column("key", Text, primary_key=True),
    Column("due_at", Double, nullable=False),
    Index("ix_dropped_files_due_at", "due_at"),
)

TASK_REMOVALS: Final = Table(
    "task_removals",
    METADATA,
    Column("task_id", _ID, ForeignKey("tasks.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("reason", Text, nullable=False),
    Column("removed_at", Double, nullable=False),
)
