"""What delivering webhooks and fetching inputs need of the world."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from server.domain.types import ProjectId, TaskId
from server.domain.webhook import Answer, Backlog, Due, Verdict, Webhook, WebhookId, WebhookLease


class WebhookStore(Protocol):
    """The outbox. Its rows are written by `TaskStore.move` and `cancel`, in the transaction that ends the task.

    Every verb raises `Unavailable` when the database is away.
    """

    def take(
        self,
        limit: int,
        seconds: float,
        *,
        each: int = 2,
        only: Collection[str] | None = None,
        avoid: Collection[str] = (),
    ) -> Sequence[Due]:
        """Take up to `limit` webhooks that are due, longest first, each under a fresh lease of `seconds`.

        At most `each` of one endpoint are out at a time, whoever took them. `only` and `avoid` name endpoints.
        """
        ...

    def record(self, lease: WebhookLease, verdict: Verdict) -> None:
        """Write what an attempt came to and give up the lease. Raises LeaseLost if somebody else has taken it."""
        ...

    def of_tasks(self, task_ids: Collection[TaskId]) -> Mapping[TaskId, Sequence[Webhook]]:
        """Return the webhooks of these tasks with their attempts; tasks without any are left out."""
        ...

    def recent(self, limit: int, *, failed: bool = False) -> Sequence[Webhook]:
        """Return the newest webhooks with their attempts; with `failed` only dead letters."""
        ...

    def backlog(self) -> Backlog:
        """Return how much is still to be sent, and how much was given up."""
        ...

    def redeliver(self, webhook_id: WebhookId) -> bool:
        """Start the schedule anew, at once. False if there is no such webhook or it is being sent right now."""
        ...

    def secrets(self, project_id: ProjectId) -> Sequence[bytes]:
        """Return the project's sealed signing secrets that are still good, newest first."""
        ...

    def add_secret(self, project_id: ProjectId, sealed: bytes, *, replaces: int, overlap: float) -> bool:
        """Add a secret, if the project has had `replaces` so far; the older ones end after `overlap` seconds.

        Of several callers at once, one adds; the others get False.
        """
        ...

    def count_secrets(self, project_id: ProjectId | None = None) -> int:
        """Return how many secrets the project, or all projects, ever had."""
        ...


class WebhookSender(Protocol):
    """Sends one POST to a receiver, through the guard."""

    def send(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Return what the receiver said. Raises Refused, or NoAnswer with the reason."""
        ...
