"""A Go command line client: structs decide, continuation frames are lost on it, `task_end` is the end."""

import json
from typing import Any, ClassVar, cast

from tests.conformance.clients.base import (
    CANCELLED,
    COMPLETED,
    FAILED,
    SMALL,
    Client,
    Outcome,
    Ticket,
    milliseconds,
    signed,
    strict_json,
)
from tests.wire.frames import hold_raw_socket

_TEXTS = ("id", "type", "class", "label", "placeholder", "note", "rows", "defaultvalue", "value")
_ITEM: dict[str, Any] = {
    **dict.fromkeys((*_TEXTS, "minvalue", "maxvalue", "incrementby", "optionsLoad"), str),
    **dict.fromkeys(("required", "advanced", "quick"), bool),
    "maxinputlenght": int,
    "options": [{"text": str, "value": str}],
}
_TOOL: dict[str, Any] = {
    **dict.fromkeys(("id", "title", "slugowner", "slugproject", "cleanslugowner", "cleanslugproject"), str),
    "categories": [str],
    "parameters": [{"title": str, "subtitle": str, "items": [_ITEM]}],
}
_TOOLS: dict[str, Any] = {"result": bool, "total": int, "tool": [_TOOL]}
_TASK = dict.fromkeys(("id", "socketaccesstoken", "status", "pexit", "debugoutput", "debugerror"), str)
_OUTPUTS: dict[str, Any] = {"outputs": [dict.fromkeys(("id", "name", "contenttype", "size", "url"), str)]}
_TASKS: dict[str, Any] = {"result": bool, "total": str, "tasklist": [{**_TASK, **_OUTPUTS}]}
_TEXT_FRAME = 0x81
_ENDS = {"task_end", "task_error_full", "task_cancel", "task_postprocess_end"}


class Go(Client):
    style: ClassVar[str] = "go"
    stops: ClassVar[tuple[str, ...]] = ()

    def call(self, path: str, body: dict[str, Any], shape: Any) -> dict[str, Any]:
        headers = {"Content-Type": "application/json", **signed(self.door, milliseconds())}
        answer = strict_json(self.send(f"{self.door.base}/{path}", json.dumps(body).encode(), headers).content)
        unmarshal(answer, shape, path)
        return answer

    def find(self) -> None:
        listed = self.call("Tool/List", {"start": "0", "limit": "50", "search": ""}, _TOOLS)
        for tool in listed["tool"]:
            slugs = {"slugowner": tool["cleanslugowner"], "slugproject": tool["cleanslugproject"]}
            (detail,) = self.call("Tool/Detail", slugs, _TOOLS)["tool"]
            items = [item for group in detail["parameters"] for item in group["items"]]
            assert {item["id"] for item in items} > {"prompt", "steps"}

    def run(self, **parameters: Any) -> Ticket:
        shape = dict.fromkeys(("taskid", "socketaccesstoken"), str)
        answer = self.call(f"Run/{self.slug}", {"prompt": "a lake", **SMALL, **parameters}, shape)
        return Ticket(answer["socketaccesstoken"], answer["taskid"])

    def follow(self, ticket: Ticket) -> Outcome:
        with hold_raw_socket(self.door.port) as socket:
            socket.send_text(json.dumps({"type": "task_info", "tasktoken": ticket.token}))
            kind = ""
            while kind not in _ENDS:
                frame = socket.receive()
                if frame.first_byte == _TEXT_FRAME:
                    kind = frame.json["type"]
        return self._read(ticket, failed=kind == "task_error_full")

    def _read(self, ticket: Ticket, *, failed: bool) -> Outcome:
        (task,) = self.call("Task/Detail", {"tasktoken": ticket.token}, _TASKS)["tasklist"]
        assert task["status"] not in {"task_error", "task_error_full"}
        if task["status"] == "task_cancel":
            return Outcome(CANCELLED)
        assert task["pexit"], "the end was told before it could be read, and nobody looks again"
        assert (task["pexit"] != "0") is failed, "`task_error_full` is for failed runs, and for all of them"
        urls = [output["url"] for output in task["outputs"]]
        return Outcome(FAILED if failed else COMPLETED, urls, task["debugerror"])


def unmarshal(value: Any, shape: Any, where: str) -> None:
    """What encoding/json does: unknown keys are dropped, missing and null are zero, a wrong type is an error."""
    if value is None:
        return
    if isinstance(shape, dict):
        assert isinstance(value, dict), f"{where} is {value!r}"
        fields, wanted = cast("dict[str, Any]", value), cast("dict[str, Any]", shape)
        for key, inner in wanted.items():
            unmarshal(fields.get(key), inner, f"{where}.{key}")
    elif isinstance(shape, list):
        assert isinstance(value, list), f"{where} is {value!r}"
        for each in cast("list[Any]", value):
            unmarshal(each, shape[0], f"{where}[]")
    else:
        assert type(value) is shape, f"{where} is {value!r}"
