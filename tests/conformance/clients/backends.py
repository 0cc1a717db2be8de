"""Backends people write: Python with genuine forms, Node with genuine multipart."""

from typing import Any, ClassVar
from urllib.parse import urlencode

from tests.conformance.clients.base import (
    CANCELLED,
    COMPLETED,
    FAILED,
    SMALL,
    Client,
    Outcome,
    Ticket,
    seconds,
    signed,
    strict_json,
    wait_for,
)


class PythonBackend(Client):
    """`httpx.post(url, data=…)`: urlencoded, to Run as well as to Task/Detail; knows tasks by `taskid`."""

    style: ClassVar[str] = "python-backend"

    def call(self, path: str, fields: dict[str, Any]) -> dict[str, Any]:
        label, content = self.encode({name: str(value) for name, value in fields.items()})
        headers = {"Content-Type": label, **signed(self.door, seconds())}
        return strict_json(self.send(f"{self.door.base}/{path}", content, headers).content)

    def encode(self, fields: dict[str, str]) -> tuple[str, bytes]:
        return "application/x-www-form-urlencoded", urlencode(fields).encode()

    def run(self, **parameters: Any) -> Ticket:
        answer = self.call(f"Run/{self.slug}", {"prompt": "a lake & a boat + 50 %", **SMALL, **parameters})
        return Ticket(answer["socketaccesstoken"], answer["taskid"])

    def follow(self, ticket: Ticket) -> Outcome:
        def look() -> Outcome | None:
            answer = self.call("Task/Detail", {"taskid": ticket.task_id})
            return self.judge(answer)

        return wait_for(look)

    def judge(self, told: dict[str, Any]) -> Outcome | None:
        """Read a poll's answer or a webhook's body: `tasklist[0]`, or else the flat object."""
        task = told["tasklist"][0] if told.get("tasklist") else told
        match task["status"]:
            case "task_cancel":
                return Outcome(CANCELLED)
            case "task_postprocess_end":
                urls = [output["url"] for output in task["outputs"]]
                return Outcome(COMPLETED if task["pexit"] == "0" else FAILED, urls, task["debugerror"])
            case _:
                return None

    def cancel(self, ticket: Ticket) -> bool:
        return self.call("Task/Cancel", {"taskid": ticket.task_id})["result"]

    def kill(self, ticket: Ticket) -> bool:
        return self.call("Task/Kill", {"taskid": ticket.task_id})["result"]


class NodeFunction(PythonBackend):
    """A Node function: `FormData` to every call, Task/Detail included; knows tasks by `tasktoken`."""

    style: ClassVar[str] = "node-function"

    def encode(self, fields: dict[str, str]) -> tuple[str, bytes]:
        boundary = "----formdata-undici-012345678901"
        parts = [
            f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
            for name, value in fields.items()
        ]
        return f"multipart/form-data; boundary={boundary}", ("".join(parts) + f"--{boundary}--\r\n\r\n").encode()

    def follow(self, ticket: Ticket) -> Outcome:
        return wait_for(lambda: self.judge(self.call("Task/Detail", {"tasktoken": ticket.token})))
