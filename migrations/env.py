"""Alembic's entrance. `server.adapters.sql.schema` hands over its connection; a developer's command line opens one."""

import os

from alembic import context
from sqlalchemy import Connection

from server.adapters.sql.engines import open_database
from server.adapters.sql.kill_table import TASK_KILLS
from server.adapters.sql.preview_table import TASK_PREVIEWS
from server.adapters.sql.receipt_table import TASK_RECEIPTS
from server.adapters.sql.refusal_table import REFUSALS
from server.adapters.sql.run_keys import RUN_KEYS
from server.adapters.sql.tables import METADATA
from server.adapters.sql.traces import TASK_TRACES
from server.adapters.sql.upload_tables import UPLOADS
from server.adapters.sql.webhook_tables import WEBHOOKS

_TABLES = (
    TASK_KILLS,
    TASK_PREVIEWS,
    TASK_RECEIPTS,
    REFUSALS,
    RUN_KEYS,
    UPLOADS,
    TASK_TRACES,
    WEBHOOKS,
)  # in modules of their own, which put them into METADATA


def _migrate(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=METADATA,
        compare_type=True,
        # SQLite alters a table by building a new one.
        render_as_batch=connection.dialect.name == "sqlite",
        # One transaction for all, on SQLite too: the connection has begun it already.
        transactional_ddl=True,
    )
    with context.begin_transaction():
        context.run_migrations()


def _from_command_line() -> None:
    url = context.get_x_argument(as_dictionary=True).get("url") or os.environ.get("EASEL_DATABASE_URL")
    if not url:
        raise SystemExit("Say which database: alembic -x url=sqlite:///easel.db …, or set EASEL_DATABASE_URL.")
    database = open_database(url)
    try:
        database.migrate(_migrate)
    finally:
        database.close()


_given = context.config.attributes.get("connection")
if context.is_offline_mode():
    raise SystemExit("Migrations look at the database they change; there is no offline mode.")
if _given is None:
    _from_command_line()
else:
    _migrate(_given)
