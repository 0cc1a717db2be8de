"""Heartbeats that change no index, room in the pages of hot rows, and files found by their key.

The previous release finds leased rows by a column that no index has any more: it works, and reads more.

Revision ID: 20261124_2
Revises: 20261122_6
"""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "20261124_2"
down_revision: Final = "20261122_6"
branch_labels: Final = None
depends_on: Final = None

_HELD: Final = sa.text("lease_token IS NOT NULL")
_TIMED: Final = sa.text("lease_until IS NOT NULL")
_ROOM: Final = {"tasks": 80, "task_progress": 50, "workers": 50}
"""How full a page is packed, in percent. What is updated in place needs room beside the old row."""


def upgrade() -> None:
    op.drop_index("ix_tasks_lease", "tasks")
    op.drop_index("ix_tasks_running", "tasks")
    op.create_index("ix_tasks_running", "tasks", ["project_id"], sqlite_where=_HELD, postgresql_where=_HELD)
    op.create_index("ix_files_key", "files", ["key"])
    if op.get_bind().dialect.name == "postgresql":
        for table, percent in _ROOM.items():
            op.execute(
                f"ALTER TABLE {table} SET (fillfactor = {percent}, autovacuum_vacuum_scale_factor = 0.01, "
                "autovacuum_vacuum_threshold = 500, autovacuum_analyze_scale_factor = 0.02)"
            )


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for table in _ROOM:
            op.execute(
                f"ALTER TABLE {table} RESET (fillfactor, autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold, "
                "autovacuum_analyze_scale_factor)"
            )
    op.drop_index("ix_files_key", "files")
    op.drop_index("ix_tasks_running", "tasks")
    op.create_index("ix_tasks_running", "tasks", ["project_id"], sqlite_where=_TIMED, postgresql_where=_TIMED)
    op.create_index("ix_tasks_lease", "tasks", ["lease_until"], sqlite_where=_TIMED, postgresql_where=_TIMED)
