"""What the databases do when they are away, busy or asked for what they must not do."""

import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError, OperationalError

from server.adapters.sql.engines import Database, open_database
from server.adapters.sql.expressions import Now
from server.domain.errors import LeaseLost, Unavailable
from server.domain.events import EventType, NewEvent
from server.domain.lifecycle import TaskStatus
from server.domain.types import ProjectId, TaskId
from server.domain.writes import AddFile, Append, Move, Report, Requeue, WriteReceipt
from server.ports import PageQuery
from tests.stores import Stores, new_task, open_sql_stores, picture


@pytest.fixture(params=["sqlite_database_url", "postgres_url"])
def stores(request: pytest.FixtureRequest):
    with open_sql_stores(request.getfixturevalue(request.param)) as opened:
        yield opened


@pytest.mark.parametrize(
    "url", ["", "mysql://u:secret@h/db", "sqlite://", "sqlite:///:memory:", "not a url secret", "postgresql+secret"]
)
def test_only_two_kinds_of_url_and_no_word_of_their_passwords(url: str):
    with pytest.raises(ValueError, match="must be") as raised:
        open_database(url)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_a_database_that_is_away_is_unavailable(scheme: str, caplog: pytest.LogCaptureFixture):
    with open_sql_stores(f"{scheme}://anna:hunter2@127.0.0.1:1/easel") as stores:
        verbs = [
            lambda: stores.tasks.submit(new_task(ProjectId(1))),
            lambda: stores.tasks.find(ProjectId(1), TaskId(1)),
            lambda: stores.tasks.page(ProjectId(1), PageQuery()),
            lambda: stores.tasks.claim("worker", ["m"], 1),
            lambda: stores.log.heads([TaskId(1)]),
            lambda: stores.projects.by_key_hash("x"),
            lambda: stores.workers.leave("worker"),
        ]
        for verb in verbs:
            with pytest.raises(Unavailable) as raised:
                verb()
            assert "hunter2" not in f"{raised.value!r} {raised.value.__cause__!r}"
            assert raised.value.message.count(".") == 2


@pytest.mark.parametrize("content", [None, b"this is no database at all" * 100])
def test_a_file_that_is_no_database_is_unavailable(tmp_path: Path, content: bytes | None):
    path = tmp_path / ("missing/easel.db" if content is None else "easel.db")
    if content:
        path.write_bytes(content)
    with open_sql_stores(f"sqlite:///{path}") as stores, pytest.raises(Unavailable):
        stores.submit()


_INSERTING = text(
    "INSERT INTO workers (id, host, pid, engine, device, state, beat_at) VALUES ('w', 'h', 1, 'e', 'd', 'ready', 1e12)"
)


def test_our_own_mistakes_are_not_called_an_outage(stores: Stores):
    with pytest.raises(DBAPIError):
        stores.database.read(lambda connection: connection.execute(text("SELECT * FROM nowhere")))


def test_reading_cannot_write(stores: Stores):
    with pytest.raises((DBAPIError, Unavailable)):
        stores.database.read(lambda connection: connection.execute(text("DELETE FROM tasks")))
    stores.submit()


def test_what_is_read_at_once_is_of_one_moment(stores: Stores):
    task = stores.submit()

    def look() -> tuple[TaskStatus, TaskStatus]:
        before = stores.tasks.find(task.project_id, task.id)
        with ThreadPoolExecutor(1) as somebody:
            somebody.submit(stores.tasks.cancel, task.id, [TaskStatus.QUEUE]).result()
        after = stores.tasks.find(task.project_id, task.id)
        assert before is not None
        assert after is not None
        return before.status, after.status

    assert stores.database.at_once(look) == (TaskStatus.QUEUE, TaskStatus.QUEUE)
    later = stores.tasks.find(task.project_id, task.id)
    assert later is not None
    assert later.status is TaskStatus.CANCEL, "the next look is at another moment"


