"""Webhooks in Wiro's shape: the body that is sent, and the log of deliveries in a task object."""

import json
from collections.abc import Mapping, Sequence
from typing import Final

from models.catalogue import Catalogue
from server.api.wire import Wire, task_wire
from server.domain.task import Task
from server.domain.types import TaskId
from server.domain.webhook import Attempt, Webhook
from server.ports.webhooks import WebhookStore

LARGEST_BODY: Final = 128 * 1024
"""Bytes; a body that would be larger goes without the echo of the parameters."""


def webhook_body(task: Task, catalogue: Catalogue) -> bytes:
    """Return the body for a callback URL: the task flat and as Detail answers it, for Wiro documents neither."""
    shown = task_wire(task, catalogue)
    body = _combined(task, shown)
    if len(body) <= LARGEST_BODY:
        return body
    return _combined(task, {**shown, "parameters": {}, "parametersomitted": True})


def webhooks_wire(store: WebhookStore, tasks: Sequence[Task]) -> Mapping[TaskId, list[Wire]]:
    """Return each task's `webhooks`: easel's addition. Only ended tasks with a callback URL are looked up."""
    found = store.of_tasks([task.id for task in tasks if task.terminal and task.callback_url])
    return {task.id: [_webhook(one) for one in found.get(task.id, ())] for task in tasks}


def _combined(task: Task, shown: Wire) -> bytes:
    whole = {
        **shown,
        "taskid": str(task.id),
        "tasktoken": task.token,
        "result": True,
        "errors": [],
        "total": "1",
        "tasklist": [shown],
    }
    return json.dumps(whole, default=dict, separators=(",", ":")).encode()


def _webhook(webhook: Webhook) -> Wire:
    return {
        "id": str(webhook.id),
        "webhookid": webhook.uuid,
        "url": webhook.url,
        "status": webhook.state.value,
        "createtime": str(int(webhook.created_at)),
        "nexttime": "" if webhook.next_at is None else str(int(webhook.next_at)),
        "attempts": [_attempt(attempt) for attempt in webhook.attempts],
    }


def _attempt(attempt: Attempt) -> Wire:
    status = "" if attempt.status is None else str(attempt.status)
    return {"time": str(int(attempt.at)), "statuscode": status, "reason": attempt.reason}
