"""Turns of the queue: a project's next one comes after its last, and not before the first of those that wait."""

from typing import Final

from sqlalchemy import Connection, bindparam, func, select

from server.adapters.sql.expressions import is_one_of
from server.adapters.sql.tables import PROJECTS, TASKS
from server.domain.lifecycle import TaskStatus
from server.domain.types import ProjectId

_QUEUED: Final = is_one_of(TASKS.c.status, [TaskStatus.QUEUE])
_PROJECT: Final = bindparam("project_id", type_=PROJECTS.c.id.type)

OWN_TURN: Final = select(func.max(TASKS.c.turn)).where(_QUEUED, TASKS.c.project_id == _PROJECT).scalar_subquery()
"""The highest turn among the queued tasks of the project `:project_id`."""
LOWEST_TURN: Final = select(func.min(TASKS.c.turn)).where(_QUEUED).scalar_subquery()
"""The lowest turn of all that wait."""
_TURNS: Final = select(OWN_TURN, LOWEST_TURN)


def after(own: int | None, lowest: int | None) -> int:
    """Return the turn that comes after these."""
    return max(own or 0, lowest or 0) + 1


def coming_turn(connection: Connection, project_id: ProjectId) -> int:
    """Return the turn that the project's next task would have now; nothing is locked."""
    own, lowest = connection.execute(_TURNS, {_PROJECT.key: project_id}).one()
    return after(own, lowest)
