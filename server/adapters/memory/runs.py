"""Counting runs over rows in memory."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from server.domain.lifecycle import TaskStatus
from server.domain.runs import YOUNG_SECONDS, RunCount, Runs
from server.domain.task import SUCCESS, Task
from server.domain.types import TaskId


def count_runs(tasks: Iterable[Task], after: TaskId, now: float) -> RunCount:
    """See `RunCounter.count_runs`."""
    behind = [task for task in tasks if task.id > after]
    last_old = max((task.id for task in behind if _submitted(task) <= now - YOUNG_SECONDS), default=after)
    first_open = min((task.id for task in behind if not task.terminal), default=last_old + 1)
    until = TaskId(min(last_old, first_open - 1))
    return RunCount(
        settled_until=until,
        settled=_by_model(task for task in behind if task.id <= until),
        others=_by_model(task for task in behind if task.id > until),
    )


def _by_model(tasks: Iterable[Task]) -> Mapping[str, Runs]:
    runs: dict[str, Runs] = defaultdict(Runs)
    for task in tasks:
        runs[task.model] += _runs_of(task)
    return dict(runs)


def _runs_of(task: Task) -> Runs:
    succeeded = task.pexit == SUCCESS
    stopped = task.status is TaskStatus.CANCEL
    start, end = task.times.get(TaskStatus.START), task.times.get(TaskStatus.END)
    return Runs(
        total=1,
        succeeded=int(succeeded),
        failed=int(task.pexit not in {"", SUCCESS}),
        killed=int(stopped and TaskStatus.ACCEPT in task.times),
        cancelled=int(stopped and TaskStatus.ACCEPT not in task.times),
        seconds=end - start if succeeded and start is not None and end is not None else 0.0,
        last_at=_submitted(task),
    )


def _submitted(task: Task) -> float:
    return task.times[TaskStatus.QUEUE]
