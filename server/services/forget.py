"""Delete what a task read and made, on its owner's word."""

import logging

from server.domain.errors import BadRequest, NoSuchTask, NotFound
from server.domain.types import ProjectId
from server.ports import FileStore, TaskStore
from server.ports.files import FileKeeper
from server.services.find import TaskRef, find_task
from server.services.retention import erase

_log = logging.getLogger(__name__)


def forget(tasks: TaskStore, keeper: FileKeeper, files: FileStore, project_id: ProjectId, ref: TaskRef | None) -> None:
    """Delete outputs and uploaded inputs of a terminal task; a second time nothing is left to do.

    Raises NoSuchTask, or BadRequest while the task is not terminal. A file that another task reads stays.
    """
    try:
        task = find_task(tasks, project_id, ref)
    except NotFound:
        raise NoSuchTask from None
    if not keeper.forget(task.id):
        raise BadRequest("Task must be completed or cancelled before deleting files")
    _log.info("task %s: its files were deleted on request", task.id)
    erase(keeper, files)
