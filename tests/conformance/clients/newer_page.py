"""The newer websocket pages: frames are judged by `success`, `terminal` and `exitCode`, and carry no token."""

import json
from typing import Any, ClassVar

from tests.conformance.clients.base import CANCELLED, COMPLETED, FAILED, PATIENCE, Outcome, Ticket
from tests.conformance.clients.page import Page


class NewerPage(Page):
    style: ClassVar[str] = "newer-page"

    def follow(self, ticket: Ticket) -> Outcome:
        with self.open_socket() as socket:
            socket.send(json.dumps({"type": "task_info", "tasktoken": ticket.token}))
            while True:
                frame = json.loads(socket.recv(PATIENCE))
                if frame["type"] != "connected" and (outcome := self._judge(frame)) is not None:
                    return outcome

    def _judge(self, frame: dict[str, Any]) -> Outcome | None:
        success, terminal, code = frame["success"], frame["terminal"], frame["exitCode"]
        assert success is None or isinstance(success, bool)
        assert isinstance(terminal, bool)
        assert code is None or type(code) is int
        if not terminal:
            return None
        if frame["type"] == "task_cancel":
            return Outcome(CANCELLED)
        assert success is (code == 0)
        return Outcome(COMPLETED if success else FAILED, [file["url"] for file in frame["message"]])
