"""A client on a host of its own: submits tasks, follows every one over websockets, and says what it has seen.

`python -m tests.hosts.client URL KEY COUNT BODY`; prints {token: {frames: [[seq, type], …], status, url}} as JSON.
"""

import json
import sys
import threading
import time
from typing import Any

import httpx2
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

SOCKETS = 5
PATIENCE = 400.0


class Follower:
    """One websocket, and the tasks it follows; comes back with what it has when it is cut off."""

    def __init__(self, url: str, headers: dict[str, str], count: int, body: dict[str, str]) -> None:
        self._http = httpx2.Client(base_url=url, headers=headers, timeout=30, trust_env=False)
        self._socket_url = url.replace("http", "ws", 1) + "/v1"
        self._count = count
        self._body = body
        self._deadline = time.monotonic() + PATIENCE
        self._open: dict[str, int] = {}
        self.seen: dict[str, list[tuple[int, str]]] = {}

    def work(self) -> None:
        """Submit, then follow to the end."""
        for _ in range(self._count):
            token = self._submit()
            self.seen[token], self._open[token] = [], 0
        while self._open and time.monotonic() < self._deadline:
            try:
                self._follow()
            except (OSError, ConnectionClosed, TimeoutError):
                time.sleep(0.5)

    def _submit(self) -> str:
        while True:
            try:
                answer = self._http.post("/v1/Run/hevok/studio-trigger", json=self._body)
                if answer.status_code != 503:
                    return answer.json()["socketaccesstoken"]
            except httpx2.TransportError:
                assert time.monotonic() < self._deadline
            time.sleep(0.5)

    def _follow(self) -> None:
        with connect(self._socket_url, proxy=None, open_timeout=10) as socket:
            for token, seq in self._open.items():
                socket.send(json.dumps({"type": "task_info", "tasktoken": token, "seq": seq}))
            while self._open:
                self._take(json.loads(socket.recv(30)))

    def _take(self, frame: dict[str, Any]) -> None:
        token = frame.get("tasktoken")
        if token not in self._open or "seq" not in frame:
            return
        if frame["seq"] > self._open[token]:
            self.seen[token].append((frame["seq"], frame["type"]))
            self._open[token] = frame["seq"]
        if frame["terminal"]:
            del self._open[token]

    def told(self) -> dict[str, Any]:
        """Return what became of each task, and the first bytes of its picture."""
        story: dict[str, Any] = {}
        for token, frames in self.seen.items():
            task = self._http.post("/v1/Task/Detail", json={"tasktoken": token}).json()["tasklist"][0]
            head = httpx2.get(task["outputs"][0]["url"], trust_env=False).content[:4].hex() if task["outputs"] else ""
            story[token] = {"frames": frames, "status": task["status"], "pexit": task["pexit"], "head": head}
        return story


def main(url: str, key: str, count: str, body: str) -> None:
    """Do it all."""
    _wait_for(f"{url}/readyz")
    headers, values = {"x-api-key": key}, json.loads(body)
    sockets = min(SOCKETS, int(count))
    followers = [Follower(url, headers, int(count) // sockets, values) for _ in range(sockets)]
    threads = [threading.Thread(target=each.work) for each in followers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sys.stdout.write(json.dumps({token: told for each in followers for token, told in each.told().items()}))


def _wait_for(url: str) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            if httpx2.get(url, trust_env=False, timeout=5).is_success:
                return
        except httpx2.TransportError:
            pass
        assert time.monotonic() < deadline, f"{url} does not answer"
        time.sleep(0.2)


if __name__ == "__main__":
    main(*sys.argv[1:])
