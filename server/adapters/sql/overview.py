"""Looking at everything at once in SQL: the partial indexes of open tasks, and those of what ended lately."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import BindParameter, Column, Connection, Integer, bindparam, func, select

from server.adapters.sql.engines import Database
from server.adapters.sql.expressions import Now, is_one_of
from server.adapters.sql.fence import IS_LEASED
from server.adapters.sql.tables import TASK_PROGRESS, TASKS, time_column
from server.domain.lifecycle import TaskStatus
from server.domain.overview import Ended, Held, QueueDepth, Queues, outcome_of
from server.domain.task import Progress
from server.domain.types import ProjectId

SUBMITTED: Final = TASKS.c[time_column(TaskStatus.QUEUE)]
CLAIMED: Final = TASKS.c[time_column(TaskStatus.ACCEPT)]
OVER: Final[Mapping[TaskStatus, Column[float]]] = {
    status: TASKS.c[time_column(status)] for status in (TaskStatus.POSTPROCESS_END, TaskStatus.CANCEL)
}
PROJECT_IDS: Final[BindParameter[Any]] = bindparam("project_ids", expanding=True)
SINCE: Final = bindparam("since", type_=SUBMITTED.type)
_MOST: Final = bindparam("most", type_=Integer())

_KEY: Final = (TASKS.c.project_id, TASKS.c.model)
QUEUED: Final = (
    select(*_KEY, func.count().label("tasks"), func.min(SUBMITTED).label("first"))
    .where(is_one_of(TASKS.c.status, [TaskStatus.QUEUE]))
    .group_by(*_KEY)
)
RUNNING: Final = select(*_KEY, func.count().label("tasks")).where(IS_LEASED).group_by(*_KEY)
_PROGRESS: Final = (TASK_PROGRESS.c.version, TASK_PROGRESS.c.attempt.label("reported"), TASK_PROGRESS.c.payload)
_ROW: Final = (TASKS.c.id, *_KEY, TASKS.c.status, TASKS.c.attempt, TASKS.c.worker_id, CLAIMED.label("since"))
HELD: Final = (
    select(*_ROW, *_PROGRESS)
    .select_from(TASKS.outerjoin(TASK_PROGRESS))
    .where(IS_LEASED)
    # The sum keeps a planner from walking the primary key, past a million finished tasks: what is leased is few.
    .order_by(TASKS.c.id + 0)
    .limit(_MOST)
)


_SAME: Final = (TASKS.c.id, *_KEY, TASKS.c.message)


def _ended(status: TaskStatus) -> Any:
    at = OVER[status]
    return (
        select(
            *_SAME, at.label("at"), TASKS.c.status, TASKS.c.pexit, SUBMITTED.label("submitted"), CLAIMED.label("since")
        )
        .where(TASKS.c.project_id.in_(PROJECT_IDS), at >= SINCE)
        .order_by(at.desc())
        .limit(_MOST)
    )


ENDED: Final = {status: _ended(status) for status in OVER}


class SqlOverview:
    """`Overview` over a `Database`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def queues(self) -> Queues:
        """See `Overview.queues`."""

        def work(connection: Connection) -> Queues:
            now: float = connection.execute(select(Now())).scalar_one()
            queued = {(row.project_id, row.model): row for row in connection.execute(QUEUED)}
            running = {(row.project_id, row.model): row.tasks for row in connection.execute(RUNNING)}
            depths = [
                QueueDepth(
                    project_id=key[0],
                    model=key[1],
                    queued=queued[key].tasks if key in queued else 0,
                    oldest=max(0.0, now - queued[key].first) if key in queued else 0.0,
                    running=running.get(key, 0),
                )
                for key in sorted({*queued, *running})
            ]
            return Queues(now, depths)

        return self._database.read(work)

    def held(self, most: int) -> Sequence[Held]:
        """See `Overview.held`."""

        def work(connection: Connection) -> list[Held]:
            return [_held(row) for row in connection.execute(HELD, {"most": most}).mappings()]

        return self._database.read(work)

    def ended(self, project_ids: Collection[ProjectId], since: float, most: int) -> Sequence[Ended]:
        """See `Overview.ended`."""
        asked = {PROJECT_IDS.key: list(project_ids), "since": since, "most": most}

        def work(connection: Connection) -> list[Ended]:
            return [_ending(row) for query in ENDED.values() for row in connection.execute(query, asked).mappings()]

        return sorted(self._database.read(work), key=lambda one: one.at)


def _held(row: Mapping[Any, Any]) -> Held:
    progress: Progress | None = None
    if row["payload"] is not None and row["reported"] == row["attempt"]:
        progress = Progress(version=row["version"], attempt=row["attempt"], payload=row["payload"])
    names = ("id", "project_id", "model", "attempt", "worker_id", "since")
    return Held(**{name: row[name] for name in names}, status=TaskStatus(row["status"]), progress=progress)


def _ending(row: Mapping[Any, Any]) -> Ended:
    at, claimed = row["at"], row["since"]
    return Ended(
        **{name: row[name] for name in ("id", "project_id", "model", "message")},
        at=at,
        outcome=outcome_of(TaskStatus(row["status"]), row["pexit"], claimed=claimed is not None),
        seconds=max(0.0, at - row["submitted"]),
        drawn=0.0 if claimed is None else max(0.0, at - claimed),
    )
