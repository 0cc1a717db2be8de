"""${message}

Must work with the previous release's code, which runs beside it during an upgrade: add, do not rename; a new column is
nullable or has a server default; what nobody uses any more is dropped one release later.

Revision ID: ${up_revision}
Revises: ${down_revision | comma,n}
"""

from typing import Final

import sqlalchemy as sa
from alembic import op
${imports if imports else ""}
revision: Final = ${repr(up_revision)}
down_revision: Final = ${repr(down_revision)}
branch_labels: Final = ${repr(branch_labels)}
depends_on: Final = ${repr(depends_on)}


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    ${downgrades if downgrades else "pass"}
