"""The schema: what the migrations build is what the tables say, on both databases."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text

from server.adapters.sql import schema
from server.adapters.sql.engines import Database, open_database
from server.adapters.sql.tables import METADATA
from server.domain.errors import Unavailable
from tests.stores import sql_stores

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def database(empty_url: str):
    database = open_database(empty_url)
    yield database
    database.close()


def _tables(database: Database) -> set[str]:
    return database.read(lambda connection: set(inspect(connection).get_table_names()))


def _differences(database: Database):
    def work(connection):
        return compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), METADATA)

    return database.migrate(work)


def _partial_indexes(database: Database) -> dict[str, str]:
    """Alembic compares the columns of an index, not its condition."""

    def work(connection):
        query = "SELECT indexname, indexdef FROM pg_indexes WHERE indexdef LIKE '% WHERE %'"
        if database.is_sqlite:
            query = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql LIKE '% WHERE %'"
        return {name: definition.partition(" WHERE ")[2] for name, definition in connection.execute(text(query))}

    return database.read(work)


def test_an_upgrade_builds_exactly_the_tables(database: Database):
    schema.upgrade(database)
    assert _tables(database) == {*METADATA.tables, "alembic_version"}
    assert _differences(database) == []


def test_the_conditions_of_partial_indexes_too(database: Database, tmp_path: Path):
    schema.upgrade(database)
    migrated = _partial_indexes(database)
    assert set(migrated) == {
        *("ix_tasks_claim", "ix_tasks_turns", "ix_tasks_running", "ix_tasks_pace"),
        *("ix_tasks_ended", "ix_tasks_cancelled", "ix_webhooks_due"),
    }
    schema.migrate(database, lambda config: command.downgrade(config, "base"))
    database.migrate(METADATA.create_all)
    assert _partial_indexes(database) == migrated


def test_there_and_back_and_there_again(database: Database):
    schema.upgrade(database)
    schema.migrate(database, lambda config: command.downgrade(config, "base"))
    assert _tables(database) == {"alembic_version"}
    assert schema.current_revision(database) is None
    schema.upgrade(database)
    schema.upgrade(database)
    assert _differences(database) == []


def test_the_revision_is_known(database: Database):
    health = schema.SqlHealth(database)
    assert schema.current_revision(database) is None
    assert schema.current_revision(database) != schema.head_revision()
    assert "no schema" in (health.trouble() or "")
    schema.upgrade(database)
    assert schema.current_revision(database) == schema.head_revision()
    assert schema.current_revision(database) == schema.head_revision()
    assert health.trouble() is None


def test_another_releases_schema_is_trouble(database: Database):
    schema.upgrade(database)
    database.write(lambda connection: connection.execute(text("UPDATE alembic_version SET version_num = 'later'")))
    assert schema.current_revision(database) != schema.head_revision()
    assert "schema later" in (schema.SqlHealth(database).trouble() or "")


def test_a_process_goes_on_when_the_next_releases_schema_comes(database: Database):
    schema.upgrade(database)
    running = schema.SqlHealth(database)
    assert running.trouble() is None
    database.write(lambda connection: connection.execute(text("UPDATE alembic_version SET version_num = 'later'")))

    assert running.trouble() is None
    with pytest.raises(Unavailable, match="newer release"):
        schema.SqlHealth(database).check()


def test_a_database_that_is_away_is_trouble(tmp_path: Path):
    database = open_database(f"sqlite:///{tmp_path / 'missing' / 'easel.db'}")
    assert "can't be reached" in (schema.SqlHealth(database).trouble() or "")
    database.close()


def test_many_upgrade_at_once(empty_url: str):
    def upgrade(_):
        database = open_database(empty_url)
        try:
            schema.upgrade(database)
            return schema.current_revision(database) == schema.head_revision()
        finally:
            database.close()

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(upgrade, range(4)))


def test_an_upgrade_that_fails_leaves_nothing(database: Database):
    def fail(config):
        command.upgrade(config, "head")
        raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError):
        schema.migrate(database, fail)
    assert _tables(database) == set()
    schema.upgrade(database)
    assert sql_stores(database).project().id


def test_a_developer_can_use_alembics_command_line(empty_url: str):
    def alembic(*arguments: str):
        return subprocess.run(
            [sys.executable, "-m", "alembic", *arguments],
            cwd=REPOSITORY,
            env=os.environ | {"EASEL_DATABASE_URL": empty_url},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout

    alembic("upgrade", "head")
    assert schema.head_revision() in alembic("current")
    assert "No new upgrade operations" in alembic("check")
