"""Sending webhooks over HTTP."""

import contextlib
from collections.abc import Mapping
from typing import Final

from server.adapters.outbound.exchange import Caller, Request, Response
from server.adapters.outbound.guard import Deadline, Guard
from server.domain.outbound import NoAnswer
from server.domain.webhook import Answer

DEADLINE_SECONDS: Final = 15.0

_MOST_READ: Final = 64 * 1024
_HEADERS: Final = {"Content-Type": "application/json", "Accept": "*/*", "User-Agent": "easel"}


class HttpWebhookSender:
    """`WebhookSender` over real connections."""

    def __init__(self, guard: Guard, caller: Caller, seconds: float = DEADLINE_SECONDS) -> None:
        self._guard = guard
        self._caller = caller
        self._seconds = seconds

    def send(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """See `WebhookSender.send`. The status counts as soon as it is there; the answer's body is never kept."""
        deadline = Deadline(self._seconds)
        checked = self._guard.check(url, deadline)
        request = Request(method="POST", headers={**_HEADERS, **headers}, body=body)
        with self._caller.open(checked, request, deadline) as response:
            answer = Answer(response.status, response.headers.get("retry-after", ""))
            _drop(response)
        return answer


def _drop(response: Response) -> None:
    """Read a little of the body, so that a well-meaning receiver is not cut off while it writes."""
    read = 0
    with contextlib.suppress(NoAnswer):
        for chunk in response.chunks:
            read += len(chunk)
            if read >= _MOST_READ:
                return
