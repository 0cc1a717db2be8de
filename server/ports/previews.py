"""Where pictures on their way are shown, and where is said who wants to see them."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from server.domain.preview import NewPreview, Preview
from server.domain.task import Lease
from server.domain.types import TaskId


class PreviewBoard(Protocol):
    """One place per task that somebody watches, for its latest preview. Nothing of it outlives the task's drawing.

    Every verb raises `Unavailable` when the database is away.
    """

    def ask(self, task_ids: Collection[TaskId], seconds: float) -> None:
        """Note that somebody wants to see these tasks for so many seconds from now; unknown and ended ones are not."""
        ...

    def asked(self, leases: Collection[Lease]) -> frozenset[TaskId]:
        """Return the tasks that somebody wants to see now."""
        ...

    def show(self, lease: Lease, preview: NewPreview) -> None:
        """Put a preview in the place of the task's last one; for a task that nobody watches it is dropped.

        Raises `LeaseLost` when the lease is no longer held, or the task is not being drawn.
        """
        ...

    def latest(self, seen: Mapping[TaskId, int]) -> Sequence[Preview]:
        """Return the previews of these tasks with versions above the ones given, of attempts that are being drawn."""
        ...
