"""The documentation's C# sample: 4,096 bytes of a message at most are read, and what they hold must be JSON."""

import json
from typing import ClassVar

from tests.conformance.clients.base import Outcome, Ticket
from tests.conformance.clients.docs import Docs
from tests.wire.frames import hold_raw_socket

_BUFFER = 4096


class DocsCSharp(Docs):
    style: ClassVar[str] = "docs-csharp"
    label: ClassVar[str] = "application/json; charset=utf-8"

    def follow(self, ticket: Ticket) -> Outcome:
        """Stop at `task_end`: only what comes before has to fit."""
        with hold_raw_socket(self.door.port) as socket:
            socket.send_text(json.dumps({"type": "task_info", "tasktoken": ticket.token}))
            kind = ""
            while kind not in {"task_end", "task_cancel"}:
                frame = socket.receive()
                if frame.first_byte == TEXT:
                    kind = json.loads(frame.payload[:_BUFFER])["type"]
        return self.read(ticket)


TEXT = 0x81
"""A text message in one frame."""
