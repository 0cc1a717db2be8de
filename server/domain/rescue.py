"""What becomes of a task whose engine or worker died under it. Pure decisions; the bounds end poison tasks."""

from dataclasses import dataclass

from server.domain.task import Ending, Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How often a task is tried. A crash is the death of an engine process; an attempt is a claim."""

    crashes: int = 3
    attempts: int = 5


def after_crash(task: Task, pexit: str, limits: Limits) -> Ending | None:
    """Return how the task ends after its engine process died with exit code `pexit`, or None to try again.

    `task` is as it was claimed: this crash is not yet in its count.
    """
    crashes = task.crashes + 1
    if crashes < limits.crashes:
        return None
    return Ending(
        pexit if pexit not in {"", "0"} else "1",
        f"The engine process died {crashes} times while drawing this task (last exit code {pexit}); it is not tried "
        "again. Ask for a smaller picture, or tell the operator.",
    )


def after_expiry(task: Task, limits: Limits) -> Ending | None:
    """Return how a running task ends whose worker went silent, or None to queue it again."""
    if task.attempt < limits.attempts:
        return None
    return Ending(
        "1", f"The task was started {task.attempt} times and its worker went silent each time; it is not tried again."
    )
