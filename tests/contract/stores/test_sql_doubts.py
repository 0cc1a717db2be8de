"""A COMMIT that nobody answers: what was written counts once, whether it won or not."""

import sqlite3
from collections.abc import Callable

import psycopg
import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from server.adapters.sql.engines import Database
from server.domain.errors import LeaseLost, Unavailable
from server.domain.events import EventType, NewEvent
from server.domain.lifecycle import RUNNING, TaskStatus
from server.domain.task import Lease
from server.domain.writes import Append, Move, Requeue
from tests.stores import MODEL, WORKER, Stores, engines_of, new_task, open_sql_stores

OUTPUT = [NewEvent(EventType.OUTPUT, "a line")]


class Line:
    """The line to a database, which is cut at the next COMMIT, and may stay so.

    A statement that commits itself is its own COMMIT.
    """

    def __init__(self, database: Database) -> None:
        self.won: bool | None = None
        self.stays_cut = False
        self.away = False
        self._sqlite = database.is_sqlite
        for engine in engines_of(database):
            event.listen(engine, "commit", self._commit)
            event.listen(engine, "begin", self._begin)
            event.listen(engine, "before_cursor_execute", self._before)
            event.listen(engine, "after_cursor_execute", self._after)

    def cut(self, *, won: bool, stays: bool = False) -> None:
        """Break the line when the next COMMIT has arrived (`won`), or just before."""
        self.won, self.stays_cut = won, stays

    def _begin(self, _connection) -> None:
        if self.away:
            raise self._lost()

    def _before(self, connection, *_statement) -> None:
        if _commits_itself(connection) and self.won is False:
            self._cut_now()

    def _after(self, connection, *_statement) -> None:
        if _commits_itself(connection) and self.won:
            self._cut_now()

    def _commit(self, connection) -> None:
        if self.won is None or _commits_itself(connection):
            return
        raw = connection.connection.dbapi_connection
        if self.won:
            raw.commit()
        else:
            raw.rollback()
        self._cut_now()

    def _cut_now(self) -> None:
        self.won, self.away = None, self.stays_cut
        raise self._lost()

    def _lost(self) -> OperationalError:
        if not self._sqlite:
            return OperationalError("COMMIT", {}, psycopg.OperationalError("the connection was lost"))
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = sqlite3.SQLITE_IOERR
        return OperationalError("COMMIT", {}, error)


def _commits_itself(connection) -> bool:
    return connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT"


@pytest.fixture(params=["sqlite_database_url", "postgres_url"])
def stores(request: pytest.FixtureRequest):
    with open_sql_stores(request.getfixturevalue(request.param)) as opened:
        yield opened


@pytest.fixture
def line(stores: Stores) -> Line:
    assert stores.database
    return Line(stores.database)


VERBS: dict[str, Callable[[Stores, Lease], None]] = {
    "move": lambda stores, lease: stores.tasks.write(lease, [Move(TaskStatus.PREPROCESS_START)]),
    "append": lambda stores, lease: stores.tasks.write(lease, [Append(OUTPUT)]),
    "requeue": lambda stores, lease: stores.tasks.write(lease, [Requeue(crashed=True)]),
    "the end": lambda stores, lease: stores.tasks.write(lease, [Move(TaskStatus.CANCEL)]),
}
LAST = {
    "move": EventType.PREPROCESS_START,
    "append": EventType.OUTPUT,
    "requeue": EventType.QUEUE,
    "the end": EventType.CANCEL,
}


@pytest.mark.parametrize("won", [True, False])
@pytest.mark.parametrize("verb", VERBS)
def test_a_fenced_write_is_there_once(stores: Stores, line: Line, verb: str, *, won: bool):
    lease = stores.claimed().lease
    line.cut(won=won)
    VERBS[verb](stores, lease)
    assert [event.type for event in stores.story(lease.task_id, after=2).events] == [LAST[verb]]
    assert stores.task(lease.task_id).last_seq == 3
    assert stores.task(lease.task_id).crashes == (verb == "requeue")


@pytest.mark.parametrize("won", [True, False])
@pytest.mark.parametrize("verb", VERBS)
def test_after_an_outage_the_same_write_may_be_tried_again(stores: Stores, line: Line, verb: str, *, won: bool):
    lease = stores.claimed().lease
    line.cut(won=won, stays=True)
    with pytest.raises(Unavailable):
        VERBS[verb](stores, lease)
    line.away = False
    VERBS[verb](stores, lease)
    assert [event.type for event in stores.story(lease.task_id, after=2).events] == [LAST[verb]]
    if verb == "append":
        VERBS[verb](stores, lease)
        assert stores.task(lease.task_id).last_seq == 4
    else:
        with pytest.raises(LeaseLost):  # a write that is not in doubt is refused as ever
            VERBS[verb](stores, lease)


def test_a_doubtful_write_that_did_not_win_yields_to_a_kill(stores: Stores, line: Line):
    lease = stores.claimed().lease
    line.cut(won=False, stays=True)
    with pytest.raises(Unavailable):
        stores.tasks.write(lease, [Move(TaskStatus.PREPROCESS_START)])
    line.away = False
    assert stores.tasks.cancel(lease.task_id, RUNNING)
    with pytest.raises(LeaseLost):
        stores.tasks.write(lease, [Move(TaskStatus.PREPROCESS_START)])
    assert [event.type for event in stores.story(lease.task_id).events][2:] == [EventType.CANCEL]


@pytest.mark.parametrize("won", [True, False])
def test_a_submit_makes_one_task(stores: Stores, line: Line, *, won: bool):
    project = stores.project()
    new = new_task(project.id)
    line.cut(won=won)
    task = stores.tasks.submit(new)
    assert task == stores.tasks.find_by_token(new.token)
    assert [event.type for event in stores.story(task.id).events] == [EventType.QUEUE]
    assert stores.claim().task.id == task.id
    assert stores.tasks.claim(WORKER, [MODEL], 60) is None


@pytest.mark.parametrize("won", [True, False])
def test_a_heartbeat_is_sent_again(stores: Stores, line: Line, *, won: bool):
    lease = stores.claimed().lease
    line.cut(won=won)
    assert stores.tasks.renew([lease], 60) == {lease.task_id}


@pytest.mark.parametrize("won", [True, False])
def test_a_cancel_is_told_as_it_is(stores: Stores, line: Line, *, won: bool):
    task = stores.submit()
    line.cut(won=won)
    cancelled = stores.tasks.cancel(task.id, {TaskStatus.QUEUE})
    assert cancelled is not None
    assert cancelled.status is TaskStatus.CANCEL
    assert len(stores.story(task.id).events) == 2


@pytest.mark.parametrize("won", [True, False])
@pytest.mark.parametrize("stays", [False, True])
def test_a_claim_gets_its_task_without_another_attempt(stores: Stores, line: Line, *, won: bool, stays: bool):
    task = stores.submit()
    line.cut(won=won, stays=stays)
    if stays:
        with pytest.raises(Unavailable):
            stores.claim()
        line.away = False
    claimed = stores.claim()
    assert (claimed.task.id, claimed.task.attempt) == (task.id, 1)
    stores.tasks.write(claimed.lease, [Move(TaskStatus.PREPROCESS_START)])
    assert stores.tasks.claim(WORKER, [MODEL], 60) is None
