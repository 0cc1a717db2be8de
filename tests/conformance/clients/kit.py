"""What the official SDKs for React Native, Dart, Kotlin and Swift have in common (sections 1–6 and 9)."""

import json
import re
from typing import Any, ClassVar, cast

from websockets.exceptions import ConnectionClosed

from tests.conformance.clients.base import (
    CANCELLED,
    COMPLETED,
    FAILED,
    PATIENCE,
    SMALL,
    Client,
    Outcome,
    Ticket,
    is_absolute,
    milliseconds,
    signed,
    strict_json,
    wait_for,
)

_SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_INTEGER = re.compile(r"-?\d+")
_NUMBER = re.compile(r"-?\d+(\.\d+)?")
_ENDS = {"task_postprocess_end", "task_cancel"}
_LARGEST_BODY = 16 << 20
_BOUNDARY = "Boundary-0f3a9c"
_PROGRESS_NUMBERS = ("percentage", "stepCurrent", "stepTotal")
_PROGRESS_TEXTS = ("speed", "speedType", "elapsedTime", "remainingTime")


class ApiResultError(Exception):
    """200 with `result: false`: carries code and message."""


class Kit(Client):
    """The common part; each SDK's own strictness is in its file."""

    agent: ClassVar[str]
    largest_frame: ClassVar[int]
    close_code: ClassVar[int] = 1001

    def __init__(self, door: Any) -> None:
        super().__init__(door)
        self._base = door.base.rstrip("/")

    # ── what differs ─────────────────────────────────────────────────────────────────────────────────────────────────
    def nonce(self) -> str:
        return milliseconds()

    def exit_code(self, pexit: Any) -> int | None:
        """Read `pexit`; None when it is no exact integer."""
        text = str(pexit).strip()
        return int(text) if _INTEGER.fullmatch(text) else None

    def check_task(self, task: dict[str, Any]) -> None:
        """What this SDK decodes of a task beyond the common part."""

    def identifier(self, call: str, ticket: Ticket) -> dict[str, str]:
        return {"taskid": ticket.task_id} if call == "Cancel" else {"socketaccesstoken": ticket.token}

    # ── the calls ────────────────────────────────────────────────────────────────────────────────────────────────────
    def call(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        headers = {"Content-Type": "application/json", "User-Agent": self.agent, **signed(self.door, self.nonce())}
        return self._decode(self.send(f"{self._base}/{path}", json.dumps(body).encode(), headers))

    def _decode(self, answer: Any) -> dict[str, Any]:
        assert answer.status_code == 200, (answer.status_code, answer.text)
        assert answer.headers["content-type"].split(";")[0] == "application/json"
        assert 0 < len(answer.content) <= _LARGEST_BODY
        body = strict_json(answer.content)
        assert isinstance(body, dict)
        fields = cast("dict[str, Any]", body)
        if fields["result"] not in (True, "true", 1, "1"):
            error = fields["errors"][0]
            assert error["message"]
            raise ApiResultError(str(error["code"]), error["message"])
        return fields

    def find(self) -> None:
        query: dict[str, Any] = {"start": "0", "limit": "20", "search": "studio", "categories": [], "sort": "relevance"}
        listed = self.call("Tool/List", {**query, "order": "DESC", "hideworkflows": True, "summary": True})["tool"]
        slugs = [(tool["cleanslugowner"], tool["cleanslugproject"]) for tool in listed]
        assert tuple(self.slug.split("/")) in slugs
        assert all(_SLUG.fullmatch(part) for slug in slugs for part in slug)
        owner, project = self.slug.split("/")
        (tool,) = self.call("Tool/Detail", {"slugowner": owner, "slugproject": project})["tool"]
        items = [item for group in tool["parameters"] for item in group["items"]]
        assert "prompt" in {item["id"] for item in items if item["required"] is True}
        self.validate(items, self.body())
        for group in self.call("Tool/Explore", {})["explore"]:
            assert group["title"]

    def validate(self, items: list[dict[str, Any]], body: dict[str, Any]) -> None:
        """What `validate()` does before Run: exact membership for selects, numbers within bounds."""
        for item in items:
            value = body.get(item["id"])
            if value is None:
                assert not item["required"], item["id"]
            elif item["type"].lower() == "select":
                assert str(value) in [option["value"] for option in item["options"]], item["id"]
            elif item["type"].lower() in {"range", "number", "numeric", "integer", "float"}:
                assert float(item.get("min", "-inf")) <= float(value) <= float(item.get("max", "inf")), item["id"]

    def body(self) -> dict[str, Any]:
        """Callers mix numbers, numeric strings and strings of booleans."""
        return {"prompt": "a lake at night", **SMALL, "steps": 4, "refiner": "", "scheduler": "DDIMScheduler"}

    def upload(self, name: str, content: bytes) -> str | None:
        escaped = name.replace("\\", "\\\\").replace('"', '\\"')
        head = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{escaped}"\r\n'
        part = head.encode() + b"Content-Type: application/octet-stream\r\n\r\n" + content
        label = {"Content-Type": f"multipart/form-data; boundary={_BOUNDARY}", "User-Agent": self.agent}
        sent = part + f"\r\n--{_BOUNDARY}--\r\n".encode()
        answer = self.send(f"{self._base}/File/Upload", sent, {**label, **signed(self.door, self.nonce())})
        url = self._decode(answer)["list"][0]["url"]
        assert is_absolute(url)
        return url

    def run(self, **parameters: Any) -> Ticket:
        answer = self.call(f"Run/{self.slug}", {**self.body(), "fast": "false", **parameters})
        assert answer["socketaccesstoken"], "did not contain a task token"
        return Ticket(str(answer["socketaccesstoken"]), str(answer["taskid"]))

    def follow(self, ticket: Ticket) -> Outcome:
        """Register, read until the terminal frame, close first, then believe Task/Detail alone."""
        with self.open_socket(max_size=self.largest_frame) as socket:
            socket.send(json.dumps({"type": "task_info", "tasktoken": ticket.token}, separators=(",", ":")))
            kind = ""
            while kind not in _ENDS:
                try:
                    kind = self._frame(socket.recv(PATIENCE))
                except ConnectionClosed as closed:
                    raise AssertionError("the server closed before the terminal frame (trap 9)") from closed
            socket.close(self.close_code)
        outcome = self._look(ticket)
        assert outcome is not None, "Task/Detail was behind the terminal frame (trap 13)"
        return outcome

    def _frame(self, message: str | bytes) -> str:
        assert isinstance(message, str), "a binary frame"
        frame: dict[str, Any] = strict_json(message.encode())
        assert type(frame) is dict
        if frame["type"] == "task_output" and type(frame["message"]) is dict:
            progress = cast("dict[str, Any]", frame["message"])
            assert (progress["type"], progress["task"]) == ("progressGenerate", "Generate")
            assert all(_NUMBER.fullmatch(str(progress[name])) for name in _PROGRESS_NUMBERS), progress
            assert all(isinstance(progress[name], str) for name in _PROGRESS_TEXTS), progress
        return str(frame["type"])

    def poll(self, ticket: Ticket) -> Outcome:
        return wait_for(lambda: self._look(ticket))

    def _look(self, ticket: Ticket) -> Outcome | None:
        (task,) = self.call("Task/Detail", {"tasktoken": ticket.token})["tasklist"]
        assert isinstance(task["parameters"], dict)
        for name in ("totalcost", "elapsedseconds", "cps"):
            assert _NUMBER.fullmatch(str(task[name])), (name, task[name])
        self.check_task(task)
        if task["status"] not in _ENDS:
            return None
        if task["status"] == "task_cancel":
            return Outcome(CANCELLED)
        urls = [output["url"] for output in task["outputs"]]
        assert all(is_absolute(url) for url in urls)
        assert all(output["contenttype"].startswith("image/") for output in task["outputs"])
        verdict = COMPLETED if self.exit_code(task["pexit"]) == 0 else FAILED
        return Outcome(verdict, urls, task["debugoutput"])

    def cancel(self, ticket: Ticket) -> bool:
        return bool(self.call("Task/Cancel", self.identifier("Cancel", ticket))["result"])

    def kill(self, ticket: Ticket) -> bool:
        return bool(self.call("Task/Kill", self.identifier("Kill", ticket))["result"])
