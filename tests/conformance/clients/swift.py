"""The official Swift SDK: URLSession takes frames of 1 MiB, Kill by task id."""

from typing import ClassVar

from tests.conformance.clients.base import Ticket
from tests.conformance.clients.kit import Kit


class Swift(Kit):
    style: ClassVar[str] = "swift"
    agent: ClassVar[str] = "WiroKit/1.0.0"
    largest_frame: ClassVar[int] = 1 << 20

    def identifier(self, call: str, ticket: Ticket) -> dict[str, str]:
        del call
        return {"taskid": ticket.task_id}
