"""The outbox in memory."""

import secrets
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from itertools import count
from uuid import uuid4

from server.domain.errors import LeaseLost
from server.domain.task import Task
from server.domain.types import ProjectId, TaskId
from server.domain.webhook import (
    Attempt,
    Backlog,
    Due,
    Verdict,
    Webhook,
    WebhookId,
    WebhookLease,
    WebhookState,
    endpoint_of,
    is_owed,
)


@dataclass(slots=True)
class _Row:
    webhook: Webhook
    token: str | None = None
    until: float = 0.0


@dataclass(slots=True)
class _Secret:
    sealed: bytes
    expires_at: float | None = None


class MemoryWebhooks:
    """`WebhookStore` beside the tasks of a `MemoryStores`, under the same lock."""

    def __init__(
        self, lock: AbstractContextManager[object], now: Callable[[], float], task: Callable[[TaskId], Task]
    ) -> None:
        self._lock = lock
        self._now = now
        self._task = task
        self._rows: dict[WebhookId, _Row] = {}
        self._ids = count(1)
        self._secrets: dict[ProjectId, list[_Secret]] = {}

    def owe(self, task: Task) -> None:
        """Write the webhook of a task that has just ended, if one is owed. The caller holds the lock."""
        if not is_owed(task):
            return
        webhook = Webhook(
            id=WebhookId(next(self._ids)),
            uuid=f"msg_{uuid4().hex}",
            task_id=task.id,
            url=task.callback_url,
            endpoint=endpoint_of(task.callback_url),
            state=WebhookState.PENDING,
            tries=0,
            created_at=self._now(),
            next_at=self._now(),
        )
        self._rows[webhook.id] = _Row(webhook)

    def take(
        self,
        limit: int,
        seconds: float,
        *,
        each: int = 2,
        only: Collection[str] | None = None,
        avoid: Collection[str] = (),
    ) -> Sequence[Due]:
        """See `WebhookStore.take`."""
        with self._lock:
            now = self._now()
            out = Counter(row.webhook.endpoint for row in self._rows.values() if not _free(row, now))
            taken: list[Due] = []
            for row in sorted((row for row in self._rows.values() if _due(row, now)), key=_order):
                endpoint = row.webhook.endpoint
                wanted = endpoint not in avoid and (only is None or endpoint in only)
                if wanted and out[endpoint] < each and len(taken) < limit:
                    out[endpoint] += 1
                    row.token, row.until = secrets.token_hex(16), now + seconds
                    lease = WebhookLease(row.webhook.id, row.token)
                    taken.append(Due(webhook=row.webhook, lease=lease, task=self._task(row.webhook.task_id), at=now))
            return taken

    def record(self, lease: WebhookLease, verdict: Verdict) -> None:
        """See `WebhookStore.record`."""
        with self._lock:
            row = self._rows.get(lease.webhook_id)
            if row is None or row.token != lease.token:
                raise LeaseLost
            now, webhook = self._now(), row.webhook
            number = len(webhook.attempts) + 1
            attempt = Attempt(number=number, at=now, status=verdict.status, reason=verdict.reason)
            row.token = None
            row.webhook = replace(
                webhook,
                state=verdict.state,
                tries=webhook.tries + 1,
                next_at=None if verdict.pause is None else now + verdict.pause,
                attempts=(*webhook.attempts, attempt),
            )

    def of_tasks(self, task_ids: Collection[TaskId]) -> Mapping[TaskId, Sequence[Webhook]]:
        """See `WebhookStore.of_tasks`."""
        with self._lock:
            webhooks = [row.webhook for row in self._rows.values()]
        return {webhook.task_id: [webhook] for webhook in webhooks if webhook.task_id in task_ids}

    def recent(self, limit: int, *, failed: bool = False) -> Sequence[Webhook]:
        """See `WebhookStore.recent`."""
        with self._lock:
            webhooks = [row.webhook for row in reversed(self._rows.values())]
        return [one for one in webhooks if not failed or one.state is WebhookState.FAILED][:limit]

    def backlog(self) -> Backlog:
        """See `WebhookStore.backlog`."""
        with self._lock:
            webhooks, now = [row.webhook for row in self._rows.values()], self._now()
        due = [one.next_at for one in webhooks if one.next_at is not None]
        given_up = sum(one.state is WebhookState.FAILED for one in webhooks)
        return Backlog(waiting=len(due), overdue=max(0.0, now - min(due, default=now)), given_up=given_up)

    def redeliver(self, webhook_id: WebhookId) -> bool:
        """See `WebhookStore.redeliver`."""
        with self._lock:
            row, now = self._rows.get(webhook_id), self._now()
            if row is None or not _free(row, now):
                return False
            row.token = None
            row.webhook = replace(row.webhook, state=WebhookState.PENDING, tries=0, next_at=now)
            return True

    def secrets(self, project_id: ProjectId) -> Sequence[bytes]:
        """See `WebhookStore.secrets`."""
        with self._lock:
            now, kept = self._now(), self._secrets.get(project_id, [])
            return [one.sealed for one in reversed(kept) if one.expires_at is None or one.expires_at > now]

    def add_secret(self, project_id: ProjectId, sealed: bytes, *, replaces: int, overlap: float) -> bool:
        """See `WebhookStore.add_secret`."""
        with self._lock:
            kept = self._secrets.setdefault(project_id, [])
            if len(kept) != replaces:
                return False
            for one in kept:
                one.expires_at = self._now() + overlap if one.expires_at is None else one.expires_at
            kept.append(_Secret(sealed))
            return True

    def count_secrets(self, project_id: ProjectId | None = None) -> int:
        """See `WebhookStore.count_secrets`."""
        with self._lock:
            projects = self._secrets if project_id is None else [project_id]
            return sum(len(self._secrets.get(one, [])) for one in projects)


def _free(row: _Row, now: float) -> bool:
    return row.token is None or row.until <= now


def _due(row: _Row, now: float) -> bool:
    return row.webhook.next_at is not None and row.webhook.next_at <= now and _free(row, now)


def _order(row: _Row) -> tuple[float, int]:
    return row.webhook.next_at or 0.0, row.webhook.id
