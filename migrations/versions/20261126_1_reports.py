"""What workers say of their work, and finished tasks found by when they ended.

A worker of the previous release goes on beating: its report stays NULL.

Revision ID: 20261126_1
Revises: 20261124_3
"""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "20261126_1"
down_revision: Final = "20261124_3"
branch_labels: Final = None
depends_on: Final = None

_ENDED: Final = sa.text("task_postprocess_end_at IS NOT NULL")
_CANCELLED: Final = sa.text("task_cancel_at IS NOT NULL")


def upgrade() -> None:
    op.add_column("workers", sa.Column("report", sa.JSON(), nullable=True))
    columns = ["project_id", "task_postprocess_end_at"]
    op.create_index("ix_tasks_ended", "tasks", columns, sqlite_where=_ENDED, postgresql_where=_ENDED)
    columns = ["project_id", "task_cancel_at"]
    op.create_index("ix_tasks_cancelled", "tasks", columns, sqlite_where=_CANCELLED, postgresql_where=_CANCELLED)


def downgrade() -> None:
    op.drop_index("ix_tasks_cancelled", "tasks")
    op.drop_index("ix_tasks_ended", "tasks")
    op.drop_column("workers", "report")
