"""The hot statements use their indexes, however PostgreSQL prepares them."""

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

import pytest
from sqlalchemy import (
    BindParameter,
    ClauseElement,
    Connection,
    Select,
    Update,
    bindparam,
    func,
    insert,
    literal,
    select,
    text,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.visitors import replacement_traverse

from server.adapters.sql.admission import placing, something_queued
from server.adapters.sql.engines import Database
from server.adapters.sql.event_log import HEADS
from server.adapters.sql.expressions import Now
from server.adapters.sql.fence import ANY_HELD, IS_LEASED, held_by, holder, holders
from server.adapters.sql.overview import ENDED, HELD, QUEUED
from server.adapters.sql.project_log import STIRRED
from server.adapters.sql.queue import (
    NO_QUOTA,
    Claim,
    claim_statements,
    claim_values,
    claim_where_nothing_is_limited,
    taking_over,
)
from server.adapters.sql.queue_view import ahead_of, recent_runs
from server.adapters.sql.rows import TASK_COLUMNS
from server.adapters.sql.tables import FILES, TASKS, time_column
from server.domain.lifecycle import LEASED, TaskStatus
from server.domain.quota import Quota
from server.domain.task import Lease
from server.domain.types import TaskId
from tests.filling import add_files, fill
from tests.stores import MODEL, WORKER, open_sql_stores, sql_stores

_Statement = TypeVar("_Statement", bound=ClauseElement)

MANY = 5000
LEASE = Lease(task_id=TaskId(1), attempt=1, token="token")


@pytest.fixture(params=["sqlite_database_url", "postgres_url"])
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    """A database with many finished tasks, some queued, and a few leased ones."""
    with open_sql_stores(request.getfixturevalue(request.param)) as stores:
        project = stores.project()
        assert stores.database
        stores.database.write(lambda connection: _fill(connection, project.id))
        stores.database.write(add_files)
        stores.database.write(lambda connection: connection.execute(text("ANALYZE")))
        yield stores.database


def _fill(connection: Connection, project_id: int):
    plain = dict.fromkeys(("callback_url", "base_url", "pexit", "message"), "") | {"parameters": {}, "values": {}}
    plain |= {"project_id": project_id, "model": MODEL, "attempt": 1, "crashes": 0, "last_seq": 1}

    def row(number: int):
        status = TaskStatus.POSTPROCESS_END
        if number % 50 == 0:
            status = TaskStatus.QUEUE
        elif number % 500 == 1:
            status = TaskStatus.START
        lease = {"lease_token": "t", "lease_until": 1.0} if status in LEASED else {}
        own = {"uuid": str(number), "token": str(number), "turn": number, time_column(TaskStatus.QUEUE): 1.0}
        return plain | {"lease_token": None, "lease_until": None} | own | lease | {"status": status.value}

    connection.execute(insert(TASKS), [row(number) for number in range(MANY)])


# what every UPDATE under a lease is guarded by
_HELD = select(TASKS.c.id).where(held_by([TaskStatus.ACCEPT])).params(holder(LEASE))


def _with(values: Mapping[str, Any], statement: _Statement) -> _Statement:
    """Return a statement with these values in the place of its parameters."""

    def known(element: Any, **_: Any) -> Any:
        if not isinstance(element, BindParameter) or element.key not in values:
            return None
        return bindparam(element.key, values[element.key], type_=element.type, expanding=element.expanding)

    return replacement_traverse(statement, {}, known)


def _claiming(quota: Quota = NO_QUOTA) -> Update:
    claim = Claim(worker_id=WORKER, models=[MODEL], seconds=30.0, token="token")
    return _with(claim_values(claim), claim_statements(quota, claim).claiming)


def _claiming_where_nothing_is_limited() -> Select[Any]:
    claim = Claim(worker_id=WORKER, models=[MODEL], seconds=30.0, token="token")
    return _with(claim_values(claim), claim_where_nothing_is_limited(claim))


def _plan(database: Database, statement: ClauseElement) -> str:
    dialect = sqlite.dialect() if database.is_sqlite else postgresql.dialect()
    compiled = statement.compile(dialect=dialect, compile_kwargs={"literal_binds": True, "render_postcompile": True})
    explain = "EXPLAIN QUERY PLAN " if database.is_sqlite else "EXPLAIN "

    def work(connection: Connection) -> str:
        rows = connection.exec_driver_sql(explain + str(compiled).replace("%", "%%")).all()
        return "\n".join(str(row[-1]) for row in rows)

    return database.write(work)


def _full_scan(plan: str) -> bool:
    # An index that is read from end to end shows as an Index Scan without a condition, or as SCAN … USING INDEX.
    whole = ("Seq Scan on tasks", "Seq Scan on files", "SCAN tasks USING INDEX sqlite_autoindex")
    return any(words in plan for words in whole) or any(
        f"SCAN {table}\n" in plan + "\n" for table in ("tasks", "files")
    )


def _hot_statements(project_id: int, last: int) -> dict[str, ClauseElement]:
    """What runs all the time, with the page of a project that owns everything; nothing is younger than task `last`."""
    page = select(TASKS.c.id).where(TASKS.c.project_id == literal(project_id)).order_by(TASKS.c.id.desc()).limit(20)
    return {
        "claim": _claiming(),
        "claim where running is limited": _claiming(Quota(running=2)),
        "heartbeat": _with(holders([LEASE]), update(TASKS).where(ANY_HELD).values(lease_until=Now() + literal(30.0))),
        "a held row": _HELD,
        "take_over": taking_over(WORKER, 30, 20),
        "is anything queued": select(something_queued()),
        "submit's place": placing(Quota(queued=100, total=10_000)).params(project_id=project_id),
        "an unanswered claim": select(TASKS.c.id).where(TASKS.c.lease_token == literal("token"), IS_LEASED),
        "hub heads": HEADS.params(task_ids=list(range(1, 200))),
        "Detail": select(*TASK_COLUMNS).where(TASKS.c.token == literal("token")),
        "list page": page,
        "queue position": select(ahead_of(50, 50, 1_000_000)),
        "recent runs": recent_runs(MODEL),
        "queues": QUEUED,
        "what is held": HELD.params(most=100),
        "what ended lately": ENDED[TaskStatus.POSTPROCESS_END].params(project_ids=[project_id], since=1e9, most=100),
        "what was stopped lately": ENDED[TaskStatus.CANCEL].params(project_ids=[project_id], since=1e9, most=100),
        "what has stirred": STIRRED.params(project_ids=[project_id], since=1e9, last_before=last),
        "a file by its key": select(FILES.c.id).where(FILES.c.key.in_(["outputs/a/b.png"])),
        "submit's own turn": select(func.max(TASKS.c.turn)).where(
            TASKS.c.status == text("'task_queue'"), TASKS.c.project_id == literal(project_id)
        ),
    }


def _assert_no_scan(database: Database) -> None:
    project_id = sql_stores(database).projects.all()[0].id
    last = database.read(lambda connection: connection.execute(select(func.max(TASKS.c.id))).scalar_one())
    scanned = {
        name: plan
        for name, statement in _hot_statements(project_id, last).items()
        if _full_scan(plan := _plan(database, statement))
    }
    assert scanned == {}


def test_nothing_hot_scans_a_table(database: Database):
    _assert_no_scan(database)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", ["sqlite_database_url", "postgres_url"])
def test_nothing_hot_scans_a_table_of_a_million(request: pytest.FixtureRequest, kind: str):
    with open_sql_stores(request.getfixturevalue(kind)) as stores:
        assert stores.database
        fill(stores.database, stores.project().id, queued=100_000, finished=1_000_000)
        _assert_no_scan(stores.database)
        assert stores.tasks.claim(WORKER, [MODEL], 60)


def test_the_claim_reads_the_queue_only(database: Database):
    plan = _plan(database, _claiming())
    assert "ix_tasks_claim" in plan
    assert not _full_scan(plan)


@pytest.mark.parametrize("quota", [Quota(), Quota(running=2)])
def test_who_is_at_his_limit_is_read_from_the_leased_and_where_to_begin_from_the_turns(
    database: Database, quota: Quota
):
    plan = _plan(database, _claiming(quota))
    assert "ix_tasks_running" in plan
    assert "ix_tasks_turns" in plan
    assert not _full_scan(plan)


def test_the_view_of_the_queue_reads_indexes(database: Database):
    with_task = next(iter(sql_stores(database).projects.all()))
    task = sql_stores(database).submit(with_task)
    ahead = _plan(database, select(ahead_of(task.turn, task.id, 1_000_000)))
    recent = _plan(database, recent_runs(MODEL))
    assert "ix_tasks_claim" in ahead or "ix_tasks_turns" in ahead
    assert "ix_tasks_pace" in recent
    assert not _full_scan(ahead)
    assert not _full_scan(recent)


def test_the_rescue_reads_the_leased_only(database: Database):
    plan = _plan(database, taking_over(WORKER, 30, 20))
    assert "ix_tasks_running" in plan
    assert not _full_scan(plan)


@pytest.mark.parametrize(
    "statement",
    [
        _HELD,
        _with(holders([LEASE, LEASE]), select(TASKS.c.id).where(ANY_HELD)),
    ],
    ids=["one", "many"],
)
def test_a_held_task_is_found_by_its_id(database: Database, statement: ClauseElement):
    plan = _plan(database, statement)
    # Or among the leased, which are as few as what the workers hold.
    assert "pk_tasks" in plan or "PRIMARY KEY" in plan or "ix_tasks_running" in plan
    assert not _full_scan(plan)


def test_a_page_is_read_in_order(database: Database):
    query = select(TASKS.c.id).where(TASKS.c.project_id == literal(2)).order_by(TASKS.c.id.desc()).limit(20)
    plan = _plan(database, query)
    assert "ix_tasks_page" in plan
    assert "TEMP B-TREE" not in plan
    assert not _full_scan(plan)


def test_the_next_turn_reads_two_index_entries(database: Database):
    queued = TASKS.c.status == text("'task_queue'")
    own = _plan(database, select(func.max(TASKS.c.turn)).where(queued, TASKS.c.project_id == literal(2)))
    lowest = _plan(database, select(func.min(TASKS.c.turn)).where(queued))
    assert "ix_tasks_turns" in own or "ix_tasks_claim" in own
    assert "ix_tasks_claim" in lowest
    assert not _full_scan(own)
    assert not _full_scan(lowest)


@pytest.mark.parametrize("limited", [True, False])
def test_a_prepared_claim_uses_the_index_too(postgres_url: str, *, limited: bool):
    """A generic plan knows no parameters: it can use a partial index only if its condition is written out."""
    statement = _claiming() if limited else _claiming_where_nothing_is_limited()
    with open_sql_stores(postgres_url) as stores:
        project = stores.project()
        assert stores.database
        stores.database.write(lambda connection: _fill(connection, project.id))
        compiled = statement.compile(
            dialect=postgresql.dialect(paramstyle="numeric_dollar"), compile_kwargs={"render_postcompile": True}
        )

        def work(connection: Connection) -> str:
            connection.exec_driver_sql("SET LOCAL plan_cache_mode = force_generic_plan")
            connection.exec_driver_sql("ANALYZE tasks")
            connection.exec_driver_sql(f"PREPARE claiming AS {compiled}")
            values = ", ".join(f"'{value}'" for value in compiled.params.values())
            rows = connection.exec_driver_sql(f"EXPLAIN EXECUTE claiming({values})").scalars()
            return "\n".join(rows)

        plan = stores.database.write(work)
        assert "ix_tasks_claim" in plan
        assert not _full_scan(plan)
        assert ("ix_tasks_running" in plan) == limited
