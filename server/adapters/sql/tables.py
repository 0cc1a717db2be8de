"""The tables. Times are unix seconds, always written by the database's own clock."""

from typing import Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from server.domain.lifecycle import TaskStatus

METADATA: Final = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
    }
)

# SQLite counts by itself only in columns declared INTEGER.
_ID: Final = BigInteger().with_variant(Integer(), "sqlite")
# json and not jsonb: a task's parameters are echoed as they came, key order and number forms included.
_JSON: Final = JSON()

_QUEUED: Final = text(f"status = '{TaskStatus.QUEUE.value}'")
_LEASED: Final = text("lease_token IS NOT NULL")
_SUCCEEDED: Final = text("pexit = '0'")
_ENDED: Final = text("task_postprocess_end_at IS NOT NULL")
_CANCELLED: Final = text("task_cancel_at IS NOT NULL")


def time_column(status: TaskStatus) -> str:
    """Return the name of the column that says when the current attempt reached `status`."""
    return f"{status.value}_at"


def _id_column() -> Column[int]:
    return Column("id", _ID, Identity(), primary_key=True)


def _task_column(*, primary_key: bool = False) -> Column[int]:
    key = ForeignKey("tasks.id", ondelete="CASCADE")
    return Column("task_id", _ID, key, primary_key=primary_key, autoincrement=False, nullable=False)


PROJECTS: Final = Table(
    "projects",
    METADATA,
    _id_column(),
    Column("name", Text, nullable=False, unique=True),
    Column("auth", Text, nullable=False),
    Column("key_hash", Text, nullable=False, unique=True),
    Column("key_prefix", Text, nullable=False),
    Column("secret_encrypted", LargeBinary, nullable=True),
    Column("created_at", Double, nullable=False),
    # What a rotation replaced, let in until then; the secret of a key project is NULL.
    Column("retiring_key_hash", Text, nullable=True),
    Column("retiring_key_prefix", Text, nullable=True),
    Column("retiring_secret_encrypted", LargeBinary, nullable=True),
    Column("retiring_until", Double, nullable=True),
    Column("revoked_at", Double, nullable=True),
    # NULL: the server's limit.
    Column("queued_limit", Integer, nullable=True),
    Column("running_limit", Integer, nullable=True),
    Index("uq_projects_retiring_key_hash", "retiring_key_hash", unique=True),
    sqlite_autoincrement=True,  # an id is never given twice, even after its row is gone
)

TASKS: Final = Table(
    "tasks",
    METADATA,
    _id_column(),
    Column("uuid", Text, nullable=False),
    Column("project_id", _ID, ForeignKey("projects.id"), nullable=False),
    Column("token", Text, nullable=False, unique=True),
    Column("model", Text, nullable=False),
    Column("parameters", _JSON, nullable=False),
    Column("values", _JSON, nullable=False),
    Column("callback_url", Text, nullable=False),
    Column("base_url", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("turn", BigInteger, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("crashes", Integer, nullable=False),
    Column("last_seq", Integer, nullable=False),
    Column("pexit", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("cps", Double, nullable=False, server_default="0"),
    # All three are set exactly while the status needs a worker.
    Column("worker_id", Text, nullable=True),
    Column("lease_token", Text, nullable=True),
    Column("lease_until", Double, nullable=True),
    *(Column(time_column(status), Double, nullable=status is not TaskStatus.QUEUE) for status in TaskStatus),
    # `status` adds nothing to a partial index but this: SQLite counts what is queued without opening the table.
    Index("ix_tasks_claim", "turn", "id", "status", sqlite_where=_QUEUED, postgresql_where=_QUEUED),
    Index("ix_tasks_turns", "project_id", "turn", "status", sqlite_where=_QUEUED, postgresql_where=_QUEUED),
    # What is leased is few: who is over his time is found by reading them all. `lease_until` itself is in no index.
    Index("ix_tasks_running", "project_id", sqlite_where=_LEASED, postgresql_where=_LEASED),
    Index("ix_tasks_pace", "model", "task_end_at", sqlite_where=_SUCCEEDED, postgresql_where=_SUCCEEDED),
    Index("ix_tasks_page", "project_id", "id"),
    # What ended lately. Each is written to once in a task's life.
    Index("ix_tasks_ended", "project_id", "task_postprocess_end_at", sqlite_where=_ENDED, postgresql_where=_ENDED),
    Index("ix_tasks_cancelled", "project_id", "task_cancel_at", sqlite_where=_CANCELLED, postgresql_where=_CANCELLED),
    sqlite_autoincrement=True,
)

TASK_EVENTS: Final = Table(
    "task_events",
    METADATA,
    _task_column(primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("attempt", Integer, nullable=False),
    Column("type", Text, nullable=False),
    Column("message", _JSON, nullable=False),
    Column("at", Double, nullable=False),
)

# Overwritten several times a second while a task runs, so it stays out of `tasks`. The row outlives an attempt, its
# payload does not: `version` never falls back.
TASK_PROGRESS: Final = Table(
    "task_progress",
    METADATA,
    _task_column(primary_key=True),
    Column("version", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("payload", JSON(none_as_null=True), nullable=True),
)

FILES: Final = Table(
    "files",
    METADATA,
    _id_column(),
    _task_column(),
    Column("uuid", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("sample", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("content_type", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("access_key", Text, nullable=False, unique=True),
    Column("key", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    UniqueConstraint("task_id", "sample"),
    Index("ix_files_created_at", "created_at"),
    Index("ix_files_key", "key"),
    sqlite_autoincrement=True,
)

WORKERS: Final = Table(
    "workers",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("engine", Text, nullable=False),
    Column("device", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("beat_at", Double, nullable=False),
    Column("name", Text, nullable=True),  # NULL of a release that knew no names
    Column("wish", Text, nullable=True),
    # NULL: of a release that says nothing of its work.
    Column("report", JSON(none_as_null=True), nullable=True),
)
