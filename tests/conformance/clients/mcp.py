"""The MCP server and its library: zod decides, nothing is coerced, the socket is not used (sections 3, 4 and 11)."""

import json
import time
import uuid
from typing import Any, ClassVar

from tests.conformance.clients.base import (
    CANCELLED,
    COMPLETED,
    FAILED,
    PACE,
    PATIENCE,
    SMALL,
    Client,
    Outcome,
    Ticket,
    is_absolute,
    milliseconds,
    signed,
    strict_json,
)

_LIST: dict[str, Any] = {"start": "0", "limit": "20", "categories": [], "hideworkflows": True, "summary": True}
_TERMINAL = {"task_postprocess_end", "task_cancel", "task_error"}


class Mcp(Client):
    style: ClassVar[str] = "mcp"

    def __init__(self, door: Any) -> None:
        super().__init__(door)
        self._base = f"{door.base}/"  # joined without trimming: every path has a doubled slash

    def call(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        headers = {"Content-Type": "application/json", **signed(self.door, milliseconds()), **self._proxy_headers()}
        answer = self.send(f"{self._base}/{path}", json.dumps(body).encode(), headers)
        assert answer.is_success, f"WiroApiError({answer.status_code})"
        return strict_json(answer.content)

    def _proxy_headers(self) -> dict[str, str]:
        """Its `trustedProxy` option; a server that does not know the shared secret must not mind."""
        stamp = {"x-wiro-proxy-client-ip": "203.0.113.9", "x-wiro-proxy-timestamp": milliseconds()}
        return {**stamp, "x-wiro-proxy-signature": "0" * 64}

    def find(self) -> None:
        sentence = "I need a model that draws anime pictures of people in a studio style"
        answer = self.call("Tool/List", {**_LIST, "search": sentence, "sort": "relevance"})
        assert answer["result"]
        assert int(answer["total"]) >= 0
        slugs = [f"{tool['cleanslugowner']}/{tool['cleanslugproject']}" for tool in answer["tool"]]
        assert self.slug in slugs
        for tool in answer["tool"]:
            assert isinstance(tool["title"], str)
            assert [name for name in tool["categories"] if name != "tool"]
        owner, project = self.slug.split("/")
        (tool,) = self.call("Tool/Detail", {"slugowner": owner, "slugproject": project})["tool"]
        for item in [item for group in tool["parameters"] for item in group["items"]]:
            assert all(isinstance(item[name], str) for name in ("id", "type", "label"))
            assert None not in [item.get(name, 0) for name in ("min", "max", "step")], "null would become 0"
            assert isinstance(item["required"], bool), "any other truth is printed as required"
        explored = self.call("Tool/Explore", {})["explore"]
        assert explored
        assert all(isinstance(tool["categories"], list) for group in explored for tool in group["tools"])

    def upload(self, name: str, content: bytes) -> str | None:
        """Send what `fetch` makes of a FormData with a Blob."""
        boundary = f"----formdata-undici-{uuid.uuid4().int % 10**12:012}"
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
        part = head.encode() + b"Content-Type: image/png\r\n\r\n" + content
        sent = part + f"\r\n--{boundary}--\r\n".encode()
        label = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        url = f"{self._base}/File/Upload"
        (file,) = strict_json(self.send(url, sent, {**label, **signed(self.door, milliseconds())}).content)["list"]
        assert all(isinstance(file[key], str) for key in ("id", "name"))
        assert is_absolute(file["url"])
        assert self.fetch(file["url"]).content == content
        return file["url"]

    def run(self, **parameters: Any) -> Ticket:
        body = {"prompt": "a lake at night", **SMALL, "width": 64, "height": 64, **parameters}
        answer = self.call(f"Run/{self.slug}", body)
        assert answer["result"], answer
        assert isinstance(answer["taskid"], str)
        assert isinstance(answer["socketaccesstoken"], str)
        return Ticket(answer["socketaccesstoken"], answer["taskid"])

    def follow(self, ticket: Ticket) -> Outcome:
        deadline, failures = time.monotonic() + PATIENCE, 0
        while time.monotonic() < deadline:
            answer = self.call("Task/Detail", {"taskid": ticket.task_id})
            failures = 0 if answer["result"] and answer["tasklist"] else failures + 1
            assert failures <= 4
            if not failures and (outcome := self._read(answer["tasklist"][0])) is not None:
                self._list(ticket)
                return outcome
            time.sleep(PACE)
        raise AssertionError("still running")

    def _read(self, task: dict[str, Any]) -> Outcome | None:
        for name in ("id", "socketaccesstoken", "status", "pexit", "debugoutput", "debugerror"):
            assert isinstance(task[name], str), (name, task[name])
        if task["status"] not in _TERMINAL:
            ended = task["status"] in {"task_end", "task_postprocess_start"}  # trap 22 wants the result from here on
            assert ended or task["pexit"] == "", "get_task would say Success, get_task_price would print a cost"
            return None
        assert [float(task[name]) for name in ("elapsedseconds", "totalcost")]
        for output in task["outputs"]:
            assert is_absolute(output["url"])
            assert int(output["size"]) >= 0
            assert output["contenttype"].startswith("image/"), "it would not be shown as an image"
        urls = [output["url"] for output in task["outputs"]]
        if task["status"] == "task_cancel":
            return Outcome(CANCELLED, urls)
        if task["status"] == "task_postprocess_end" and task["pexit"] == "0":
            assert task["debugerror"] == "", "printed as an error"
            assert task["debugoutput"] == "", "printed as the model's response"
            return Outcome(COMPLETED, urls)
        return Outcome(FAILED, urls, task["debugerror"])

    def _list(self, ticket: Ticket) -> None:
        page = {"type": "model", "sort": "id", "order": "DESC", "start": "0", "limit": "20"}
        answer = self.call("Task/List", {**page, "modelName": self.slug.split("/")[1]})
        assert answer["result"]
        assert int(answer["total"]) >= len(answer["tasklist"])
        ids = [task["id"] for task in answer["tasklist"]]
        assert ids == sorted(ids, key=int, reverse=True)
        assert ticket.task_id in ids

    def cancel(self, ticket: Ticket) -> bool:
        """By token it asks Task/Detail for the id first."""
        (task,) = self.call("Task/Detail", {"tasktoken": ticket.token})["tasklist"]
        return self.call("Task/Cancel", {"taskid": task["id"]})["result"] is not False

    def kill(self, ticket: Ticket) -> bool:
        return self.call("Task/Kill", {"socketaccesstoken": ticket.token})["result"] is not False
