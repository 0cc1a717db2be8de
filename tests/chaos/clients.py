"""Clients that submit, stop, ask, follow and take webhooks, and write down everything they did and heard."""

import asyncio
import contextlib
import json
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx2
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from server.services.projects import Credentials
from tests.chaos.history import FAIL, INFO, INVOKE, OK, History
from tests.serving import BODY, signed

MODEL = "hevok/studio-trigger"
_FEW = {"steps": "3", "refiner": "--only_base_model", "width": "64", "height": "64"}
_RETRY_SECONDS = 0.2


@dataclass(kw_only=True)
class Mix:
    """What clients do, as shares of 1. `outstanding` is how many unfinished tasks there may be."""

    tasks: int
    outstanding: int = 24
    stops: float = 0.05
    follows: float = 0.05
    hooks: float = 0.05
    details: float = 0.1
    poison: float = 0.0
    steps: int = 3


class Crowd:
    """Threads that talk to the API on one port until all tasks of the mix are submitted and answered."""

    def __init__(self, port: int, credentials: Credentials, history: History, mix: Mix, seed: int) -> None:
        self._url = f"http://127.0.0.1:{port}/v1"
        self._ws = f"ws://127.0.0.1:{port}/v1"
        self._headers = signed(credentials)
        self._history = history
        self._mix = mix
        self._seed = seed
        self._rng = random.Random(seed)
        self._lock = threading.Lock()
        self._numbers = iter(range(mix.tasks))
        self._settling = threading.Event()
        self._hook_url = ""
        self.acked: dict[str, int] = {}
        self.latencies: list[float] = []
        self._threads: list[threading.Thread] = []
        self._follower: Follower | None = None

    @property
    def submitting(self) -> bool:
        return any(thread.is_alive() for thread in self._threads)

    @contextmanager
    def at_work(self, threads: int = 4) -> Iterator[None]:
        """Work while the block runs; `submitting` tells when the last Run is answered."""
        with _receiver(self._history) as url:
            self._hook_url = url
            self._follower = Follower(self._ws, self._history)
            self._follower.start()
            self._threads = [threading.Thread(target=self._submit, daemon=True) for _ in range(threads)]
            for thread in self._threads:
                thread.start()
            try:
                yield
            finally:
                self._settling.set()
                for thread in self._threads:
                    thread.join(30)
                self._follower.stop()

    def give_up(self) -> None:
        """Submit no more."""
        self._settling.set()

    def wait_for_followers(self, within: float) -> None:
        assert self._follower is not None
        self._follower.wait(within)

    def room(self, unfinished: int) -> None:
        """Say how many tasks are unfinished: submitting pauses above the mix's bound."""
        self._unfinished = unfinished

    _unfinished = 0

    def _submit(self) -> None:
        with httpx2.Client(trust_env=False, timeout=20, headers=self._headers) as http:
            while not self._settling.is_set():
                with self._lock:
                    number = next(self._numbers, None)
                    dice = [self._rng.random() for _ in range(5)]
                if number is None:
                    return
                while self._unfinished >= self._mix.outstanding and not self._settling.is_set():
                    time.sleep(0.02)
                self._one(http, number, dice)

    def _one(self, http: httpx2.Client, number: int, dice: list[float]) -> None:
        mix = self._mix
        body = {
            **BODY,
            **_FEW,
            "steps": str(mix.steps),
            "seed": str(number),
            "samples": "2" if number % 7 == 0 else "1",
        }
        if dice[0] < mix.poison:
            body["prompt"] += " <fake:dies_hard:2>"
        if dice[1] < mix.hooks:
            body["callbackUrl"] = self._hook_url
        token = self._run(http, f"{self._seed}-{number}", body)
        if token is None:
            return
        if dice[2] < mix.follows:
            assert self._follower is not None
            self._follower.add(token)
        if dice[3] < mix.stops:
            time.sleep(dice[4] * 0.6)
            self._ask(http, "kill" if dice[4] < 0.5 else "cancel", token)
        elif dice[3] > 1 - mix.details:
            self._ask(http, "detail", token)

    def _run(self, http: httpx2.Client, key: str, body: dict[str, str]) -> str | None:
        """Run until somebody answers: the key makes it one task however often it is sent."""
        first = True
        while first or not self._settling.is_set():
            self._history.add(INVOKE, "run", key=key, first=first)
            first = False
            began = time.monotonic()
            answer = self._post(http, f"Run/{MODEL}", body, {"Idempotency-Key": key})
            if answer is None:
                self._history.add(INFO, "run", key=key)
                time.sleep(_RETRY_SECONDS)
                continue
            if not answer["result"]:
                self._history.add(FAIL, "run", key=key, errors=answer["errors"])
                return None
            self.latencies.append(time.monotonic() - began)
            token = answer["socketaccesstoken"]
            self._history.add(OK, "run", key=key, token=token, id=int(answer["taskid"]))
            self.acked[token] = int(answer["taskid"])
            return token
        return None

    def _ask(self, http: httpx2.Client, op: str, token: str) -> None:
        self._history.add(INVOKE, op, token=token)
        answer = self._post(http, f"Task/{op.capitalize()}", {"tasktoken": token})
        if answer is None:
            self._history.add(INFO, op, token=token)
        elif not answer["result"]:
            self._history.add(FAIL, op, token=token)
        else:
            task = answer["tasklist"][0]
            self._history.add(OK, op, token=token, status=task["status"], pexit=task["pexit"])

    def _post(self, http: httpx2.Client, path: str, body: dict[str, str], headers: Any = None) -> dict | None:
        """Return the answer; None where nobody knows what came of it."""
        try:
            answer = http.post(f"{self._url}/{path}", json=body, headers=headers)
        except httpx2.HTTPError:
            return None
        return answer.json() if answer.status_code == 200 else None


