"""The samples of the documentation: unlabelled curl, JavaScript that stops at `task_end`, the model browser."""

import json
import secrets
from typing import Any, ClassVar

import httpx2

from tests.conformance.clients.base import (
    CANCELLED,
    COMPLETED,
    FAILED,
    PATIENCE,
    SMALL,
    Client,
    Outcome,
    Ticket,
    signed,
    strict_json,
)

_BROWSER = {"Origin": "https://wiro.ai"}
_PREFLIGHT = {
    **_BROWSER,
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "content-type,x-api-key,x-nonce,x-signature",
}


class Docs(Client):
    style: ClassVar[str] = "docs"
    label: ClassVar[str] = "application/x-www-form-urlencoded"
    """What `curl -d` says of the JSON it carries."""

    def call(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Use any random integer as nonce."""
        headers = {"Content-Type": self.label, **signed(self.door, str(secrets.randbelow(10**9)))}
        return strict_json(self.send(f"{self.door.base}/{path}", json.dumps(body).encode(), headers).content)

    def find(self) -> None:
        """The model browser runs in a browser, on another origin, without any key."""
        url = f"{self.door.base}/Tool/List"
        allowed = httpx2.request("OPTIONS", url, headers=_PREFLIGHT, trust_env=False).headers
        assert allowed["access-control-allow-origin"] in {"*", "https://wiro.ai"}
        names = {name.strip().lower() for name in allowed["access-control-allow-headers"].split(",")}
        assert {"content-type", "x-api-key", "x-nonce", "x-signature"} <= names
        query: dict[str, Any] = {"start": 0, "limit": 20, "sort": "id", "order": "DESC", "tags": []}
        answer = self.send(url, json.dumps(query).encode(), {"Content-Type": "application/json", **_BROWSER})
        assert answer.headers["access-control-allow-origin"] in {"*", "https://wiro.ai"}
        body = answer.json()
        assert body["result"] is True
        assert type(body["total"]) is int
        assert body["tool"]

    def run(self, **parameters: Any) -> Ticket:
        body = {"prompt": "a lake", **SMALL, "width": 64, "height": 64, "steps": 4, **parameters}
        answer = self.call(f"Run/{self.slug}", body)
        return Ticket(answer["socketaccesstoken"], answer["taskid"])

    def follow(self, ticket: Ticket) -> Outcome:
        """Stop at `task_end`, then take Task/Detail for final."""
        with self.open_socket() as socket:
            socket.send(json.dumps({"type": "task_info", "tasktoken": ticket.token}))
            kind = ""
            while kind not in {"task_end", "task_postprocess_end", "task_cancel"}:
                kind = json.loads(socket.recv(PATIENCE))["type"]
        return self.read(ticket)

    def read(self, ticket: Ticket) -> Outcome:
        answer = self.call("Task/Detail", {"tasktoken": ticket.token})
        assert answer["total"] == "1"
        (task,) = answer["tasklist"]
        if task["status"] == "task_cancel":
            return Outcome(CANCELLED)
        urls = [output["url"] for output in task["outputs"]]
        return Outcome(COMPLETED if task["pexit"] == "0" else FAILED, urls, task["debugoutput"])

    def cancel(self, ticket: Ticket) -> bool:
        return self.call("Task/Cancel", {"tasktoken": ticket.token})["result"]

    def kill(self, ticket: Ticket) -> bool:
        return self.call("Task/Kill", {"tasktoken": ticket.token})["result"]


class Llms(Docs):
    """The example of Wiro's llms.txt: JSON under a multipart label that names no boundary."""

    style: ClassVar[str] = "llms"
    label: ClassVar[str] = "multipart/form-data"
