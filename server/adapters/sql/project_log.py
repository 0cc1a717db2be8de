"""Following whole projects in SQL."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Integer,
    Select,
    bindparam,
    literal_column,
    select,
    union_all,
)

from server.adapters.sql.engines import Database
from server.adapters.sql.expressions import Now
from server.adapters.sql.fence import IS_LEASED
from server.adapters.sql.overview import OVER, PROJECT_IDS, SINCE, SUBMITTED
from server.adapters.sql.tables import TASK_EVENTS, TASKS, time_column
from server.domain.events import EventType
from server.domain.lifecycle import TaskStatus
from server.domain.overview import Happening, Heads, News
from server.domain.types import ProjectId, TaskId

_OURS: Final = TASKS.c.project_id.in_(PROJECT_IDS)


def _found(held: int, *which: ColumnElement[bool]) -> Select[Any, Any, int]:
    marked = literal_column(str(held), Integer()).label("held")
    return select(TASKS.c.id, TASKS.c.last_seq, marked).where(_OURS, *which)


# Walks from the end past the young ones only: ids are given in the order of submission, or nearly.
LAST_BEFORE: Final = select(TASKS.c.id).where(SUBMITTED < SINCE).order_by(TASKS.c.id.desc()).limit(1)
STIRRED: Final = union_all(
    _found(1, IS_LEASED),
    _found(0, TASKS.c.id > bindparam("last_before", type_=TASKS.c.id.type)),
    *(_found(0, at >= SINCE) for at in OVER.values()),
)

_TASK_IDS: Final[BindParameter[Any]] = bindparam("task_ids", expanding=True)
_TIMES: Final = {status: time_column(status) for status in TaskStatus}
_TASKS: Final = select(
    *(TASKS.c[name] for name in ("id", "project_id", "model", "status", "pexit", "message", *_TIMES.values()))
).where(TASKS.c.id.in_(_TASK_IDS))
_LINE: Final = (TASK_EVENTS.c.seq, TASK_EVENTS.c.attempt, TASK_EVENTS.c.type, TASK_EVENTS.c.at)
_EVENTS: Final = (
    select(TASK_EVENTS.c.task_id, *_LINE)
    .where(TASK_EVENTS.c.task_id.in_(_TASK_IDS))
    .order_by(TASK_EVENTS.c.task_id, TASK_EVENTS.c.seq)
)


class SqlProjectLog:
    """`ProjectLog` over a `Database`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def stirred(self, project_ids: Collection[ProjectId], since: float) -> Heads:
        """See `ProjectLog.stirred`."""
        asked = {PROJECT_IDS.key: list(project_ids), "since": since}

        def work(connection: Connection) -> Heads:
            now: float = connection.execute(select(Now())).scalar_one()
            last_before: int = connection.execute(LAST_BEFORE, asked).scalar_one_or_none() or 0
            rows = connection.execute(STIRRED, {**asked, "last_before": last_before}).all()
            held = frozenset(row.id for row in rows if row.held)
            return Heads(now, {row.id: row.last_seq for row in rows}, held)

        return self._database.read(work)

    def news(self, cursors: Mapping[TaskId, int]) -> Sequence[News]:
        """See `ProjectLog.news`."""
        if not cursors:
            return []
        asked = {_TASK_IDS.key: list(cursors)}

        def work(connection: Connection) -> Sequence[News]:
            happened: dict[TaskId, list[Happening]] = defaultdict(list)
            rows = connection.execute(_TASKS, asked).mappings().all()
            for row in connection.execute(_EVENTS, asked):
                if row.seq > cursors[row.task_id]:
                    one = Happening(seq=row.seq, attempt=row.attempt, type=EventType(row.type), at=row.at)
                    happened[row.task_id].append(one)
            return [_news(row, happened[row["id"]]) for row in rows]

        return self._database.read(work)


def _news(row: Mapping[Any, Any], happenings: Sequence[Happening]) -> News:
    return News(
        id=row["id"],
        project_id=row["project_id"],
        model=row["model"],
        status=TaskStatus(row["status"]),
        pexit=row["pexit"],
        message=row["message"],
        times={status: row[name] for status, name in _TIMES.items() if row[name] is not None},
        happenings=happenings,
    )