def test_whatever_breaks_a_look_at_once_ends_it(stores: Stores):
    task = stores.submit()

    def break_off() -> None:
        stores.tasks.find(task.project_id, task.id)
        raise LeaseLost

    with pytest.raises(LeaseLost):
        stores.database.at_once(break_off)
    stores.tasks.cancel(task.id, [TaskStatus.QUEUE])
    found = stores.tasks.find(task.project_id, task.id)
    assert found is not None
    assert found.status is TaskStatus.CANCEL


def test_the_clock_is_the_databases_with_milliseconds(stores: Stores):
    def read() -> float:
        return stores.database.read(lambda connection: connection.scalar(Now().select()))

    before, times = time.time(), []
    for _ in range(20):
        times.append(read())
        time.sleep(0.002)
    assert before - 0.01 <= times[0] <= times[-1] <= time.time() + 0.01
    assert times == sorted(times)
    assert len(set(times)) > 10


def test_a_failed_transaction_writes_nothing(stores: Stores):
    def work(connection: Connection):
        connection.execute(_INSERTING)
        raise KeyError

    with pytest.raises(KeyError):
        stores.database.write(work)
    assert stores.workers.alive(60) == []


class TestPostgres:
    def test_lost_connections_are_replaced(self, postgres_url: str):
        with open_sql_stores(postgres_url) as stores:
            stores.submit()
            with psycopg.connect(postgres_url, autocommit=True) as admin:
                admin.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            stores.claim()

    def test_a_connection_lost_in_the_middle_is_unavailable(self, postgres_url: str):
        with open_sql_stores(postgres_url) as stores:

            def work(connection: Connection):
                connection.execute(_INSERTING)
                connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

            with pytest.raises(Unavailable):
                stores.database.write(work)
            assert stores.workers.alive(60) == []

    def test_a_deadlock_is_run_again(self, postgres_url: str):
        with open_sql_stores(postgres_url) as stores:
            project = stores.project()
            first, second = stores.submit(project), stores.submit(project)
            both, tries = threading.Barrier(2), []

            def lock(database: Database, order: list[TaskId]):
                def work(connection: Connection):
                    tries.append(order)
                    for task_id in order:
                        connection.execute(
                            text("UPDATE tasks SET crashes = crashes + 1 WHERE id = :id"), {"id": task_id}
                        )
                        if len(tries) <= 2 and task_id == order[0]:
                            both.wait(10)

                database.write(work)

            other = threading.Thread(target=lock, args=(stores.database, [second.id, first.id]))
            other.start()
            lock(stores.database, [first.id, second.id])
            other.join()
            assert len(tries) == 3
            assert [stores.task(task.id).crashes for task in (first, second)] == [2, 2]

    def test_a_lock_held_too_long_is_unavailable(self, postgres_url: str):
        separator = "&" if "?" in postgres_url else "?"
        short = f"{postgres_url}{separator}options=-c%20statement_timeout%3D100"
        with open_sql_stores(short) as stores, psycopg.connect(postgres_url) as admin:
            task = stores.submit()
            admin.execute("SELECT * FROM tasks FOR UPDATE")
            with pytest.raises(Unavailable):
                stores.tasks.cancel(task.id, {task.status})
            assert stores.tasks.claim("worker", [task.model], 1) is None  # locked rows are skipped, not waited for
            admin.rollback()
            assert stores.tasks.cancel(task.id, {task.status})

    def test_a_write_that_had_to_wait_for_a_kill_is_refused(self, postgres_url: str):
        """It looked before the kill was committed; what counts is what it finds when it has the row."""
        verbs = {
            "move": lambda tasks, lease: tasks.write(lease, [Move(TaskStatus.PREPROCESS_START)]),
            "append": lambda tasks, lease: tasks.write(lease, [Append([NewEvent(EventType.OUTPUT)])]),
            "report": lambda tasks, lease: tasks.write(lease, [Report({"late": True})]),
            "write_receipt": lambda tasks, lease: tasks.write(lease, [WriteReceipt({"miniature": True})]),
            "add_file": lambda tasks, lease: tasks.write(lease, [AddFile(picture())]),
            "requeue": lambda tasks, lease: tasks.write(lease, [Requeue()]),
        }
        kill = "UPDATE tasks SET status = 'task_cancel', lease_token = NULL, lease_until = NULL"
        with open_sql_stores(postgres_url) as stores, ThreadPoolExecutor(1) as pool:
            for verb in verbs.values():
                lease = stores.claimed().lease
                with psycopg.connect(postgres_url) as killer:
                    killer.execute(kill)
                    late = pool.submit(verb, stores.tasks, lease)
                    with pytest.raises(TimeoutError):
                        late.result(0.1)
                with pytest.raises(LeaseLost):
                    late.result(10)
                story = stores.story(lease.task_id)
                assert (len(story.events), story.task.files, story.progress) == (2, (), None)
                assert story.task.receipt == {}


