"""Webhooks: what is owed to a receiver, when to try again, and when to give up. Pure decisions."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from enum import StrEnum
from http import HTTPStatus
from typing import Final, NewType
from urllib.parse import urlsplit

from server.domain.lifecycle import TaskStatus
from server.domain.outbound import NoAnswer, Refused
from server.domain.task import Task
from server.domain.types import TaskId

WebhookId = NewType("WebhookId", int)

SCHEDULE: Final = (0.0, 5.0, 300.0, 1800.0, 7200.0, 18000.0, 36000.0, 50400.0, 72000.0, 86400.0)
"""Seconds before each attempt, counted from the one before: ten in three days, as Standard Webhooks publishes it."""

JITTER: Final = 0.1
"""A pause is drawn out by up to this part of itself, so that what failed together does not come back together."""

_LONGEST_PAUSE: Final = 86400.0
_THROTTLES: Final = frozenset({429, 502, 503, 504})
_MULTIPLE, _BAD_REQUEST = HTTPStatus.MULTIPLE_CHOICES, HTTPStatus.BAD_REQUEST


class WebhookState(StrEnum):
    """Where a webhook stands. FAILED is the dead letter: nothing more is sent unless someone asks for it."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt: when it ended (unix seconds, database time), the HTTP status if there was one, what went wrong."""

    number: int
    at: float
    status: int | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """What is owed for one task. `uuid` is its `webhook-id`, the same over all attempts.

    `tries` counts the attempts of the current run through the schedule; `next_at` is None once it is settled.
    """

    id: WebhookId
    uuid: str
    task_id: TaskId
    url: str
    endpoint: str
    state: WebhookState
    tries: int
    created_at: float
    next_at: float | None
    attempts: tuple[Attempt, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class WebhookLease:
    """The right to record what became of an attempt."""

    webhook_id: WebhookId
    token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """A webhook to be sent now: under which lease, about which task, and the database's time of this attempt."""

    webhook: Webhook
    lease: WebhookLease
    task: Task
    at: float


@dataclass(frozen=True, slots=True)
class Answer:
    """What a receiver said: the status and Retry-After; nothing else of it is kept."""

    status: int
    retry_after: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What an attempt came to. `pause` is the seconds to the next one, None when there is none."""

    state: WebhookState
    pause: float | None
    status: int | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """How many webhooks are still to be sent, for how many seconds the first is overdue, and how many were given up."""

    waiting: int
    overdue: float
    given_up: int


def is_owed(task: Task) -> bool:
    """Whether the end of this task is told to its callback URL: a cancel only when it interrupted work (§7)."""
    if not task.callback_url:
        return False
    interrupted = task.status is TaskStatus.CANCEL and TaskStatus.ACCEPT in task.times
    return task.status is TaskStatus.POSTPROCESS_END or interrupted


def endpoint_of(url: str) -> str:
    """Return host and port of a callback URL: those that are up or down as one."""
    parts = urlsplit(url)
    host = (parts.hostname or "").rstrip(".")
    port = parts.port or {"https": 443}.get(parts.scheme, 80)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def judge(tries: int, result: Answer | NoAnswer | Refused, at: float, jitter: float) -> Verdict:
    """Say what follows from an attempt at time `at`, after `tries` earlier ones; `jitter` is in [0, 1)."""
    if isinstance(result, Answer):
        if result.status // 100 == HTTPStatus.OK // 100:
            return Verdict(state=WebhookState.DELIVERED, pause=None, status=result.status, reason="")
        status, reason, final = result.status, _reason(result.status), result.status == HTTPStatus.GONE
        asked = _asked_pause(result, at)
    else:
        status, reason, asked = None, result.message, 0.0
        final = isinstance(result, Refused) and result.for_good
    if final or tries + 1 >= len(SCHEDULE):
        return Verdict(state=WebhookState.FAILED, pause=None, status=status, reason=reason)
    pause = max(SCHEDULE[tries + 1], asked) * (1 + JITTER * jitter)
    return Verdict(state=WebhookState.PENDING, pause=pause, status=status, reason=reason)


_REASONS: Final[Mapping[int, str]] = {
    HTTPStatus.GONE: "the receiver answered 410: it wants nothing more about this task",
    HTTPStatus.TOO_MANY_REQUESTS: "the receiver answered 429: it asks for a pause",
}


def _reason(status: int) -> str:
    if _MULTIPLE <= status < _BAD_REQUEST:
        return f"the receiver answered {status}, a redirect, and webhooks follow none; give its final address"
    return _REASONS.get(status) or f"the receiver answered {status}; only 2xx says that it has taken the webhook"


def _asked_pause(answer: Answer, at: float) -> float:
    """Return the seconds of Retry-After, at most a day; 0 when it says nothing that can be read."""
    text = answer.retry_after.strip()
    if answer.status not in _THROTTLES or not text:
        return 0.0
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), _LONGEST_PAUSE)
    try:
        until = parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError, OSError):
        return 0.0
    return min(max(until - at, 0.0), _LONGEST_PAUSE)
