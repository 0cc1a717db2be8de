"""The documentation's Kotlin sample: java.net.http offers an upgrade to HTTP/2 with every call on plain http."""

from collections.abc import Mapping
from typing import ClassVar

import httpx2

from tests.conformance.clients.base import Outcome, Ticket, wait_for
from tests.conformance.clients.docs import Docs

_OFFER = {
    "Connection": "Upgrade, HTTP2-Settings",
    "Upgrade": "h2c",
    "HTTP2-Settings": "AAEAAEAAAAIAAAABAAMAAABkAAQBAAAA",
}


class DocsKotlin(Docs):
    style: ClassVar[str] = "docs-kotlin"
    label: ClassVar[str] = "application/json"

    def send(self, url: str, content: bytes, headers: Mapping[str, str]) -> httpx2.Response:
        """An offer that is not taken up must cost nothing, least of all the body."""
        answer = super().send(url, content, {**headers, **_OFFER})
        assert answer.status_code != 101
        return answer

    def follow(self, ticket: Ticket) -> Outcome:
        """Poll, and look at the status for the end."""

        def look() -> Outcome | None:
            (task,) = self.call("Task/Detail", {"tasktoken": ticket.token})["tasklist"]
            return self.read(ticket) if task["status"] in {"task_postprocess_end", "task_cancel"} else None

        return wait_for(look)
