"""Find a project's task by whatever a client knows of it."""

from dataclasses import dataclass
from typing import Final

from server.domain.errors import BadRequest, NotFound
from server.domain.task import Task
from server.domain.types import ProjectId, TaskId
from server.ports import TaskStore

_MAX_ID_DIGITS: Final = 18


@dataclass(frozen=True, slots=True)
class TaskRef:
    """An identifier as sent: a task id or a socket access token. Clients mix the two up, so both are tried."""

    text: str


def find_task(tasks: TaskStore, project_id: ProjectId, ref: TaskRef | None) -> Task:
    """Return the task; a foreign project's task is missing like any other. Raises BadRequest without a `ref`."""
    if ref is None:
        raise BadRequest("taskid or socketaccesstoken is required")
    task = None
    if ref.text.isascii() and ref.text.isdigit() and len(ref.text) <= _MAX_ID_DIGITS:
        task = tasks.find(project_id, TaskId(int(ref.text)))
    if task is None:
        task = tasks.find_by_token(ref.text)
    if task is None or task.project_id != project_id:
        raise NotFound
    return task
