"""Wake-ups: hints that travel between processes, and nothing that anybody relies on."""

import os
import resource
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import pytest

from server.adapters.sql.engines import Database, open_database
from server.adapters.sql.wakeups import ClosingWakeups, Role, open_wakeups
from tests.stores import sql_stores


class Ear:
    """Counts what it hears."""

    def __init__(self, wakeups: ClosingWakeups) -> None:
        self.count = 0
        self._heard = threading.Condition()
        wakeups.listen(self._hear)

    def _hear(self) -> None:
        with self._heard:
            self.count += 1
            self._heard.notify_all()

    def hears(self, what: Callable[[], object], within: float = 10) -> bool:
        """Whether one more is heard after doing something."""
        before = self.count
        what()
        with self._heard:
            return self._heard.wait_for(lambda: self.count > before, within)

    def settle(self) -> None:
        """Wait until nothing has been heard for a while."""
        while self.hears(lambda: None, within=0.3):
            pass


@contextmanager
def opened(database: Database, role: Role, *, poll_only: bool = False) -> Iterator[ClosingWakeups]:
    wakeups = open_wakeups(database, role, poll_only=poll_only)
    try:
        yield wakeups
    finally:
        wakeups.close()


@pytest.fixture(params=["sqlite_database_url", "postgres_url"])
def url(request: pytest.FixtureRequest) -> str:
    return request.getfixturevalue(request.param)


@pytest.fixture
def databases(url: str) -> Iterator[tuple[Database, Database]]:
    """One database, opened as two processes would."""
    both = open_database(url), open_database(url)
    yield both
    for one in both:
        one.close()


def _commit(database: Database) -> None:
    sql_stores(database).project()


@contextmanager
def _many_open_files(count: int) -> Iterator[None]:
    """Hold so many files open that the next ones get higher numbers, as a process with many sockets does."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(before[0], count + 500), before[1]))
    files = [os.open(os.devnull, os.O_RDONLY) for _ in range(count)]
    try:
        yield
    finally:
        for file in files:
            os.close(file)
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_who_has_many_sockets_is_still_woken(databases: tuple[Database, Database]):
    with _many_open_files(1100), opened(databases[0], Role.API) as api, opened(databases[1], Role.WORKER) as worker:
        ear = Ear(worker)
        ear.settle()

        def queue() -> None:
            _commit(databases[0])
            api.wake()

        assert ear.hears(queue, within=5)


def test_a_worker_hears_of_what_an_api_has_queued(databases: tuple[Database, Database]):
    with opened(databases[0], Role.API) as api, opened(databases[1], Role.WORKER) as worker:
        ear = Ear(worker)
        ear.settle()

        def queue() -> None:
            _commit(databases[0])
            api.wake()

        assert ear.hears(queue)


def test_an_api_hears_of_what_a_worker_has_written(databases: tuple[Database, Database]):
    with opened(databases[0], Role.WORKER) as worker, opened(databases[1], Role.API) as api:
        ear = Ear(api)
        ear.settle()

        def write() -> None:
            _commit(databases[0])
            worker.wake()

        assert ear.hears(write)


@pytest.mark.parametrize("poll_only", [True, False])
def test_who_wakes_tells_his_own_process_at_once(databases: tuple[Database, Database], *, poll_only: bool):
    with opened(databases[0], Role.BOTH, poll_only=poll_only) as wakeups:
        ear = Ear(wakeups)
        before = ear.count
        wakeups.wake()
        assert ear.count > before


def test_polling_alone_tells_nobody_else(databases: tuple[Database, Database]):
    api, worker = (open_wakeups(one, role, poll_only=True) for one, role in zip(databases, Role, strict=False))
    ear = Ear(worker)
    _commit(databases[0])
    api.wake()
    assert ear.count == 0


def test_a_database_that_is_not_there_is_waited_for(tmp_path):
    database = open_database(f"sqlite:///{tmp_path / 'missing' / 'easel.db'}")
    with opened(database, Role.WORKER) as wakeups:
        wakeups.wake()
    database.close()


class TestPostgres:
    def test_many_wakes_are_told_as_few(self, postgres_url: str):
        database = open_database(postgres_url)
        with psycopg.connect(postgres_url, autocommit=True) as listener, opened(database, Role.API) as api:
            listener.execute("LISTEN easel_queue")
            for _ in range(500):
                api.wake()
            told = list(listener.notifies(timeout=1))
            assert {(one.channel, one.payload) for one in told} == {("easel_queue", "")}
            assert 1 <= len(told) <= 20
        database.close()

    def test_workers_do_not_hear_each_other(self, postgres_url: str):
        database = open_database(postgres_url)
        with opened(database, Role.WORKER) as one, opened(database, Role.WORKER) as other:
            ear = Ear(other)
            ear.settle()
            assert not ear.hears(one.wake, within=0.5)
        database.close()

    def test_a_broken_connection_is_replaced_and_everybody_looks(self, postgres_url: str):
        database = open_database(postgres_url)
        with opened(database, Role.API) as api, opened(database, Role.WORKER) as worker:
            ear = Ear(worker)
            ear.settle()
            with psycopg.connect(postgres_url, autocommit=True) as admin:
                others = "datname = current_database() AND pid <> pg_backend_pid()"
                cut = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}"
                assert ear.hears(lambda: admin.execute(cut))
                ear.settle()
                for _ in range(20):  # the api's own connection comes back in its time
                    if ear.hears(api.wake, within=0.5):
                        break
                else:
                    pytest.fail("no wake-up after the connection broke")
        database.close()
