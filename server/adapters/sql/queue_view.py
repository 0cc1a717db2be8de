"""Looking at the queue in SQL: index entries only, in one read transaction."""

from collections.abc import Sequence
from functools import partial
from typing import Final, TypeAlias

from sqlalchemy import ColumnElement, Connection, Integer, Select, String, bindparam, func, literal_column, select

from server.adapters.sql.engines import Database
from server.adapters.sql.expressions import Now, is_one_of
from server.adapters.sql.fence import IS_LEASED
from server.adapters.sql.queue import NO_QUOTA
from server.adapters.sql.queue_turns import coming_turn
from server.adapters.sql.rows import TASK_COLUMNS, tasks_of
from server.adapters.sql.tables import PROJECTS, TASKS, time_column
from server.domain.errors import NotAuthorized
from server.domain.expectation import QueueSight
from server.domain.lifecycle import TaskStatus
from server.domain.quota import Quota
from server.domain.task import Task
from server.domain.types import ProjectId

_RECENT: Final = 20

_Int: TypeAlias = ColumnElement[int] | int


def ahead_of(turn: _Int, task_id: _Int, most: _Int) -> ColumnElement[int]:
    """Return how many queued tasks come before that one, in the order of the claim; exact up to `most`."""
    queued = is_one_of(TASKS.c.status, [TaskStatus.QUEUE])
    counted = most + 1
    earlier = select(TASKS.c.id).where(queued, TASKS.c.turn < turn).limit(counted).subquery()
    same = select(TASKS.c.id).where(queued, TASKS.c.turn == turn, TASKS.c.id < task_id).limit(counted).subquery()
    first, second = (select(func.count()).select_from(found).scalar_subquery() for found in (earlier, same))
    return first + second


_END: Final = TASKS.c[time_column(TaskStatus.END)]


def recent_runs(model: ColumnElement[str] | str) -> Select[float]:
    """Return the seconds from claim to end of the model's latest successful tasks."""
    start = TASKS.c[time_column(TaskStatus.ACCEPT)]
    return select(_END - start).where(*_successes(model)).order_by(_END.desc()).limit(_RECENT)


def _successes(model: ColumnElement[str] | str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    # Written out like a status: a planner must see that the partial index fits.
    return TASKS.c.model == model, TASKS.c.pexit == literal_column("'0'", String())


def _counting() -> Select[float, int, int, int, int | None]:
    project = bindparam("project_id", type_=TASKS.c.project_id.type)
    leased = select(func.count()).select_from(TASKS).where(IS_LEASED)
    own = leased.where(TASKS.c.project_id == project)
    turn, task_id = bindparam("turn", type_=TASKS.c.turn.type), bindparam("task_id", type_=TASKS.c.id.type)
    ahead = ahead_of(turn, task_id, bindparam("most", type_=Integer()))
    columns = (Now(), ahead, leased.scalar_subquery(), own.scalar_subquery(), PROJECTS.c.running_limit)
    return select(*columns).where(PROJECTS.c.id == project)


# Made once: every Detail of a queued task reads them, and to make them takes longer than to run them.
_COUNTING: Final = _counting()
_PACE: Final = recent_runs(bindparam("model", type_=String()))
_LATEST: Final = select(*TASK_COLUMNS).where(*_successes(bindparam("model", type_=String()))).order_by(_END.desc())
_LAST: Final = 2**62
"""Behind every task's id."""


class SqlQueueView:
    """`QueueView` over a `Database`."""

    def __init__(self, database: Database, quota: Quota = NO_QUOTA) -> None:
        self._database = database
        self._quota = quota

    def sight(self, task: Task, most: int) -> QueueSight:
        """See `QueueView.sight`."""
        return self._database.read(partial(self._look, task.project_id, task.turn, task.id, task.model, most))

    def foresight(self, project_id: ProjectId, model: str, most: int) -> QueueSight:
        """See `QueueView.foresight`."""

        def work(connection: Connection) -> QueueSight:
            turn = coming_turn(connection, project_id)
            return self._look(project_id, turn, _LAST, model, most, connection)

        return self._database.read(work)

    def latest(self, model: str, limit: int) -> Sequence[Task]:
        """See `QueueView.latest`."""
        query = _LATEST.limit(limit)

        def work(connection: Connection) -> Sequence[Task]:
            return tasks_of(connection, connection.execute(query, {"model": model}).mappings().all())

        return self._database.read(work)

    def _look(
        self, project_id: ProjectId, turn: int, task_id: int, model: str, most: int, connection: Connection
    ) -> QueueSight:
        asked = {"project_id": project_id, "turn": turn, "task_id": task_id, "most": most}
        row = connection.execute(_COUNTING, asked).one_or_none()
        if row is None:
            raise NotAuthorized
        now, ahead, running, own, limit = row
        return QueueSight(
            now=now,
            ahead=ahead if ahead <= most else None,
            running=running,
            recent=connection.execute(_PACE, {"model": model}).scalars().all(),
            held_back=own >= self._quota.running_of(limit),
        )
