"""A client's view of the porch: quick posts, raw sockets, and what every answer must look like."""

import http.client
import json
import re
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from tests.serving import Easel, serving

TERMINAL = {"task_postprocess_end", "task_cancel"}
STATUSES = {
    "task_queue",
    "task_accept",
    "task_preprocess_start",
    "task_preprocess_end",
    "task_assign",
    "task_start",
    "task_end",
    "task_postprocess_start",
    "task_postprocess_end",
    "task_cancel",
}
BEFORE_THE_END = {
    "task_queue",
    "task_accept",
    "task_preprocess_start",
    "task_preprocess_end",
    "task_assign",
    "task_start",
}
RUN = "Run/hevok/studio-trigger"


class Porch(Easel):
    """An `Easel` that many small calls can be made to."""

    def get(self, path: str, method: str = "GET", **options: Any) -> httpx2.Response:
        """Request /v1/`path`, or an absolute URL, without credentials."""
        url = path if path.startswith("http") else f"{self.url}/v1/{path}"
        return httpx2.request(method, url, trust_env=False, verify=False, timeout=30, **options)

    def poll(self, token: str, seconds: float = 30) -> Iterator[dict[str, Any]]:
        """Yield the task object again and again, up to its terminal status."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            task = self.detail(token)
            yield task
            if task["status"] in TERMINAL:
                return
        raise TimeoutError(f"{task['status']} after {seconds} s")

    def until(self, token: str, status: str) -> dict[str, Any]:
        """Wait until the task has come to `status`."""
        return next(task for task in self.poll(token) if task["status"] == status)

    def raw(self, request: bytes) -> "Answer":
        """Send the bytes of one request as they are; return the answer."""
        with self.tcp() as connection:
            connection.sendall(request)
            return read_answer(connection, request.split(b" ", 1)[0].decode("latin-1"))

    @contextmanager
    def tcp(self) -> Iterator[socket.socket]:
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as connection:
            yield connection

    def head_of(self, method: str, target: str, headers: Mapping[str, str], *, signed: bool = True) -> bytes:
        """Return a request's head, ready for a body."""
        sent = {"Host": f"127.0.0.1:{self.port}", **(self.headers if signed else {}), **headers}
        lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in sent.items())]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


@dataclass(frozen=True)
class Answer:
    """An HTTP answer read from a raw socket."""

    status_code: int
    headers: Mapping[str, str]
    content: bytes

    def json(self) -> Any:
        return json.loads(self.content)


def read_answer(connection: socket.socket, method: str = "POST") -> Answer:
    response = http.client.HTTPResponse(connection, method=method)
    try:
        response.begin()
        content = response.read()
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, content)
    finally:
        response.close()


@contextmanager
def porch(folder: Path, **options: Any) -> Iterator[Porch]:
    # one task in hand at a time, so that a queue forms
    with serving(folder, **({"in_flight": 1} | options)) as easel:
        yield Porch(easel.port, easel.credentials, easel.database, easel.settings)


def error_of(answer: httpx2.Response | Answer, status: int = 200) -> tuple[int, str]:
    """Return code and message of an answer that must be a refusal in Wiro's envelope."""
    assert answer.status_code == status
    assert answer.headers["content-type"].split(";")[0] == "application/json"
    body = answer.json()
    assert set(body) == {"result", "errors"}, "a refused Run must name no task: n8n looks for the ids"
    assert body["result"] is False
    [error] = body["errors"]
    assert set(error) == {"code", "message", "time"}
    assert type(error["code"]) is int
    assert isinstance(error["message"], str)
    assert error["message"]
    assert abs(error["time"] - time.time()) < 60
    return error["code"], error["message"]


def timeless(answer: httpx2.Response | Answer) -> bytes:
    """Return the body without its only part that may differ."""
    return re.sub(rb'"time":\d+', b'"time":0', answer.content)