class Follower(threading.Thread):
    """Follows tokens over a few websockets at a time; a broken one is opened again, and registers anew."""

    def __init__(self, url: str, history: History) -> None:
        super().__init__(daemon=True)
        self._url = url
        self._history = history
        self._loop = asyncio.new_event_loop()
        self._open: set[str] = set()
        self._stopping = False
        self._links = 0

    def add(self, token: str) -> None:
        self._history.add(INVOKE, "follow", token=token)
        self._open.add(token)
        asyncio.run_coroutine_threadsafe(self._follow(token), self._loop)

    def wait(self, within: float) -> None:
        deadline = time.monotonic() + within
        while self._open and time.monotonic() < deadline:
            time.sleep(0.1)

    def stop(self) -> None:
        self._stopping = True
        self._loop.call_soon_threadsafe(self._loop.stop)
        self.join(10)

    def run(self) -> None:
        self._loop.run_forever()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        with contextlib.suppress(RuntimeError):
            self._loop.run_until_complete(asyncio.sleep(0.05))
        self._loop.close()

    async def _follow(self, token: str) -> None:
        while not self._stopping:
            self._links += 1
            link = str(self._links)
            with contextlib.suppress(OSError, WebSocketException, asyncio.TimeoutError):
                if await self._listen(token, link):
                    self._open.discard(token)
                    return
            await asyncio.sleep(_RETRY_SECONDS)

    async def _listen(self, token: str, link: str) -> bool:
        async with connect(self._url, proxy=None, open_timeout=10) as socket:
            await socket.send(json.dumps({"type": "task_info", "tasktoken": token}))
            while True:
                frame = json.loads(await asyncio.wait_for(socket.recv(), 60))
                if "seq" in frame:
                    self._history.add(OK, "frame", token=token, link=link, seq=frame["seq"], terminal=frame["terminal"])
                if frame.get("terminal"):
                    return True


@contextmanager
def _receiver(history: History) -> Iterator[str]:
    """A webhook receiver that refuses every tenth webhook once."""
    refused: set[str] = set()

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            hook, task = self.headers["webhook-id"], int(body["taskid"])
            if task % 10 == 0 and hook not in refused:
                refused.add(hook)
                self.send_response(500)
            else:
                history.add(OK, "hook", id=hook, task=task)
                self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 the base's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hook"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