class TestSqlite:
    def test_the_file_is_set_up(self, sqlite_database_url: str):
        with open_sql_stores(sqlite_database_url) as stores:

            def pragmas(connection: Connection):
                names = ("journal_mode", "synchronous", "foreign_keys", "query_only", "busy_timeout")
                return [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in names]

            assert stores.database.write(pragmas) == ["wal", 2, 1, 0, 30_000]
            assert stores.database.read(pragmas) == ["wal", 2, 1, 1, 30_000]

    def test_readers_do_not_wait_for_a_writer(self, sqlite_database_url: str):
        with open_sql_stores(sqlite_database_url) as stores:
            task = stores.submit()
            writer = sqlite3.connect(sqlite_database_url.removeprefix("sqlite:///"), isolation_level=None)
            writer.execute("BEGIN IMMEDIATE")
            writer.execute("UPDATE tasks SET message = 'not yet'")
            assert stores.task(task.id) == task
            writer.execute("ROLLBACK")
            writer.close()

    def test_a_writer_waits_for_another_processs(self, sqlite_database_url: str):
        """Also one that reads before it writes: without IMMEDIATE it would fail at once."""
        with open_sql_stores(sqlite_database_url) as stores:
            project = stores.project()
            writer = sqlite3.connect(
                sqlite_database_url.removeprefix("sqlite:///"), isolation_level=None, check_same_thread=False
            )
            writer.execute("BEGIN IMMEDIATE")
            release = threading.Timer(0.3, lambda: writer.execute("COMMIT"))
            release.start()
            assert stores.submit(project).turn == 1
            release.join()
            writer.close()

    def test_missing_tables_are_our_mistake(self, tmp_path: Path):
        with open_sql_stores(f"sqlite:///{tmp_path / 'empty.db'}") as stores, pytest.raises(OperationalError):
            stores.submit()

    def test_processes_share_the_queue(self, sqlite_database_url: str):
        """Four processes claim from one file; nobody fails and nothing is claimed twice."""
        with open_sql_stores(sqlite_database_url) as stores:
            project = stores.project()
            ids = {stores.submit(project).id for _ in range(40)}
            script = (
                "import sys\n"
                "from tests.stores import MODEL, open_sql_stores\n"
                "with open_sql_stores(sys.argv[1]) as stores:\n"
                "    while claimed := stores.tasks.claim(sys.argv[2], [MODEL], 60): print(claimed.task.id)\n"
            )
            processes = [
                subprocess.Popen([sys.executable, "-c", script, sqlite_database_url, name], stdout=subprocess.PIPE)
                for name in "abcd"
            ]
            outputs = [process.communicate(timeout=60)[0] for process in processes]
            claimed = [int(line) for output in outputs for line in output.split()]
            assert [process.returncode for process in processes] == [0] * 4
            assert sorted(claimed) == sorted(ids)
