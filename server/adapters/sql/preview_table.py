"""The previews: a row per watched task that is not drawn to its end."""

from typing import Final

from sqlalchemy import BigInteger, Column, Double, ForeignKey, Integer, LargeBinary, Table

from server.adapters.sql.tables import METADATA

_ID: Final = BigInteger().with_variant(Integer(), "sqlite")

# Everything behind `attempt` is NULL until there is a preview, and again when the task goes back to the queue.
TASK_PREVIEWS: Final = Table(
    "task_previews",
    METADATA,
    Column("task_id", _ID, ForeignKey("tasks.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("wanted_until", Double, nullable=False),
    Column("version", Integer, nullable=False),
    Column("attempt", Integer, nullable=True),
    Column("sample", Integer, nullable=True),
    Column("step", Integer, nullable=True),
    Column("total_steps", Integer, nullable=True),
    Column("width", Integer, nullable=True),
    Column("height", Integer, nullable=True),
    Column("jpeg", LargeBinary, nullable=True),
)
