"""The receipts: what the current attempt of a task was drawn with."""

from typing import Final

from sqlalchemy import JSON, BigInteger, Column, ForeignKey, Integer, Table

from server.adapters.sql.tables import METADATA

_ID: Final = BigInteger().with_variant(Integer(), "sqlite")

# Beside `tasks`: written once or twice while a task runs, and read with the task alone.
TASK_RECEIPTS: Final = Table(
    "task_receipts",
    METADATA,
    Column("task_id", _ID, ForeignKey("tasks.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("attempt", Integer, nullable=False),
    Column("body", JSON(), nullable=False),
)
