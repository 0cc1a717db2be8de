"""The schema's version: what the database has, what this code needs, and the way from one to the other."""

import logging
from collections.abc import Callable
from importlib import resources
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, select, text
from sqlalchemy.exc import SQLAlchemyError

from server.adapters.sql.engines import Database
from server.adapters.sql.expressions import Now
from server.domain.errors import Unavailable

_log = logging.getLogger(__name__)

_ADVISORY_KEY: Final = 0x6561_7365_6C
"""One number for all easels: PostgreSQL's advisory locks have no names. It spells "easel"."""

_UNUSABLE: Final = "The database can't be used. Tell the operator."


def upgrade(database: Database) -> None:
    """Bring the schema to this code's revision. Safe to call from many processes at once; one of them does it."""
    migrate(database, lambda config: command.upgrade(config, "head"))


def migrate(database: Database, run: Callable[[Config], None]) -> None:
    """Run an Alembic command in one transaction, while nobody else runs one."""

    def work(connection: Connection) -> None:
        if not database.is_sqlite:
            _wait_for_turn(connection)
        found = MigrationContext.configure(connection).get_current_revision()
        if found is not None and not _is_known(found):
            raise Unavailable(_newer(found))
        config = _config()
        config.attributes["connection"] = connection
        run(config)

    try:
        database.migrate(work)
    except SQLAlchemyError as error:
        said = f"The schema can't be changed: {database.reason_of(error)}. "
        todo = "Give easel a database of its own, in which its user may create tables."
        raise Unavailable(_UNUSABLE, detail=said + todo) from error


def current_revision(database: Database) -> str | None:
    """Return the revision the database has; None when it has no schema."""
    return database.read(lambda connection: MigrationContext.configure(connection).get_current_revision())


def head_revision() -> str:
    """Return the revision this code needs."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    assert head is not None, "the migrations are part of the package"
    return head


def database_time(database: Database) -> float:
    """Return the database's clock, in unix seconds."""
    return database.read(lambda connection: connection.execute(select(Now())).scalar_one())


class SqlHealth:
    """`Health` over a `Database`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._head = head_revision()
        self._fitted = False

    def trouble(self) -> str | None:
        """See `Health.trouble`. The driver's own words go to the log only.

        A schema that became a newer release's under this process is none: each works with the release before it, whose
        processes go on serving until those of the new one have taken over.
        """
        try:
            self.check(newer=self._fitted)
            self._fitted = True
        except Unavailable as away:
            if away.detail:
                _log.warning("%s", away)
            return away.message
        return None

    def check(self, *, newer: bool = False) -> None:
        """Raise Unavailable, with the detail for operators, unless the database can be used.

        `newer`: whether a schema that this release does not know will do.
        """
        current = self._current()
        if current == self._head:
            return
        if current is not None and not _is_known(current):
            if newer:
                return
            raise Unavailable(_newer(current))
        found = "no schema" if current is None else f"schema {current}"
        raise Unavailable(f"The database has {found}, this release needs {self._head}. Run: easel db upgrade")

    def _current(self) -> str | None:
        try:
            return current_revision(self._database)
        except SQLAlchemyError as error:
            reason = self._database.reason_of(error)
            said = f"The database can't be used: {reason}. Check EASEL_DATABASE_URL and the rights of its user."
            raise Unavailable(_UNUSABLE, detail=said) from error


def _is_known(revision: str) -> bool:
    return any(one.revision == revision for one in ScriptDirectory.from_config(_config()).walk_revisions())


def _newer(revision: str) -> str:
    return (
        f"The database has schema {revision}, which this release ({head_revision()}) does not know: it is of a newer "
        "release. Start that release, or restore the backup made before its upgrade."
    )


def _config() -> Config:
    config = Config()
    # Found as a package, so an installed wheel has its migrations with it. ConfigParser wants % doubled.
    config.set_main_option("script_location", str(resources.files("migrations")).replace("%", "%%"))
    return config


def _wait_for_turn(connection: Connection) -> None:
    """Queue behind other upgrades; then do not queue behind long transactions, which would stop everyone else."""
    connection.execute(text("SET LOCAL statement_timeout = 0"))
    connection.execute(text("SET LOCAL lock_timeout = '120s'"))
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_KEY})
    connection.execute(text("SET LOCAL lock_timeout = '10s'"))
