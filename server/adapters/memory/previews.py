"""Previews in memory, beside the tasks they belong to."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict
from threading import Lock

from server.adapters.memory.row import MemoryRow
from server.domain.errors import LeaseLost
from server.domain.lifecycle import UNDRAWN, TaskStatus
from server.domain.preview import NewPreview, Preview
from server.domain.task import Lease
from server.domain.types import TaskId


class MemoryPreviewBoard:
    """`PreviewBoard` over the rows of `MemoryStores`, under their lock."""

    def __init__(self, rows: Mapping[TaskId, MemoryRow], lock: Lock, now: Callable[[], float]) -> None:
        self._rows = rows
        self._lock = lock
        self._now = now

    def ask(self, task_ids: Collection[TaskId], seconds: float) -> None:
        """See `PreviewBoard.ask`."""
        with self._lock:
            for row in self._of(task_ids):
                if row.task.status in UNDRAWN:
                    row.wanted_until = self._now() + seconds

    def asked(self, leases: Collection[Lease]) -> frozenset[TaskId]:
        """See `PreviewBoard.asked`."""
        with self._lock:
            rows = self._of([lease.task_id for lease in leases])
            return frozenset(row.task.id for row in rows if row.wanted_until > self._now())

    def show(self, lease: Lease, preview: NewPreview) -> None:
        """See `PreviewBoard.show`."""
        with self._lock:
            row = self._rows.get(lease.task_id)
            if row is None or not row.fits(lease) or row.task.status is not TaskStatus.START:
                raise LeaseLost
            if row.wanted_until > self._now():
                row.preview_version += 1
                row.preview = Preview(
                    **asdict(preview), task_id=row.task.id, attempt=lease.attempt, version=row.preview_version
                )

    def latest(self, seen: Mapping[TaskId, int]) -> Sequence[Preview]:
        """See `PreviewBoard.latest`."""
        with self._lock:
            shown = [row.preview for row in self._of(seen) if row.preview is not None]
        return [preview for preview in shown if preview.version > seen[preview.task_id]]

    def _of(self, task_ids: Collection[TaskId]) -> list[MemoryRow]:
        return [self._rows[task_id] for task_id in task_ids if task_id in self._rows]
