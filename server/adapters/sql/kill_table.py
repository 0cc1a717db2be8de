"""The kill receipts: what it took to free the device of a killed attempt."""

from typing import Final

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, Table, Text

from server.adapters.sql.tables import METADATA

_ID: Final = BigInteger().with_variant(Integer(), "sqlite")

# Written after a task is over, by a worker that holds no lease any more: nothing in `tasks` may change by it.
TASK_KILLS: Final = Table(
    "task_kills",
    METADATA,
    Column("task_id", _ID, ForeignKey("tasks.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("attempt", Integer, primary_key=True, autoincrement=False),
    Column("phase", Text, nullable=False),
    Column("step", Integer, nullable=False),
    Column("total_steps", Integer, nullable=False),
    Column("means", Text, nullable=False),
    Column("milliseconds", BigInteger, nullable=False),
)
