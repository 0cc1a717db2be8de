"""The prompt gate's audit. Without foreign keys: it outlives the tasks and projects it names."""

from typing import Final

from sqlalchemy import JSON, BigInteger, Column, Double, Identity, Index, Integer, Table, Text

from server.adapters.sql.tables import METADATA

_ID: Final = BigInteger().with_variant(Integer(), "sqlite")

REFUSALS: Final = Table(
    "refusals",
    METADATA,
    Column("id", _ID, Identity(), primary_key=True),
    Column("at", Double, nullable=False),
    Column("project_id", _ID, nullable=False),
    Column("task_id", _ID, nullable=True),
    Column("stage", Text, nullable=False),
    Column("gate_version", Text, nullable=False),
    Column("rules", JSON, nullable=False),
    Column("prompt_sha256", Text, nullable=False),
    Index("ix_refusals_project", "project_id", "at"),
    sqlite_autoincrement=True,
)
