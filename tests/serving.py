"""A whole easel on loopback for tests: real HTTP, a real database file, a supervisor and a fake engine child."""

import hashlib
import hmac
import json
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx2
from websockets.sync.client import ClientConnection, connect

from models.catalogue import Catalogue
from models.gate.gate import load_gate
from server.adapters.clock import SystemClock
from server.adapters.files import LocalFiles
from server.adapters.memory import MemoryStores
from server.adapters.memory.refusals import MemoryRefusalLog
from server.adapters.secret_box import FileKeySecretBox
from server.adapters.sql.engines import Database
from server.adapters.sql.projects import SqlProjectStore
from server.adapters.sql.schema import upgrade
from server.adapters.sql.tasks import SqlTaskStore
from server.adapters.wakeups import LocalWakeups
from server.api.wiring import Wiring
from server.domain.project import AuthMethod
from server.domain.rescue import Limits
from server.entrypoints.composition import make_supervisor, make_wiring
from server.entrypoints.drawings import choose_drawing
from server.entrypoints.opening import open_settled_database, secret_box
from server.entrypoints.outbound import make_sender
from server.entrypoints.serve import ApiThread
from server.ports.files import Downloads
from server.services.projects import Credentials, create_project
from server.services.screen import Screen
from server.services.statistics import Statistics
from server.services.throttle import FailureThrottle
from server.settings import Settings

NONCE = "1734513807"
UNHINDERED = {"auth_failures_per_minute": 0, "queue_limit": 0}
"""For tests of other things, which fail and submit by the hundred from one address."""
BODY = {"prompt": "a small red circle on a blue background", "width": "64", "height": "64", "steps": "10", "seed": "1"}
"""A body that is quickly drawn."""


def signed(credentials: Credentials, nonce: str = NONCE) -> dict[str, str]:
    """Return the headers of a signed call; for a key project, the key alone."""
    if credentials.api_secret is None:
        return {"x-api-key": credentials.api_key}
    message = f"{credentials.api_secret}{nonce}".encode()
    signature = hmac.new(credentials.api_key.encode(), message, hashlib.sha256).hexdigest()
    return {"x-api-key": credentials.api_key, "x-nonce": nonce, "x-signature": signature}


@dataclass
class Easel:
    """A running server and its default project's credentials."""

    port: int
    credentials: Credentials
    database: Database
    settings: Settings

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def tasks(self) -> SqlTaskStore:
        return SqlTaskStore(self.database)

    @property
    def headers(self) -> dict[str, str]:
        return signed(self.credentials)

    def new_project(self, name: str, auth: AuthMethod = AuthMethod.SIGNATURE) -> Credentials:
        return create_project(SqlProjectStore(self.database), secret_box(self.settings), name, auth)

    def post(self, path: str, body: Any = None, **options: Any) -> httpx2.Response:
        """POST to /v1/`path` with the default project's headers; `json`, `content`, `data`, `headers` go through."""
        options.setdefault("headers", self.headers)
        if body is not None:
            options["json"] = body
        options.setdefault("timeout", 30)
        return httpx2.post(f"{self.url}/v1/{path}", trust_env=False, verify=False, **options)

    def run(self, model: str = "hevok/studio-trigger", **parameters: Any) -> dict[str, Any]:
        """Queue a task; return {taskid, socketaccesstoken, …}."""
        return self.post(f"Run/{model}", {**BODY, **parameters}).json()

    def detail(self, token: str) -> dict[str, Any]:
        """Return the task object."""
        return self.post("Task/Detail", {"tasktoken": token}).json()["tasklist"][0]

    def wait_until_drawing_is_possible(self, within: float = 150) -> None:
        """Wait until the worker has its model loaded, which takes long where many compete for the cores."""
        deadline = time.monotonic() + within
        while not httpx2.get(f"{self.url}/readyz?worker=1", trust_env=False).is_success:
            assert time.monotonic() < deadline
            time.sleep(0.1)

    def socket(self, **options: Any) -> ClientConnection:
        """Open a websocket at /v1."""
        return connect(f"ws://127.0.0.1:{self.port}/v1", proxy=None, **options)

    def follow(self, token: str, until: str | None = None, timeout: float = 60) -> list[dict[str, Any]]:
        """Register `token` and return its frames up to the terminal one, or the first of type `until`."""
        with self.socket() as socket:
            socket.send(json.dumps({"type": "task_info", "tasktoken": token}))
            return collect(socket, until, timeout)

    def finish(self, **parameters: Any) -> dict[str, Any]:
        """Run a task to its end; return its task object."""
        token = self.run(**parameters)["socketaccesstoken"]
        self.follow(token)
        return self.detail(token)


def collect(socket: ClientConnection, until: str | None = None, timeout: float = 60) -> list[dict[str, Any]]:
    """Return the frames after the welcome, up to a terminal one or the first of type `until`."""
    frames: list[dict[str, Any]] = []
    while True:
        frame = json.loads(socket.recv(timeout))
        if frame["type"] != "connected":
            frames.append(frame)
            if frame["terminal"] or frame["type"] == until:
                return frames


def memory_wiring(folder: Path = Path("nowhere")) -> Wiring:
    """What an API needs, in memory; files would go to `folder`."""
    stores = MemoryStores()
    return Wiring(
        reads=stores,
        tasks=stores,
        queue=stores,
        overview=stores.overview,
        project_log=stores.overview,
        previews=stores.previews,
        throttle=FailureThrottle(SystemClock(), 0),
        log=stores,
        statistics=Statistics(stores, SystemClock()),
        projects=stores,
        registry=stores,
        files=LocalFiles(folder),
        secrets=FileKeySecretBox(folder / "secret.key"),
        webhooks=stores.webhooks,
        sender=make_sender(Settings()),
        wakeups=LocalWakeups(),
        clock=SystemClock(),
        health=stores,
        catalogue=Catalogue.load(),
        screen=Screen(load_gate(), MemoryRefusalLog()),
        limits=Limits(),
        uploads=stores,
        keeper=stores,
    )


@contextmanager
def serving(
    folder: Path, *, worker: bool = True, downloads: Downloads | None = None, wired: Any = None, **settings: Any
) -> Generator[Easel, None, None]:
    """Serve from `folder` with the fake engine; `settings` are `Settings` fields, `wired` replaces parts of the wiring.

    `downloads` is what the worker reads URLs with.
    """
    fake = {"data_dir": folder, "port": 0, "engine": "fake", "fake": "step_ms=1", "log_level": "debug"}
    settled = Settings(**(fake | UNHINDERED | settings))
    database = open_settled_database(settled)
    upgrade(database)
    credentials = create_project(SqlProjectStore(database), secret_box(settled), "default", AuthMethod.SIGNATURE)
    wakeups = LocalWakeups()
    wiring = replace(make_wiring(settled, database, wakeups, needs_worker=worker), **(wired or {}))
    api = ApiThread(wiring, settled)
    drawing = choose_drawing(settled, wiring.catalogue)
    supervisor = make_supervisor(settled, database, wakeups, drawing, default_drain=10, downloads=downloads)
    thread = threading.Thread(target=supervisor.run, name="supervisor")
    api.start()
    if worker:
        thread.start()
    try:
        yield Easel(api.port, credentials, database, settled)
    finally:
        if worker:
            supervisor.stop()
            supervisor.stop()
            thread.join()
        api.stop()
        database.close()
