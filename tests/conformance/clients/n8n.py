"""The community n8n node: signs once for all calls, sends 0 and "" for unset, judges by urls and never by pexit."""

import json
from typing import Any, ClassVar

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

_UNSET: dict[str, Any] = {
    "negativePrompt": "",
    "selectedModel": "",
    "selectedModelPrivate": "",
    "selectedLoraModel": [],
    "selectedLoraModelPrivate": [],
    "selectedLoraModelPrivateUrl": "",
    "scale": 0,
    "highNoiseFrac": 0,
    "stepsRefiner": 0,
    "seed": "",
    "refiner": "--only_base_model",
    "scheduler": "DDIMScheduler",
}


class N8n(Client):
    style: ClassVar[str] = "n8n"
    stops: ClassVar[tuple[str, ...]] = ()
    slug: ClassVar[str] = "wiro/text-to-image-sdxl-loraxl"

    def __init__(self, door: Any) -> None:
        super().__init__(door)
        self._headers = {"Content-Type": "application/json", **signed(door, seconds())}

    def find(self) -> None:
        """Test the credential: the key alone, an unknown task, and any 2xx counts as valid."""
        headers = {"Content-Type": "application/json", "x-api-key": self.door.key}
        answer = self.send(f"{self.door.base}/Task/Detail", b'{"tasktoken":"test"}', headers)
        assert answer.is_success == (self.door.secret is None)

    def call(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = self.send(f"{self.door.base}/{path}", json.dumps(body).encode(), self._headers)
        assert answer.is_success, "any other status is a final failure"
        return strict_json(answer.content)

    def run(self, **parameters: Any) -> Ticket:
        small = {name: int(SMALL[name]) for name in ("width", "height", "steps")}
        answer = self.call(f"Run/{self.slug}", {"prompt": "a lake", **_UNSET, "samples": 0, **small, **parameters})
        assert answer["taskid"], "NodeApiError"
        assert answer["socketaccesstoken"], "NodeApiError"
        return Ticket(answer["socketaccesstoken"], answer["taskid"])

    def follow(self, ticket: Ticket) -> Outcome:
        def look() -> Outcome | None:
            tasks: list[dict[str, Any]] = self.call("Task/Detail", {"tasktoken": ticket.token}).get("tasklist", [])
            task: dict[str, Any] = tasks[0] if tasks else {"status": None}
            match task["status"]:
                case "task_cancel":
                    return Outcome(CANCELLED)
                case "task_postprocess_end":
                    urls = [output["url"] for output in task["outputs"] if output.get("url")]
                    return Outcome(COMPLETED if urls else FAILED, urls)
                case _:
                    return None

        return wait_for(look)
