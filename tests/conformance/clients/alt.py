"""A third-party TypeScript SDK: multipart Run, identifiers by id, strings where it declares strings."""

import json
from typing import Any, ClassVar, cast

from tests.conformance.clients.base import (
    CANCELLED,
    COMPLETED,
    FAILED,
    SMALL,
    Client,
    Door,
    Outcome,
    Ticket,
    seconds,
    signed,
    strict_json,
    wait_for,
)

_BOUNDARY = "----WebKitFormBoundaryx3a9"
_DECLARED_STRINGS = (
    *("id", "uuid", "name", "description", "modelfolderid", "modelfileid", "callbackurl", "status", "starttime"),
    *("endtime", "createtime", "assigntime", "accepttime", "preprocessstarttime", "preprocessendtime", "canceltime"),
    *("postprocessstarttime", "postprocessendtime", "elapsedseconds", "cps", "totalcost", "categories", "size"),
)


class Alt(Client):
    style: ClassVar[str] = "alt"
    needs_a_secret: ClassVar[bool] = True

    def __init__(self, door: Door) -> None:
        assert len(door.key) >= 8
        assert len(door.secret or "") >= 8
        super().__init__(door)
        self._base = door.base.rstrip("/")

    def call(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        headers = {"Content-Type": "application/json", **signed(self.door, seconds())}
        answer = self.send(f"{self._base}/{path}", json.dumps(body).encode(), headers)
        assert answer.is_success, "anything but 2xx is thrown"
        return strict_json(answer.content)

    def find(self) -> None:
        owner, project = self.slug.split("/")
        document = self.call("Tool/DetailOpenAPI", {"slugowner": owner, "slugproject": project})
        assert f"/Run/{self.slug}" in json.dumps(document)

    def run(self, **parameters: Any) -> Ticket:
        """Send every scalar as text, and arrays as repeated keys."""
        fields: dict[str, Any] = {"prompt": "a lake at night", **SMALL, "tags": ["night", "lake"], **parameters}
        pairs: list[tuple[str, Any]] = []
        for key, value in fields.items():
            several = cast("list[Any]", value) if isinstance(value, list) else [value]
            pairs += [(key, one) for one in several]
        parts = [
            f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n' for key, value in pairs
        ]
        content = ("".join(parts) + f"--{_BOUNDARY}--\r\n").encode()
        label = {"Content-Type": f"multipart/form-data; boundary={_BOUNDARY}"}
        answer = self.send(f"{self._base}/Run/{self.slug}", content, {**label, **signed(self.door, seconds())})
        return Ticket("", strict_json(answer.content)["taskid"])

    def follow(self, ticket: Ticket) -> Outcome:
        def look() -> Outcome | None:
            (task,) = self.call("Task/Detail", {"taskid": ticket.task_id})["tasklist"]
            assert all(isinstance(task[name], str) for name in _DECLARED_STRINGS)
            if task["status"] == "task_cancel":
                return Outcome(CANCELLED)
            if task["status"] != "task_postprocess_end":
                return None
            urls = [output["url"] for output in task["outputs"]]
            return Outcome(COMPLETED if urls else FAILED, urls)  # its users have nothing but the urls to go by

        return wait_for(look)

    def cancel(self, ticket: Ticket) -> bool:
        return self._stopped(self.call("Task/Cancel", {"taskid": ticket.task_id}))

    def kill(self, ticket: Ticket) -> bool:
        return self._stopped(self.call("Task/Kill", {"tasktoken": ticket.task_id}))

    def _stopped(self, answer: dict[str, Any]) -> bool:
        (task,) = answer["tasklist"]
        return task["status"] == "task_cancel"
