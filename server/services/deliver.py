"""Deliver one webhook: sign it, send it, and write down what came of it."""

import logging
import random
from collections.abc import Callable
from dataclasses import dataclass

from server.domain.errors import LeaseLost
from server.domain.outbound import NoAnswer, Refused
from server.domain.signature import signed_headers
from server.domain.task import Task
from server.domain.webhook import Answer, Due, Verdict, WebhookState, judge
from server.ports import SecretBox
from server.ports.webhooks import WebhookSender, WebhookStore
from server.services.webhook_secrets import signing_secrets

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """What a delivery needs. `render` makes the body; `jitter` is in [0, 1); `sent` hears what each attempt led to."""

    webhooks: WebhookStore
    secrets: SecretBox
    sender: WebhookSender
    render: Callable[[Task], bytes]
    jitter: Callable[[], float] = random.random
    sent: Callable[[WebhookState], None] = lambda _state: None


def deliver(due: Due, post: Post) -> bool:
    """Make one attempt and record it; return False when the receiver gave no answer at all.

    Raises Unavailable when the database is away, or the secrets can't be read: the lease runs out, and it is sent again
    under the same id.
    """
    result = _attempt(due, post)
    verdict = judge(due.webhook.tries, result, due.at, post.jitter())
    _tell(due, verdict)
    post.sent(verdict.state)
    try:
        post.webhooks.record(due.lease, verdict)
    except LeaseLost:
        _log.info("webhook %s: somebody else sends it by now", due.webhook.id)
    return not isinstance(result, NoAnswer)


def _attempt(due: Due, post: Post) -> Answer | NoAnswer | Refused:
    try:
        secrets = signing_secrets(post.webhooks, post.secrets, due.task.project_id)
        body = post.render(due.task)
        headers = signed_headers(due.webhook.uuid, due.at, body, secrets)
        return post.sender.send(due.webhook.url, headers, body)
    except (NoAnswer, Refused) as error:
        return error


def _tell(due: Due, verdict: Verdict) -> None:
    webhook = due.webhook
    match verdict.state:
        case WebhookState.DELIVERED:
            _log.info("webhook %s of task %s is delivered", webhook.id, webhook.task_id)
        case WebhookState.PENDING:
            _log.warning(
                "webhook %s of task %s is not delivered: %s; trying again in %.0f s",
                *(webhook.id, webhook.task_id, verdict.reason, verdict.pause or 0.0),
            )
        case WebhookState.FAILED:
            _log.error(
                "webhook %s of task %s is given up: %s; send it again with: easel webhooks redeliver %s",
                *(webhook.id, webhook.task_id, verdict.reason, webhook.id),
            )
