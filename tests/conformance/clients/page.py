"""The model page: a shell snippet that signs with openssl, and a browser snippet that listens."""

import json
from typing import Any, ClassVar

from tests.conformance.clients.base import (
    CANCELLED,
    COMPLETED,
    FAILED,
    PATIENCE,
    SMALL,
    Client,
    Door,
    Outcome,
    Ticket,
    seconds,
    signature,
)

PASTED: dict[str, Any] = {
    "prompt": "<lora:Studio-Trigger:1.0>, masterpiece, dynamic lighting, close up, a woman at the edge of a lake",
    "negativePrompt": "score_4, unfinished, sketch, blurry, low quality, (watermark, signature, artist name)",
    "samples": "4",
    "steps": "60",
    "scale": "4",
    "highNoiseFrac": "0.8",
    "stepsRefiner": "20",
    "seed": "9421808",
    "width": "1024",
    "height": "1024",
    "refiner": "/* refiner value */",
    "scheduler": "EulerDiscreteScheduler",
    "callbackUrl": "Optional: Webhook URL for task completion notifications",
}


class Page(Client):
    style: ClassVar[str] = "page"
    needs_a_secret: ClassVar[bool] = True

    def __init__(self, door: Door) -> None:
        """`export NONCE=$(date +%s)`, once per shell; openssl prints more than the digest, and all of it is sent."""
        super().__init__(door)
        nonce = seconds()
        digest = f"SHA2-256(stdin)= {signature(door.key, door.secret or '', nonce)}"
        self._headers = {"x-api-key": door.key, "x-nonce": nonce, "x-signature": digest}

    def call(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        headers = {"Content-Type": "application/json", **self._headers}
        return self.send(f"{self.door.base}/{path}", json.dumps(body).encode(), headers).json()

    def run(self, **parameters: Any) -> Ticket:
        answer = self.call(f"Run/{self.slug}", {**PASTED, **SMALL, **parameters})
        return Ticket(answer["socketaccesstoken"], answer["taskid"])

    def follow(self, ticket: Ticket) -> Outcome:
        """Switch on `type`; at the end walk `message` as an array and show each `url`."""
        with self.open_socket() as socket:
            socket.send(f'{{"type": "task_info", "tasktoken": "{ticket.token}"}}')
            while True:
                message = json.loads(socket.recv(PATIENCE))
                match message["type"]:
                    case "task_postprocess_end":
                        shown = [file["url"] for file in message["message"]]
                        return Outcome(COMPLETED if shown else FAILED, shown)
                    case "task_cancel":
                        return Outcome(CANCELLED)
                    case _:
                        pass

    def cancel(self, ticket: Ticket) -> bool:
        (task,) = self.call("Task/Cancel", {"taskid": ticket.task_id})["tasklist"]
        return task["status"] == "task_cancel"

    def kill(self, ticket: Ticket) -> bool:
        (task,) = self.call("Task/Kill", {"taskid": ticket.task_id})["tasklist"]
        return task["status"] == "task_cancel"
